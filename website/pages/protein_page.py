"""The page of a protein: the verdict, its domains and hits along the sequence, alignments, its runs."""

from functools import partial
from pathlib import Path, PurePath
from urllib.parse import parse_qsl, urlencode

from proteofold.run.models import find_structure
from proteofold.science.domains import residues_in
from proteofold.science.verdict import DARK
from proteofold.store import lookup, queries
from proteofold.store.database import path_of
from proteofold.store.results import prediction_in_files
from proteofold.store.run_files import PROTEIN_FILES
from proteofold.system.errors import UserError
from website.drawing import words
from website.drawing.alignment_text import RESIDUES, alignment_text, match_quality
from website.drawing.prediction import structure_shown
from website.drawing.strip import hit_bars, legend, overview, step_of
from website.pages.hit_listing import COLUMNS, COVERAGES, PROBABILITIES, SIZES, HitListing
from website.pages.links import chain_of, node_url, protein_links, template_link, template_links
from website.pages.paths import (
    log_path,
    model_path,
    protein_file_path,
    protein_path,
    row_path,
    run_path,
    table_path,
)
from website.pages.protein_result import found_by
from website.requests import answers, identity
from website.requests.visit import name_in

# states of runs that can be started again for what did not succeed
RETRIED = ("FAILED", "INTERRUPTED")
# The sequence of a longer protein is drawn only if the reader asks for it: 30 bytes per residue.
LONG_SEQUENCE = 1500

# More domains than these are in the table only if the reader asks for them.
MOST_DOMAINS = 12

# What the files of PROTEIN_FILES are called on the page
DOWNLOADS = {
    **{"hhr": "Alignments (HHR)", "a3m": "Query (A3M)", "fasta": "Sequence (FASTA)"},
    **{
        f"{what.lower()}.{kind}": f"{what} ({kind.upper()})" for what in ("Hits", "Domains") for kind in ("csv", "json")
    },
}

# What ``?part=`` asks for: parts of the page that its script fetches, by their templates
PARTS = {"hits": "_protein_hits.html", "alignment": "_alignment.html"}


async def protein_page(datasette, request, results=(), more=None, may_retry=None, structures=None):
    """What the store has of a protein: given by its id in the path, or by id or accession in ``?id=``.

    The arguments of HitListing choose the hits that are listed, ``?hit=`` the one whose alignment is shown.
    ``results`` are folders, beside that of the store, that may hold the files of runs. ``more(query_id)`` is what else
    the template shows. ``may_retry(run_id)``, a coroutine, returns whether the reader may retry a run. ``structures``
    is the folder of the structures of templates, None without one.
    """
    in_path = "query_id" in request.url_vars
    name = name_in(request, "query_id") if in_path else (request.args.get("id") or "").strip()
    # addresses of the same page begin with what follows its path: a list of hits has hundreds
    asked = {} if in_path else {"id": name}
    if run_id := request.args.get("run"):
        asked["run"] = run_id
    here = f"?{urlencode(asked)}" if asked else ""
    try:
        found = await answers.ask(datasette, request, _gather, name, request.args, results, here, structures)
    except queries.NotFoundError as error:
        context = {"name": name, "reason": str(error)}
        return await answers.page(datasette, request, "protein_unknown.html", context, 404)
    if isinstance(found, list):
        choices = [(protein_path(datasette, query_id), query_id) for query_id in found]
        return await answers.page(datasette, request, "protein_unknown.html", {"name": name, "choices": choices})
    protein, latest = found["protein"], found["latest"]
    for result in found["results"]:
        result["shown_path"] = f"{protein_path(datasette, protein['query_id'])}?{urlencode({'run': result['run_id']})}"
        result["path"] = run_path(datasette, result["run_id"])
        result["significant_hit"] = None if result["coverage_class"] == DARK else result["best_hit"]
    context = found | {
        "row_path": row_path(datasette, "proteins", protein["query_id"]),
        "here_path": protein_path(datasette, protein["query_id"]),
        "protein_links": protein_links(protein["accession"]),
        "template_links": template_links,
        "chain_of": chain_of,
        "template_link": template_link,
        "node_url": node_url,
        "steps": legend(),
        "step_of": step_of,
        "residue_kinds": RESIDUES,
        "words": words,
    }
    if latest:
        run_id = latest["run_id"]
        context["run_path"] = run_path(datasette, run_id)
        context["downloads"] = _downloads(datasette, latest, found["is_served"])
        context["model_path"] = partial(model_path, datasette, run_id, protein["query_id"])
    if failed := found["failed"]:
        run_id = failed["run_id"]
        context["failed_log"] = log_path(datasette, run_id, protein["query_id"])
        context["may_retry"] = bool(failed["retried"] and may_retry and await may_retry(run_id))
        context["form_token"] = identity.form_token(request)
    if more:
        context |= more(protein["query_id"])
    # without a result there are no parts
    template = PARTS.get(request.args.get("part") if latest else None, "protein.html")
    return await answers.page(datasette, request, template, context)


