"""Datasette plugin: the store's connections, and its name."""

from datasette import hookimpl
from datasette.database import Database

from proteofold_site.paths import DATABASE

# A writer holds the store's lock for less than a second; this is for a machine that stands still.
BUSY_TIMEOUT_MS = 15_000


@hookimpl
def prepare_connection(conn):
    """Wait for a writer rather than fail."""
    conn.execute(f"pragma busy_timeout = {BUSY_TIMEOUT_MS}")


@hookimpl
def startup(datasette):
    """Give the only store its name of the configuration, whatever its file is called."""
    stores = {name: db for name, db in datasette.databases.items() if db.path}
    if len(stores) == 1 and DATABASE not in stores:
        ((name, db),) = stores.items()
        datasette.remove_database(name)
        datasette.add_database(Database(datasette, path=db.path, is_mutable=True), name=DATABASE)
