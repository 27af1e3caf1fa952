"""The results store while a run is running, after it, and after it was killed."""

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

MYG = "sp|P02144|MYG_HUMAN"


def query(bench, sql):
    """Rows of the bench's store."""
    conn = bench.store()
    try:
        return conn.execute(sql).fetchall()
    finally:
        conn.close()


def answers(bench, sql, rows):
    """Whether the store answers a question with these rows; it does not while it is being made."""
    try:
        return query(bench, sql) == rows
    except sqlite3.OperationalError:
        return False


def proteofold(bench, *words):
    """Run the command in the bench's folder; returns what it printed."""
    command = [sys.executable, "-m", "proteofold", *words]
    return subprocess.run(command, cwd=bench.path, capture_output=True, text=True, check=True).stdout


def wait_for(condition, seconds=60):
    """Wait until a condition holds; fails the test when it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def test_store_holds_the_rows_of_the_merged_tables(finished):
    rows = query(finished, "select query_id, best_hit, best_evalue, best_score from protein_results order by position")
    merged = [row[:4] for row in csv.reader(finished.rows("merge_results.csv"))]
    assert [[query_id, hit, f"{evalue!r}", f"{score!r}"] for query_id, hit, evalue, score in rows] == merged
    assert query(finished, "select status, total, succeeded, failed from runs") == [("SUCCESS", 4, 4, 0)]


def test_finished_protein_appears_while_the_run_continues(fresh):
    fresh.mark("wait", MYG)
    head = fresh.start()
    wait_for(lambda: any(fresh.path.glob("results/shared/searches/*/out-*/*/*.out")))
    wait_for(lambda: answers(fresh, "select count(*) > 0 from hits", [(1,)]))
    assert query(fresh, "select status from runs") == [("RUNNING",)]
    fresh.mark("wait")
    assert head.wait(timeout=120) == 0


def test_failed_protein_has_step_reason_log_and_attempts(fresh):
    fresh.mark("fail", MYG)
    fresh.snakemake(expect=1)
    ((phase, step, reason, log, attempts),) = query(
        fresh, f"select phase, step, reason, log, attempts from protein_results where query_id = '{MYG}'"
    )
    assert (phase, step, attempts) == ("failed", "search", 1)
    assert reason == "hhsearch ended with exit code 3: ERROR: made to fail"
    assert (fresh.path / log).is_file()
    assert query(fresh, "select status, succeeded, failed from runs") == [("FAILED", 3, 1)]


def test_killed_run_is_reported_as_interrupted_and_continues_afterwards(fresh):
    fresh.mark("slow")
    head = fresh.start()
    wait_for(fresh.searched)
    wait_for(lambda: answers(fresh, "select status from runs", [("RUNNING",)]))
    os.killpg(head.pid, signal.SIGKILL)
    head.wait()
    (run,) = json.loads(proteofold(fresh, "runs", "--json"))
    assert run["status"] == "INTERRUPTED"
    fresh.snakemake()
    assert query(fresh, "select status, succeeded from runs") == [("SUCCESS", 4)]


def test_deleted_store_is_rebuilt_from_the_run_folder_with_identical_rows(done):
    tables = ("proteins", "runs", "protein_results", "hits", "predictions")
    before = {table: query(done, f"select * from {table} order by 1, 2, 3") for table in tables}
    for path in (done.path / "results").glob("proteofold.db*"):
        path.unlink()
    proteofold(done, "store", "import", "results/test")
    after = {table: query(done, f"select * from {table} order by 1, 2, 3") for table in tables}
    assert after == before


def test_results_that_another_run_computed_are_shared_and_reported_until_they_are_merged(fresh):
    fresh.mark("fail", MYG)
    fresh.snakemake(expect=1)
    assert "rerun to merge" not in proteofold(fresh, "show", "test")
    (fresh.spy / "fail").write_text("")
    fresh.config["run"] = "other"
    fresh.snakemake()
    assert fresh.searched() == [MYG]
    fresh.config["run"] = "test"
    for command in (("show", "test"), ("runs",)):
        assert "1 result new, rerun to merge" in proteofold(fresh, *command)
    fresh.snakemake()
    assert fresh.searched() == []
    assert "rerun to merge" not in proteofold(fresh, "show", "test")
    rows = query(fresh, "select run_id, status, succeeded, failed, shared from runs order by 1")
    assert rows == [("other", "SUCCESS", 4, 0, 3), ("test", "SUCCESS", 4, 0, 1)]
    computed = "select run_id, computed_in, count(*), sum(attempts) from protein_results group by 1, 2 order by 1, 2"
    assert query(fresh, computed) == [
        ("other", "other", 1, 1),
        ("other", "test", 3, 0),
        ("test", "other", 1, 1),
        ("test", "test", 3, 3),
    ]


def test_store_that_cannot_be_written_does_not_stop_the_run(fresh, finished):
    (fresh.path / "results").mkdir()
    (fresh.path / "results" / "proteofold.db").write_text("not a store")
    printed = fresh.snakemake()
    assert "the store is not written" in printed
    assert fresh.tables() == finished.tables()


def test_store_that_can_be_written_again_has_the_whole_run(fresh, monkeypatch):
    stores, hhsearch = fresh.path / "stores", fresh.spy / "hhsearch"
    stores.write_text("a file is where the folder of the store should be")
    hhsearch.write_text(hhsearch.read_text().replace("printf", f"rm -f '{stores}'; printf"))
    fresh.environment = {**os.environ, "PROTEOFOLD_STORE": str(stores / "proteofold.db")}
    monkeypatch.setenv("PROTEOFOLD_STORE", str(stores / "proteofold.db"))
    assert "the store is not written" in fresh.snakemake()
    (run,) = json.loads(proteofold(fresh, "runs", "--json"))
    assert (run["status"], run["total"], run["succeeded"]) == ("SUCCESS", 4, 4)
