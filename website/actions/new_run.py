"""Starting a run: which proteins, with what; what it will take; and the order. As a page and as JSON."""

import hashlib
import json
import secrets
from dataclasses import dataclass

from proteofold.service import choices
from proteofold.service.estimates import estimate
from proteofold.service.matching import match_ids, read_ids
from proteofold.service.places import working_folder
from proteofold.service.runs import NameTakenError, NewRun, check_run, order_run
from proteofold.system.errors import UserError
from proteofold.system.words import without_folders
from website.actions import same
from website.actions.upload import uploads
from website.pages.paths import run_path
from website.requests.databases import ask_both, ask_platform
from website.requests.threads import planning

# of the names that are not there; all of them are counted
ABSENT_SHOWN = 500
KINDS = ("templates", "mode", "weights")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form holds: the list of ids as text, the name of the run, and the names of choices."""

    ids: str = ""
    run_id: str = ""
    templates: str = ""
    mode: str = ""
    weights: str = ""

    def new_run(self, ids, author):
        """The same as an order."""
        return NewRun(self.run_id, ids, author, self.templates, self.mode, self.weights)


async def offered(visit):
    """What this installation offers: kind -> choices, the usual one first."""

    def look(platform):
        working = working_folder(platform)
        return {
            "templates": choices.template_choices(working),
            "mode": choices.modes(),
            "weights": choices.weight_choices(working),
        }

    return await ask_platform(visit.datasette, look)


async def new_run_page(visit):
    """The form; with ``?upload=`` filled with the proteins of an upload, with ``?ids=`` with those of the address."""
    ids, error = visit.argument("ids"), None
    if key := visit.argument("upload"):
        try:
            ids = "\n".join(uploads.get(key, visit.actor.name).upload.ids)
        except UserError as problem:
            error = str(problem)
    return await _form(visit, Asked(ids=ids), error=error)


async def _form(visit, asked, error=None, status=200, **extra):
    context = {"asked": asked, "error": error, "offered": await offered(visit), "same": same.new_run(visit)}
    return await visit.page("new_run.html", context | extra, status)


async def new_run_form(visit):
    """Look at the list and estimate the run (``act`` "check"), or start it (``act`` "start")."""
    asked = Asked(
        visit.field("ids").strip() or await _list_sent(visit),
        visit.field("run_id").strip(),
        *(visit.field(kind) for kind in KINDS),
    )
    try:
        seen = await ask_both(visit.datasette, _look, asked, visit.actor.name)
    except UserError as error:
        return await _form(visit, asked, str(error), 400)
    # what is started is what was shown: a list or a choice that was changed since is shown first
    started = visit.field("act") == "start" and visit.field("seen") == seen["digest"]
    if not started or seen["error"]:
        if not seen["error"]:
            seen |= await _estimated(visit, asked.new_run(seen["found"], visit.actor.name))
        return await _form(visit, asked, seen["error"], 400 if seen["error"] else 200, checked=seen)
    try:
        await ask_both(visit.datasette, order_run, asked.new_run(seen["found"], visit.actor.name))
    except UserError as error:
        return await _form(visit, asked, str(error), 409 if isinstance(error, NameTakenError) else 400, checked=seen)
    return visit.go(run_path(visit.datasette, asked.run_id))


async def _list_sent(visit):
    """The text of a list that was sent as a file."""
    file = visit.body.get("list")
    if not hasattr(file, "filename"):
        return ""
    return (await file.read()).decode("utf-8", "replace")


def _look(store, platform, asked, author):
    """What the page shows of a list: found and absent ids, and what prevents the run."""
    names = read_ids(asked.ids)
    if not names:
        raise UserError("Give at least one id: paste a list, or choose a file.")
    matched = match_ids(store, names)
    chosen = json.dumps([names, asked.run_id, asked.templates, asked.mode, asked.weights])
    seen = {
        "digest": hashlib.sha256(chosen.encode("utf-8", "replace")).hexdigest(),
        "found": matched.found,
        "absent": matched.absent[:ABSENT_SHOWN],
        "absent_count": len(matched.absent),
        "error": None,
    }
    if not matched.found:
        return seen | {"error": "None of these ids is in the store. Upload the proteins first."}
    try:
        check_run(store, platform, asked.new_run(matched.found, author))
    except UserError as error:
        seen["error"] = without_folders(str(error))
    return seen


async def _estimated(visit, new_run):
    """What a run would take, for the page; or why it is unknown, which does not prevent it."""
    try:
        return {"estimate": await ask_both(visit.datasette, estimate, new_run, where=planning), "no_estimate": None}
    except UserError as error:
        return {"estimate": None, "no_estimate": without_folders(str(error))}


# --- As JSON ----------------------------------------------------------------------------------------


async def choices_offered(visit):
    """What a run may be searched with."""
    found = await offered(visit)
    return visit.json({kind: [{"name": one.name, "words": one.words} for one in some] for kind, some in found.items()})


async def ids_match(visit):
    """Which proteins a list of names stands for."""

    def look(store, platform):
        matched = match_ids(store, visit.body["ids"])
        return {"found": matched.found, "absent": [absent._asdict() for absent in matched.absent]}

    return visit.json(await ask_both(visit.datasette, look))


async def _asked_for(visit):
    """Function of the store's connection: (the run that a program asks for, names that are absent).

    Where it makes no choice it gets what is offered first.
    """
    body, found = visit.body, await offered(visit)
    chosen = {kind: body.get(kind) or found[kind][0].name for kind in KINDS}

    def read(store):
        matched = match_ids(store, body["ids"])
        return NewRun(body.get("run_id") or _unlikely_name(), matched.found, visit.actor.name, **chosen), matched.absent

    return read


def _unlikely_name():
    return f"estimate-{secrets.token_hex(8)}"


async def run_estimate(visit):
    """What a run would take."""
    read = await _asked_for(visit)

    def look(store, platform):
        new_run, absent = read(store)
        return estimate(store, platform, new_run) | {"absent": [name._asdict() for name in absent]}

    return visit.json(await ask_both(visit.datasette, look, where=planning))


async def run_create(visit):
    """Order a run."""
    read = await _asked_for(visit)

    def order(store, platform):
        new_run, absent = read(store)
        if absent and not visit.body.get("without_absent"):
            first = ", ".join(repr(name.id) for name in absent[:5])
            raise UserError(
                f"ids that match no protein of the store: {len(absent):,}, {first}"
                f"{', ...' if len(absent) > 5 else ''}. Upload the sequences first, or start without these ids "
                "(without_absent; on the command line --without-absent)."
            )
        order_run(store, platform, new_run)
        return {"run_id": new_run.run_id, "proteins": len(new_run.ids), "absent": len(absent)}

    ordered = await ask_both(visit.datasette, order)
    ordered["url"] = visit.site.removesuffix(visit.path("/").rstrip("/")) + run_path(visit.datasette, ordered["run_id"])
    return visit.json(ordered, 201)
