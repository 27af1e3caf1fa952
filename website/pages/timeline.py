"""How a run went, or goes: proteins finished over time, how busy each node is, and what takes long."""

import time
from dataclasses import dataclass

import numpy

from proteofold.run.states import seconds_of
from proteofold.system.words import counted, duration
from website.drawing import lanes
from website.drawing.words import ACTIVE
from website.pages.run_figures import Figure, Panel

BINS = 96
MOST_LANES = 16
SLOWEST_SHOWN = 5

_SEARCH = ("search", "summary")  # the steps of a job that searches for one protein


@dataclass(frozen=True, slots=True)
class Timeline:
    """The Figures over time, and the slowest searches as (query_id, node, seconds)."""

    figures: list
    slowest: list


def drawn_timeline(conn, run):
    """The Timeline of a run as the store has it, None before anything is finished.

    Results that other runs had computed are left out: nothing was done for them.
    """
    rows = conn.execute(
        "select query_id, ifnull(node, 'unknown node'), ifnull(step, 'search'), started_at, finished_at"
        " from protein_results"
        " where run_id = ? and phase in ('done', 'failed', 'running') and ifnull(computed_in, run_id) = run_id"
        " and (finished_at is not null or phase = 'running')",
        (run["run_id"],),
    ).fetchall()
    if not any(finished for *_, finished in rows):
        return None
    now = time.time()
    nodes = numpy.array([node for _, node, *_ in rows])
    ends = _seconds([finished for *_, finished in rows], now)
    starts = numpy.minimum(_seconds([started for *_, started, _ in rows], numpy.nan), ends)
    is_finished = numpy.array([finished is not None for *_, finished in rows])
    first = min(float(numpy.nanmin(starts)) if not numpy.isnan(starts).all() else now, float(ends.min()))
    if run["date_started"]:
        first = min(first, seconds_of(run["date_started"]))
    last = float(ends[is_finished].max())
    if run["status"] in ACTIVE:
        last = max(now, last)  # the clocks of nodes may be ahead
    edges = numpy.linspace(first, max(last, first + 60), BINS + 1)
    is_search = numpy.isin([step for _, _, step, *_ in rows], _SEARCH)  # others run for many proteins at once
    known = (ends > starts) & is_search  # false where the start is not known
    figures = [_finished(edges, numpy.sort(ends[is_finished]), last - first)]
    if known.any():
        figures.append(_busy(edges, nodes[known], starts[known], ends[known]))
    return Timeline(figures, _slowest(rows, ends - starts, known & is_finished))


def _seconds(texts, unknown):
    """Seconds since 1970 of timestamps of the store, as an array; None becomes ``unknown``."""
    known = numpy.array([text is not None for text in texts])
    found = numpy.full(len(texts), unknown, dtype=float)
    times = numpy.array([text.rstrip("Z") for text in texts if text is not None], dtype="datetime64[ms]")
    found[known] = times.astype(float) / 1000
    return found


def _finished(edges, ends, span_s):
    counts = numpy.searchsorted(ends, edges, side="right")
    words = f"{counted(len(ends))} finished or failed in {duration(span_s)}."
    quarters = [(part, float(numpy.quantile(ends, part / 100))) for part in (25, 50, 75, 100)]
    rows = [(f"{part}%", duration(at - float(edges[0]))) for part, at in quarters]
    svg = lanes.finished_over_time(f"Proteins finished over time. {words}", edges, counts)
    return Figure("finished", "Finished over time", words, [Panel("", svg)], ("Proteins", "After"), rows)


def _busy(edges, nodes, starts, ends):
    """How many searches each node had at the same time; nodes beyond MOST_LANES share a lane."""
    names, of_node = numpy.unique(nodes, return_inverse=True)
    work = numpy.bincount(of_node, ends - starts)
    order = numpy.argsort(-work, kind="stable")
    apart = order[:MOST_LANES] if len(names) <= MOST_LANES else order[: MOST_LANES - 1]
    busy = {str(names[node]): at_once(edges, starts, ends, of_node == node) for node in sorted(apart)}
    if len(apart) < len(names):
        busy[f"{len(names) - len(apart)} more nodes"] = at_once(edges, starts, ends, ~numpy.isin(of_node, apart))
    words = f"Searches that ran at the same time on {counted(len(names), 'node')}; stronger colours mean more."
    rows = [
        (str(names[node]), f"{int((of_node == node).sum()):,}", duration(float(work[node]))) for node in sorted(order)
    ]
    head = ("Node", "Searches", "Time of all searches")
    return Figure("lanes", "Nodes", words, [Panel("", lanes.lanes(words, edges, busy))], head, rows)


def at_once(edges, starts, ends, chosen):
    """The mean number of jobs between each two of ``edges``."""

    def until(times):
        """The seconds that passed since each of some times, in all, at each edge."""
        times = numpy.sort(times)
        before = numpy.searchsorted(times, edges)
        return before * edges - numpy.concatenate([[0], numpy.cumsum(times)])[before]

    # seconds since 1970 squared would not fit a float's digits: count from the first edge
    edges, starts, ends = edges - edges[0], starts[chosen] - edges[0], ends[chosen] - edges[0]
    worked = numpy.diff(until(starts) - until(ends)) / numpy.diff(edges)
    return numpy.where(worked < 1e-6, 0, worked)


def _slowest(rows, seconds, chosen):
    places = numpy.flatnonzero(chosen)
    places = places[numpy.argsort(-seconds[places], kind="stable")][:SLOWEST_SHOWN]
    return [(rows[place][0], rows[place][1], duration(float(seconds[place]))) for place in places]
