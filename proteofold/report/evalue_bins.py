"""How E-values are put into bars; the report and the site draw the same."""

import math
from dataclasses import dataclass

import numpy

from proteofold.science.summary import SIGNIFICANT_EVALUE

LIMIT_LOG = math.log10(SIGNIFICANT_EVALUE)


@dataclass(frozen=True, slots=True)
class EvalueBins:
    """Bars over the logarithm (base 10) of E-values.

    Bar ``i`` counts ``heights[i]`` values from ``edges[i]`` to ``edges[i] + width``; ``smaller`` values, 0 among them,
    lie below the first edge. No bar holds values of both sides of SIGNIFICANT_EVALUE.
    """

    edges: list
    heights: list
    width: float
    smaller: int


def evalue_bins(values):
    """The EvalueBins of a numpy array of E-values, none of them nan."""
    with numpy.errstate(divide="ignore"):
        logs = numpy.log10(values)  # of 0: -inf
    finite = logs[numpy.isfinite(logs)]
    # a handful of extreme values would squeeze a thousand others: they share one bar with those of E = 0
    cut = 0.5 if len(finite) > 1000 else 0
    lowest, highest = (numpy.percentile(finite, cut), finite.max()) if len(finite) else (LIMIT_LOG, LIMIT_LOG)
    reach = max(LIMIT_LOG - lowest, highest - LIMIT_LOG)
    width = next((step for step in (0.5, 1, 2, 5) if reach / step <= 40), 10)
    # bins count from the limit, so that no bar holds values of both sides
    numbers = numpy.floor((logs - LIMIT_LOG) / width)
    first = min(math.floor((lowest - LIMIT_LOG) / width), -1)
    last = max(math.floor((highest - LIMIT_LOG) / width), 0)
    edges = [LIMIT_LOG + number * width for number in range(first, last + 1)]
    heights = [int((numbers == number).sum()) for number in range(first, last + 1)]
    return EvalueBins(edges, heights, width, int((numbers < first).sum()))
