"""Recording a run while it is running, and after its head was killed."""

import contextlib
import fcntl
import sqlite3
import time

import pytest
from runfolders import CATH_NAMES, add_classification, span_hit

from proteofold.run.layout import digits_of
from proteofold.run.manifest import load_run
from proteofold.run.merge import merge_run
from proteofold.run.states import State, apply_event, timestamp
from proteofold.store import (
    Event,
    add_fasta,
    database,
    finish_run,
    import_run,
    interrupt_dead_runs,
    mark_interrupted,
    open_store,
    queries,
    record_events,
    start_run,
    writing,
)
from proteofold.store import recorder as recorder_module
from proteofold.store.recorder import Recorder


def phases(conn):
    query = "select query_id, phase, status, attempts, node from protein_results order by position"
    return {name: tuple(values) for name, *values in conn.execute(query)}


def column(conn, name, table="protein_results"):
    order = "position" if table == "protein_results" else "1"
    return [value for (value,) in conn.execute(f"select {name} from {table} order by {order}")]


def run_row(conn):
    query = "select status, total, succeeded, failed, shared, duration_s from runs"
    return conn.execute(query).fetchone()


@pytest.fixture
def events(make):
    """Function: an event, its time counted from the start of the run."""
    return lambda protein, phase, second, **values: Event(protein, phase, make.start + second, **values)


@pytest.fixture
def recorded(results, store, make, events):
    """A run of four proteins that was recorded to its end: two done, one failed at last, one never started."""
    run = results.plan(proteins=["P1", "P2", "P3", "P4"])
    start_run(store, run, "ada", at=make.start)
    batch = [
        events("P1", "submitted", 1),
        events("P1", "running", 2, node="worker1"),
        events("P2", "submitted", 1),
        events("P2", "running", 2.5, node="worker2"),
        events("P3", "submitted", 1),
        events("P3", "running", 3, node="worker3"),
        events(
            "P3",
            "failed",
            5,
            step="search",
            reason="killed",
            log=f"{run.search.log('search', run.members['P3'].entry)}",
        ),
        events("P3", "submitted", 6),
        events("P3", "running", 7, node="worker4"),
    ]
    record_events(store, run, batch)
    results.fail(run, "P3")
    results.finish(run, "P1", at=make.start + 20.5)
    results.finish(run, "P2", [], at=make.start + 21.25, node="worker2")
    batch += [events("P1", "done", 22), events("P2", "done", 22), events("P3", "failed", 23)]
    record_events(store, run, batch[9:])
    finish_run(store, run, "FAILED", at=make.start + 30)
    return run, batch


def test_started_run_waits_and_counts(results, store, make):
    start_run(store, results.plan(), "ada", at=make.start)
    assert set(phases(store).values()) == {("waiting", "PENDING", 0, None)}
    assert run_row(store) == ("RUNNING", 3, 0, 0, 0, 0.0)
    assert column(store, "author", "runs") == ["ada"]
    assert sorted(column(store, "sequence", "proteins")) == ["MKV"] * 3


def test_sequences_are_there_once_their_batch_is_predicted_or_the_run_ends(results, store, make, events):
    run = results.plan(proteins={"P1": "MKV", "P2": "MKV", "P3": "MKVL" * 5000})
    batches = {protein: run.predictions.fasta(run.members[protein].batch) for protein in run.members}
    texts = {path: path.read_text() for path in batches.values()}
    for path in texts:
        path.unlink()  # of a run that has just begun
    start_run(store, run, at=make.start)
    assert column(store, "sequence", "proteins") == [None] * 3
    batches["P1"].write_text(texts[batches["P1"]])
    record_events(store, run, [events(name, "waiting", 1) for name in ("P1", "P2")])
    assert column(store, "sequence", "proteins") == [None, "MKV", "MKV"]
    batches["P3"].write_text(texts[batches["P3"]])
    finish_run(store, run, "FAILED", at=make.start + 9)
    assert None not in column(store, "sequence", "proteins")


def test_rows_that_stay_as_they_are_are_not_written_again(results, store, make, events):
    run = results.plan(proteins={f"P{number}": "MKV" for number in range(300)})
    start_run(store, run, at=make.start)
    record_events(store, run, [events("P7", "running", 1)])
    before = store.total_changes
    finish_run(store, run, "INTERRUPTED", at=make.start + 9)
    assert store.total_changes - before < 30
    start_run(store, run, at=make.start + 10)
    assert store.total_changes - before < 60
    assert set(column(store, "phase")) == {"waiting"}
    assert column(store, "attempts").count(1) == 1


