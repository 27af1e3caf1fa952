"""Finding proteins by name: the one set of rules that the pages, the API and the command line share.

A name is an id, an accession, an entry name or a gene, in upper or lower case. Any other text is searched for: as
part of one of these or of the description, as words, and as the code or description of a template that is a best hit.
"""

import re

from proteofold.store import queries

SUGGESTED = 3

# in this order: a text that is an id is not taken as a gene
_NAMES = ("query_id", "accession", "entry_name", "gene")
_PARTS = (*_NAMES, "description")
_LONGEST = 200
_MOST_TEMPLATES = 200


def named(conn, name, limit=-1):
    """Ids of the proteins that ``name`` stands for; none if it is only part of a name, or words.

    Several proteins may share an accession or a gene. A name in the same case is preferred.
    """
    for column in _NAMES:
        # the index of this column ignores case, too
        query = (
            f"select query_id, {column} = ? from proteins where {column} = ? collate nocase"
            " order by 2 desc, query_id limit ?"
        )
        if rows := conn.execute(query, (name, name, limit)).fetchall():
            same_case = [query_id for query_id, is_same in rows if is_same]
            return same_case or [query_id for query_id, _ in rows]
    return []


def search(conn, text, limit):
    """Ids of the proteins that fit a text, the closest first, at most ``limit``.

    If it is a name, these are the proteins of that name and no others.
    """
    text = text.strip()
    # SQLite cuts a text at a NUL, and what is left of it would find everything
    if not text or len(text) > _LONGEST or not text.isprintable():
        return []
    if found := named(conn, text, limit):
        return found
    found = {}
    for fitting in (_with_part, _with_words, _with_template):
        if len(found) < limit:
            found |= dict.fromkeys(fitting(conn, text, limit))
    return list(found)[:limit]


def find(conn, name, *, or_words=False):
    """The proteins that ``name`` stands for, as rows; with ``or_words`` also the only one that fits it as a text.

    NotFoundError, with suggestions, if there is none.
    """
    if found := named(conn, name):
        return queries.proteins_of(conn, found)
    fitting = search(conn, name, SUGGESTED + 1)
    if or_words and len(fitting) == 1:
        return queries.proteins_of(conn, fitting)
    advice = f"Did you mean {listed(fitting)}?" if fitting else "Give an id, accession, entry name or gene."
    raise queries.NotFoundError(f"no protein {name!r} in the store. {advice}")


def listed(ids):
    """Some ids for a sentence; more than SUGGESTED are cut."""
    return ", ".join(ids[:SUGGESTED]) + (", ..." if len(ids) > SUGGESTED else "")


def _with_part(conn, text, limit):
    part = re.sub(r"([\\%_])", r"\\\1", text)
    found = {}
    # each of the first four is read from an index alone; descriptions stand beside sequences, and are read last
    for column in _PARTS:
        if len(found) >= limit:
            break
        found |= dict.fromkeys(
            query_id
            for (query_id,) in conn.execute(
                f"select query_id from proteins where {column} like ? escape '\\' order by {column}, query_id limit ?",
                (f"%{part}%", limit),
            )
        )
    return found


def _with_words(conn, text, limit):
    words = re.findall(r"\w+", text)
    if len(words) < 2:
        return []
    # letters, digits and _ only, in quotes: nothing of the search's own syntax is left
    query = (
        "select query_id from proteins where number in"
        " (select rowid from proteins_fts where proteins_fts match ?) order by query_id limit ?"
    )
    rows = conn.execute(query, (" ".join(f'"{word}"*' for word in words[:20]), limit))
    return [query_id for (query_id,) in rows]


def _with_template(conn, text, limit):
    if len(text) < 4:
        return []
    part = re.sub(r"([\\%_])", r"\\\1", text)
    query = (
        "select distinct template from templates"
        " where template like ? escape '\\' or description like ? escape '\\' limit ?"
    )
    templates = [row[0] for row in conn.execute(query, (f"{part}%", f"%{part}%", _MOST_TEMPLATES))]
    marks = ", ".join("?" * len(templates))
    # the best hit of a dark protein is noise
    query = (
        f"select distinct query_id from protein_results where best_hit in ({marks})"
        " and coverage_class is not 'dark' order by query_id limit ?"
    )
    return [query_id for (query_id,) in conn.execute(query, (*templates, limit))]
