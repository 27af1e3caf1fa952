"""Lists of ids as people paste them, and the proteins of the store that they stand for."""

import re
from typing import NamedTuple

from proteofold.formats.fasta import protein_stem
from proteofold.store import lookup
from proteofold.system.errors import UserError

MOST_IDS = 1_000_000
# names of a list for which similar proteins are looked up; a list may have 200,000 that are absent
_MOST_SUGGESTED = 20
_LONGEST_SHOWN = 200


class Absent(NamedTuple):
    """A name that stands for no protein that could be run, and why."""

    id: str
    reason: str


class Matched(NamedTuple):
    """``found``: query_ids in the order of the list, each once; ``absent``: Absents, in that order, each name once."""

    found: list[str]
    absent: list[Absent]


def read_ids(text):
    """The names in a list: separated by blanks, line ends, commas or semicolons; `>` before them is dropped."""
    names = (word.removeprefix(">") for word in re.split(r"[\s,;]+", text.replace("\ufeff", "")))
    ids = list(dict.fromkeys(filter(None, names)))
    if len(ids) > MOST_IDS:
        raise UserError(f"A list of more than {MOST_IDS:,} ids: split it.")
    return ids


def match_ids(store, names):
    """The proteins that ids, accessions, entry names or genes stand for, in any case, as Matched.

    A name is absent, with the reason, if no protein has it, several have it, the store lacks the sequence, or the
    protein would share its files in a run with one before it.
    """
    found, stems, absent = {}, {}, []
    # JSON may hold halves of characters, which no text of the store does
    for name in dict.fromkeys(name.encode("utf-8", "replace").decode() for name in names):
        rows = _proteins(store, name)
        reason = _reason(rows, name, found, stems)
        if reason:
            if (
                not rows
                and len(absent) < _MOST_SUGGESTED
                and (near := lookup.search(store, name, lookup.SUGGESTED + 1))
            ):
                reason = f"not in the store. Did you mean {lookup.listed(near)}?"
            absent.append(Absent(name if len(name) <= _LONGEST_SHOWN else f"{name[: _LONGEST_SHOWN - 3]}...", reason))
        elif rows[0][0] not in found:
            found[rows[0][0]] = None
            stems[protein_stem(rows[0][0])] = rows[0][0]
    return Matched(list(found), absent)


def _proteins(store, name):
    ids = lookup.named(store, name, lookup.SUGGESTED + 1)
    marks = ", ".join("?" * len(ids))
    query = f"select query_id, sequence is not null from proteins where query_id in ({marks}) order by query_id"
    return store.execute(query, ids).fetchall()


def _reason(rows, name, found, stems):
    if not rows:
        return "not in the store: upload its sequence"
    if len(rows) > 1:
        ids = [query_id for query_id, _ in rows]
        return f"matches several proteins: {lookup.listed(ids)}. Give a full id"
    query_id, has_sequence = rows[0]
    if not has_sequence:
        return "the store does not have its sequence: upload it"
    other = stems.get(protein_stem(query_id))
    if query_id not in found and other:
        return f"would share the files '{protein_stem(query_id)}' with {other}"
    return ""
