"""Security events of requests: kept beside the accounts, and printed, which journald takes up."""

import json
import sys
import time

from proteofold.service.accounts import network
from proteofold.service.events import record_event
from website.requests import identity
from website.requests.databases import ask_platform

# What a stranger can repeat without end is noted once in a while.
_AGAIN_AFTER_S = 60
_MOST_REMEMBERED = 1000
_noted = {}  # (kind, network or user, what about) -> when
_REPEATABLE = ("sign-in refused", "unknown token", "refused")


async def note(datasette, request, kind, user=None, about=""):
    """Note an event of a request; ``user`` is the name of who sent it."""
    address = identity.address_of(request)
    if kind in _REPEATABLE and _is_repeated((kind, network(address), user, about)):
        return
    event = await ask_platform(datasette, record_event, kind, user, address, about)
    # as JSON: nothing that was sent begins a line of its own
    print(f"security: {json.dumps(event)}", file=sys.stderr, flush=True)


def _is_repeated(key):
    now = time.monotonic()
    if now - _noted.get(key, -_AGAIN_AFTER_S) < _AGAIN_AFTER_S:
        return True
    if len(_noted) >= _MOST_REMEMBERED:
        _noted.clear()
    _noted[key] = now
    return False
