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
from operator import attrgetter

from proteofold.errors import UserError
from proteofold.fasta import READ_ERRORS, open_text, read_error

# What can change a reported value is told to Snakemake through this number, so that a rule's results are made
# again when the definition changes and not when a comment does.
SUMMARY_VERSION = 1

SIGNIFICANT_EVALUE = 1e-5

_FLOAT = r"(?:[\d.E+-]+|-?nan|-?inf)"
_TABLE_ROW = re.compile(
    rf"\s*(?P<rank>\d+) .*?\s{_FLOAT}\s+{_FLOAT}\s+(?P<pvalue>{_FLOAT})\s+{_FLOAT}\s+(?P<ss_score>{_FLOAT})\s+\d+"
    r"\s+(?P<query_start>\d+)-(?P<query_end>\d+)\s+(?P<template_start>\d+)-(?P<template_end>\d+)"
    r"\s*\((?P<template_length>\d+)\)\s*",
    re.IGNORECASE,
)
_BLOCK_START = re.compile(r"No +(\d+)\s*")
# What the line of values in a block calls a field of Hit, and what kind of number it is.
_BLOCK_VALUES = {
    "Probab": ("probability", float),
    "E-value": ("evalue", float),
    "Score": ("score", float),
    "Aligned_cols": ("aligned_columns", int),
}


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


def read_hhr(path, name=None):
    """Read a ``.hhr`` file line by line; raises UserError with the line where it is not one or is cut short.

    It may be a gzip file. Names that are not UTF-8 are kept with their bytes as ``\\xe9``. Messages call the file
    ``name`` if one is given.
    """
    name = name or path
    try:
        with open_text(path, errors="backslashreplace") as handle:
            return _read(name, enumerate(handle, 1))
    except READ_ERRORS as error:
        raise UserError(f"{name}: cannot be read ({read_error(error)}).") from None


def _read(path, lines):
    query, query_length, has_table, table, hits = None, 0, False, {}, []
    for number, line in lines:
        if line.startswith("No ") and (start := _BLOCK_START.fullmatch(line)):
            hits.append(_read_block(path, number, int(start[1]), lines, table))
        elif hits:
            continue  # an alignment, most of the file
        elif line.startswith("Query ") and query is None:
            query = line[6:].strip()
        elif line.startswith("Match_columns"):
            query_length = _number(int, line.split()[-1], path, number, line)
        elif not has_table and line.split(maxsplit=2)[:2] == ["No", "Hit"]:
            has_table = True
        elif row := _TABLE_ROW.fullmatch(line):
            table[int(row["rank"])] = row
    if query is None:
        raise UserError(f"{path}: no line starts with 'Query': not a .hhr file of HH-suite.")
    if not has_table:
        raise UserError(f"{path}: no list of hits, not even an empty one. Is the file cut short?")
    return SearchResult(query, query_length, len(table), hits)


def _table_values(row):
    """What a row of the table tells of a hit, by field of Hit, beside what its block tells."""
    positions = ("query_start", "query_end", "template_start", "template_end", "template_length")
    numbers = {field: int(row[field]) for field in positions}
    return {"pvalue": float(row["pvalue"]), "ss_score": float(row["ss_score"]), **numbers}


def _read_block(path, start, rank, lines, table):
    """The hit of a block: its template line, its line of values, its row of the table. The alignment is left."""
    _, name = next(lines, (0, ""))
    _, values = next(lines, (0, ""))
    if not name.startswith(">") or "E-value=" not in values:
        raise UserError(f"{path}, line {start}: hit {rank} has no template or no values. Is the file cut short?")
    template, *description = name[1:].split(maxsplit=1) or [""]
    known = _table_values(table[rank]) if rank in table else {}
    for pair in values.split():
        key, _, value = pair.partition("=")
        if key in _BLOCK_VALUES:
            field, kind = _BLOCK_VALUES[key]
            known[field] = _number(kind, value, path, start + 2, pair)
    if "evalue" not in known or "score" not in known:
        raise UserError(f"{path}, line {start + 2}: hit {rank} lacks its E-value or its score: {values.strip()!r}")
    return Hit(rank, template, "".join(description).strip().lstrip(" ;"), **known)


def _number(kind, text, path, line, context):
    try:
        return kind(text)
    except ValueError:
        raise UserError(f"{path}, line {line}: not a number: {context.strip()!r}") from None


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
