"""The plots of the report: each function takes the run's data and returns an SVG as text.

Colours are Okabe and Ito's, which colour-blind readers can distinguish. A plot of many points becomes a map of
their density, so that its size does not grow with the run.
"""

import io
import math

import matplotlib
import numpy
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from proteofold.report.evalue_bins import evalue_bins
from proteofold.run.rules import PREDICTION, SEARCH
from proteofold.system.words import counted, duration

BLUE, ORANGE, GREY = "#0072B2", "#E69F00", "#5A5A5A"

_TIME, _MEMORY = "wall-clock time (s)", "highest memory (MB)"
_WITH_AND_WITHOUT = "with a domain", "without"
_LEAST = 0.001  # what a clock shows as 0.000 s has no place on a log axis

MOST_POINTS = 1500  # beyond, single points hide each other

_STYLE = {
    "svg.hashsalt": "proteofold",  # the same data, the same bytes
    "font.size": 12,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "xtick.minor.pad": 5,
    "ytick.minor.pad": 5,
}


def evalues(data):
    """Distribution of the E-values of the best hits, on a log axis."""
    values = numpy.array([result.best_evalue for result in data.results])
    values = values[~numpy.isnan(values)]
    if not len(values):
        return _words(_nothing_because(data))
    return _drawn(_evalues, data, values)


def _evalues(figure, data, values):
    axis = figure.subplots()
    bins = evalue_bins(values, data.max_evalue)
    edges, width = bins.edges, bins.width
    colours = [BLUE if bins.is_below(edge) else ORANGE for edge in edges]
    axis.bar(edges, bins.heights, width, align="edge", color=colours, edgecolor="white", linewidth=0.5)
    axis.axvline(bins.limit, color="black", linestyle="--", linewidth=1.2)
    end = edges[-1] + width
    ticks = [
        tick
        for tick in MaxNLocator(8, integer=True, steps=_STEPS).tick_values(edges[0], end)
        if edges[0] <= tick <= end
    ]
    labels = [f"$10^{{{tick:.0f}}}$" for tick in ticks]
    if bins.smaller:
        axis.bar([edges[0] - 2 * width], [bins.smaller], width, align="edge", color=BLUE)
        ticks, labels = [edges[0] - 1.5 * width, *ticks], ["less,\nor 0", *labels]
    axis.set_xticks(ticks, labels)
    axis.grid(axis="x", visible=False)
    axis.set_xlabel("E-value of the best hit (log axis; further left is more certain)")
    axis.set_ylabel("proteins")
    _whole_numbers(axis.yaxis)
    below = int((values < data.max_evalue).sum())
    above = len(values) - below
    _legend(
        axis,
        [(BLUE, f"E < {data.max_evalue:g}: {counted(below)}"), (ORANGE, f"E ≥ {data.max_evalue:g}: {counted(above)}")],
    )
    figure.suptitle(_with_a_hit(data, len(values)))


def probabilities(data):
    """Distribution of the probabilities of the best hits, with and without a domain."""
    known = [result for result in data.results if not math.isnan(result.probability)]
    if not known:
        return _words(_nothing_because(data))
    return _drawn(_probabilities, data, known)


def _probabilities(figure, data, known):
    axis = figure.subplots()
    groups = _by_domains(known)
    axis.hist(
        [[result.probability for result in group] for group in groups],
        bins=numpy.arange(0, 101, 5),
        stacked=True,
        color=(BLUE, ORANGE),
        edgecolor="white",
        linewidth=0.5,
    )
    axis.set_xlim(0, 100)
    axis.set_xticks(range(0, 101, 10))
    axis.grid(axis="x", visible=False)
    axis.set_xlabel("probability that the best hit is a true relative (%)")
    axis.set_ylabel("proteins")
    _whole_numbers(axis.yaxis)
    _legend(axis, _domains_legend(groups))
    figure.suptitle(_with_a_hit(data, len(known)))


def score_against_length(data):
    """Score of the best hit against the length of the protein, with and without a domain."""
    known = [result for result in data.results if result.best_score > 0]
    if not known:
        return _words(_nothing_because(data))
    return _drawn(_score_against_length, data, known, size=(11, 5))


