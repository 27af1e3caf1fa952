"""Tokens of the API: a page that lists, creates and revokes those of a user, and the same as JSON."""

from proteofold.service.tokens import RIGHTS, create_token, list_tokens, revoke_token
from proteofold.system.errors import UserError
from website.requests.databases import ask_platform

RIGHT_WORDS = {
    "read": "read what is not public",
    "upload": "add proteins",
    "run": "start, stop, retry and delete runs",
}
DAYS = (7, 30, 90, 365)
LABEL_LENGTH = 100


async def tokens_page(visit):
    """The user's tokens, and the form for a new one."""
    return await _page(visit)


async def _page(visit, status=200, **extra):
    tokens = await ask_platform(visit.datasette, list_tokens, visit.user)
    context = {"tokens": tokens, "rights": RIGHT_WORDS, "days": DAYS, "label_length": LABEL_LENGTH}
    return await visit.page("tokens.html", context | extra, status)


async def tokens_form(visit):
    """Create a token; its secret is shown this once."""
    days = visit.field("days")
    try:
        secret = await _create(
            visit, visit.field("label"), visit.body.getlist("rights"), int(days) if days in map(str, DAYS) else None
        )
    except UserError as error:
        return await _page(visit, 400, error=str(error), label=visit.field("label"))
    return await _page(visit, secret=secret)


async def _create(visit, label, rights, days):
    label = " ".join(label.split())[:LABEL_LENGTH]
    if not label:
        raise UserError("A token needs a name: what will use it, for example 'my laptop'.")
    chosen = [right for right in RIGHTS if right in rights]
    if not chosen:
        raise UserError("Choose at least one permission.")
    secret = await ask_platform(visit.datasette, create_token, visit.user, label, chosen, days)
    await visit.note("token created", f"{label} ({', '.join(chosen)})")
    return secret


async def token_revoke_form(visit):
    """Revoke a token, from now on."""
    await _revoke(visit)
    return visit.go(visit.path("/-/tokens"))


async def _revoke(visit):
    name = visit.named("token_id")
    if not (name.isascii() and name.isdigit() and len(name) < 19):
        raise UserError(f"There is no token {name!r}.")
    await ask_platform(visit.datasette, revoke_token, int(name), visit.user)
    await visit.note("token revoked", f"token {name}")


# --- As JSON ----------------------------------------------------------------------------------------


async def tokens(visit):
    """The user's tokens, without their secrets."""
    return visit.json({"tokens": await ask_platform(visit.datasette, list_tokens, visit.user)})


async def token_create(visit):
    """Create a token."""
    body = visit.body
    return visit.json({"token": await _create(visit, body["label"], body["rights"], body.get("days"))}, 201)


async def token_revoke(visit):
    """Revoke a token."""
    await _revoke(visit)
    return visit.json({})
