"""The page of a protein: its sequence and predicted secondary structure, its hits and their alignments, its runs."""

from pathlib import Path, PurePath

from proteofold.store import lookup, queries
from proteofold.store.database import path_of
from proteofold.store.results import prediction_in_files
from website.drawing.hit_map import hit_map, legend, step_of
from website.drawing.prediction import alignments_shown, structure_shown
from website.pages import words
from website.pages.links import accession_links, template_link
from website.pages.paths import log_path, name_in, protein_path, row_path, run_path, table_path
from website.requests import answers, identity

HITS_SHOWN = 50
# states of runs that can be started again for what did not succeed
RETRIED = ("FAILED", "INTERRUPTED")
BARS_SHOWN = 30
# A sequence of more residues scrolls in a box, so that what follows stays in reach.
LONG_SEQUENCE = 1200


async def protein_page(datasette, request, results=(), more=None, may_retry=None):
    """What the store has of a protein: given by its id in the path, or by id or accession in ``?id=``.

    ``?hit=`` asks for the alignment of the hit of that rank, wherever it stands. ``results`` are folders, beside that
    of the store, that may hold the files of runs. ``more(query_id)`` is what else the template shows.
    ``may_retry(run_id)``, a coroutine, returns whether the reader may retry a run.
    """
    in_path = "query_id" in request.url_vars
    name = name_in(request, "query_id") if in_path else (request.args.get("id") or "").strip()
    try:
        found = await answers.ask(datasette, request, _gather, name, request.args.get("hit"), results)
    except queries.NotFoundError as error:
        context = {"name": name, "reason": str(error)}
        return await answers.page(datasette, request, "protein_unknown.html", context, 404)
    if isinstance(found, list):
        choices = [(protein_path(datasette, query_id), query_id) for query_id in found]
        return await answers.page(datasette, request, "protein_unknown.html", {"name": name, "choices": choices})
    protein, latest = found["protein"], found["latest"]
    for result in found["results"]:
        result["path"] = run_path(datasette, result["run_id"])
    here = protein_path(datasette, protein["query_id"])
    context = found | {
        "accession": accession_links(protein["accession"]),
        "row_path": row_path(datasette, "proteins", protein["query_id"]),
        "bars": min(len(found["hits"]), BARS_SHOWN),
        "hit_map": hit_map(found["hits"][:BARS_SHOWN], protein["length"]),
        "steps": legend(),
        "step_of": step_of,
        "template_link": template_link,
        "words": words,
        "long": protein["length"] > LONG_SEQUENCE,
        "alignment_path": lambda rank: f"{here}{'&' if '?' in here else '?'}hit={rank}#hit-{rank}",
    }
    if latest:
        run_id = latest["run_id"]
        context["run_path"] = run_path(datasette, run_id)
        context["all_hits"] = table_path(datasette, "hits", run_id=run_id, query_id=protein["query_id"])
    if failed := found["failed"]:
        run_id = failed["run_id"]
        context["failed_log"] = log_path(datasette, run_id, protein["query_id"])
        context["may_retry"] = bool(failed["retried"] and may_retry and await may_retry(run_id))
        context["form_token"] = identity.form_token(request)
    if more:
        context |= more(protein["query_id"])
    return await answers.page(datasette, request, "protein.html", context)


def _gather(conn, name, asked, results):
    """Protein, its results, the latest finished one, and what it found, drawn; ids where an accession has several."""
    proteins = lookup.find(conn, name)
    if len(proteins) > 1:
        return [protein["query_id"] for protein in proteins]
    (protein,) = proteins
    of_runs = queries.results_of(conn, protein["query_id"])
    finished = [result for result in of_runs if result["phase"] == "done"]
    latest = max(finished, key=lambda result: result["finished_at"] or "", default=None)
    key = (latest["run_id"], protein["query_id"]) if latest else None
    prediction = queries.prediction_of(conn, *key) if key else None
    folders = [Path(path_of(conn)).parent, *results]
    failed = of_runs[0] if of_runs and of_runs[0]["phase"] == "failed" else None
    if failed:
        failed["retried"] = queries.find_run(conn, failed["run_id"])["status"] in RETRIED
        if not prediction and PurePath(failed["run_id"]).name == failed["run_id"]:
            read = (prediction_in_files(folder / failed["run_id"], protein["query_id"]) for folder in folders)
            prediction = next(filter(None, read), None)
    found = {
        "protein": protein,
        "results": of_runs,
        "latest": latest,
        "failed": failed,
        "hits": queries.hits_of(conn, *key, HITS_SHOWN) if key else [],
    }
    # drawn here, in the thread of the query: the longest take half a second, and others wait for the main thread
    return found | structure_shown(protein, latest or failed, prediction) | alignments_shown(folders, latest, asked)
