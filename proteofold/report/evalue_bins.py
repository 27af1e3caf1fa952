"""How E-values are put into bars; the report and the site draw the same."""

import math
from dataclasses import dataclass

import numpy


@dataclass(frozen=True, slots=True)
class EvalueBins:
    """Bars over the logarithm (base 10) of E-values.

    Bar ``i`` counts ``heights[i]`` values from ``edges[i]`` to ``edges[i] + width``; ``smaller`` values, 0 among them,
    lie below the first edge. ``limit`` is a logarithm, too; no bar holds values of both sides of it.
    """

    edges: list
    heights: list
    width: float
    smaller: int
    limit: float

    def is_below(self, edge):
        """Whether the bar from ``edge`` on holds values below the limit."""
        return edge < self.limit - 1e-9


def evalue_bins(values, max_evalue):
    """The EvalueBins of a numpy array of E-values, none of them nan; ``max_evalue`` is the limit."""
    limit = math.log10(max(max_evalue, 1e-300))  # the smallest that is printed
    with numpy.errstate(divide="ignore"):
        logs = numpy.log10(values)  # of 0: -inf
    finite = logs[numpy.isfinite(logs)]
    # a handful of extreme values would squeeze a thousand others: they share one bar with those of E = 0
    cut = 0.5 if len(finite) > 1000 else 0
    lowest, highest = (numpy.percentile(finite, cut), finite.max()) if len(finite) else (limit, limit)
    reach = max(limit - lowest, highest - limit)
    width = next((step for step in (0.5, 1, 2, 5) if reach / step <= 40), 10)
    # bins count from the limit, so that no bar holds values of both sides
    numbers = numpy.floor((logs - limit) / width)
    first = min(math.floor((lowest - limit) / width), -1)
    last = max(math.floor((highest - limit) / width), 0)
    edges = [limit + number * width for number in range(first, last + 1)]
    heights = [int((numbers == number).sum()) for number in range(first, last + 1)]
    return EvalueBins(edges, heights, width, int((numbers < first).sum()), limit)
