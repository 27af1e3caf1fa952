"""The figures of a run's page, each with its numbers in words and as a table.

matplotlib, which draws the report, takes two seconds for these at 41,339 proteins and knows no dark mode
(docs/decisions.md).
"""

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy

from proteofold.report.evalue_bins import evalue_bins
from proteofold.science.verdict import COVERAGE_CLASSES
from proteofold.store.database import path_of
from proteofold.system.words import counted, duration
from website.drawing import plots
from website.drawing.words import ACTIVE, evalue
from website.pages import run_data
from website.pages.run_settings import thresholds_of

# Rows of the tables of templates, superfamilies and folds
TEMPLATES_SHOWN = 10

_LENGTH = "length of the protein (residues)"
_LENGTHS = (0, 100, 200, 400, 800, 1600, 3200, 6400)


@dataclass(frozen=True, slots=True)
class Panel:
    """One drawing of a figure; ``title`` names what it shows where there are several."""

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


@dataclass(frozen=True, slots=True)
class Proteome:
    """What the proteins of a run are covered by, and how: numbers, and Figures of it and of all else.

    ``templates`` are rows of ``run_data.top_templates``, ``classes`` is what ``run_data.classes`` returns.
    """

    residues: int
    residues_in_domains: int
    domains: int
    templates: list
    classes: dict
    coverage: list
    figures: list


class FigureCache:
    """What is drawn of the runs asked for last: reading and drawing 41,339 proteins takes half a second."""

    def __init__(self, most=64):
        self._most, self._drawn, self._lock = most, OrderedDict(), threading.Lock()

    def of(self, conn, runs, draw, also=None):
        """What ``draw()`` returns for some runs (rows of ``runs``) as they are now.

        Of runs in progress it is redrawn for each percent they get on, whenever the finished proteins have doubled, and
        when ``also`` is another value.
        """
        # an import gives new result ids
        (results,) = conn.execute("select result_id from next_result").fetchone()
        key = (path_of(conn), results, also, *map(_state, runs))
        with self._lock:
            if key in self._drawn:
                self._drawn.move_to_end(key)
                return self._drawn[key]
        drawn = draw()
        with self._lock:
            self._drawn[key] = drawn
            while len(self._drawn) > self._most:
                self._drawn.popitem(last=False)
        return drawn


def _state(run):
    """What changes when the results of a run do."""
    finished = run["succeeded"] + run["failed"]
    if run["status"] in ACTIVE:
        finished = 100 * finished // max(run["total"], 1), finished.bit_length()
    changing = ("run_id", "status", "date_resumed", "date_finished", "duration_s", "total", "shared", "settings")
    return (finished, *(str(run[name]) for name in changing))


def drawn_proteome(conn, run):
    """The Proteome of a run as the store has it."""
    run_id = run["run_id"]
    return proteome(
        run_data.measures(conn, run_id),
        thresholds_of(run["settings"]),
        run_data.top_templates(conn, run_id, TEMPLATES_SHOWN),
        run_data.classes(conn, run_id, TEMPLATES_SHOWN),
    )


class Measures:
    """Columns of what ``run_data.measures`` returns, as arrays; nan where a value is not known."""

    def __init__(self, rows):
        table = numpy.array([row[:-1] for row in rows], dtype=float).reshape(len(rows), len(run_data.MEASURES) - 1)
        self.evalue, self.score, self.cpu_s, self.memory, self.length, self.coverage, self.domains = table.T
        self.coverage_class = numpy.array([row[-1] or "" for row in rows])


def proteome(rows, thresholds, templates=(), classes=None):
    """The Proteome of a run, from what ``measures``, ``top_templates`` and ``classes`` of run_data return.

    ``thresholds`` are the run's DomainThresholds.
    """
    measures = Measures(rows)
    known = ~numpy.isnan(measures.coverage)
    lengths, domains = measures.length[known], measures.domains[known]
    return Proteome(
        int(lengths.sum()),
        int(numpy.rint(measures.coverage[known] * lengths).sum()),
        int(domains.sum()),
        list(templates),
        classes,
        [_coverage(measures.coverage[known], measures.coverage_class[known]), _domains(domains)] if known.any() else [],
        figures(measures, thresholds.max_evalue) if rows else [],
    )


