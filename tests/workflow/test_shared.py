"""Runs that share results: nothing is computed twice, and none destroys another's files."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.slow

HBA, MYG, LYS, CYC = "sp|P69905|HBA_HUMAN", "sp|P02144|MYG_HUMAN", "sp|P61626|LYSC_HUMAN", "sp|P99999|CYC_HUMAN"
UBIQUITIN = ("sp|P0CG48|UBC_HUMAN", "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG")


def begin(bench, name):
    """Turn a bench to another run of the same folder."""
    bench.config["run"] = name
    bench.results = bench.path / "results" / name
    return bench


def proteofold(bench, *words, expect=0):
    command = [sys.executable, "-m", "proteofold", *words]
    outcome = subprocess.run(command, cwd=bench.path, capture_output=True, text=True, check=False)
    assert outcome.returncode == expect, outcome.stderr
    return outcome.stdout + outcome.stderr


def query(bench, sql):
    with contextlib.closing(bench.store()) as conn:
        return conn.execute(sql).fetchall()


@pytest.fixture
def second(done):
    """A second run that is not started yet, with two proteins of the first and a new one."""
    begin(done, "second")
    done.records = {LYS: done.records[LYS], UBIQUITIN[0]: UBIQUITIN[1], CYC: done.records[CYC]}
    return done


def test_results_of_another_run_are_not_computed_again(second):
    predictions = second.predictions()
    second.snakemake()
    assert second.searched() == [UBIQUITIN[0]]
    assert len(second.predictions()) == len(predictions) + 1
    assert [row.split(",")[0] for row in second.rows("merge_results.csv")] == list(second.records)
    assert query(second, "select succeeded, shared from runs where run_id = 'second'") == [(3, 2)]


def test_whole_run_whose_results_are_there_costs_the_merge(done, finished):
    begin(done, "second").snakemake()
    assert done.searched() == [] and done.predictions().keys() == finished.predictions().keys()
    assert done.tables() == finished.tables()


def test_same_sequence_under_another_id_is_predicted_once(second):
    predictions = second.predictions()
    second.records = {'my,"own"': second.records[LYS]}
    second.snakemake()
    assert second.searched() == ['my,"own"']
    assert second.predictions() == predictions
    assert second.rows("best_hits.csv") == ['"my,""own""",1LZ1_A']


def test_first_run_may_be_deleted(second):
    second.snakemake()
    before = second.tables()
    shutil.rmtree(second.path / "results" / "test")
    (second.results / "merge_results.csv").unlink()
    second.snakemake()
    assert second.searched() == [] and second.tables() == before


def test_report_counts_the_jobs_of_the_run_and_names_the_shared_results(second):
    second.snakemake()
    page = (second.results / "report" / "overview.html").read_text()
    assert "1 job," in page and "Of these computed in other runs" in page


def test_no_run_is_named_shared(fresh):
    fresh.config["run"] = "shared"
    assert "run" in fresh.snakemake(expect=1)
    assert not (fresh.path / "results").exists()


def test_second_head_of_a_run_is_refused_in_a_sentence(fresh, finished):
    fresh.mark("wait", MYG)
    head = fresh.start()
    wait_for(fresh.searched)
    fresh.snakemake("--unlock", keep_count=True)
    printed = fresh.snakemake(expect=1, keep_count=True)
    assert "another Snakemake process works on" in printed and "Traceback" not in printed
    fresh.mark("wait")
    assert head.wait(timeout=120) == 0
    assert sorted(fresh.searched()) == sorted(fresh.records)
    assert fresh.tables() == finished.tables()


@pytest.mark.parametrize("end", [None, signal.SIGINT, signal.SIGKILL])
def test_two_runs_at_once_that_share_proteins_both_end_right(fresh, finished, end):
    fresh.mark("slow")
    first = fresh.start()
    wait_for(fresh.searched)
    begin(fresh, "second")
    fresh.write_inputs()
    words, environment = fresh.command()
    second = subprocess.Popen(
        words, cwd=fresh.path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    if end:
        wait_for(lambda: len(fresh.searched()) > 1)
        os.killpg(first.pid, end)
    first.wait(timeout=120)
    assert second.wait(timeout=120) == 0
    assert fresh.tables() == finished.tables()
    assert all(fresh.searched().count(query_id) <= 2 for query_id in fresh.records)
    begin(fresh, "test")
    fresh.snakemake()
    assert fresh.searched() == [] and fresh.tables() == finished.tables()


def test_clean_removes_what_no_run_lists_and_prints_how_much(second):
    second.snakemake()
    entries = {path.name.partition(".")[0] for path in second.path.glob("results/shared/searches/*/hhr/*/*")}
    assert len(entries) == 5
    assert "0 results" in proteofold(second, "clean")
    shutil.rmtree(second.path / "results" / "test")
    printed = proteofold(second, "clean", "--dry-run")
    assert "2 results" in printed
    assert proteofold(second, "clean").split(":")[1] == printed.split(":")[1]
    left = {path.name.partition(".")[0] for path in second.path.glob("results/shared/searches/*/*/*/*")}
    assert left == {member.entry for member in second.run.members.values()}
    assert "Nothing to be done" in second.snakemake()


def test_clean_removes_searches_of_settings_that_no_run_has(done, finished):
    done.config["search"] = {"mode": "reference"}
    done.snakemake()
    proteofold(done, "clean")
    (left,) = done.path.glob("results/shared/searches/*")
    assert ".reference." in left.name
    assert len(list(done.path.glob("results/shared/predictions/*/horiz/*"))) == len(finished.predictions())


def test_clean_refuses_while_a_run_is_worked_on(fresh):
    fresh.mark("wait", MYG)
    head = fresh.start()
    wait_for(fresh.searched)
    assert "another Snakemake process works on" in proteofold(fresh, "clean", expect=1)
    fresh.mark("wait")
    assert head.wait(timeout=120) == 0


def wait_for(condition, seconds=60):
    """Wait until a condition holds; fails the test when it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
