"""The two files behind the pages: the store, and beside it the file of accounts and orders that is never served."""

from contextlib import closing
from pathlib import Path

from proteofold.service.database import platform_of
from proteofold.store import open_store
from website.requests.threads import at_length, quickly
from website.sql.rules import guard_own

# The name of the store in the configuration and in addresses, whatever its file is called.
DATABASE = "proteofold"


def store_path(datasette):
    """The file of the store that the site serves."""
    return Path(datasette.get_database(DATABASE).path)


async def ask_platform(datasette, function, *values, where=quickly):
    """What ``function(connection, *values)`` returns, with a connection to accounts and orders."""
    path = store_path(datasette)

    def ask():
        with platform_of(path) as conn:
            return function(guard_own(conn), *values)

    return await where(ask)


async def ask_both(datasette, function, *values, where=at_length):
    """What ``function(store, platform, *values)`` returns, with connections that may write; may take seconds."""
    store = store_path(datasette)

    def ask():
        with closing(open_store(store, create=False)) as conn, platform_of(store) as platform:
            return function(guard_own(conn), guard_own(platform), *values)

    return await where(ask)