def _score_against_length(figure, data, known):
    groups = _by_domains(known)
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    scales = _scale([result.length for result in known]), _scale([result.best_score for result in known])
    for axis, group, colour, title in zip(axes, groups, (BLUE, ORANGE), _WITH_AND_WITHOUT, strict=True):
        lengths, scores = [result.length for result in group], [result.best_score for result in group]
        _cloud(figure, axis, lengths, scores, colour, scales)
        axis.set_title(f"{title}: {counted(len(group))}")
        axis.set_xlabel("length of the protein (residues)")
    axes[0].set_ylabel("score of the best hit")
    none = len(data.results) - len(known)
    if none:
        figure.suptitle(f"not drawn: {counted(none)} without any hit or with a score of 0 or less")


def coverage(data):
    """How much of each protein is in domains; proteins without one have a bar of their own."""
    if not data.results:
        return _words(_nothing_because(data))
    return _drawn(_coverage, data)


def _coverage(figure, data):
    axis = figure.subplots()
    covered, others = _by_domains(data.results)
    shares = [100 * result.coverage for result in covered]
    axis.hist(shares, bins=numpy.arange(0, 101, 5), color=BLUE, edgecolor="white", linewidth=0.5)
    axis.bar([-7.5], [len(others)], 5, color=ORANGE)
    axis.set_xticks([-7.5, *range(0, 101, 10)], ["none", *range(0, 101, 10)])
    axis.grid(axis="x", visible=False)
    axis.set_xlabel("residues in domains (% of the protein)")
    axis.set_ylabel("proteins")
    _whole_numbers(axis.yaxis)
    if shares:
        middle = float(numpy.median(shares))
        axis.axvline(middle, color="black", linestyle="--", linewidth=1.2)
        figure.suptitle(f"Half of the proteins with a domain are covered to at least {middle:.0f}%")
    _legend(axis, _domains_legend((covered, others)))


def resources_per_rule(data):
    """Wall-clock time and memory of the jobs of each rule, as boxes."""
    rules = {rule: jobs for rule, jobs in data.jobs.items() if jobs}
    if not rules:
        return _words("No finished job has left a record of its time and memory.")
    return _drawn(_resources_per_rule, rules, size=(11, 4))


def _resources_per_rule(figure, rules):
    names = []
    for rule, jobs in rules.items():
        cpu = duration(sum(job.cpu_s for job in jobs))
        names.append(f"{rule.replace('_', ' ')}\n{counted(len(jobs), 'job')}, {cpu} of CPU")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, column, label in zip(axes, ("wall_s", "max_rss_mb"), (_TIME, _MEMORY), strict=True):
        boxes = [_box([max(getattr(job, column), _LEAST) for job in jobs]) for jobs in rules.values()]
        axis.bxp(
            boxes,
            orientation="horizontal",
            widths=0.5,
            patch_artist=True,
            boxprops={"facecolor": "#9CCBE6", "edgecolor": BLUE},
            medianprops={"color": "black", "linewidth": 2},
            flierprops={"marker": "D", "markersize": 6, "markerfacecolor": ORANGE, "markeredgecolor": "black"},
        )
        axis.set_xscale(_scale([value for box in boxes for value in (box["whislo"], *box["fliers"])]))
        _plain(axis.xaxis)
        axis.grid(axis="y", visible=False)
        axis.set_xlabel(label)
        axis.set_yticks(range(1, len(names) + 1), names)
        axis.set_ylim(len(names) + 0.6, 0.4)
    figure.suptitle("box: middle half of the jobs; line: median; whiskers: 5 to 95%; diamond: highest")


def resources_against_length(data):
    """Time and memory against residues: of searches by protein, of predictions by batch."""
    if not any(data.jobs.values()):
        return _words("No finished job has left a record of its time and memory.")
    return _drawn(_resources_against_length, data, size=(11, 9))


