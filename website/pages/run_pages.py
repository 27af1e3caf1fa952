"""The list of runs, the page of a run, and the numbers that it refreshes while the run is running."""

import shlex
import threading
import time

from datasette import Response

from proteofold.report.pages import CLASS_WORDS
from proteofold.run.states import timestamp
from proteofold.science.verdict import COVERAGE_CLASSES
from proteofold.store import queries
from proteofold.store.database import path_of
from proteofold.store.monitoring import activity
from proteofold.system.words import counted, duration
from website.drawing import words
from website.drawing.bars import domain_strip, parts_bar
from website.pages import run_data
from website.pages.links import structure_picture, template_link
from website.pages.listing import COLUMNS, PAGE_SIZES, SORT_WORDS, Listing, Pager, RunListing
from website.pages.paths import (
    compare_path,
    log_path,
    progress_path,
    protein_path,
    results_path,
    row_path,
    run_path,
    runs_path,
    table_path,
)
from website.pages.run_figures import FigureCache, drawn_proteome
from website.pages.run_settings import settings_facts
from website.pages.timeline import SLOWEST_SHOWN, drawn_timeline
from website.requests import answers
from website.requests.visit import name_in

FAILURES_SHOWN = 10
REASONS_SHOWN = 10
AUTHORS_SHOWN = 200
TIMELINE_KEPT_S = 10

# What the list of runs can show, in the words of run_data.RUNS_SHOWN
RUNS_WORDS = {
    "all": "all",
    "running": "running",
    "waiting": "waiting to start",
    "finished": "finished",
    "failed": "finished, some failed",
    "interrupted": "interrupted",
}

# What the parts of a run are called, in the order of run_data.PARTS
PART_WORDS = {
    **CLASS_WORDS,
    "unknown": "coverage not known",
    "failed": "failed",
    "running": "running",
    "waiting": "waiting",
}
# What else the list can show
MORE_WORDS = {
    "all": "all proteins",
    "significant": "with a domain, covered or partly covered",
    "weak": "dark, with hits that are noise",
    "none": "without any hit",
}
SHOWN_WORDS = {"all": MORE_WORDS["all"]} | PART_WORDS | MORE_WORDS
FORMATS = (("FASTA", "fasta"), ("CSV", "csv"), ("ids", "txt"))
_drawn, _timelines = FigureCache(), FigureCache()


def run_bar(run):
    """The bar of a run in a list of runs."""
    waiting = max(run["total"] - run["succeeded"] - run["failed"], 0)
    return parts_bar(
        [("done", run["succeeded"]), ("failed", run["failed"]), ("waiting", waiting)], run["total"], "small"
    )


# --- The list ---------------------------------------------------------------------------------------


async def runs_page(datasette, request, more=None):
    """Runs in progress, then the others, the newest first; in pages, and only some if the reader chooses.

    ``more`` is what else the template shows.
    """
    listing = RunListing(request.args)

    def read(conn):
        pager = Pager(run_data.count_runs(conn, listing.shown, listing.author), listing.page)
        runs = run_data.newest_runs(conn, run_data.PAGE_ROWS, pager.offset, listing.shown, listing.author)
        return pager, runs, run_data.authors(conn, AUTHORS_SHOWN)

    pager, runs, authors = await answers.ask(datasette, request, read)
    for run in runs:
        run["path"] = run_path(datasette, run["run_id"])
        run["bar"] = run_bar(run)
    here = runs_path(datasette)
    context = {
        "runs": runs,
        "pager": pager.links(lambda page: listing.path(here, page)),
        "words": words,
        "table": table_path(datasette, "runs"),
        "listing": listing,
        "here": here,
        "choices": RUNS_WORDS,
        "authors": authors,
    }
    return await answers.page(datasette, request, "runs.html", context | (more or {}))


# --- The page of a run ------------------------------------------------------------------------------


