"""Datasette plugin: signing in, all pages and requests of the table of routes, and which of Datasette's are closed."""

import datasette.handle_exception
from datasette import Response, TokenInvalid, hookimpl
from markupsafe import Markup

from website.actions.header import strip
from website.actions.table import ROUTES, datasette_routes
from website.requests import answers
from website.requests.databases import DATABASE
from website.requests.events import note
from website.requests.gate import gate, refusal
from website.requests.identity import Actor, actor_of
from website.requests.policy import Nonces, begin_answer, policy
from website.requests.visit import sign_in_path, wants_json
from website.sql.closed import CLOSED, closed
from website.sql.parameters import PARAMETERS, parameters

# Datasette would print each error, a stranger's wrong address, too, in 200 lines with all variables.
datasette.handle_exception.rich = None

# No other site may show our pages in a frame and have their buttons pressed; files are what they say they are.
_HEADERS = (
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)


@hookimpl
def register_routes():
    """Ours begin with /-/, where no table can be."""
    return [*datasette_routes(), (PARAMETERS, parameters), (CLOSED, closed)]


@hookimpl
def prepare_jinja2_environment(env):
    """Inline scripts and styles of all templates, Datasette's too, get the nonce of the answer."""
    env.add_extension(Nonces)


@hookimpl
def actor_from_request(datasette, request):
    """Who asks, by the cookie of a session or by a token."""
    if DATABASE not in datasette.databases:
        return None

    async def actor():
        try:
            return await actor_of(datasette, request)
        except TokenInvalid:
            await note(datasette, request, "unknown token")
            raise

    return actor


@hookimpl
def extra_template_vars(datasette, request):
    """What stands above every page; and no version of Datasette, which its templates would show."""

    async def more():
        return await strip(datasette, request) | {"datasette_version": ""}

    return more


@hookimpl
def forbidden(datasette, request, message):
    """What to do to see it; Datasette would answer with the name of one of its rights."""
    stranger = Actor.of(request) is None
    if message == "execute-sql":
        words = "Sign in to run your own SQL. Programs need a token with the right 'read'."
    elif stranger:
        words = "This is shown to users of this site only."
    else:
        words = "You may not see this."
    if wants_json(request) or request.path.partition("?")[0].endswith((".json", ".csv")):
        return Response.json({"ok": False, "error": f"Sign in first. {words}" if stranger else words}, status=403)
    context = {
        "title": "Sign in first" if stranger else "Not allowed",
        "message": words,
        "sign_in": sign_in_path(datasette, request) if stranger else None,
    }
    return answers.page(datasette, request, "refused.html", context, 403)


@hookimpl
def handle_exception(datasette, request, exception):
    """What Datasette cannot read in an address is the fault of the request; its own faults are only in the log."""
    status = getattr(exception, "status", 500)
    if status == 403:  # a condition of one's own, _where=
        return forbidden(datasette, request, "execute-sql")
    if status >= 500:
        # Datasette prints it, and would show it, too: with a folder of the server, perhaps
        if request.query_string:
            words, status = f"An argument of this address is invalid ({type(exception).__name__}).", 400
        elif isinstance(exception, NotADirectoryError | AssertionError):  # below a file; in an unknown format
            words, status = "There is nothing at this address.", 404
        else:
            words = "Something went wrong here. The log of the server has the details."
        return refusal(datasette, request.path, words, status, request)
    if wants_json(request) or request.path.partition("?")[0].endswith((".json", ".csv")):
        return None
    # Datasette draws errors without the menu and the name of the user
    return answers.page(datasette, request, "error.html", _context_of(exception, status), status)


def _context_of(exception, status):
    """What the template of errors shows."""
    message = getattr(exception, "message", None) or str(exception)
    if getattr(exception, "message_is_html", False):
        message = Markup(message)
    return {"ok": False, "error": message, "status": status, "title": getattr(exception, "title", None)}


@hookimpl
def asgi_wrapper(datasette):
    """Limits of every request, and headers of every answer."""

    def wrap(app):
        hosts = (datasette.plugin_config("proteofold_platform") or {}).get("hosts", "")
        guarded = gate(app, datasette, ROUTES, hosts.replace(",", " ").split())

        async def wrapped(scope, receive, send):
            begin_answer()

            async def send_more(message):
                if message["type"] == "http.response.start":
                    named = {name.lower() for name, _ in message["headers"]}
                    headers = (*_HEADERS, (b"content-security-policy", policy().encode()))
                    more = [pair for pair in headers if pair[0] not in named]
                    message = message | {"headers": [*message["headers"], *more]}
                await send(message)

            await guarded(scope, receive, send_more if scope["type"] == "http" else send)

        return wrapped

    return wrap
