"""What is done to a run from its page: stop, retry, start again, delete; as forms and as JSON."""

import contextlib
import re

from proteofold.report.draw import REPORT_FILES
from proteofold.run.merge import MERGED, new_results
from proteofold.service.deletion import delete_run
from proteofold.service.places import run_folder
from proteofold.service.runs import (
    NotAllowedError,
    WrongStateError,
    ask_retry,
    ask_stop,
    may_change,
    order_of,
    repeat_run,
)
from proteofold.store import queries
from proteofold.system.errors import UserError
from website.actions import same
from website.actions.downloads import last_lines
from website.actions.lists import places
from website.drawing import words
from website.pages import run_pages
from website.pages.paths import log_path, models_path, run_path, runs_path
from website.pages.protein_page import RETRIED
from website.requests import answers, identity
from website.requests.databases import ask_both, ask_platform


async def run_page(visit):
    """The page of a run, with what its reader may do to it."""

    async def extend(run, failures):
        run_id = run["run_id"]
        lines = await last_lines(visit, run_id, failures) if failures else {}
        for row in failures:
            row["log_path"] = log_path(visit.datasette, run_id, row["query_id"])
            row["last_lines"] = lines.get(row["query_id"])
        state = await _standing(visit, run_id)
        state["new_results"] = await ask_platform(visit.datasette, _new_results, run) if run["status"] in RETRIED else 0
        rights = visit.actor.rights if visit.actor else ()
        here = run_path(visit.datasette, run_id)
        return state | {
            "actions": _actions(run, state) if "run" in rights else None,
            "form_token": identity.form_token(visit.request),
            "zip_path": f"{here}/download.zip" if state["has_tables"] else None,
            "report_path": f"{here}/report" if state["has_report"] else None,
            "models_path": models_path(visit.datasette, run_id) if state["has_structures"] else None,
            "next_name": next_name(run_id),
            "same": same.run(visit, run_id),
        }

    return await run_pages.run_page(visit.datasette, visit.request, extend)


async def _standing(visit, run_id):
    """The order of a run, whether the reader may stop, retry and delete it, and which files of it there are."""

    def look(platform):
        own = visit.actor is not None and may_change(None, platform, run_id, visit.user)
        state = {"order": order_of(platform, run_id), "is_own": own, "has_tables": False, "has_report": False}
        state["has_structures"] = bool(places(platform)[1].folder)
        # a run that was not named by our rules has its folder elsewhere
        with contextlib.suppress(UserError):
            folder = run_folder(platform, run_id)
            state["has_tables"] = any((folder / name).is_file() for name in MERGED)
            state["has_report"] = any((folder / "report" / file.name).is_file() for file in REPORT_FILES)
        return state

    return await ask_platform(visit.datasette, look)


def _new_results(platform, run):
    """How many results of a run other runs have computed since its tables were merged."""
    try:
        return new_results(run_folder(platform, run["run_id"]))
    except (UserError, OSError):  # its folder is elsewhere, or damaged
        return 0


def _actions(run, state):
    """Which of stop, retry, repeat and delete make sense for a run and its reader."""
    active, order, own = run["status"] in words.ACTIVE, state["order"], state["is_own"]
    return [
        name
        for name, there in (
            ("stop", own and order and active and not order["stop_asked_by"]),
            ("retry", own and order and run["status"] in RETRIED),
            ("repeat", order),
            ("delete", own and not active),
        )
        if there
    ]


def next_name(run_id):
    """A name for the same once more: human -> human-2 -> human-3."""
    stem, number = re.fullmatch(r"(.*?)(?:-(\d{1,6}))?", run_id, re.DOTALL).groups()
    return f"{stem[:57]}-{int(number or 1) + 1}"


async def _do(visit, function, *values):
    """Do something to the run of the address, in the name of who asks."""
    return await ask_both(visit.datasette, function, visit.named("run_id"), *values, visit.user)


async def _delete(visit):
    await _do(visit, delete_run)
    await visit.note("run deleted", visit.named("run_id"))


def _back(visit):
    return visit.go(run_path(visit.datasette, visit.named("run_id")))


async def stop_form(visit):
    """Stop the run."""
    await _do(visit, ask_stop)
    return _back(visit)


async def retry_form(visit):
    """Compute what did not succeed."""
    await _do(visit, ask_retry)
    return _back(visit)


async def repeat_form(visit):
    """Order the same under another name."""
    new_run = await _do(visit, repeat_run, visit.field("run_id").strip())
    return visit.go(run_path(visit.datasette, new_run.run_id))


async def delete_page(visit):
    """Ask before a run is deleted."""
    run_id = visit.named("run_id")
    run = await answers.ask(visit.datasette, visit.request, queries.find_run, run_id)
    state = await _standing(visit, run_id)
    if not state["is_own"]:
        raise NotAllowedError(f"Run {run_id} can be deleted by its author or an administrator only.")
    if "delete" not in _actions(run, state):
        raise WrongStateError(f"Run {run_id} is still queued or running. Stop it before you delete it.")
    return await visit.page("delete_run.html", {"run": run, "here": run_path(visit.datasette, run_id)})


async def delete_form(visit):
    """Delete the run."""
    await _delete(visit)
    return visit.go(runs_path(visit.datasette))


# --- As JSON ----------------------------------------------------------------------------------------


async def stop(visit):
    """Stop the run."""
    await _do(visit, ask_stop)
    return visit.json({})


async def retry(visit):
    """Compute what did not succeed."""
    await _do(visit, ask_retry)
    return visit.json({})


async def repeat(visit):
    """Order the same under another name."""
    new_run = await _do(visit, repeat_run, visit.body["run_id"])
    return visit.json({"run_id": new_run.run_id, "proteins": len(new_run.ids)}, 201)


async def delete(visit):
    """Delete the run."""
    await _delete(visit)
    return visit.json({})