async def run_page(datasette, request, extend=None):
    """How far a run is, what it found, what failed, what it took.

    ``extend(run, failures)``, a coroutine, returns what else the template shows.
    """
    run_id = name_in(request, "run_id")
    listing = Listing(request.args)

    def read(conn):
        run = queries.find_run(conn, run_id)
        counts = run_data.counts(conn, run)
        return _listed(conn, run_id, counts, listing) | {
            "run": run,
            "counts": counts,
            "activity": _activity.of(conn, run),
            "failures": queries.failures(conn, run_id, FAILURES_SHOWN) if counts["failed"] else [],
            "reasons": run_data.reasons(conn, run_id, REASONS_SHOWN) if counts["failed"] else [],
            "proteome": _drawn.of(conn, [run], lambda: drawn_proteome(conn, run)),
            "timeline": _timelines.of(conn, [run], lambda: drawn_timeline(conn, run), _draw_again(run)),
            "sources": queries.computed_elsewhere(conn, run_id) if run["shared"] else {},
        }

    try:
        found = await answers.ask(datasette, request, read)
    except queries.NotFoundError as error:
        context = {"name": run_id, "reason": str(error), "runs": runs_path(datasette)}
        return await answers.page(datasette, request, "run_unknown.html", context, 404)
    for row in found["failures"]:
        row["path"] = protein_path(datasette, row["query_id"])
    run, counts = found["run"], found["counts"]
    active = run["status"] in words.ACTIVE
    here = run_path(datasette, run_id)
    context = found | _list_context(datasette, run_id, found, listing)
    context |= {
        "parts_of_run": _parts(run, counts, active),
        "bar": parts_bar([(part, counts[part]) for part in run_data.PARTS], run["total"]),
        "progress": progress(run, counts, found["activity"].get("seconds_left")),
        "pace": _pace(found["activity"]),
        "running_longest": [
            (protein_path(datasette, row["query_id"]), row, words.span(row["seconds"]))
            for row in found["activity"].get("running", ())
        ],
        "protein_path": lambda query_id: protein_path(datasette, query_id),
        "active": active,
        "progress_path": progress_path(datasette, run_id),
        "runs": runs_path(datasette),
        "settings": settings_facts(run["settings"]),
        "downloads": _downloads(datasette, run_id),
        "command": f"proteofold export {shlex.quote(run_id)}",
        "choices": [(name, text) for name, text in SHOWN_WORDS.items() if name != "unknown" or counts["unknown"]],
        "sorts": SORT_WORDS,
        "template_path": lambda template: listing.path(here, template=template, show="", page=""),
        "node_path": lambda code: listing.path(here, cath=code, show="", page=""),
        "has_classification": bool((run["settings"] or {}).get("classification")),
        "compare_path": compare_path(datasette, run_id),
        "sizes": PAGE_SIZES,
        "table": results_path(datasette, run_id),
        "failed_table": results_path(datasette, run_id, status="FAILED"),
        "sources": [(run_path(datasette, name), name, count) for name, count in found["sources"].items()],
    }
    if extend:
        context |= await extend(run, found["failures"])
    return await answers.page(datasette, request, "run.html", context)


def _parts(run, counts, active):
    """(part, number, part of the run in percent, words) of what a run's tiles show."""
    shown = [part for part in run_data.PARTS if counts[part] or part in COVERAGE_CLASSES]
    if active:
        shown = [part for part in run_data.PARTS if part != "unknown" or counts[part]]
    return [(part, counts[part], words.percent(counts[part], run["total"]), PART_WORDS[part]) for part in shown]


async def run_proteins(datasette, request):
    """The list of a run's page by itself, which a run in progress refreshes."""
    run_id = name_in(request, "run_id")
    listing = Listing(request.args)

    def read(conn):
        run = queries.find_run(conn, run_id)
        return _listed(conn, run_id, run_data.counts(conn, run), listing) | {"run": run}

    found = await answers.ask(datasette, request, read)
    context = _list_context(datasette, run_id, found, listing) | {"active": found["run"]["status"] in words.ACTIVE}
    answer = await answers.page(datasette, request, "_run_proteins.html", context)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _listed(conn, run_id, counts, listing):
    pager, proteins = listing.read(conn, run_id, counts)
    return {"pager": pager, "proteins": proteins}


def _list_context(datasette, run_id, found, listing):
    """What the list of proteins is drawn from."""
    here = run_path(datasette, run_id)
    for row in found["proteins"]:
        row["path"] = protein_path(datasette, row["query_id"])
        row["strip"] = domain_strip(row["length"], row["spans"], _strip_words(row)) if row["spans"] else ""
        if row["computed_in"] not in (None, run_id):
            row["computed_path"] = run_path(datasette, row["computed_in"])
    return {
        "proteins": found["proteins"],
        "pager": found["pager"].links(lambda page: listing.path(here, page=page)),
        "columns": [(*column, listing.heading(here, column[0])) for column in COLUMNS],
        "listing": listing,
        "here": here,
        "listed_path": listing.path(f"{here}/proteins", page=found["pager"].page).partition("#")[0],
        "log_path": lambda query_id: log_path(datasette, run_id, query_id),
        "template_link": template_link,
        "structure_picture": structure_picture,
        "shown_words": SHOWN_WORDS,
        "files": [
            (name, f"{here}/proteins.{ending}?{listing.arguments(view='', rows='')}") for name, ending in FORMATS
        ],
        "words": words,
    }


