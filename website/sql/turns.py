"""Turns: how many of Datasette's pages, each of which may keep a SQL thread busy, are made for one client at a time."""

import asyncio
import ipaddress
from contextlib import asynccontextmanager

# of the 8 threads of website/datasette.yaml
AT_ONCE = 3
# of which each takes the time limit of SQL at most
WAITING = 30


class TooManyError(Exception):
    """A client has as many requests waiting as may wait."""


class Turns:
    """A client's requests beyond AT_ONCE wait for its own earlier ones only."""

    def __init__(self):
        self._clients = {}

    @asynccontextmanager
    async def of(self, address):
        """Wait for a turn, and keep it until the end of the block; TooManyError where WAITING others wait."""
        client = _client(address)
        turns, users = self._clients.get(client) or (asyncio.Semaphore(AT_ONCE), 0)
        if users >= AT_ONCE + WAITING:
            raise TooManyError
        self._clients[client] = turns, users + 1
        try:
            async with turns:
                yield
        finally:
            turns, users = self._clients.pop(client)
            if users > 1:
                self._clients[client] = turns, users - 1


def _client(address):
    """Who an address belongs to: of IPv6 a network has as many as it likes."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return ipaddress.ip_network((parsed, 64), strict=False) if parsed.version == 6 else parsed
