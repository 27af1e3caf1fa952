"""The list of runs, the page of a run, and the numbers that it refreshes while the run goes on."""

import shlex

from datasette import Response

from proteofold.report_data import LIMIT, SIGNIFICANT
from proteofold.store import queries
from proteofold_site import answers, run_data, words
from proteofold_site.links import template_link
from proteofold_site.listing import COLUMNS, SORT_WORDS, Listing, Pager, page_of
from proteofold_site.paths import (
    name_in,
    progress_path,
    protein_path,
    results_path,
    row_path,
    run_path,
    runs_path,
    table_path,
)
from proteofold_site.run_figures import FigureCache
from proteofold_site.run_settings import settings_facts

FAILURES_SHOWN = 10
REASONS_SHOWN = 10

# What the parts of a run are called, in the order of run_data.PARTS
PART_WORDS = {
    "significant": f"with a hit of {SIGNIFICANT}",
    "weak": f"with hits of E ≥ {LIMIT} only",
    "none": "without any hit",
    "failed": "failed",
    "running": "running",
    "waiting": "waiting",
}
_figures = FigureCache()


# --- The list ---------------------------------------------------------------------------------------


async def runs_page(datasette, request):
    """All runs, the newest first, in pages."""
    asked = page_of(request.args.get("page"))

    def read(conn):
        total = run_data.count(conn, "select count(*) from runs")
        pager = Pager(total, asked)
        return pager, run_data.newest_runs(conn, run_data.PAGE_ROWS, pager.offset)

    pager, runs = await answers.ask(datasette, request, read)
    for run in runs:
        run["path"] = run_path(datasette, run["run_id"])
    context = {
        "runs": runs,
        "pager": pager.links(lambda page: f"{runs_path(datasette)}?page={page}"),
        "words": words,
        "table": table_path(datasette, "runs"),
    }
    return await answers.page(datasette, request, "runs.html", context)


# --- The page of a run ------------------------------------------------------------------------------


async def run_page(datasette, request):
    """How far a run is, what it found, what failed, what it took."""
    run_id = name_in(request, "run_id")
    listing = Listing(request.args)

    def read(conn):
        run = queries.find_run(conn, run_id)
        counts = run_data.counts(conn, run)
        pager = Pager(sum(counts.values()) if listing.shown == "all" else counts[listing.shown], listing.page)
        return {
            "run": run,
            "counts": counts,
            "pager": pager,
            "proteins": run_data.proteins_of(
                conn, run_id, listing.shown, listing.sort, listing.backwards, pager.offset
            ),
            "failures": queries.failures(conn, run_id, FAILURES_SHOWN) if counts["failed"] else [],
            "reasons": run_data.reasons(conn, run_id, REASONS_SHOWN) if counts["failed"] else [],
            "figures": _figures.of(conn, run),
            "sources": queries.reused_from(conn, run_id) if run["reused"] else {},
        }

    try:
        found = await answers.ask(datasette, request, read)
    except queries.NotFoundError as error:
        context = {"name": run_id, "reason": str(error), "runs": runs_path(datasette)}
        return await answers.page(datasette, request, "run_unknown.html", context, 404)
    for row in (*found["proteins"], *found["failures"]):
        row["path"] = protein_path(datasette, row["query_id"])
    for row in found["proteins"]:
        if row["reused_from"]:
            row["reused_path"] = run_path(datasette, row["reused_from"])
    run, here = found["run"], run_path(datasette, run_id)
    active = run["status"] in words.ACTIVE
    counts = found["counts"]
    context = found | {
        "parts_of_run": [(part, counts[part], PART_WORDS[part]) for part in run_data.PARTS if active or counts[part]],
        "progress": progress(run, counts),
        "active": active,
        "progress_path": progress_path(datasette, run_id),
        "runs": runs_path(datasette),
        "here": here,
        "settings": settings_facts(run["settings"]),
        "downloads": _downloads(datasette, run_id),
        "command": f"proteofold export {shlex.quote(run_id)}",
        "listing": listing,
        "columns": [(*column, listing.heading(here, column[0])) for column in COLUMNS],
        "choices": [("all", "all")] + [(part, PART_WORDS[part]) for part in run_data.PARTS],
        "sorts": SORT_WORDS,
        "pager": found["pager"].links(lambda page: listing.path(here, page=page)),
        "table": results_path(datasette, run_id),
        "failed_table": results_path(datasette, run_id, status="FAILED"),
        "sources": [(run_path(datasette, name), name, count) for name, count in found["sources"].items()],
        "template_link": template_link,
        "words": words,
    }
    return await answers.page(datasette, request, "run.html", context)


def _downloads(datasette, run_id):
    """(what, [(format, address)]) of what can be had of a run."""

    def both(table, **arguments):
        csv = table_path(datasette, table, format="csv", **arguments, _stream="on", _size="max")
        return [("CSV", csv), ("JSON", table_path(datasette, table, format="json", **arguments, _shape="objects"))]

    return [
        ("Results", both("protein_results", run_id=run_id)),
        ("Failed proteins", both("protein_results", run_id=run_id, status="FAILED")),
        ("Hits", [("table", table_path(datasette, "hits", run_id=run_id))]),
        ("Run and settings", [("JSON", f"{row_path(datasette, 'runs', run_id)}.json?_shape=objects")]),
    ]


# --- What changes while a run goes on ---------------------------------------------------------------


def progress(run, counts):
    """What a run's page refreshes: words and counts."""
    total = sum(counts.values())
    finished = total - counts["running"] - counts["waiting"]
    status, _ = words.state(run["status"])
    return {
        "status": run["status"],
        "state": status,
        "finished": finished,
        "total": total,
        "percent": 100 * finished // total if total else 0,
        "duration": words.time_at_work(run),
        "ended": words.moment(run["date_finished"]),
        "counts": counts,
    }


async def run_progress(datasette, request):
    """The numbers of a run as JSON."""
    run_id = name_in(request, "run_id")

    def read(conn):
        run = queries.find_run(conn, run_id)
        return progress(run, run_data.counts(conn, run))

    try:
        told, status = await answers.ask(datasette, request, read), 200
    except queries.NotFoundError as error:
        told, status = {"ok": False, "error": str(error)}, 404
    return Response.json(told, status=status, headers={"Cache-Control": "no-store"})
