"""Lists of ids as people paste them, and the proteins of the store that they stand for."""

import re
from collections import namedtuple

from proteofold.formats.fasta import protein_stem
from proteofold.system.errors import UserError

MOST_IDS = 1_000_000
_LONGEST_SHOWN = 200


class Absent(namedtuple("Absent", "id reason")):
    """A name that stands for no protein that could be run, and why."""

    __slots__ = ()


class Matched(namedtuple("Matched", "found absent")):
    """``found``: query_ids in the order of the list, each once; ``absent``: Absents, in that order, each name once."""

    __slots__ = ()


def read_ids(text):
    """The names in a list: separated by blanks, line ends, commas or semicolons; `>` before them is dropped."""
    names = (word.removeprefix(">") for word in re.split(r"[\s,;]+", text.replace("\ufeff", "")))
    ids = list(dict.fromkeys(filter(None, names)))
    if len(ids) > MOST_IDS:
        raise UserError(f"A list of more than {MOST_IDS:,} ids: split it.")
    return ids


def match_ids(store, names):
    """The proteins that full ids, accessions or entry names stand for, as Matched.

    A name is absent, with the reason, if no protein has it, several have it, the store lacks the sequence, or the
    protein would share its files in a run with one before it.
    """
    found, stems, absent = {}, {}, []
    # JSON may hold halves of characters, which no text of the store does
    for name in dict.fromkeys(name.encode("utf-8", "replace").decode() for name in names):
        rows = _proteins(store, name)
        reason = _reason(rows, name, found, stems)
        if reason:
            absent.append(Absent(name if len(name) <= _LONGEST_SHOWN else f"{name[: _LONGEST_SHOWN - 3]}...", reason))
        elif rows[0][0] not in found:
            found[rows[0][0]] = None
            stems[protein_stem(rows[0][0])] = rows[0][0]
    return Matched(list(found), absent)


def _proteins(store, name):
    for column in ("query_id", "accession", "entry_name"):
        query = f"select query_id, sequence is not null from proteins where {column} = ? order by query_id limit 4"
        if rows := store.execute(query, (name,)).fetchall():
            return rows
    return []


def _reason(rows, name, found, stems):
    if not rows:
        return "not in the store: upload its sequence"
    if len(rows) > 1:
        ids = [query_id for query_id, _ in rows]
        return f"stands for several proteins: {', '.join(ids[:3])}{', ...' if len(ids) > 3 else ''}. Give a full id"
    query_id, has_sequence = rows[0]
    if not has_sequence:
        return "the store does not have its sequence: upload it"
    other = stems.get(protein_stem(query_id))
    if query_id not in found and other:
        return f"would share the files '{protein_stem(query_id)}' with {other}"
    return ""