def _strip_words(row):
    listed = "; ".join(f"{span['query_start']}\u2013{span['query_end']}: {span['template']}" for span in row["spans"])
    return f"{counted(len(row['spans']), 'domain')} in {row['length']:,} residues: {listed}"


def _downloads(datasette, run_id):
    """(what, [(format, address)]) of what can be downloaded of a run."""

    def both(table, **arguments):
        csv = table_path(datasette, table, format="csv", **arguments, _stream="on", _size="max")
        return [("CSV", csv), ("JSON", table_path(datasette, table, format="json", **arguments, _shape="objects"))]

    return [
        ("Results", both("protein_results", run_id=run_id)),
        ("Failed proteins", both("protein_results", run_id=run_id, status="FAILED")),
        ("Hits", [("table", table_path(datasette, "hits", run_id=run_id))]),
        ("Run and settings", [("JSON", f"{row_path(datasette, 'runs', run_id)}.json?_shape=objects")]),
    ]


# --- What changes while a run is running ---------------------------------------------------------------


class Activity:
    """How runs go: what runs longest, and the pace of late; asked every few seconds however many readers there are."""

    KEPT_S = 5

    def __init__(self):
        self._known, self._lock = {}, threading.Lock()

    def of(self, conn, run):
        """What ``monitoring.activity`` returns of a run in progress, {} of others."""
        if run["status"] != "RUNNING":
            return {}
        key = (path_of(conn), run["run_id"])
        with self._lock:
            seen, at = self._known.get(key, ({}, 0))
            if time.monotonic() - at > self.KEPT_S:
                seen = activity(conn, run["run_id"], time.time(), jobs=SLOWEST_SHOWN)
                self._known = {old: kept for old, kept in self._known.items() if time.monotonic() - kept[1] < 60}
                self._known[key] = (seen, time.monotonic())
        return seen


_activity = Activity()


def _draw_again(run):
    """Changes every few seconds while a run is running: time passes even if nothing is finished."""
    return time.monotonic() // TIMELINE_KEPT_S if run["status"] in words.ACTIVE else None


def _pace(seen):
    """How fast a run goes and when it will end, in words; nothing where that is not known."""
    if not seen.get("per_hour"):
        return ""
    pace = f"Currently about {seen['per_hour']:,.0f} proteins per hour"
    if seen["seconds_left"] is None:
        return f"{pace}."
    ends = words.moment(timestamp(time.time() + seen["seconds_left"]))
    return f"{pace}; about {duration(seen['seconds_left'])} left, until {ends} UTC."


def progress(run, counts, left=None):
    """What a run's page refreshes: words and counts; ``left`` is the time it still takes, in seconds."""
    total = sum(counts.values())
    finished = total - counts["running"] - counts["waiting"]
    status, kind = words.state(run["status"])
    return {
        "status": run["status"],
        "state": status,
        "kind": kind,
        "finished": finished,
        "total": total,
        "percent": 100 * finished // total if total else 0,
        "duration": words.time_at_work(run),
        "seconds_left": left,
        "left": duration(left) if left is not None else "",
        "started": words.moment(run["date_started"]),
        "ended": words.moment(run["date_finished"]),
        "counts": counts,
    }


def progress_of(conn, run):
    """The same of a run as it is now."""
    return progress(run, run_data.counts(conn, run), _activity.of(conn, run).get("seconds_left"))


async def run_progress(datasette, request):
    """The numbers of a run as JSON."""
    run_id = name_in(request, "run_id")

    def read(conn):
        run = queries.find_run(conn, run_id)
        return progress_of(conn, run)

    try:
        answer, status = await answers.ask(datasette, request, read), 200
    except queries.NotFoundError as error:
        answer, status = {"ok": False, "error": str(error)}, 404
    return Response.json(answer, status=status, headers={"Cache-Control": "no-store"})