def test_each_phase_is_reported_with_its_node(results, store, make, events):
    run = results.plan()
    start_run(store, run, at=make.start)
    record_events(store, run, [events("P1", "submitted", 1), events("P2", "running", 1, node="here")])
    assert phases(store) == {
        "P1": ("submitted", "PENDING", 1, None),
        "P2": ("running", "RUNNING", 1, "here"),
        "P3": ("waiting", "PENDING", 0, None),
    }


def test_finished_protein_shows_its_summary_and_hits_at_once(results, store, make, events):
    run = results.plan()
    start_run(store, run, at=make.start)
    results.finish(run, "P2", [make.hit(1, "1ABC_A", 1e-20, 100), make.hit(2, "2XYZ_B", 1e-9, 80.25)])
    assert record_events(store, run, [events("P2", "done", 9)]) == []
    row = store.execute(
        "select best_hit, best_evalue, best_score, score_mean, score_std, score_gmean, hits, node, cpu_s, max_rss_mb"
        " from protein_results where query_id = 'P2'"
    ).fetchone()
    assert row == ("1ABC_A", 1e-20, 100.0, 90.12, 9.88, 89.58, 2, "worker1", 19.5, 300.0)
    hits = store.execute("select query_id, rank, template, description, score from hits").fetchall()
    assert hits == [
        ("P2", 1, "1ABC_A", 'about "1ABC_A", a; b', 100.0),
        ("P2", 2, "2XYZ_B", 'about "2XYZ_B", a; b', 80.25),
    ]


def test_end_without_visible_files_is_given_back(results, store, make, events):
    run = results.plan()
    start_run(store, run, at=make.start)
    early = [events("P1", "done", 5)]
    assert record_events(store, run, early) == early
    assert phases(store)["P1"][0] == "waiting"
    results.finish(run, "P1")
    assert record_events(store, run, early) == []
    assert phases(store)["P1"][0] == "done"


def test_counts_and_mean_statistics_are_those_of_the_merged_tables(results, store, recorded):
    run, _ = recorded
    counts = merge_run(run.folder.path)
    assert run_row(store)[1:5] == (counts["proteins"], counts["with_hit"] + counts["without_hit"], counts["failed"], 0)
    means = ",".join(f"{value:.2f}" for value in store.execute("select score_std, score_gmean from runs").fetchone())
    assert (run.folder.path / "profile_output.csv").read_text().splitlines()[1] == means
    assert sum(phase in ("done", "failed") for phase, *_ in phases(store).values()) == 4


def test_failure_reports_step_reason_node_log_and_attempts(store, recorded):
    row = store.execute(
        "select step, reason, node, log, attempts, finished_at from protein_results where query_id = 'P3'"
    ).fetchone()
    entry = recorded[0].members["P3"].entry
    log = f"results/shared/searches/few.lean.01234567/logs/{digits_of(entry)}/{entry}.search.log"
    assert row == ("search", "hhsearch was killed (SIGKILL)", "worker4", log, 2, "2026-09-21T14:13:43.000Z")


def test_protein_that_was_never_started_fails_when_the_run_ends(store, recorded):
    row = store.execute("select phase, reason from protein_results where query_id = 'P4'").fetchone()
    assert row == ("failed", "not started: the run ended before")


def test_replayed_events_double_nothing(store, recorded, rows):
    run, batch = recorded
    before = rows(store)
    record_events(store, run, batch)
    record_events(store, run, reversed(batch))
    assert rows(store) == before
    assert len(column(store, "rank", "hits")) == 1


def test_late_word_of_an_earlier_phase_undoes_nothing(results, store, make, events):
    run = results.plan()
    start_run(store, run, at=make.start)
    results.finish(run, "P1")
    record_events(store, run, [events("P1", "done", 9), events("P1", "running", 8, node="late")])
    assert phases(store)["P1"] == ("done", "SUCCESS", 0, "worker1")


def test_import_equals_live_recording_row_by_row(store, recorded, rows, tmp_path):
    run, _ = recorded
    other = open_store(tmp_path / "other.db")
    import_run(other, run.folder.path)
    assert rows(other) == rows(store)


