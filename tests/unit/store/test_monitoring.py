"""Progress of a running run, and ``proteofold top``."""

import fcntl
import json

import pytest
from click.testing import CliRunner

from proteofold.cli.main import cli
from proteofold.store import Event, finish_run, queries, record_events, start_run
from proteofold.store.monitoring import activity

AN_HOUR = 3600


@pytest.fixture
def at_work(results, store, make):
    """A run of six proteins of three residues, 200 s old: three done, one running, one submitted, one waiting."""
    run = results.plan(proteins=["P1", "P2", "P3", "P4", "P5", "P6"])
    start_run(store, run, "ada", at=make.start)
    batch = []
    for second, protein in enumerate(("P1", "P2", "P3"), 1):
        results.finish(run, protein, at=make.start + 50 * second)
        batch.append(Event(protein, "done", make.start + 50 * second))
    batch.append(Event("P4", "submitted", make.start + 150))
    batch.append(Event("P4", "running", make.start + 160, node="worker2"))
    batch.append(Event("P5", "submitted", make.start + 170))
    assert record_events(store, run, batch) == []
    return run


def test_pace_and_time_left_follow_from_what_was_finished(at_work, store, make):
    seen = activity(store, "demo", make.start + 200)
    assert seen["phases"] == {"done": 3, "running": 1, "submitted": 1, "waiting": 1}
    assert seen["per_hour"] == 54.0  # three in 200 s
    assert seen["seconds_left"] == 200  # as many are left, of the same length


def test_pace_is_that_of_the_last_half_hour(at_work, store, make):
    seen = activity(store, "demo", make.start + 150 + AN_HOUR)
    assert (seen["per_hour"], seen["seconds_left"]) == (None, None)


def test_running_proteins_are_reported_with_node_and_seconds(at_work, store, make):
    seen = activity(store, "demo", make.start + 200)
    assert seen["nodes"] == {"worker2": 1}
    assert seen["running"] == [
        {"query_id": "P4", "length": 3, "node": "worker2", "step": "search", "seconds": 40, "attempts": 1}
    ]


def test_no_pace_is_reported_of_a_run_that_is_over(at_work, store, make):
    finish_run(store, at_work, "FAILED", at=make.start + 210)
    seen = activity(store, "demo", make.start + 220)
    assert (seen["status"], seen["per_hour"], seen["seconds_left"]) == ("FAILED", None, None)


def test_unknown_run_is_an_error_that_names_it(store, make):
    with pytest.raises(queries.NotFoundError, match="nothing"):
        activity(store, "nothing", make.start)


@pytest.fixture
def head(at_work):
    """The lock that a living head of the run holds."""
    with open(at_work.folder.lock, "a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@pytest.fixture
def call(results):
    """Function: run ``proteofold top <words>`` on the store; returns click's result."""
    path = str(results.path / "proteofold.db")
    return lambda *words: CliRunner().invoke(cli, ["top", *words, "--store", path])


def test_top_prints_one_look_where_the_output_is_no_terminal(at_work, head, call):
    shown = call("demo")
    assert shown.exit_code == 0
    assert "demo: RUNNING, 6 proteins (3 done, 1 running, 1 submitted, 1 waiting)" in " ".join(shown.output.split())
    assert "worker2" in shown.output and "P4" in shown.output


def test_top_gives_scripts_the_same_as_json(at_work, head, call):
    answer = json.loads(call("demo", "--json").output)
    assert answer["total"] == 6 and answer["nodes"] == {"worker2": 1}


def test_top_reports_that_the_head_of_a_run_has_died(at_work, call):
    assert "demo: INTERRUPTED" in call("demo").output


def test_top_of_an_unknown_run_ends_with_the_exit_code_for_absent(at_work, call):
    shown = call("nothing")
    assert shown.exit_code == 3
    assert "nothing" in shown.output


def test_top_without_slurm_shows_no_table_of_nodes(at_work, head, call, monkeypatch):
    monkeypatch.setattr("proteofold.slurm.nodes.node_states", lambda: [])
    shown = call("demo", "--once")
    assert shown.exit_code == 0 and "cores free" not in shown.output
