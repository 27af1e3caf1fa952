"""The OpenAPI description of what programs can ask, made from the table of routes."""

from website.requests import schemas
from website.requests.bodies import in_words
from website.requests.route import ANYONE, READER, SIGNED_IN

_REFUSALS = {
    400: "What was sent cannot be taken",
    401: "Neither signed in nor a token that is known",
    403: "The token or user lacks the right, or a form is not of this site",
    404: "There is no such thing",
    409: "The name is taken, or the state does not allow it",
    413: "More was sent than is taken",
    414: "The address is too long",
    415: "What was sent is not called JSON",
    429: "Too many attempts, or downloads at the same time",
    503: "The site is busy",
}
_FASTA_TYPES = ("application/octet-stream", "text/plain", "application/gzip", "text/x-fasta")


def describe(routes, site):
    """The description, as a dict; ``site`` is where it is served."""
    paths = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "proteofold",
            "version": "1",  # of the API, as in its addresses; the version of proteofold is not shown
            "description": "Upload proteins, start runs, follow them, have their results.",
        },
        "servers": [{"url": site}],
        "paths": paths,
        "components": {
            "schemas": {"Error": schemas.ERROR},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "Made on the page /-/tokens"},
                "session": {"type": "apiKey", "in": "cookie", "name": "proteofold_session"},
            },
        },
    }


def _operation(route):
    operation = {
        "operationId": f"{route.handler.__module__.rpartition('.')[2]}_{route.handler.__name__}",
        "summary": route.summary,
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": _name_schema(route, name)}
                for name in route.variables
            ),
            *(
                {"name": one.name, "in": "query", "required": one.required, "schema": one.schema}
                | {"description": one.about}
                for one in route.query
            ),
        ],
        "responses": {str(route.status): _answer(route)}
        | {str(status): _refusal(status) for status in _refusals(route)},
        "security": _security(route),
    }
    if route.body == "fasta":
        kinds = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in _FASTA_TYPES}
        about = f"A FASTA file, {in_words(route.most)} at most"
        operation["requestBody"] = {"required": True, "description": about, "content": kinds}
    elif route.body:
        about = f"{in_words(route.most)} at most; {in_words(route.most_of(None))} of who is not signed in"
        content = {"application/json": {"schema": route.body}}
        operation["requestBody"] = {"required": True, "description": about, "content": content}
    return operation


def _name_schema(route, name):
    return schemas.TEXT | {"enum": list(route.names[name])} if name in route.names else schemas.TEXT


def _answer(route):
    if isinstance(route.answer, dict):
        content = {"application/json": {"schema": route.answer}}
    elif route.answer == "*/*":  # files of several kinds, JSON among them
        content = {route.answer: {"schema": {}}}
    else:
        content = {route.answer: {"schema": {"type": "string", "format": "binary"}}}
    return {"description": route.summary, "content": content}


def _refusals(route):
    found = {400, 401, 403, 404, 414}
    if route.writes:
        found |= {409, 413, 415}
    if route.right == ANYONE and route.writes:
        found |= {429}
    if not isinstance(route.answer, dict):
        found |= {429, 503}
    return sorted(found)


def _refusal(status):
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": _REFUSALS[status], "content": {"application/json": {"schema": schema}}}


def _security(route):
    if route.right == SIGNED_IN:
        return [{"session": []}]
    ways = [{"token": []}, {"session": []}]
    # reading may be public
    return [*ways, {}] if route.right in (ANYONE, READER) else ways