def _downloads(datasette, latest, is_served):
    """(text, address, what it is) of the files of a result; where they are not served, of the hits in the store."""
    run_id, query_id = latest["run_id"], latest["query_id"]
    if is_served:
        return [
            (DOWNLOADS.get(name, name), protein_file_path(datasette, run_id, query_id, name), file.about)
            for name, file in PROTEIN_FILES.items()
        ]
    hits = {"run_id": run_id, "query_id": query_id}
    return [
        ("Hits (CSV)", table_path(datasette, "hits", format="csv", **hits, _size="max"), "those in the store"),
        ("Hits (JSON)", table_path(datasette, "hits", format="json", **hits, _shape="objects"), "the same as JSON"),
    ]


def _gather(conn, name, arguments, results, here, structures):
    """Protein, its results, the latest finished one, and what it found, drawn; ids where an accession has several."""
    proteins = lookup.find(conn, name)
    if len(proteins) > 1:
        return [protein["query_id"] for protein in proteins]
    (protein,) = proteins
    of_runs = queries.results_of(conn, protein["query_id"])
    finished = [result for result in of_runs if result["phase"] == "done"]
    newest = max(finished, key=lambda result: result["finished_at"] or "", default=None)
    asked = arguments.get("run")
    of_asked = next((result for result in finished if result["run_id"] == asked), None)
    latest = of_asked or newest
    prediction = queries.prediction_of(conn, latest["run_id"], protein["query_id"]) if latest else None
    folders = [Path(path_of(conn)).parent, *results]
    failed = of_runs[0] if of_runs and of_runs[0]["phase"] == "failed" else None
    if failed:
        failed["retried"] = queries.find_run(conn, failed["run_id"])["status"] in RETRIED
        if not prediction and PurePath(failed["run_id"]).name == failed["run_id"]:
            read = (prediction_in_files(folder / failed["run_id"], protein["query_id"]) for folder in folders)
            prediction = next(filter(None, read), None)
    found = {"protein": protein, "results": of_runs, "latest": latest, "failed": failed, "found": None}
    found["is_newest"] = latest is newest
    found["absent_run"] = asked if not of_asked else None
    # drawn here, in the thread of the query: the longest take half a second, and others wait for the main thread
    draws_sequence = protein["length"] <= LONG_SEQUENCE or arguments.get("sequence") == "all"
    found |= structure_shown(protein, latest or failed, prediction, draws_sequence)
    found["sequence_path"] = f"{here}{'&' if here else '?'}sequence=all#sequence"
    found |= _hits_shown(conn, folders, latest, protein, found["states"], arguments, here)
    # beside the store there may be runs that are not those of the runner
    folder = found["found"] and found["found"].folder
    found["is_served"] = bool(folder) and folder.resolve() in [place.resolve() for place in results]
    return found | {"modelled": _modelled(found, structures) if found["is_served"] and structures else ()}


def _modelled(found, structures):
    """The ranks of the hits on the page of which there can be a model: their templates have a structure."""
    shown = [*found["domains"], *(hit for hit in found["hits"] if hit.rank == found["listing"].asked)]
    return {hit.rank for hit in shown if find_structure(hit.template, structures)}


def _hits_shown(conn, folders, latest, protein, states, arguments, here):
    """For the page: the verdict, the strip, and the hits that the address chooses; ``here`` is the address."""
    listing = HitListing(arguments, protein["length"])
    shown = {"here": here, "listing": listing, "kept": dict(parse_qsl(here[1:]))}
    if not latest:
        return shown | {"overview": overview([], [], protein["length"], states, None)}
    found = found_by(conn, folders, latest, protein)
    chosen = listing.chosen(found.hits, found.significant)
    pager = listing.pager(chosen)
    hits = chosen[pager.offset : pager.offset + pager.most]
    length = found.verdict.length

    def alignment_path(hit):
        return listing.path(here, f"hit-{hit.rank}", hit=hit.rank)

    def direct_path(hit):
        return f"{here}{'&' if here else '?'}hit={hit.rank}#hit-{hit.rank}"

    return shown | {
        "found": found,
        "verdict": found.verdict,
        "domains": found.verdict.domains[: None if arguments.get("domains") == "all" else MOST_DOMAINS],
        "domains_path": f"{here}{'&' if here else '?'}domains=all#domains",
        "overview": overview(found.verdict.domains, found.significant, length, states, direct_path),
        "bars": hit_bars(hits, found.significant, length, listing.region, alignment_path),
        "significant_ranks": {hit.rank for hit in found.significant},
        "significant_residues": residues_in(found.significant),
        "hits": hits,
        "chosen": len(chosen),
        "pager": pager.links(lambda page: listing.path(here, page=page)),
        "columns": [(name, is_number, listing.heading(here, key)) for key, name, is_number in COLUMNS],
        "alignment_path": alignment_path,
        "direct_path": direct_path,
        "choices": {"probability": PROBABILITIES, "coverage": COVERAGES, "rows": SIZES},
        "alignment": _alignment_shown(found, listing.asked),
    }


def _alignment_shown(found, rank):
    """The alignment of the hit of a rank, drawn; None where there is none."""
    hit = next((hit for hit in found.hits if hit.rank == rank), None)
    if not hit or found.data is None:
        return None
    shown = {"rank": rank, "template": hit.template, "description": hit.description or "", "text": None}
    try:
        alignment = found.alignment(rank)
    except UserError as error:
        return shown | {"reason": str(error)}
    drawn = {"text": alignment_text(alignment), "first": alignment.template_start}
    return shown | drawn | {"quality": match_quality(alignment)}
