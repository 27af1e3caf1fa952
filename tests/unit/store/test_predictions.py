"""Predicted secondary structure: a row a sequence and weights, as long as a result has it."""

import signal
import sqlite3
import subprocess
import sys

import pytest
from runfolders import SETTINGS

from proteofold.run import predictions
from proteofold.run.states import Event
from proteofold.store import finish_run, import_run, open_store, record_events, start_run
from proteofold.store import results as result_files
from proteofold.store.database import importing_alone, transaction
from proteofold.store.queries import prediction_of
from proteofold.store.schema import MIGRATIONS

SEQUENCES = {"P1": "MKVA" * 30, "P2": "GAVL" * 20, "P3": "MKVA" * 30}  # P1 and P3 are the same sequence
WEIGHTS = SETTINGS["predictions"]


def keys(conn):
    return sorted(conn.execute("select weights, md5 from predictions"))


def columns(conn, query_id, run_id="demo"):
    found = prediction_of(conn, run_id, query_id)
    return found and (found["secondary_structure"], found["confidence"])


@pytest.fixture
def finished(results):
    """Function: a run of the three proteins, all finished."""

    def plan(run_id="demo", proteins=SEQUENCES, **settings):
        run = results.plan(run_id, proteins, **settings)
        for protein in run.members:
            results.finish(run, protein)
        return run

    return plan


@pytest.fixture
def imported(store, finished):
    """The run, in the store."""
    run = finished()
    import_run(store, run.folder.path)
    return run


def test_prediction_is_what_the_files_hold(store, imported):
    found = prediction_of(store, "demo", "P2")
    assert found["secondary_structure"] == ("HEC" * 27)[:80]
    assert found["confidence"] == "0123456789" * 8
    assert (found["md5"], found["weights"]) == (imported.members["P2"].md5, WEIGHTS)


def test_one_row_serves_all_proteins_and_runs_of_a_sequence(store, imported, finished):
    expected = keys(store)
    assert len(expected) == 2
    import_run(store, finished("again").folder.path)
    assert keys(store) == expected
    assert prediction_of(store, "again", "P3") == prediction_of(store, "demo", "P1")


def test_other_weights_are_another_prediction(store, imported, finished):
    import_run(store, finished("other", predictions="another", search="another").folder.path)
    assert len(keys(store)) == 4


def test_other_search_has_the_same_prediction(store, imported, finished):
    import_run(store, finished("other", search="another").folder.path)
    assert len(keys(store)) == 2
    assert prediction_of(store, "other", "P1") == prediction_of(store, "demo", "P1")


def test_there_is_none_before_a_protein_is_finished(store, results, make):
    run = results.plan(proteins=SEQUENCES)
    start_run(store, run, at=make.start)
    results.predict(run, run.members["P1"].batch)
    assert prediction_of(store, "demo", "P1") is None
    assert prediction_of(store, "demo", "nobody") is None
    results.finish(run, "P2")
    record_events(store, run, [Event("P2", "done", make.start + 5)])
    assert columns(store, "P2")[0] == ("HEC" * 27)[:80]
    assert prediction_of(store, "demo", "P1") is None
    finish_run(store, run, "INTERRUPTED", at=make.start + 9)
    assert keys(store) == [(WEIGHTS, run.members["P2"].md5)]


def test_rebuilt_store_has_the_predictions_of_the_live_one(store, results, rows, make, tmp_path):
    run = results.plan(proteins=SEQUENCES)
    start_run(store, run, at=make.start)
    for second, protein in enumerate(SEQUENCES):
        results.finish(run, protein, at=make.start + second)
        record_events(store, run, [Event(protein, "done", make.start + second)])
    finish_run(store, run, "SUCCESS", at=make.start + 9)
    other = open_store(tmp_path / "other.db")
    import_run(other, run.folder.path)
    assert rows(other) == rows(store)
    assert len(rows(other)["predictions"]) == 2


DAMAGES = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-50]),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "no text": lambda path: path.write_bytes(b"\xff\xfe" * 50),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_secondary_structure_is_null_and_costs_nothing_else(store, finished, damage):
    run = finished()
    damage(run.predictions.horiz(run.members["P2"].batch))
    import_run(store, run.folder.path)
    assert columns(store, "P2") is None
    assert store.execute("select succeeded from runs").fetchone() == (3,)


def test_prediction_of_another_sequence_is_not_taken(store, finished):
    run = finished()
    path = run.predictions.horiz(run.members["P2"].batch)
    path.write_text(path.read_text().replace("GAVL", "GAVV"))
    import_run(store, run.folder.path)
    assert columns(store, "P2") is None
    assert columns(store, "P1")[0] == ("HEC" * 40)


def test_what_was_missing_is_filled_in_and_what_is_missing_now_is_kept(store, imported):
    before = columns(store, "P2")
    path = imported.predictions.horiz(imported.members["P2"].batch)
    text = path.read_text()
    path.unlink()
    import_run(store, imported.folder.path)
    assert columns(store, "P2") == before
    store.execute("delete from predictions")
    import_run(store, imported.folder.path)
    assert columns(store, "P2") is None
    path.write_text(text)
    import_run(store, imported.folder.path)
    assert columns(store, "P2") == before


