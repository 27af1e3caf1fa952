"""The figures of a run's page, each with its numbers in words and as a table.

matplotlib, which draws the report, takes two seconds for these at 41,339 proteins and knows no dark mode
(docs/decisions.md).
"""

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy

from proteofold.report.data import LIMIT, SIGNIFICANT
from proteofold.report.evalue_bins import LIMIT_LOG, evalue_bins
from proteofold.store.database import path_of
from proteofold.system.words import counted, duration
from website.drawing import plots
from website.pages import run_data
from website.pages.words import ACTIVE, evalue

_LENGTH = "length of the protein (residues)"
_LENGTHS = (0, 100, 200, 400, 800, 1600, 3200, 6400)


@dataclass(frozen=True, slots=True)
class Panel:
    """One drawing of a figure; ``title`` tells what it shows where there are several."""

    title: str
    svg: str


@dataclass(frozen=True, slots=True)
class Figure:
    """Drawings, what they say in a sentence, and their numbers: ``head`` names the columns of ``rows``."""

    name: str
    title: str
    words: str
    panels: list
    head: tuple
    rows: list


class FigureCache:
    """The figures of the runs asked for last: reading and drawing 41,339 proteins takes a quarter of a second."""

    def __init__(self, most=64):
        self._most, self._figures, self._lock = most, OrderedDict(), threading.Lock()

    def of(self, conn, run):
        """The figures of a run as it is now; those of one that goes on are drawn anew for each percent it gets on."""
        finished = run["succeeded"] + run["failed"]
        if run["status"] in ACTIVE:
            finished = 100 * finished // max(run["total"], 1)
        changing = ("run_id", "status", "date_resumed", "date_finished", "duration_s", "total", "shared")
        key = (path_of(conn), finished, *(run[name] for name in changing))
        with self._lock:
            if key in self._figures:
                self._figures.move_to_end(key)
                return self._figures[key]
        drawn = figures(run_data.measures(conn, run["run_id"]))
        with self._lock:
            self._figures[key] = drawn
            while len(self._figures) > self._most:
                self._figures.popitem(last=False)
        return drawn


class Measures:
    """Columns of what ``run_data.measures`` returns, as arrays; nan where a value is not known."""

    def __init__(self, rows):
        table = numpy.array(rows, dtype=float).reshape(len(rows), 6)
        self.evalue, self.score, significant, self.cpu_s, self.memory, self.length = table.T
        self.significant = significant == 1


def figures(rows):
    """The Figures of a run, from what ``run_data.measures`` returns; none where nothing is finished."""
    if not rows:
        return []
    measures = Measures(rows)
    drawn = (
        _evalues(measures),
        _scores(measures),
        _use(measures, measures.cpu_s, "cpu", "CPU time and length", "CPU time of the search (s)", duration),
        _use(measures, measures.memory, "memory", "Memory and length", "highest memory of the search (MB)", _megabytes),
    )
    return [figure for figure in drawn if figure]


def _evalues(measures):
    values = measures.evalue[~numpy.isnan(measures.evalue)]
    if not len(values):
        return None
    bins = evalue_bins(values)
    start, end = bins.edges[0], bins.edges[-1] + bins.width
    bars = [
        ("significant" if edge < LIMIT_LOG else "weak", f"{_power(edge)} to {_power(edge + bins.width)}", height)
        for edge, height in zip(bins.edges, bins.heights, strict=True)
    ]
    if bins.smaller:
        bars.insert(0, ("significant", f"below {_power(start)}", bins.smaller))
        start -= bins.width

    def place(power):
        return (power - start) / (end - start)

    below = int((values < 10**LIMIT_LOG).sum())
    words = (
        f"{counted(len(values))} with a hit; the best hit of {below:,} of them has {SIGNIFICANT}. "
        f"Half of the best hits have an E-value of {evalue(float(numpy.median(values)))} or less."
    )
    svg = plots.histogram(
        f"Distribution of the E-values of the best hits. {words}",
        [(kind, height, f"E-value {text}: {counted(height)}") for kind, text, height in bars],
        [(place(power), _power(power)) for power in plots.round_steps(bins.edges[0], end) if power == int(power)],
        place(LIMIT_LOG),
        f"E-value of the best hit; dashed: {LIMIT}",
        "proteins",
    )
    rows = [(text, f"{height:,}") for _, text, height in bars if height]
    return Figure("evalues", "E-values of the best hits", words, [Panel("", svg)], ("E-value", "Proteins"), rows)


def _power(power):
    """A power of ten: 1e-20, 3.2e-5, 1, 10."""
    whole = math.floor(power)
    digits = f"{10 ** (power - whole):.2g}"
    return f"{float(digits) * 10**whole:g}" if -2 <= whole <= 2 else f"{digits}e{whole}"


def _scores(measures):
    known = measures.score > 0
    if not known.any():
        return None
    scales = plots.Scale.of(measures.length[known]), plots.Scale.of(measures.score[known])
    panels, rows = [], []
    for kind, title, part in (
        ("significant", f"with a hit of {SIGNIFICANT}", known & measures.significant),
        ("weak", "without one", known & ~measures.significant),
    ):
        lengths, scores = measures.length[part], measures.score[part]
        if len(lengths):
            found = _by_length(lengths, scores, _bits)
            medians = "; ".join(f"{residues} residues {median}" for residues, _, median, _ in found)
            svg = plots.cloud(
                f"Score of the best hit against length, proteins {title}. Median score by length: {medians}.",
                kind,
                lengths,
                scores,
                scales,
                _tips(lengths, scores, _bits),
                _LENGTH,
                "score of the best hit (bits)",
            )
            panels.append(Panel(f"{counted(len(lengths))} {title}", svg))
            rows += [(title, *row) for row in found]
    none = len(known) - int(known.sum())
    words = "Score of the best hit against the length of the protein."
    if none:
        words += f" Not drawn: {counted(none)} without a hit, or with a score of 0 or less."
    head = ("Proteins", "Residues", "Number", "Median score", "Highest")
    return Figure("scores", "Score and length", words, panels, head, rows)


def _use(measures, values, name, title, axis, shown):
    known = values > 0
    if not known.any():
        return None
    lengths, values = measures.length[known], values[known]
    words = (
        f"{len(values):,} search{'' if len(values) == 1 else 'es'}, half of them at or below "
        f"{shown(float(numpy.median(values)))}, the highest {shown(float(values.max()))}."
    )
    scales = plots.Scale.of(lengths), plots.Scale.of(values)
    tips = _tips(lengths, values, shown)
    svg = plots.cloud(f"{title}: {words}", "use", lengths, values, scales, tips, _LENGTH, axis)
    head = ("Residues", "Searches", "Median", "Highest")
    return Figure(name, title, words, [Panel("", svg)], head, _by_length(lengths, values, shown))


def _tips(lengths, values, shown):
    def tip(index):
        return f"{lengths[index]:,.0f} residues: {shown(float(values[index]))}"

    return tip


def _bits(score):
    return f"{score:,.1f}"


def _megabytes(memory):
    return f"{memory:,.0f} MB"


def _by_length(lengths, values, shown):
    """Rows for classes of length: residues, number, median and highest value, in words."""
    rows = []
    for low, high in zip(_LENGTHS, (*_LENGTHS[1:], None), strict=True):
        part = values[(lengths >= low) & (lengths < (high or numpy.inf))]
        if len(part):
            name = f"{low:,} and more" if high is None else f"{low:,} to {high - 1:,}" if low else f"below {high:,}"
            rows.append((name, f"{len(part):,}", shown(float(numpy.median(part))), shown(float(part.max()))))
    return rows
