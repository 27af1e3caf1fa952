"""What every route passes before its handler is asked: the right, the body, no forged form; and errors in words."""

import re
import traceback

import jsonschema
from datasette import Forbidden, Response
from datasette.utils.asgi import BadRequest, Base400

from proteofold.service.accounts import TooManyAttemptsError, WrongPasswordError
from proteofold.service.runs import NameTakenError, NotAllowedError, WrongStateError
from proteofold.store.queries import NotFoundError
from proteofold.system.errors import UserError
from proteofold.system.words import without_folders
from website.requests import answers, bodies, events, identity
from website.requests.route import ANYONE, LIST, READER, SIGNED_IN
from website.requests.streams import BusyError
from website.requests.threads import decoding
from website.requests.visit import NEVER_KEPT, Visit, sign_in_path, wants_json

_FORMS = ("form", "upload", "list")


class Refused(Exception):
    """Why a request is not answered: words for the user, and the status of HTTP."""

    def __init__(self, message, status, **headers):
        super().__init__(message)
        self.status, self.headers = status, headers


def guarded(routes):
    """The view of one address; ``routes`` is {method: route}."""

    async def view(datasette, request):
        method = "GET" if request.method == "HEAD" and "GET" in routes else request.method
        route = routes.get(method)
        if not route:
            allowed = ", ".join(sorted({*routes, *(["HEAD"] if "GET" in routes else [])}))
            refused = Refused(f"This address answers to {allowed} only.", 405, Allow=allowed)
            return await _refuse(datasette, request, next(iter(routes.values())), refused)
        try:
            return await _answer(datasette, request, route)
        except Refused as refused:
            return await _refuse(datasette, request, route, refused)

    return view


async def _answer(datasette, request, route):
    actor = identity.Actor.of(request)
    await _check_right(datasette, request, route, actor)
    _check_query(request, route)
    if route.method == "GET" or route.body is None:
        body = {}
    else:
        body = await _read(request, route, actor)
    if route.writes and (actor is None or actor.by == "session"):
        token = request.headers.get(identity.FORM_HEADER)
        if token is None and hasattr(body, "get"):
            token = body.get(identity.FORM_FIELD)
        # who has neither cookie cannot be made to send anything in another user's name
        stranger = actor is None and not identity.form_token(request) and route.is_api
        if not stranger and not identity.is_our_form(request, token):
            raise Refused(
                "This form was not sent by a page of this site, or you signed in or out since it was shown."
                " Go back, reload the page and send it again.",
                403,
            )
    try:
        return await route.handler(Visit(datasette, request, route, actor, body))
    except bodies.BodyError as error:
        raise Refused(f"{error}.", error.status) from None
    except UserError as error:
        raise refused_by(error) from None
    except (Base400, Refused):
        raise
    except Exception:
        # Datasette would print the variables, too, and one of them may be a password
        traceback.print_exc()
        raise Refused("Something went wrong here. The log of the server has the details.", 500) from None


def refused_by(error):
    """A UserError as the answer of a request."""
    if isinstance(error, TooManyAttemptsError):
        return Refused(str(error), 429, **{"Retry-After": str(max(1, round(error.seconds)))})
    if isinstance(error, BusyError):
        return Refused(str(error), error.status, **{"Retry-After": str(error.seconds)})
    if isinstance(error, WrongPasswordError):
        return Refused(str(error), 401)
    statuses = {NotFoundError: 404, NotAllowedError: 403, NameTakenError: 409, WrongStateError: 409}
    status = next((status for kind, status in statuses.items() if isinstance(error, kind)), 400)
    return Refused(without_folders(str(error)), status)


async def _check_right(datasette, request, route, actor):
    if route.right == ANYONE:
        return
    if route.right == READER:
        if await answers.may_read(datasette, request):
            return
    elif route.right == SIGNED_IN:
        if actor and actor.by == "session":
            return
        if actor:
            raise Refused("A token cannot do this: sign in with name and password.", 403)
    elif actor and route.right in actor.rights:
        return
    if actor:
        raise Refused(f"This token lacks the right {route.right!r}.", 403)
    raise Refused("Sign in first.", 401)


