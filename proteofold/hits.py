"""Hits of a search: reading ``.hhr`` files, and the summary of a query that the pipeline reports.

The ``.hhr`` format is HH-suite's (https://github.com/soedinglab/hh-suite/wiki): a table with one line an
alignment, then one block an alignment. HH-suite 2 and 3 and the HHpred server write it with small differences.
What counts as a hit of the summary is defined by Biopython's ``hhsuite3-text`` reader, which the researchers
used and which the tests compare with: one hit a template, with the values of its first alignment.
"""

import csv
import io
import math
import re
import zlib
from collections import namedtuple
from itertools import islice
from operator import attrgetter

from proteofold.errors import UserError
from proteofold.fasta import READ_ERRORS, open_text, read_error

# What can change a reported value is told to Snakemake through this number, so that a rule's results are made
# again when the definition changes and not when a comment does.
SUMMARY_VERSION = 1

SIGNIFICANT_EVALUE = 1e-5

# A block of an alignment: rank; template and description; values. Of a file that is cut short parts are missing.
_BLOCK = re.compile(
    r"\nNo +(\d+)[ \t]*(?:\n>(\S*)[ \t]*(.*))?"
    r"(?:\n(?:Probab=(\S+)\s+)?E-value=(\S+)\s+Score=(\S+)(?:\s+Aligned_cols=(\d+))?)?"
)
_NOTHING_OF_TABLE = (None,) * 7


class Hit(
    namedtuple(
        "Hit",
        "rank template description probability evalue pvalue score ss_score aligned_columns "
        "query_start query_end template_start template_end template_length",
        defaults=[None] * 11,
    )
):
    """One alignment of the query with a template. Positions count residues from 1, ends included.

    Rank, columns, positions and length are int, the other numbers float. What a file does not tell is None.
    """

    __slots__ = ()


HIT_COLUMNS = ("query_id", *Hit._fields)


class SearchResult(namedtuple("SearchResult", "query query_length table_rows hits")):
    """What a ``.hhr`` holds: the query's name and length, the size of the table, the list of hits in file order."""

    __slots__ = ()


class Summary(namedtuple("Summary", "query_id best_hit best_evalue best_score score_mean score_std score_gmean")):
    """The row of a query in the results: its best hit, and its scores over the hits with E < 1e-5 (nan: none)."""

    __slots__ = ()


SUMMARY_COLUMNS = Summary._fields


def read_hhr(path):
    """Read a ``.hhr`` file; raises UserError with the line where it is not one or is cut short.

    It may be a gzip file. Names that are not UTF-8 are kept with their bytes as ``\\xe9``.
    """
    try:
        with open_text(path, errors="backslashreplace") as handle:
            return _parse(handle.read(), path)
    except READ_ERRORS as error:
        raise UserError(f"{path}: cannot be read ({read_error(error)}).") from None


