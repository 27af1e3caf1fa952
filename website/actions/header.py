"""What stands above every page: where to go, the health of the services, who is signed in."""

import asyncio
import time

from proteofold.service.health import health
from website.requests import answers, identity
from website.requests.databases import DATABASE, store_path
from website.requests.threads import quickly

HEALTH_KEPT_S = 5

# word, path, right that its page needs
PLACES = (
    ("Runs", "/-/runs", "read"),
    ("Compare", "/-/compare", "read"),
    ("Upload", "/-/upload", "upload"),
    ("New run", "/-/new-run", "run"),
    ("Cluster", "/-/cluster", "read"),
)


class Health:
    """The health of what serves a store, asked for once in five seconds, however many pages show it."""

    def __init__(self):
        self._known, self._locks = {}, {}

    async def of(self, datasette):
        """What ``proteofold.service.health.health`` returns."""
        path = store_path(datasette)
        # a lock belongs to the loop that waits for it
        key = (path, id(asyncio.get_running_loop()))
        async with self._locks.setdefault(key, asyncio.Lock()):
            state, at = self._known.get(path, (None, 0))
            if state is None or time.monotonic() - at > HEALTH_KEPT_S:
                state = await quickly(health, path)
                self._known[path] = (state, time.monotonic())
        return state


_health = Health()


async def health_of(datasette):
    """The health of the services, a few seconds old at most."""
    return await _health.of(datasette)


async def strip(datasette, request):
    """What the templates show above a page; of a store that the reader may not see only how to sign in."""
    if request is None or DATABASE not in datasette.databases:
        return {}
    actor = identity.Actor.of(request)
    readable = await answers.may_read(datasette, request)
    found = await health_of(datasette) if readable else None
    shown = {
        "places": [(word, path, _current(datasette, request, path)) for word, path, _ in PLACES] if readable else [],
        "at_account": request.path == datasette.urls.path("/-/account"),
        "health": found,
        "user": actor.name if actor else None,
        "token": identity.form_token(request),
        "next": request.full_path if request.method == "GET" else "",
    }
    return {"strip": shown}


def _current(datasette, request, path):
    """How a page stands to a place, as aria-current says it: it is the page, or part of it; nothing if neither."""
    path = datasette.urls.path(path)
    return "page" if request.path == path else "true" if request.path.startswith(f"{path}/") else ""
