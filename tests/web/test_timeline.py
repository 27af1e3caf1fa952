"""The timeline of a run: what was finished when, how busy each node was, and what is slow."""

import contextlib
import re
import sqlite3

import numpy
import pytest

from proteofold.run.states import timestamp
from proteofold.store import queries
from website.drawing import lanes
from website.pages import timeline

HOUR = 3600
BEGUN = 1_790_000_000


@pytest.fixture
def run_of(busy_store):
    """Function: the Timeline of the run 'busy' with rows of (phase, node, start and end in seconds, computed in).

    Those of ``predicted`` nodes are in the prediction of their batch.
    """
    with contextlib.closing(sqlite3.connect(busy_store)) as conn:

        def drawn(rows, status="SUCCESS", predicted=()):
            conn.execute("delete from protein_results where run_id = 'busy'")
            times = {"date_started": timestamp(BEGUN), "date_resumed": None}
            for number, (phase, node, start, end, computed_in) in enumerate(rows, 1):
                (query_id,) = conn.execute("select query_id from proteins limit 1 offset ?", (number - 1,)).fetchone()
                step = "secondary_structure" if node in predicted else None
                started, finished = (at if at is None else timestamp(BEGUN + at) for at in (start, end))
                conn.execute(
                    "insert into protein_results (run_id, query_id, result_id, position, md5, entry, phase, node,"
                    " started_at, finished_at, computed_in, step)"
                    " values ('busy', ?, ?, ?, 'x', 'x', ?, ?, ?, ?, ?, ?)",
                    (query_id, 7000 + number, number, phase, node, started, finished, computed_in, step),
                )
            return timeline.drawn_timeline(conn, queries.find_run(conn, "busy") | times | {"status": status})

        yield drawn
        conn.rollback()


def test_nothing_is_drawn_before_a_protein_is_finished(run_of):
    assert run_of([("running", "a", 0, None, None)], "RUNNING") is None


def test_results_of_other_runs_took_no_time_of_this_one(run_of):
    assert run_of([("done", "a", 0, HOUR, "first")]) is None


def test_time_of_a_short_run_is_its_own_and_not_that_of_the_axis(run_of):
    found = run_of([("done", "a", 0, 5, "busy")])
    assert found.figures[0].words.endswith("in 5.0 s.")


def test_each_node_that_worked_has_a_lane_with_its_searches(run_of):
    found = run_of([("done", "a", 0, HOUR, "busy"), ("failed", "b", 0, 2 * HOUR, None), ("done", "b", 0, HOUR, None)])
    finished, nodes = found.figures
    assert finished.rows[-1] == ("100%", "2 h 0 min")
    assert [row[:2] for row in nodes.rows] == [("a", "1"), ("b", "2")]
    assert nodes.panels[0].svg.count("<path") == 3  # a has one shade of the two of b


def test_a_batch_that_is_predicted_is_no_search(run_of):
    rows = [("done", "a", 0, HOUR, None), ("running", "b", 0, None, None)]
    assert [row[:2] for row in run_of(rows, "RUNNING", "b").figures[1].rows] == [("a", "1")]
    only_predicted = run_of([("failed", "b", 0, HOUR, None), rows[1]], "RUNNING", "b")
    assert len(only_predicted.figures) == 1 and only_predicted.slowest == []
    assert only_predicted.figures[0].words.startswith("1 protein")


def test_a_clock_that_is_ahead_of_ours_is_followed(monkeypatch, run_of):
    monkeypatch.setattr(timeline.time, "time", lambda: BEGUN + 60)
    finished, nodes = run_of([("done", "a", HOUR, 2 * HOUR, None)], "RUNNING").figures
    assert finished.rows[-1] == ("100%", "2 h 0 min") and "in 2 h" in finished.words
    assert "a: at most 1 " in nodes.panels[0].svg


def test_lanes_of_jobs_outside_the_time_shown_are_empty():
    drawn = lanes.lanes("label", numpy.array([0.0, 60.0, 120.0]), {"a": numpy.zeros(2)})
    assert "a: at most 1 " in drawn and "<path" not in drawn


def test_the_slowest_searches_come_first(run_of):
    found = run_of([("done", "a", 0, HOUR, None), ("done", "b", 0, 3 * HOUR, None), ("running", "b", 0, None, None)])
    assert [node for _, node, _ in found.slowest] == ["b", "a"]


def test_more_nodes_than_lanes_share_the_last_lane(monkeypatch, run_of):
    monkeypatch.setattr(timeline, "MOST_LANES", 2)
    found = run_of([("done", name, 0, HOUR * (4 - place), None) for place, name in enumerate("abc")])
    texts = re.findall(r"<text[^>]*>([^<]*at most[^<]*)", found.figures[1].panels[0].svg)
    assert [text.partition(":")[0] for text in texts] == ["a", "2 more nodes"]


def test_a_lane_counts_the_searches_that_ran_at_the_same_time():
    edges = numpy.array([0.0, 10.0, 20.0, 30.0])
    starts, ends = numpy.array([0.0, 5.0]), numpy.array([20.0, 15.0])
    found = timeline.at_once(edges, starts, ends, numpy.array([True, True]))
    assert found.tolist() == [1.5, 1.5, 0]


@pytest.mark.parametrize(
    ("seconds", "text"), [(90, "14:13:30"), (2 * HOUR, "15:00"), (30 * HOUR, "Tue 00:00"), (40 * HOUR, "22 Sep")]
)
def test_the_axis_names_times_as_fine_as_its_span_needs(seconds, text):
    edges = numpy.linspace(BEGUN, BEGUN + seconds, 5)
    assert text in lanes.finished_over_time("label", edges, [0, 1, 2, 3, 4])


def test_the_page_of_a_run_that_continues_shows_what_runs_longest(busy_site, names):
    page = busy_site.get("/-/runs/busy").text
    assert "Running longest" in page
    assert re.search(r'id="timeline".*lonely</a>: search', page, re.DOTALL)