def test_resumed_run_counts_on_and_equals_its_import(store, recorded, results, rows, make, events, tmp_path):
    run, _ = recorded
    run.search.out(run.members["P2"].entry).unlink()
    run = results.plan(proteins=["P3", "P1", "P2", "P5"])
    start_run(store, run, "eve", at=make.start + 100)
    assert {name: row[0] for name, row in phases(store).items()} == {
        "P3": "waiting",
        "P1": "done",
        "P2": "waiting",
        "P5": "waiting",
    }
    results.finish(run, "P3", [make.hit(template="9NEW_A")], at=make.start + 110)
    record_events(store, run, [events("P3", "running", 101, node="w"), events("P3", "done", 111)])
    finish_run(store, run, "INTERRUPTED", at=make.start + 140)
    assert phases(store)["P3"] == ("done", "SUCCESS", 3, "worker1")
    assert run_row(store) == ("INTERRUPTED", 4, 2, 0, 0, 70.0)
    other = open_store(tmp_path / "other.db")
    import_run(other, run.folder.path)
    assert rows(other) | {"proteins": []} == rows(store) | {"proteins": []}


def test_clock_that_is_set_back_between_starts_is_no_run_time(store, results):
    run = results.plan()
    start_run(store, run, at=2e9)
    finish_run(store, run, "INTERRUPTED", at=2e9 + 5)
    start_run(store, run, at=1.9e9)
    finish_run(store, run, "FAILED", at=1.9e9 + 10)
    duration, finished = store.execute("select duration_s, date_finished from runs").fetchone()
    assert duration == 15 and finished == timestamp(1.9e9 + 10)


def test_changed_sequence_or_settings_make_a_protein_wait_again(store, results, make):
    run = results.plan(proteins={"P1": "MKV", "P2": "MKV"})
    results.finish(run, "P1")
    results.finish(run, "P2")
    start_run(store, run, at=make.start)
    assert {row[0] for row in phases(store).values()} == {"done"}
    run = results.plan(proteins={"P1": "MKVA", "P2": "MKV"})
    start_run(store, run, at=make.start + 1)
    assert [row[0] for row in phases(store).values()] == ["waiting", "done"]
    assert store.execute("select sequence from proteins where query_id = 'P1'").fetchone() == ("MKVA",)
    run = results.plan(proteins={"P1": "MKVA", "P2": "MKV"}, search="other")
    start_run(store, run, at=make.start + 2)
    assert {row[0] for row in phases(store).values()} == {"waiting"}
    assert column(store, "rank", "hits") == []


def test_killed_head_leaves_an_interrupted_run_with_what_was_done(store, results, rows, make, events, tmp_path):
    run = results.plan()
    start_run(store, run, "ada", at=make.start)
    record_events(store, run, [events("P1", "running", 2, node="w"), events("P2", "running", 3, node="w")])
    results.finish(run, "P1", at=make.start + 4)
    assert interrupt_dead_runs(store, results.path) == ["demo"]
    assert phases(store)["P1"] == ("done", "SUCCESS", 1, "worker1")
    assert phases(store)["P2"] == ("waiting", "PENDING", 1, None)
    assert run_row(store) == ("INTERRUPTED", 3, 1, 0, 0, 3.0)
    other = open_store(tmp_path / "other.db")
    import_run(other, run.folder.path)
    assert rows(other) == rows(store)


def test_run_whose_folder_is_gone_can_be_marked_interrupted(store, results, make, events):
    run = results.plan()
    start_run(store, run, at=make.start)
    record_events(store, run, [events("P1", "running", 2, node="w")])
    mark_interrupted(store, "demo")
    assert phases(store)["P1"] == ("waiting", "PENDING", 1, None)
    assert run_row(store) == ("INTERRUPTED", 3, 0, 0, 0, 2.0)


def test_running_run_is_not_marked_interrupted(store, results, make):
    run = results.plan()
    start_run(store, run, at=make.start)
    with open(run.folder.lock, "a") as head:
        fcntl.flock(head, fcntl.LOCK_EX)
        assert interrupt_dead_runs(store, results.path) == []
        import_run(store, run.folder.path)
        assert run_row(store)[0] == "RUNNING"
    assert interrupt_dead_runs(store, results.path) == ["demo"]