def _resources_against_length(figure, data):
    axes = figure.subplots(2, 2)
    kinds = {
        SEARCH.name: ("Search", "length of the protein (residues)", BLUE),
        PREDICTION.name: ("Prediction", "residues of the batch", ORANGE),
    }
    for row, (rule, (title, residues, colour)) in zip(axes, kinds.items(), strict=True):
        jobs = data.jobs.get(rule, [])
        for axis, column, label in zip(row, ("wall_s", "max_rss_mb"), (_TIME, _MEMORY), strict=True):
            used = [max(getattr(job, column), _LEAST) for job in jobs]
            _cloud(figure, axis, [job.residues for job in jobs], used, colour)
            axis.set_title(f"{title}: {counted(len(jobs), 'job')}")
            axis.set_xlabel(residues)
            axis.set_ylabel(label)


def _drawn(draw, *content, size=(9, 5)):
    """The SVG of what ``draw`` puts on a figure."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure, *content)
        if figure.get_suptitle():
            figure.suptitle(figure.get_suptitle(), x=0.01, ha="left", fontsize=12, fontweight="bold")
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def _words(sentence):
    """A plot that says why there is nothing to draw."""

    def write(figure):
        figure.text(0.5, 0.5, sentence, ha="center", va="center", fontsize=14)

    return _drawn(write, size=(9, 2))


def _nothing_because(data):
    if not data.results:
        return "No protein of this run is finished: there are no hits to draw."
    return "No protein of this run has a hit in the template library."


def _with_a_hit(data, count):
    none = len(data.results) - count
    return f"{counted(count)} with a hit" + (f"; not drawn: {none:,} without any hit" if none else "")


def _by_domains(results):
    return [result for result in results if result.domains], [result for result in results if not result.domains]


def _domains_legend(groups):
    return [
        (colour, f"{word}: {counted(len(group))}")
        for colour, word, group in zip((BLUE, ORANGE), _WITH_AND_WITHOUT, groups, strict=True)
    ]


def _legend(axis, entries):
    handles = [Patch(color=colour, label=label) for colour, label in entries]
    axis.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False)


def _cloud(figure, axis, x, y, colour, scales=None):
    """Points, or where there are many the density of points; ``scales`` are those that panels share."""
    if not x:
        axis.text(0.5, 0.5, "none", transform=axis.transAxes, ha="center", va="center")
        axis.set_xticks([])
        axis.set_yticks([])
        return
    xscale, yscale = scales or (_scale(x), _scale(y))
    if len(x) <= MOST_POINTS:
        axis.scatter(x, y, s=18, color=colour, alpha=0.6, edgecolors="none")
        axis.set_xscale(xscale)
        axis.set_yscale(yscale)
    else:
        style = {"gridsize": 45, "bins": "log", "mincnt": 1, "cmap": "cividis_r", "linewidths": 0.1}
        cells = axis.hexbin(x, y, xscale=xscale, yscale=yscale, **style)
        figure.colorbar(cells, ax=axis, label="number in a cell", format=_PLAIN)
    _plain(axis.xaxis)
    _plain(axis.yaxis)


_STEPS = (1, 2, 5, 10)
_PLAIN = FuncFormatter(lambda value, _: f"{value:,.10g}")
_TWOS_AND_FIVES = FuncFormatter(lambda value, _: f"{value:,.10g}" if f"{value:e}"[0] in "25" else "")


def _scale(values):
    """Log, unless the values are so close together that a log axis would have no ticks to name."""
    return "log" if max(values) > 3 * min(values) else "linear"


def _plain(axis):
    """Numbers as 1, 10, 1,000; on a log axis that spans few decades 2 and 5 as well."""
    axis.set_major_formatter(_PLAIN)
    if axis.get_scale() == "linear":
        axis.set_major_locator(MaxNLocator(5, steps=_STEPS))
        return
    low, high = axis.get_view_interval()
    axis.set_minor_formatter(_TWOS_AND_FIVES if high < 100 * low else NullFormatter())


def _box(values):
    low, q1, middle, q3, high = (float(value) for value in numpy.percentile(values, (5, 25, 50, 75, 95)))
    return {"whislo": low, "q1": q1, "med": middle, "q3": q3, "whishi": high, "fliers": [max(values)]}


def _whole_numbers(axis):
    axis.set_major_locator(MaxNLocator(integer=True, steps=_STEPS))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
