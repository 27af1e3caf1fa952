"""The page of an account: its password, and its sessions, each of which can be ended."""

from proteofold.service.accounts import change_password, digest, end_session, list_sessions
from proteofold.service.passwords import SHORTEST
from proteofold.system.errors import UserError
from website.requests import identity
from website.requests.databases import ask_platform
from website.requests.guard import refused_by
from website.requests.threads import signing_in

# in the order in which they are looked for: most browsers also name those that they resemble
_BROWSERS = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    *(("Windows", "Windows"), ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad")),
    *(("Mac OS X", "macOS"), ("Linux", "Linux")),
)


async def account_page(visit):
    """Password and sessions of the user."""
    return await _page(visit)


async def _page(visit, status=200, headers=None, **extra):
    sessions = await ask_platform(visit.datasette, list_sessions, visit.user)
    here = digest(_secret(visit))
    for session in sessions:
        session["is_this"] = session["session_id"] == here
        session["browser"] = browser_name(session["agent"])
    answer = await visit.page("account.html", {"sessions": sessions, "shortest": SHORTEST} | extra, status)
    answer.headers |= headers or {}
    return answer


def browser_name(agent):
    """What people call a browser by its User-Agent: 'Firefox on Windows'; what is not known is left out."""
    program, system = (next((shown for word, shown in names if word in agent), None) for names in (_BROWSERS, _SYSTEMS))
    return " on ".join(filter(None, (program, system))) or agent.partition(" ")[0][:40]


def _secret(visit):
    return visit.request.cookies[identity.SESSION_COOKIE]


async def password_form(visit):
    """Set the password of the user, who gives the old one; their other sessions end."""
    try:
        if visit.field("new") != visit.field("again"):
            raise UserError("The new password and its repetition differ.")
        await ask_platform(
            visit.datasette,
            change_password,
            visit.user.name,
            visit.field("old"),
            visit.field("new"),
            identity.address_of(visit.request),
            _secret(visit),
            where=signing_in,
        )
    except UserError as error:
        refused = refused_by(error)
        if refused.status in (401, 429):
            await visit.note("sign-in failed" if refused.status == 401 else "sign-in refused", "changing the password")
        # who is signed in is not led to signing in
        status = 400 if refused.status == 401 else refused.status
        words = "The old password is wrong." if refused.status == 401 else str(error)
        return await _page(visit, status, refused.headers, error=words)
    await visit.note("password changed")
    return await _page(visit, done="Your password is changed. Your other sessions have ended.")


async def session_end_form(visit):
    """End one of the user's sessions."""
    await ask_platform(visit.datasette, end_session, visit.named("session_id"), visit.user)
    await visit.note("session ended")
    return visit.go(visit.path("/-/account"))
