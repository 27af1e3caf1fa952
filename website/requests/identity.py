"""Who asks: a signed-in user by the cookie of a session, or a program by a token; and that a form is one of ours."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from datasette import TokenInvalid

from proteofold.service.accounts import network, session_user
from proteofold.service.tokens import RIGHTS, token_actor
from website.requests.databases import ask_platform

SESSION_COOKIE = "proteofold_session"
# What binds the form of signing in to the browser it was shown in: there is no session yet.
VISIT_COOKIE = "proteofold_visit"
FORM_FIELD = "form_token"
FORM_HEADER = "x-form-token"
SESSION_DAYS = 7
_SALT_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Actor:
    """A user: ``rights`` that they, or the token they use, have; ``by`` is "session" or "token"."""

    name: str
    is_admin: bool
    rights: tuple
    by: str

    @classmethod
    def of(cls, request):
        """Who asks; None for a stranger, and for whom Datasette knows by other means than ours."""
        known = request.actor or {}
        if known.get("by") not in ("session", "token"):
            return None
        return cls(known["id"], known["admin"], tuple(known["rights"]), known["by"])


async def actor_of(datasette, request):
    """The actor as Datasette passes it on, or None; TokenInvalid for a token that is none of ours, or no longer."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        found = await ask_platform(datasette, token_actor, token.strip())
        if not found:
            raise TokenInvalid("This token is not known, has expired or was revoked.")
        user, rights = found
        return _datasette_actor(user, rights, "token")
    if secret := request.cookies.get(SESSION_COOKIE):
        user = await ask_platform(datasette, session_user, secret)
        return _datasette_actor(user, RIGHTS, "session") if user else None
    return None


def _datasette_actor(user, rights, by):
    return {"id": user.name, "admin": user.is_admin, "rights": list(rights), "by": by}


def address_of(request):
    """The address that a request comes from; '' where it is not known."""
    return (request.scope.get("client") or ("", 0))[0]


def name_by_proxy(datasette, request):
    """The name that the institute's proxy has signed in, by the header of the configuration; None without one.

    Only a site that none but the proxy can reach has this header configured (website/serve).
    """
    header = (datasette.plugin_config("proteofold_platform") or {}).get("user_header")
    return (request.headers.get(header.lower()) or None) if header else None


def client_of(visit):
    """Who is counted where something is given to each a few times: the user, or the network of a stranger."""
    return f"user {visit.actor.name}" if visit.actor else f"network {network(address_of(visit.request))}"


def form_token(request):
    """Value of FORM_FIELD in our forms; only the holder of the reader's cookie can compute it. Empty without one."""
    bound_to = _bound_to(request)
    return form_token_of(bound_to) if bound_to else ""


def _bound_to(request):
    return request.cookies.get(SESSION_COOKIE) or request.cookies.get(VISIT_COOKIE)


def form_token_of(secret, salt=None):
    """The same for the cookie's value. It differs each time: from the size of compressed pages it could be guessed."""
    salt = salt or secrets.token_hex(_SALT_DIGITS // 2)
    return salt + hmac.new(secret.encode(), f"form {salt}".encode(), hashlib.sha256).hexdigest()


def is_our_form(request, token):
    """Whether ``token``, of a form or a header, is the token of the browser that sends it."""
    bound_to = _bound_to(request)
    if not bound_to or not isinstance(token, str) or len(token) < _SALT_DIGITS:
        return False
    expected = form_token_of(bound_to, token[:_SALT_DIGITS])
    return hmac.compare_digest(expected.encode(), token.encode("utf-8", "replace"))


def _secure(datasette, request):
    return request.scheme == "https" or bool(datasette.setting("force_https_urls"))


def remember(datasette, request, response, secret):
    """Give the browser the session's cookie, which scripts cannot read and other sites' forms do not send."""
    secure = _secure(datasette, request)
    path = datasette.setting("base_url")
    response.set_cookie(SESSION_COOKIE, secret, max_age=SESSION_DAYS * 86400, path=path, secure=secure, httponly=True)
    response.set_cookie(VISIT_COOKIE, "", max_age=0, path=path, secure=secure, httponly=True)


def forget(datasette, request, response):
    """Take the session's cookie back."""
    path = datasette.setting("base_url")
    response.set_cookie(SESSION_COOKIE, "", max_age=0, path=path, secure=_secure(datasette, request), httponly=True)


def sign_in_form_token(datasette, request):
    """(form token, function that sets the cookie it belongs to in an answer) of the form of signing in."""
    if token := form_token(request):
        return token, lambda response: None
    secret = secrets.token_urlsafe(24)

    def give_cookie(response):
        secure = _secure(datasette, request)
        path = datasette.setting("base_url")
        response.set_cookie(VISIT_COOKIE, secret, max_age=3600, path=path, secure=secure, httponly=True)

    return form_token_of(secret), give_cookie