def _check_query(request, route):
    """Refuse arguments of the address that are not as described; pages leave out what they do not know."""
    for one in route.query if route.is_api else ():
        given = request.args.getlist(one.name)
        if one.required and not given:
            raise Refused(f"{one.name}: is missing from the address.", 400)
        for text in given:
            is_number = one.schema.get("type") == "integer" and re.fullmatch(r"-?[0-9]{1,18}", text)
            try:
                jsonschema.Draft202012Validator(one.schema).validate(int(text) if is_number else text)
            except jsonschema.ValidationError as error:
                raise Refused(f"{one.name}: {_problem(error)}", 400) from None


async def _read(request, route, actor):
    """What was sent, as the route's ``body`` says."""
    most = route.most_of(actor)
    try:
        if route.body == "fasta":
            # read by the handler, while it arrives
            return {}
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if route.body in _FORMS:
            return await _read_form(request, route, kind, most)
        data = await bodies.whole(request, most)
        # other sites' forms can send JSON, too, but not under this name
        if data and kind != "application/json":
            raise Refused("Send JSON, with the header Content-Type: application/json.", 415)
        return await decoding(_decode, data, route.body)
    except (bodies.BodyError, BadRequest) as error:
        more = "; sign in to send more" if most < route.most else ""
        raise Refused(f"{error}{more}.", getattr(error, "status", 400)) from None
    except ValueError as error:
        raise Refused(f"{error}.", 400) from None
    except jsonschema.ValidationError as error:
        place = ".".join(map(str, error.absolute_path)) or "the body"
        raise Refused(f"{place}: {_problem(error)}", 400) from None


def _problem(error):
    """What is wrong with a value, in words: a pattern means nothing to most."""
    if error.validator == "pattern" and "description" in error.schema:
        return f"{error.instance[:80]!r} is invalid: expected {error.schema['description']}."
    return error.message[:300]


def _decode(data, schema):
    """The object that a body of JSON holds, checked against its schema."""
    content = bodies.decode_json(data or b"{}")
    jsonschema.Draft202012Validator(schema).validate(content)
    return content


async def _read_form(request, route, kind, most):
    """The fields of a form; files are kept only where the route takes them, and on disk."""
    text = min(most, LIST)
    if kind == "application/x-www-form-urlencoded":
        return await decoding(bodies.decode_fields, await bodies.whole(request, text))
    with_files = route.body != "form"
    return await request.form(
        files=with_files,
        max_fields=bodies.MOST_FIELDS,
        max_files=20,
        max_field_size=text,
        max_file_size=most,
        max_request_size=text + most if with_files else text,
    )


# Titles of pages of what is not the fault of a request
_TITLES = {404: "Not found", 500: "Server error", 503: "Busy"}


async def _refuse(datasette, request, route, refused):
    """A refusal: JSON for programs; for browsers a page, or that of signing in."""
    headers = NEVER_KEPT | refused.headers
    actor = identity.Actor.of(request)
    if refused.status == 403:
        await events.note(datasette, request, "refused", actor and actor.name, f"{request.method} {request.path}")
    if route.is_api or wants_json(request):
        if refused.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return Response.json({"ok": False, "error": str(refused)}, status=refused.status, headers=headers)
    stranger = actor is None
    if route.right == READER and refused.status in (401, 403):
        raise Forbidden("You may not see this store.")
    if refused.status == 401 and stranger and request.method == "GET":
        return Response.redirect(sign_in_path(datasette, request), status=303, headers=headers)
    context = {
        "title": _TITLES.get(refused.status),
        "message": str(refused),
        "sign_in": sign_in_path(datasette, request) if stranger and refused.status in (401, 403) else None,
    }
    answer = await answers.page(datasette, request, "refused.html", context, refused.status)
    answer.headers |= headers
    return answer
