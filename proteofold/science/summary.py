"""The summary of a query: the row that the pipeline reports, as the researchers' results_parser.py defines it.

What counts as a hit of the summary is defined by Biopython's ``hhsuite3-text`` reader, which the researchers
used and which the tests compare with: one hit a template, with the values of its first alignment.
"""

import csv
import io
import math
from operator import attrgetter
from typing import NamedTuple

# Part of the name of the folder of summaries: raised when the definition of a reported value changes.
SUMMARY_VERSION = 1

SIGNIFICANT_EVALUE = 1e-5


class Summary(NamedTuple):
    """The row of a query in the results: its best hit, and its scores over the hits with E < 1e-5 (nan: none)."""

    query_id: str
    best_hit: str
    best_evalue: float
    best_score: float
    score_mean: float
    score_std: float
    score_gmean: float


SUMMARY_COLUMNS = Summary._fields


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
    statistics = _statistics(scores)
    if not hits:
        return Summary(query_id, "", math.nan, math.nan, *statistics)
    best = max(reversed(hits), key=attrgetter("score"))
    return Summary(query_id, best.template, best.evalue, best.score, *statistics)


def _statistics(scores):
    """Mean, population standard deviation and geometric mean; nan where there is no score, or no such mean."""
    if not scores:
        return math.nan, math.nan, math.nan
    import numpy  # here: it takes longer to import than a summary to compute, and nothing else here needs it

    values = numpy.array(scores)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        geometric = numpy.exp(numpy.log(values).mean())
    return float(values.mean()), float(values.std()), float(geometric)


def format_summary(summary, header=True):
    """The ``.out`` text: header and row; the three statistics have two decimals."""
    row = [*summary[:4], *(f"{value:.2f}" for value in summary[4:])]
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([SUMMARY_COLUMNS, row] if header else [row])
    return buffer.getvalue()
