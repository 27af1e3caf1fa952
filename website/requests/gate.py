"""What every request passes before Datasette reads it: limits that hold for Datasette's own pages, too."""

import asyncio
import re
from urllib.parse import unquote_to_bytes

from datasette import Response

from website.requests import answers
from website.requests.route import API, addresses

# the request line that nginx takes by itself is half of this
LONGEST_QUERY_BYTES = 16 * 1024
# Datasette compares each with all others: 1,500 of them would stop everything for seconds
MOST_ARGUMENTS = 100
# each takes a second of a large table, the same one twice, too
MOST_FACETS = 10
# a request is ended when nothing of its body arrives for this long
PATIENCE_S = 60

# what the site answers to beside the names of its configuration
_OWN_NAMES = ("localhost", "127.0.0.1", "[::1]")
_HOST = re.compile(rb"(\[[0-9a-f:.]+\]|[a-z0-9._-]+?)\.?(?::[0-9]{1,5})?", re.IGNORECASE)

_READS = ("GET", "HEAD", "OPTIONS")
# Python's parser of cookies takes seconds for some values, and refuses all cookies for one odd name
_COOKIE = re.compile(rb"[A-Za-z0-9_.-]+=[A-Za-z0-9_.:~+/=%-]*")


def gate(app, datasette, routes, hosts=()):
    """``app``, the ASGI application of Datasette, behind the limits; ``routes`` are the table.

    ``hosts`` are the names under which the site is known, beside those of this machine itself.
    """
    ours = [re.compile(pattern) for pattern in addresses(routes)]
    names = {name.lower() for name in (*_OWN_NAMES, *hosts)}

    async def passed(scope, receive, send):
        if scope["type"] != "http":
            return await app(scope, receive, send)
        # before anything else: the address is shown in pages, and other sites' names may be made to lead here
        if _name_of(scope) not in names:
            words = "This site does not answer to that name. Its administrator lists its names in PROTEOFOLD_HOSTS."
            return await Response.text(f"{words}\n", status=400).asgi_send(send)
        base_url = datasette.setting("base_url")
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
        path = "/" + path.removeprefix(base_url)
        query = scope.get("query_string", b"")
        if len(query) > LONGEST_QUERY_BYTES or query.count(b"&") >= MOST_ARGUMENTS:
            most = f"{MOST_ARGUMENTS} arguments, or {LONGEST_QUERY_BYTES // 1024} kB of them"
            words = f"The address has more than {most}: shorten it."
            return await (await refusal(datasette, path, words, 414)).asgi_send(send)
        if unquote_to_bytes(query).count(b"_facet") > MOST_FACETS:
            words = f"The address asks for more than {MOST_FACETS} facets."
            return await (await refusal(datasette, path, words, 400)).asgi_send(send)
        # Datasette reads forms of 100 MB before it looks at them, and changes nothing here anyway
        if scope["method"] not in _READS and not any(pattern.match(path) for pattern in ours):
            words = "Nothing can be changed at this address."
            return await (await refusal(datasette, path, words, 404)).asgi_send(send)
        headers = [(name, _cookies(value) if name == b"cookie" else value) for name, value in scope["headers"]]
        await app(scope | {"headers": headers}, _in_time(receive), send)

    return passed


def _name_of(scope):
    """The name that a request calls the site by, in lower case and without port; None without a well-formed one."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    found = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    return found and found[1].decode().lower()


async def refusal(datasette, path, words, status, request=None):
    """A refusal of what Datasette would have answered: JSON for programs, a page for browsers."""
    if path.startswith(API) or path.endswith(".json"):
        return Response.json({"ok": False, "error": words}, status=status)
    return await answers.page(datasette, request, "refused.html", {"message": words, "sign_in": None}, status)


def _cookies(header):
    """The cookies that are well formed; none of ours is anything else."""
    return b"; ".join(pair for pair in map(bytes.strip, header.split(b";")) if _COOKIE.fullmatch(pair))


def _in_time(receive):
    """``receive``, for which a connection is broken when a piece of the body does not arrive in time."""
    is_whole = False

    async def received():
        nonlocal is_whole
        # after the body it waits for the end of the connection, which may be long
        if is_whole:
            return await receive()
        try:
            async with asyncio.timeout(PATIENCE_S):
                message = await receive()
        except TimeoutError:
            return {"type": "http.disconnect"}
        is_whole = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    return received