def test_shared_result_names_the_run_that_computed_it_until_it_is_searched_again(
    store, results, rows, make, events, tmp_path
):
    run = results.plan()
    results.finish(run, "P1", at=make.start - 50, computed_in="earlier")
    start_run(store, run, at=make.start)
    assert run_row(store)[:5] == ("RUNNING", 3, 1, 0, 1)
    assert phases(store)["P1"] == ("done", "SUCCESS", 0, "worker1")
    assert column(store, "computed_in") == ["earlier", None, None]
    assert queries.computed_elsewhere(store, "demo") == {"earlier": 1}
    record_events(store, run, [events("P1", "running", 5, node="here")])
    assert column(store, "computed_in") == [None] * 3
    results.finish(run, "P1", at=make.start + 8)
    record_events(store, run, [events("P1", "done", 9)])
    finish_run(store, run, "FAILED", at=make.start + 10)
    assert run_row(store)[:5] == ("FAILED", 3, 1, 2, 0)
    assert phases(store)["P1"] == ("done", "SUCCESS", 1, "worker1")
    assert column(store, "computed_in") == ["demo", None, None]
    other = open_store(tmp_path / "other.db")
    import_run(other, run.folder.path)
    assert rows(other) == rows(store)


def test_shared_result_is_the_same_after_an_import_even_without_the_journal(store, results, rows, make, tmp_path):
    run = results.plan()
    for protein in run.members:
        results.finish(run, protein, computed_in="earlier")
    start_run(store, run, at=make.start)
    finish_run(store, run, "SUCCESS", at=make.start + 1)
    other = open_store(tmp_path / "other.db")
    import_run(other, run.folder.path)
    assert rows(other) == rows(store)
    assert run_row(store)[:5] == ("SUCCESS", 3, 3, 0, 3)
    (run.folder.path / "events.jsonl").unlink()
    import_run(other, run.folder.path)
    assert rows(other)["protein_results"] == rows(store)["protein_results"]


def test_each_of_two_runs_counts_what_it_computed(store, results, make):
    for number, run_id in enumerate(("first", "second")):
        run = results.plan(run_id)
        start_run(store, run, at=make.start + 100 * number)
        for protein in ("P1", "P2", "P3")[number : number + 2]:
            if run.members[protein].entry not in run.done():
                results.finish(run, protein, at=make.start + 100 * number + 5)
        finish_run(store, run, "FAILED", at=make.start + 100 * number + 9)
    assert store.execute("select run_id, succeeded, failed, shared from runs order by 1").fetchall() == [
        ("first", 2, 1, 0),
        ("second", 3, 0, 2),
    ]
    assert queries.computed_elsewhere(store, "second") == {"first": 2}


def test_half_a_line_at_the_end_of_the_journal_is_passed_over(store, recorded, rows, tmp_path):
    run, _ = recorded
    with open(run.folder.path / "events.jsonl", "a") as journal:
        journal.write('{"protein": "P1", "pha')
    other = open_store(tmp_path / "other.db")
    import_run(other, run.folder.path)
    assert rows(other) == rows(store)
    start_run(store, run, at=2e9)
    last = (run.folder.path / "events.jsonl").read_text().splitlines()[-1]
    assert last.startswith('{"at": 2000000000.0')


@pytest.mark.parametrize("at", ["1e400", "NaN", "1" + "0" * 30, '"now"', "null", "[2e9]", "2e9"])
@pytest.mark.parametrize("value", ["{}", "[1]", "5", '"\\ud800"', '"odd"', "[" * 100_000], ids=lambda value: value[:9])
def test_lines_of_a_journal_that_no_store_can_hold_are_passed_over(store, recorded, rows, tmp_path, at, value):
    run, _ = recorded
    with open(run.folder.path / "events.jsonl", "a") as journal:
        journal.write(f'{{"at": {at}, "run": {value}}}\n')
        journal.write(f'{{"at": {at}, "protein": "P1", "phase": {value}}}\n')
        if value != '"odd"':  # any text can be a name
            journal.write(f'{{"at": {at}, "run": "STARTED", "author": {value}}}\n')
            journal.write(f'{{"at": {at}, "protein": "P1", "phase": "running", "node": {value}}}\n')
    other = open_store(tmp_path / "other.db")
    import_run(other, run.folder.path)
    assert rows(other) == rows(store)


def test_prediction_of_a_batch_is_no_attempt_of_its_proteins(make):
    state = State()
    apply_event(state, Event("P", "running", 1, step="secondary_structure", node="a"))
    assert (state.phase, state.attempts) == ("running", 0)
    apply_event(state, Event("P", "running", 2, node="b"))
    apply_event(state, Event("P", "running", 3, node="b"))
    assert (state.attempts, state.node, state.started_at) == (1, "b", "1970-01-01T00:00:02.000Z")


