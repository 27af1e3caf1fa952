"""Datasette plugin: the store's connections, and its name."""

from datasette import Response, hookimpl
from datasette.database import Database
from datasette.utils import StartupError, escape_fts

from proteofold.system.errors import UserError
from website.requests import answers
from website.requests.databases import DATABASE
from website.requests.visit import wants_json
from website.sql.rules import check_sqlite, guard
from website.sql.turns import TooManyError, Turns

# A writer holds the store's lock for less than a second; this is for a machine that stands still.
BUSY_TIMEOUT_MS = 15_000


@hookimpl(trylast=True)  # after Datasette, whose escape_fts is replaced
def prepare_connection(conn, database, datasette):
    """Wait for a writer rather than fail; and do no more than reading needs, no matter who writes the SQL."""
    conn.execute(f"pragma busy_timeout = {BUSY_TIMEOUT_MS}")
    conn.create_function("escape_fts", 1, _search_terms)
    # Datasette also makes one, of no database and for no reader, to try what SQLite can do
    if database in datasette.databases:
        guard(conn)


def _search_terms(text):
    """Datasette's ``escape_fts``; of a text without any term, such as a single quote, terms that nothing has."""
    return escape_fts(text or "") or '""'


@hookimpl
def startup(datasette):
    """Refuse a SQLite that the rules cannot hold; give the only store its name, whatever its file is called."""
    try:
        check_sqlite()
    except UserError as error:
        raise StartupError(str(error)) from None
    stores = {name: db for name, db in datasette.databases.items() if db.path}
    if len(stores) == 1 and DATABASE not in stores:
        ((name, db),) = stores.items()
        datasette.remove_database(name)
        datasette.add_database(Database(datasette, path=db.path, is_mutable=True), name=DATABASE)


@hookimpl(tryfirst=True)
def handle_exception(datasette, request, exception):
    """SQL that met the limit of memory gets this message; Datasette would report a fault of the site."""
    if not isinstance(exception, MemoryError):
        return None
    answer = {"ok": False, "error": "There is not enough memory for this SQL. Ask for less, or try again later."}
    if wants_json(request) or request.path.partition("?")[0].endswith(".json"):
        return Response.json(answer, status=503)
    context = {"title": "Not enough memory", "message": answer["error"], "sign_in": None}
    return answers.page(datasette, request, "refused.html", context, 503)


@hookimpl
def asgi_wrapper(datasette):
    """Have a client wait for its own requests of tables and queries, so that one client cannot take all SQL threads."""
    turns = Turns()
    # ours, which have limits of their own, and files
    others = tuple(datasette.urls.path(path) for path in ("/-/", "/static/"))

    def wrap(app):
        async def wrapped(scope, receive, send):
            if scope["type"] != "http" or scope["path"].startswith(others):
                return await app(scope, receive, send)
            try:
                async with turns.of((scope.get("client") or ("", 0))[0]):
                    return await app(scope, receive, send)
            except TooManyError:
                refused = Response.text("Too many requests of yours are waiting. Try again later.\n", status=429)
                refused.headers["Retry-After"] = "5"
                return await refused.asgi_send(send)

        return wrapped

    return wrap
