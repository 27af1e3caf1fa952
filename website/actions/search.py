"""Finding proteins by a name, a part of one, words of the description, or a template."""

from proteofold.store import lookup, queries
from website.actions import same
from website.actions.verdicts import verdict_on
from website.pages.paths import protein_path
from website.requests import answers

SHOWN = 50
LONGEST = 200

_COLUMNS = ("query_id", "accession", "entry_name", "gene", "organism", "description", "length")


async def search_page(visit):
    """The matches to choose from; a single one opens at once."""
    text = visit.argument("q")[:LONGEST]
    found, more = await _search(visit, text)
    if len(found) == 1 and text:
        return visit.go(protein_path(visit.datasette, found[0]["query_id"]))
    for row in found:
        row["path"] = protein_path(visit.datasette, row["query_id"])
    context = {"q": text, "found": found, "more": more, "same": same.search(visit, text)}
    return await visit.page("search.html", context)


async def _search(visit, text):
    return await answers.ask(visit.datasette, visit.request, matches, text)


def matches(conn, text):
    """(proteins, whether there are more)."""
    ids = lookup.search(conn, text, SHOWN + 1)
    rows = queries.proteins_of(conn, ids[:SHOWN])
    return [{name: row[name] for name in _COLUMNS} for row in rows], len(ids) > SHOWN


# --- As JSON ----------------------------------------------------------------------------------------


async def search(visit):
    """The same as JSON."""
    found, more = await _search(visit, visit.argument("q")[:LONGEST])
    return visit.json({"proteins": found, "more": more})


async def protein(visit):
    """A protein, its sequence, all runs in which it was analysed, and the verdict on its newest result."""

    def read(conn, name):
        rows = lookup.find(conn, name)
        return [row | {"runs": queries.results_of(conn, row["query_id"])} for row in rows]

    name = visit.named("query_id")
    proteins = await answers.ask(visit.datasette, visit.request, read, name)
    for row in proteins:
        newest = next((run["run_id"] for run in row["runs"] if run["status"] == "SUCCESS"), None)
        row["verdict"] = await verdict_on(visit, newest, row["query_id"]) if newest else None
    return visit.json({"proteins": proteins})
