"""Finding proteins by a part of an id, accession, gene or description."""

import re

from proteofold.store import queries
from website.actions import same
from website.pages.paths import protein_path
from website.requests import answers

SHOWN = 50
LONGEST = 200

_COLUMNS = "query_id, accession, entry_name, gene, organism, description, length"


async def search_page(visit):
    """The matches to choose from; a single one is gone to at once."""
    text = visit.argument("q")[:LONGEST]
    found, more = await _search(visit, text)
    if len(found) == 1 and text:
        return visit.go(protein_path(visit.datasette, found[0]["query_id"]))
    for row in found:
        row["path"] = protein_path(visit.datasette, row["query_id"])
    context = {"q": text, "found": found, "more": more, "same": same.search(visit, text)}
    return await visit.page("search.html", context)


async def _search(visit, text):
    # SQLite cuts a text at a NUL, and what is left of it would find everything
    if not text or not text.isprintable():
        return [], False
    return await answers.ask(visit.datasette, visit.request, matches, text)


def matches(conn, text):
    """(proteins, whether there are more): those of the very name, else those that have the text in them.

    Matches in id, accession, entry name and gene stand before matches in the description.
    """
    try:
        rows = queries.find_proteins(conn, text)
        return [{name: row[name] for name in _COLUMNS.split(", ")} for row in rows], False
    except queries.NotFoundError:
        pass
    part = re.sub(r"([\\%_])", r"\\\1", text)
    found = {}
    # each of the first four is read from an index alone; descriptions stand beside sequences, and are read last
    for column in ("query_id", "accession", "entry_name", "gene", "description"):
        missing = SHOWN + 1 - len(found)
        if missing <= 0:
            break
        ids = conn.execute(
            f"select query_id from proteins where {column} like ? escape '\\' order by {column}, query_id limit ?",
            (f"%{part}%", SHOWN + 1),
        )
        found |= dict.fromkeys([query_id for (query_id,) in ids if query_id not in found][:missing])
    ids = list(found)
    marks = ", ".join("?" * len(ids))
    cursor = conn.execute(f"select {_COLUMNS} from proteins where query_id in ({marks})", ids)
    rows = {row[0]: dict(zip(_COLUMNS.split(", "), row, strict=True)) for row in cursor}
    return [rows[query_id] for query_id in ids][:SHOWN], len(ids) > SHOWN


# --- As JSON ----------------------------------------------------------------------------------------


async def search(visit):
    """The same as JSON."""
    found, more = await _search(visit, visit.argument("q")[:LONGEST])
    return visit.json({"proteins": found, "more": more})


async def protein(visit):
    """A protein, its sequence and all runs in which it was analysed."""

    def read(conn, name):
        rows = queries.find_proteins(conn, name)
        return [row | {"runs": queries.results_of(conn, row["query_id"])} for row in rows]

    name = visit.named("query_id")
    return visit.json({"proteins": await answers.ask(visit.datasette, visit.request, read, name)})