def test_damaged_hits_are_no_result_and_stay_for_an_import_to_remove(store, results, make, events):
    run = results.plan()
    start_run(store, run, at=make.start)
    results.finish(run, "P1")
    path = run.search.hhr(run.members["P1"].entry)
    path.write_bytes(path.read_bytes()[:-9])
    assert len(record_events(store, run, [events("P1", "done", 5)])) == 1
    finish_run(store, run, "FAILED", at=make.start + 6)
    assert phases(store)["P1"][0] == "failed"
    assert str(path) in column(store, "reason")[0]
    assert path.exists()


def test_finished_protein_stays_done_while_its_batch_is_predicted_again(store, recorded, events):
    run, _ = recorded
    again = [events("P1", "running", 40, step="secondary_structure"), events("P1", "waiting", 41)]
    record_events(store, run, again)
    assert phases(store)["P1"] == ("done", "SUCCESS", 1, "worker1")
    record_events(store, run, [events("P1", "running", 42)])
    assert phases(store)["P1"][:3] == ("running", "RUNNING", 2)
    assert column(store, "rank", "hits") == []


@pytest.fixture
def recording(results, make, events):
    """Function that records a run of two proteins as its head does, while ``trouble(run)`` lasts for all but its start.

    Returns the run and the messages to the user.
    """

    def record(trouble, repair=None):
        reported, run = [], results.plan(proteins=["P1", "P2"])
        recorder = Recorder(run, reported.append)
        wait_until(lambda: (run.folder.path / "events.jsonl").exists() and store_rows(results, "status") == ["RUNNING"])
        undo = trouble(run)
        results.finish(run, "P1")
        recorder.add(Event("P1", "done", time.time()))
        wait_until(lambda: reported)
        if repair:
            undo()
            wait_until(lambda: len(reported) == 2)
        results.fail(run, "P2", "no such file")
        recorder.add(Event("P2", "failed", time.time()))
        recorder.end("FAILED")
        recorder.close()
        undo()
        return run, reported

    return record


def store_rows(results, name):
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(results.path / "proteofold.db")) as conn,
    ):
        return column(conn, name, "runs")


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def locked(run):
    """Another process writes into the store and does not end."""
    other = sqlite3.connect(run.folder.path.parent / "proteofold.db", check_same_thread=False)
    other.execute("begin immediate")
    return other.close


def journal_cannot_be_written(run):
    """A folder is in the place of the journal."""
    journal = run.folder.path / "events.jsonl"
    journal.rename(run.folder.path / "aside")
    journal.mkdir()

    def undo():
        if journal.is_dir():
            journal.rmdir()
            (run.folder.path / "aside").rename(journal)

    return undo


