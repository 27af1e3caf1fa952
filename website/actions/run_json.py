"""Runs as JSON: the list, one run with its progress, its proteins, one of them."""

from proteofold.store import queries
from proteofold.store.results import STORED_HITS
from website.actions.verdicts import verdict_on
from website.pages import run_data, run_pages
from website.pages.listing import Listing, Pager, RunListing
from website.requests import answers


async def runs(visit):
    """A page of the list of runs."""
    listing = RunListing(visit.request.args)

    def read(conn):
        pager = Pager(run_data.count_runs(conn, listing.shown, listing.author), listing.page)
        found = run_data.newest_runs(conn, run_data.PAGE_ROWS, pager.offset, listing.shown, listing.author)
        return {"runs": found, "total": pager.total, "page": pager.page, "pages": pager.pages}

    return visit.json(await answers.ask(visit.datasette, visit.request, read))


async def run(visit):
    """A run: how far it is, and what it was started with."""
    run_id = visit.named("run_id")

    def read(conn):
        row = queries.find_run(conn, run_id)
        return {"run": row, "progress": run_pages.progress_of(conn, row)}

    return visit.json(await answers.ask(visit.datasette, visit.request, read))


async def run_proteins(visit):
    """A page of the proteins of a run."""
    run_id, listing = visit.named("run_id"), Listing(visit.request.args)

    def read(conn):
        row = queries.find_run(conn, run_id)
        counts = run_data.counts(conn, row)
        pager, found = listing.read(conn, run_id, counts)
        return {"proteins": found, "total": pager.total, "page": pager.page, "pages": pager.pages}

    return visit.json(await answers.ask(visit.datasette, visit.request, read))


async def run_protein(visit):
    """A protein of a run: its result, domains and verdict, its hits."""
    run_id, query_id = visit.named("run_id"), visit.named("query_id")

    def read(conn):
        queries.find_run(conn, run_id)
        results = queries.results_of(conn, query_id)
        result = next((result for result in results if result["run_id"] == run_id), None)
        if result is None:
            raise queries.NotFoundError(f"Run {run_id!r} has no protein {query_id!r}.")
        (protein,) = queries.proteins_of(conn, [query_id])
        hits = queries.hits_of(conn, run_id, query_id, STORED_HITS + 1)
        return {"protein": protein, "result": result, "hits": hits}

    found = await answers.ask(visit.datasette, visit.request, read)
    return visit.json(found | {"verdict": await verdict_on(visit, run_id, query_id)})