def _coverage(coverage, classes):
    """How many proteins are covered to which part; those without any domain are a bar of their own."""
    percent = numpy.minimum(numpy.ceil(10 * coverage - 1e-9).astype(int), 10)
    bars, rows = [], []
    for place in range(11):
        part = percent == place
        name = "no domain" if place == 0 else f"{10 * place - 10} to {10 * place}%"
        # a bar has the colour of most of its proteins
        kind = max(COVERAGE_CLASSES, key=[*classes[part]].count)
        bars.append((kind, int(part.sum()), f"{name}: {counted(int(part.sum()))}"))
        rows.append((name, f"{int(part.sum()):,}"))
    if middle := round(float(numpy.median(100 * coverage))):
        words = f"Half of the proteins have {middle}% or more of their residues in domains."
    else:
        words = "At least half of the proteins have no domain."
    # on phones there is room for one sign
    named = {20: "20", 40: "40", 60: "60", 80: "80", 100: "100%"}
    ticks = [(0.5 / 11, "none"), *(((1 + limit / 10) / 11, name) for limit, name in named.items())]
    svg = plots.histogram(
        f"Coverage by domains. {words}", bars, ticks, None, "part of the residues in domains", "proteins"
    )
    return Figure("coverage", "Coverage", words, [Panel("", svg)], ("Residues in domains", "Proteins"), rows)


_MANY_DOMAINS = 10


def _domains(domains):
    """How many proteins have how many domains."""
    numbers = numpy.bincount(numpy.minimum(domains.astype(int), _MANY_DOMAINS))
    names = [f"{count} or more" if count == _MANY_DOMAINS else str(count) for count in range(len(numbers))]
    several = int((domains > 1).sum())
    words = "No protein has more than one domain."
    if several:
        have = "has" if several == 1 else "have"
        words = f"{counted(several)} {have} more than one domain; the highest number is {int(domains.max()):,}."
    pairs = list(zip(names, numbers, strict=True))
    tips = [f"{name} domain{'' if name == '1' else 's'}: {number:,} proteins" for name, number in pairs]
    bars = [("covered" if place else "dark", int(numbers[place]), tip) for place, tip in enumerate(tips)]
    ticks = [((place + 0.5) / len(bars), name.replace(" or more", "+")) for place, name in enumerate(names)]
    svg = plots.histogram(f"Domains per protein. {words}", bars, ticks, None, "domains", "proteins")
    rows = [(name, f"{number:,}") for name, number in pairs]
    return Figure("domains", "Domains per protein", words, [Panel("", svg)], ("Domains", "Proteins"), rows)


def figures(measures, max_evalue):
    """The Figures of hits, CPU time and memory; hits with an E-value below ``max_evalue`` are significant."""
    drawn = (
        _evalues(measures, max_evalue),
        _scores(measures),
        _use(measures, measures.cpu_s, "cpu", "CPU time and length", "CPU time of the search (s)", duration),
        _use(measures, measures.memory, "memory", "Memory and length", "highest memory of the search (MB)", _megabytes),
    )
    return [figure for figure in drawn if figure]


def _evalues(measures, max_evalue):
    values = measures.evalue[~numpy.isnan(measures.evalue)]
    if not len(values):
        return None
    bins = evalue_bins(values, max_evalue)
    start, end = bins.edges[0], bins.edges[-1] + bins.width
    bars = [
        ("significant" if bins.is_below(edge) else "weak", f"{_power(edge)} to {_power(edge + bins.width)}", height)
        for edge, height in zip(bins.edges, bins.heights, strict=True)
    ]
    if bins.smaller:
        bars.insert(0, ("significant", f"below {_power(start)}", bins.smaller))
        start -= bins.width

    def place(power):
        return (power - start) / (end - start)

    below = int((values < max_evalue).sum())
    words = (
        f"{counted(len(values))} with a hit, {below:,} of them with E < {max_evalue:g}. "
        f"Half of the best hits have an E-value of {evalue(float(numpy.median(values)))} or less."
    )
    svg = plots.histogram(
        f"Distribution of the E-values of the best hits. {words}",
        [(kind, height, f"E-value {text}: {counted(height)}") for kind, text, height in bars],
        [(place(power), _power(power)) for power in plots.round_steps(bins.edges[0], end) if power == int(power)],
        place(bins.limit),
        f"E-value of the best hit; dashed: {max_evalue:g}",
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
        ("significant", "with a domain", known & (measures.domains > 0)),
        # also where domains are not known
        ("weak", "without one", known & ~(measures.domains > 0)),
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
