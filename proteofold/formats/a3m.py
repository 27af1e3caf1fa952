"""The annotated query that hhsearch reads, as A3M: secondary structure, its confidence, the sequence, its relatives.

In A3M upper-case letters and ``-`` are columns, lower-case letters insertions; ``.`` only fills up insertions.
"""

import re

from proteofold.formats.fasta import READ_ERRORS, FastaError, format_fasta, open_text, read_error
from proteofold.system.errors import UserError

# HH-suite reads 65,535 rows of an alignment at most and leaves out the rest with a warning.
MOST_ROWS = 65_000

_INSERTIONS = re.compile("[a-z]+")
_NOT_OF_A_ROW = re.compile("[^A-Za-z-]")
# What MMseqs2, and so ColabFold, writes for rare residues, in the query, too (its SubstitutionMatrix.cpp).
_AS_MMSEQS2 = str.maketrans("BJOUZ", "DLXXE")


def is_annotation(name):
    """Whether HH-suite takes a FASTA or A3M record of this name, wherever it comes from, for annotation."""
    return name.startswith(("ss_", "sa_", "aa_")) or "_consensus" in name


def format_a3m(query_id, sequence, prediction, relatives=()):
    """The ``.a3m`` of one query; ``relatives`` are (name, row) pairs of sequences that are aligned with it.

    Raises UserError when the prediction belongs to another sequence.
    """
    if prediction.sequence != sequence:
        raise UserError(
            f"{query_id}: the prediction is for another sequence ({len(prediction.sequence)} residues against "
            f"{len(sequence)}). Predict its secondary structure again."
        )
    records = [("ss_pred", prediction.states), ("ss_conf", prediction.confidence), (query_id, sequence), *relatives]
    return "".join(format_fasta(name, text, width=None) for name, text in records)


def read_relatives(path, sequence):
    """The rows below the query in an alignment of the query, as (name, row) pairs, MOST_ROWS at most.

    The first record must be the query, whose ``sequence`` is given; rare residues may be written as MMseqs2 does.
    Reads what hhblits, HHpred, MMseqs2 and ColabFold write: plain or gzip, with NUL bytes between blocks, lines that
    begin with ``#``, and annotation (ss_pred, consensus), which is left out. Raises FastaError, which names file and
    line, for any other text.
    """
    rows = [(line, name, row) for line, name, row in _rows(path) if not is_annotation(name)]
    if not rows:
        raise FastaError(path, 0, "holds no alignment: give an A3M file that begins with the query")
    line, name, query = rows[0]
    if query.upper() not in (sequence, sequence.translate(_AS_MMSEQS2)):
        raise FastaError(
            path,
            line,
            f"the first record, {name}, is not the sequence of the query ({len(query)} letters against "
            f"{len(sequence)} residues). Align the query again.",
        )
    relatives = []
    for line, name, row in rows[1 : MOST_ROWS + 1]:
        if foreign := _NOT_OF_A_ROW.search(row):
            raise FastaError(path, line, f"{name}: {foreign[0]!r} is no letter of an A3M alignment")
        columns = len(_INSERTIONS.sub("", row))
        if columns != len(sequence):
            raise FastaError(
                path, line, f"{name} has {columns} columns, the query has {len(sequence)}: not A3M, or cut short"
            )
        relatives.append((name, row))
    return relatives


def _rows(path):
    """(line number, name, row) of each record, in order."""
    try:
        with open_text(path) as handle:
            text = handle.read()
    except READ_ERRORS as error:
        raise FastaError(path, 0, f"cannot be read ({read_error(error)})") from None
    start, name, chunks = 0, None, []
    for number, line in enumerate(text.replace("\0", "").split("\n"), 1):
        if line.startswith(">"):
            if name is not None:
                yield start, name, _row(chunks)
            start, name, chunks = number, next(iter(line[1:].split()), f"line_{number}"), []
        elif name is not None and not line.startswith("#"):
            chunks.append(line)
        elif line.strip() and not line.startswith("#"):
            raise FastaError(path, number, "not A3M: the first record must start with '>'")
    if name is not None:
        yield start, name, _row(chunks)


def _row(chunks):
    # a stop in a relative is a column of unknown residue; HH-suite would pass over it and shift the row
    return "".join("".join(chunks).split()).replace(".", "").replace("*", "X")
