"""Signing in and out: the pages, and the same as JSON."""

import re

from proteofold.service.accounts import (
    TooManyAttemptsError,
    WrongPasswordError,
    begin_session,
    find_user,
    session_user,
    sign_in,
    sign_out,
)
from proteofold.service.events import account_of
from proteofold.service.tokens import RIGHTS
from website.requests import identity
from website.requests.databases import ask_platform
from website.requests.events import note
from website.requests.guard import refused_by
from website.requests.threads import signing_in


async def sign_in_page(visit):
    """The form, for strangers and for who wants to be another user; who the proxy knows is signed in at once."""
    name = identity.name_by_proxy(visit.datasette, visit.request)
    if not name:
        return await _form(visit, "")
    user = await ask_platform(visit.datasette, find_user, name)
    if not user:
        return await _form(visit, "", f"{name[:64]!r} has no account here. Ask the administrator for one.", 403)
    secret = await ask_platform(visit.datasette, begin_session, user.name, *_from(visit))
    await _note(visit, "sign-in", user.name, "by the proxy")
    answer = visit.go(_local(visit, visit.argument("next")))
    identity.remember(visit.datasette, visit.request, answer, secret)
    return answer


async def _form(visit, name, error=None, status=200, headers=None):
    token, give_cookie = identity.sign_in_form_token(visit.datasette, visit.request)
    context = {
        "name": name,
        "error": error,
        "next": _local(visit, visit.argument("next") or visit.field("next")),
        "form_token": token,
        "user": visit.actor.name if visit.actor else None,
    }
    answer = await visit.page("sign_in.html", context, status)
    answer.headers |= headers or {}
    give_cookie(answer)
    return answer


def _local(visit, path):
    """A path of this site, never the address of another; the front page where it is none."""
    local = re.fullmatch(r"/(?![/\\])[^\\\x00-\x20\x7f]*", path)
    return path if local else visit.path("/")


async def _open_session(visit, name, password):
    """The secret of a new session; an older one of the same browser ends."""
    try:
        secret = await ask_platform(visit.datasette, sign_in, name, password, *_from(visit), where=signing_in)
    except (WrongPasswordError, TooManyAttemptsError) as error:
        account = await ask_platform(visit.datasette, account_of, name)
        kind = "sign-in failed" if isinstance(error, WrongPasswordError) else "sign-in refused"
        await _note(visit, kind, None, account)
        raise
    await _note(visit, "sign-in", await ask_platform(visit.datasette, account_of, name))
    if old := visit.request.cookies.get(identity.SESSION_COOKIE):
        await ask_platform(visit.datasette, sign_out, old)
    return secret


def _from(visit):
    """Where a session begins: the address, and what the browser calls itself."""
    return identity.address_of(visit.request), visit.request.headers.get("user-agent", "")


async def _note(visit, kind, user, about=""):
    """Note an event of a user who is not signed in yet."""
    await note(visit.datasette, visit.request, kind, user, about)


async def sign_in_form(visit):
    """Take name and password of the form; back to where the user came from."""
    name = visit.field("name").strip()
    try:
        secret = await _open_session(visit, name, visit.field("password"))
    except (WrongPasswordError, TooManyAttemptsError) as error:
        refused = refused_by(error)
        return await _form(visit, name, str(error), refused.status, refused.headers)
    answer = visit.go(_local(visit, visit.field("next")))
    identity.remember(visit.datasette, visit.request, answer, secret)
    return answer


async def sign_out_form(visit):
    """End the session."""
    answer = visit.go(visit.path("/"))
    await _close_session(visit, answer)
    return answer


async def _close_session(visit, answer):
    if secret := visit.request.cookies.get(identity.SESSION_COOKIE):
        await ask_platform(visit.datasette, sign_out, secret)
        await visit.note("sign-out")
    identity.forget(visit.datasette, visit.request, answer)


# --- As JSON ----------------------------------------------------------------------------------------


async def session(visit):
    """Who asks, and what they may do."""
    actor = visit.actor
    session = {"user": None, "admin": False, "rights": [], "by": None, "form_token": None}
    if actor:
        session = {"user": actor.name, "admin": actor.is_admin, "rights": list(actor.rights), "by": actor.by}
        session["form_token"] = identity.form_token(visit.request) if actor.by == "session" else None
    return visit.json(session)


async def session_begin(visit):
    """Sign in with name and password; the answer sets the cookie."""
    secret = await _open_session(visit, visit.body["name"], visit.body["password"])
    user = await ask_platform(visit.datasette, session_user, secret)
    answer = visit.json(
        {
            "user": user.name,
            "admin": user.is_admin,
            "rights": list(RIGHTS),
            "by": "session",
            "form_token": identity.form_token_of(secret),
        }
    )
    identity.remember(visit.datasette, visit.request, answer, secret)
    return answer


async def session_end(visit):
    """Sign out."""
    answer = visit.json({})
    await _close_session(visit, answer)
    return answer