def parse_hhr(data, name, most=None):
    """As ``read_hhr``, from the bytes of a ``.hhr``; of its hits only the first ``most`` where that is given."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    return _parse(data.decode(errors="backslashreplace"), name, most)


def _parse(text, name, most=None):
    # of an alignment, most of the text, no line is looked at: a proteome has two million of them
    blocks = list(islice(_BLOCK.finditer(text), most))
    head = text[: blocks[0].start() if blocks else None]
    query, query_length, table = _read_head(name, head.split("\n"))
    if query is None:
        raise UserError(f"{name}: no line starts with 'Query': not a .hhr file of HH-suite.")
    if table is None:
        raise UserError(f"{name}: no list of hits, not even an empty one. Is the file cut short?")
    return SearchResult(query, query_length, len(table), [_hit(name, text, block, table) for block in blocks])


def _read_head(name, lines):
    """Name and length of the query, None and 0 if they are missing, and rank -> row of the table, None without one."""
    query, query_length = None, 0
    numbered = enumerate(lines, 1)
    for number, line in numbered:
        if line.startswith("Query ") and query is None:
            query = line[6:].strip()
        elif line.startswith("Match_columns"):
            try:
                query_length = int(line.split()[-1])
            except ValueError:
                raise UserError(f"{name}, line {number}: not a number: {line.strip()!r}") from None
        elif line.split(maxsplit=2)[:2] == ["No", "Hit"]:
            rows = map(_table_row, (line for _, line in numbered))
            return query, query_length, {row[0]: row[1:] for row in rows if row}
    return query, query_length, None


def _table_row(line):
    """Rank and what only the table tells of a hit: P-value, SS score, positions, template length. None for other lines.

    Read from the right: the name may hold anything.
    """
    try:
        rank_and_more, pvalue, _, ss_score, _, query, template, length = line.replace("(", " (").rsplit(None, 7)
        (query_start, query_end), (template_start, template_end) = query.split("-"), template.split("-")
        return (
            *(int(rank_and_more.split(None, 1)[0]), float(pvalue), float(ss_score)),
            *(int(query_start), int(query_end), int(template_start), int(template_end), int(length[1:-1])),
        )
    except ValueError:
        return None


def _hit(name, text, block, table):
    """The hit of a block and its row of the table."""
    rank, template, description, probability, evalue, score, columns = block.groups()
    try:
        if template is None or evalue is None:
            raise ValueError("no template or no values. Is the file cut short?")
        evalue, score, probability = float(evalue), float(score), probability and float(probability)
    except ValueError as error:
        line = text.count("\n", 0, block.start()) + 2
        raise UserError(f"{name}, line {line}: hit {rank}: {error}") from None
    pvalue, ss_score, *positions = table.get(int(rank), _NOTHING_OF_TABLE)
    columns = columns and int(columns)
    description = description.strip().lstrip(" ;")
    return Hit(int(rank), template, description, probability, evalue, pvalue, score, ss_score, columns, *positions)


def one_per_template(hits):
    """The first alignment of each template, in file order."""
    first = {}
    for hit in hits:
        first.setdefault(hit.template, hit)
    return list(first.values())


def summarise(query_id, hits):
    """The summary of a query: highest score (the later hit on a tie), statistics over hits with E < 1e-5."""
    hits = one_per_template(hits)
    scores = [hit.score for hit in hits if hit.evalue < SIGNIFICANT_EVALUE]
    statistics = (_mean(scores), _population_std(scores), _geometric_mean(scores))
    if not hits:
        return Summary(query_id, "", math.nan, math.nan, *statistics)
    best = max(reversed(hits), key=attrgetter("score"))
    return Summary(query_id, best.template, best.evalue, best.score, *statistics)


def _mean(values):
    return _numpy_sum(values) / len(values) if values else math.nan


def _population_std(values):
    mean = _mean(values)
    return math.sqrt(_mean([(value - mean) ** 2 for value in values])) if values else math.nan


def _geometric_mean(values):
    if any(value < 0 for value in values):
        return math.nan
    if 0 in values:
        return 0.0
    return math.exp(_mean([math.log(value) for value in values])) if values else math.nan


def _numpy_sum(values):
    """The sum in the order of additions that numpy takes, so that the second decimal rounds as the researchers'.

    numpy itself would cost 0.15 CPU-seconds to import for each protein (docs/decisions.md).
    """
    if len(values) < 8:
        total = 0.0
        for value in values:
            total += value
        return total
    if len(values) <= 128:
        whole = len(values) - len(values) % 8
        lanes = list(values[:8])
        for start in range(8, whole, 8):
            lanes = [lane + value for lane, value in zip(lanes, values[start : start + 8], strict=True)]
        total = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]))
        for value in values[whole:]:
            total += value
        return total
    half = len(values) // 2
    half -= half % 8
    return _numpy_sum(values[:half]) + _numpy_sum(values[half:])


def format_summary(summary, header=True):
    """The ``.out`` text: header and row; the three statistics have two decimals."""
    row = [*summary[:4], *(f"{value:.2f}" for value in summary[4:])]
    return _csv([SUMMARY_COLUMNS, row] if header else [row])


def hits_csv_gz(query_id, hits):
    """All hits of a query as a gzip member of CSV rows without header: members joined make ``hits.csv.gz``.

    Holds no time stamp and no name, so the same hits are the same bytes.
    """
    return _gzip(_csv([query_id, *hit] for hit in hits))


def hits_csv_gz_header():
    """The gzip member that ``hits.csv.gz`` begins with: the names of the columns."""
    return _gzip(_csv([HIT_COLUMNS]))


def _gzip(text):
    return zlib.compress(text.encode(), level=6, wbits=31)  # 31: with gzip's header, which zlib writes without a time


def _csv(rows):
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()