@pytest.fixture
def impatient(monkeypatch):
    """The recorder waits for a lock, and until it tries again, a moment only."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.2)
    monkeypatch.setattr(recorder_module, "SECONDS_BETWEEN_TRIES", 0.2)


@pytest.mark.parametrize("trouble", [locked, journal_cannot_be_written])
def test_store_that_cannot_be_written_for_a_while_misses_nothing(
    recording, results, rows, trouble, impatient, tmp_path
):
    run, reported = recording(trouble, repair=True)
    assert len(reported) == 2 and "not written" in reported[0]
    store = open_store(results.path / "proteofold.db")
    assert phases(store)["P1"][0] == "done" and phases(store)["P2"][0] == "failed"
    assert run_row(store)[:4] == ("FAILED", 2, 1, 1)
    assert column(store, "reason") == [None, "no such file"]
    other = open_store(tmp_path / "other.db")
    import_run(other, run.folder.path)
    assert rows(other) == rows(store)


def test_run_whose_end_the_store_missed_is_not_called_interrupted(recording, results, rows, impatient, tmp_path):
    run, reported = recording(locked)
    assert "proteofold store import" in reported[-1]
    store = open_store(results.path / "proteofold.db")
    assert run_row(store)[0] == "RUNNING"
    assert interrupt_dead_runs(store, results.path) == []
    assert run_row(store)[:4] == ("FAILED", 2, 1, 1)
    assert column(store, "reason") == [None, "no such file"]


def test_run_that_was_merged_to_its_end_is_not_called_interrupted_without_a_journal(results, store, make):
    run = results.plan()
    start_run(store, run, at=make.start)
    for protein in run.members:
        results.finish(run, protein)
    merge_run(run.folder.path)
    assert interrupt_dead_runs(store, results.path) == []
    assert run_row(store)[:4] == ("SUCCESS", 3, 3, 0)


def test_killed_head_of_which_a_part_was_merged_leaves_the_run_interrupted(results, store, make):
    run = results.plan()
    start_run(store, run, at=make.start)
    results.finish(run, "P1", at=make.start + 4)
    merge_run(run.folder.path)
    assert interrupt_dead_runs(store, results.path) == ["demo"]
    assert run_row(store)[:4] == ("INTERRUPTED", 3, 1, 0)
    assert phases(store)["P2"][0] == "waiting"


def test_run_of_which_the_store_has_no_protein_gets_them_all_at_its_end(results, store, make):
    """Its disk was full when the run began."""
    run = results.plan()
    for protein in run.members:
        results.finish(run, protein)
    finish_run(store, run, "SUCCESS", at=make.start)
    assert run_row(store)[:4] == ("SUCCESS", 3, 3, 0)


def test_result_that_the_merge_removed_is_no_longer_done_at_the_end(results, store, make):
    run = results.plan()
    for protein in run.members:
        results.finish(run, protein)
    start_run(store, run, at=make.start)
    assert run_row(store)[:3] == ("RUNNING", 3, 3)
    run.search.hhr(run.members["P2"].entry).write_bytes(b"")
    merge_run(run.folder.path)
    finish_run(store, load_run(run.folder.path), "FAILED")
    assert run_row(store)[:4] == ("FAILED", 3, 2, 1)
    assert phases(store)["P2"][0] == "failed"
    assert "damaged, removed; rerun" in column(store, "reason")


def test_end_of_a_killed_head_is_not_written_over_the_start_of_the_next(results, store, make, events, monkeypatch):
    run = results.plan()
    start_run(store, run, at=make.start)

    def next_head_begins(conn, run):
        monkeypatch.undo()
        start_run(conn, run, at=make.start + 100)
        record_events(conn, run, [events("P1", "running", 101, node="w")])

    monkeypatch.setattr(writing, "add_members", next_head_begins)
    assert interrupt_dead_runs(store, results.path) == ["demo"]
    assert run_row(store)[0] == "RUNNING" and phases(store)["P1"][0] == "running"


def test_killed_head_of_a_run_that_was_complete_before_leaves_it_interrupted(results, store):
    run = results.plan()
    for protein in run.members:
        results.finish(run, protein)
    merge_run(run.folder.path)
    start_run(store, results.plan(proteins=[*run.members, "P4"]))
    assert interrupt_dead_runs(store, results.path) == ["demo"]
    assert run_row(store)[:3] == ("INTERRUPTED", 4, 3)


def test_other_thresholds_give_other_domains_without_an_import(results, store, make):
    run = results.plan(proteins={"A": "A" * 100})
    results.finish(run, "A", [span_hit(1, 40)])
    start_run(store, run, at=make.start)
    assert column(store, "coverage_class") == ["partly"]
    changed = results.plan(proteins={"A": "A" * 100}, domains={"min_columns": 41})
    start_run(store, changed, at=make.start + 10)
    assert column(store, "coverage_class") == ["dark"] and column(store, "domains") == [0]


def test_another_classification_gives_other_superfamilies_without_an_import(results, store, make):
    def start(at, **settings):
        run = results.plan(proteins={"A": "A" * 100}, **settings)
        results.finish(run, "A", [span_hit(1, 40, template_start=1, template_end=40, template_length=90)])
        start_run(store, run, at=make.start + at)
        return store.execute("select superfamily, superfamily_name from domains").fetchall()

    working = results.path.parent
    assert start(0) == [(None, None)]
    assert start(10, classification=add_classification(working)) == [("1.10.8.10", "DNA helicase")]
    renamed = add_classification(working, "cath-20271101", names=[f"{name} of today" for name in CATH_NAMES])
    assert start(20, classification=renamed) == [("1.10.8.10", "DNA helicase of today")]


def test_readers_see_no_folders_of_the_machine(results, store, make, events, tmp_path):
    library = make.settings["library"] | {"prefix": "/secret/place/pdb70"}
    run = results.plan(library=library, library_source="/secret/place/templates")
    start_run(store, run)
    (settings,) = column(store, "settings", "runs")
    assert '"prefix": "pdb70"' in settings and '"library_source": "templates"' in settings
    (tmp_path / "more.fasta").write_text(">more\nMKV\n")
    add_fasta(store, tmp_path / "more.fasta")
    assert "more.fasta" in column(store, "source", "proteins")
    record_events(store, run, [events("P1", "submitted", 1), events("P1", "failed", 2)])
    assert "/secret" not in str(store.execute("select * from runs").fetchall())