def test_file_of_a_batch_is_read_once(store, finished, monkeypatch):
    run, read = finished(), []
    real = predictions.read_horiz
    monkeypatch.setattr(predictions, "read_horiz", lambda path: read.append(path) or real(path))
    import_run(store, run.folder.path)
    assert len(read) == len({member.batch for member in run.members.values()}) == 1


# --- Predictions that no result uses any more -----------------------------------------------------------


def test_run_that_is_removed_takes_its_own_predictions_with_it(store, imported, finished):
    import_run(store, finished("kept", {"P2": SEQUENCES["P2"]}).folder.path)
    import_run(store, finished("other", predictions="another", search="another").folder.path)
    assert len(keys(store)) == 4
    store.execute("delete from runs where run_id in ('demo', 'other')")
    import_run(store, imported.folder.path.parent / "kept")
    assert keys(store) == [(WEIGHTS, imported.members["P2"].md5)]


def test_other_weights_of_a_run_replace_its_predictions(store, imported, results, make):
    run = results.plan("demo", SEQUENCES, predictions="another", search="another")
    start_run(store, run, at=make.start)
    assert keys(store) == []
    results.finish(run, "P2", at=make.start + 1)
    record_events(store, run, [Event("P2", "done", make.start + 1)])
    assert keys(store) == [("another", run.members["P2"].md5)]


def test_changed_sequence_replaces_its_prediction(store, imported, results, make):
    run = results.plan("demo", SEQUENCES | {"P2": "MMMM"})
    start_run(store, run, at=make.start)
    assert keys(store) == [(WEIGHTS, run.members["P1"].md5)]
    results.finish(run, "P2")
    import_run(store, run.folder.path)
    assert columns(store, "P2")[0] == "HECH"


def test_protein_that_left_takes_its_prediction_along_unless_another_has_its_sequence(store, imported, results):
    import_run(store, results.plan("demo", ["P1"]).folder.path)
    assert keys(store) == []
    run = results.plan("demo", {"P1": SEQUENCES["P1"], "P2": SEQUENCES["P2"]})
    for protein in run.members:
        results.finish(run, protein)
    import_run(store, run.folder.path)
    import_run(store, results.plan("demo", {"P1": SEQUENCES["P1"]}).folder.path)
    assert keys(store) == [(WEIGHTS, run.members["P1"].md5)]


def test_start_of_a_run_leaves_alone_what_an_import_has_written(store, imported, results, make, tmp_path):
    with importing_alone(store):
        with transaction(store):
            store.execute("insert into predictions (md5, weights) values ('not yet used', ?)", (WEIGHTS,))
            store.execute("insert into unused_predictions values (?)", (WEIGHTS,))
        start_run(open_store(results.path / "proteofold.db"), imported, at=make.start)
        assert len(keys(store)) == 3
    start_run(store, imported, at=make.start)
    assert len(keys(store)) == 2


KILLED = """
import os, signal, sys
from proteofold.store import importing, open_store
importing.write_run = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
importing.import_run(open_store(sys.argv[1]), sys.argv[2])
"""


def test_killed_import_leaves_predictions_that_the_next_removes(store, finished, results):
    run, path = finished("killed", predictions="another", search="another"), results.path / "proteofold.db"
    killed = subprocess.run([sys.executable, "-c", KILLED, path, run.folder.path], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(keys(store)) == 2
    import_run(store, finished().folder.path)
    assert {key for key, _ in keys(store)} == {WEIGHTS}
    assert store.execute("select * from unused_predictions").fetchall() == []


def test_store_of_the_first_version_keeps_its_rows_and_takes_predictions(results, finished, rows, make):
    path = results.path / "proteofold.db"
    path.parent.mkdir(parents=True)
    old = sqlite3.connect(path)
    for statement in MIGRATIONS[0]:
        old.execute(statement)
    old.execute("pragma user_version = 1")
    old.execute("insert into runs (run_id, status, date_started) values ('old', 'SUCCESS', '2026-01-01T00:00:00.000Z')")
    old.commit()
    old.close()
    conn = open_store(path)
    import_run(conn, finished().folder.path)
    assert conn.execute("select run_id from runs order by 1").fetchall() == [("demo",), ("old",)]
    assert len(keys(conn)) == 2
    assert prediction_of(conn, "old", "P1") is None


def test_prediction_of_a_protein_whose_search_failed_is_read_from_the_files(finished):
    run = finished()
    run.search.out(run.members["P2"].entry).unlink()
    found = result_files.prediction_in_files(run.folder.path, "P2")
    assert found["secondary_structure"] == ("HEC" * 27)[:80]
    assert result_files.prediction_in_files(run.folder.path, "P9") is None
    assert result_files.prediction_in_files(run.folder.path / "none", "P2") is None
