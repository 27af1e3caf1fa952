"""A run on a real Slurm: the same results as on one machine, and nothing lost by what clusters do."""

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import time

import pytest
from runbench import import_as_module
from slurm_here import NODES, wait_until

HBA, MYG, LYS, CYC = "sp|P69905|HBA_HUMAN", "sp|P02144|MYG_HUMAN", "sp|P61626|LYSC_HUMAN", "sp|P99999|CYC_HUMAN"


def start_four_searches(cluster, seconds):
    """Start a head and wait until all four stand-ins for hhsearch search, each for so long; returns the head."""
    cluster.mark("very_slow", str(seconds))
    head = cluster.start()
    wait_until(lambda: len(cluster.searched()) == 4, 120, "four running searches")
    time.sleep(1)  # until they have read how slow they shall be
    return head


def start_waiting_searches(cluster):
    """Start a head and wait until all four stand-ins for hhsearch search, until ``let_go``; returns the head."""
    cluster.mark("wait", *cluster.records)
    head = cluster.start()
    wait_until(lambda: len(cluster.searched()) == 4, 120, "four running searches")
    return head


def let_go(cluster):
    """Let the searches that wait go on, and those that begin from now on."""
    cluster.mark("wait")


def test_run_on_three_nodes_gives_the_tables_of_one_machine(cluster, finished):
    cluster.mark("slow")
    cluster.snakemake()
    assert cluster.tables() == finished.tables()
    assert sorted(cluster.searched()) == sorted([HBA, MYG, LYS, CYC])
    assert len({row[3] for row in cluster.searches()}) >= 2
    assert list((cluster.results / "slurm/out").iterdir()) == []
    assert "Nothing to be done" in cluster.snakemake()


def test_run_inside_another_workflow_gives_the_tables_of_one_machine(cluster, finished):
    import_as_module(cluster)
    cluster.snakemake()
    assert cluster.tables() == finished.tables()


def test_slurm_starts_the_longest_protein_first(cluster):
    cluster.snakemake("--until", "predict_secondary_structure")
    cluster.slurm.hold()
    cluster.start()
    wait_until(lambda: len(cluster.searches("PENDING")) == 4, 120, "four waiting searches")
    by_priority = cluster.slurm.call("squeue", "-h", "--sort=-p", "--states=pending", "-o", "%j").split()
    proteins = [name.rpartition(":")[2].rpartition("-")[0] for name in by_priority]
    assert proteins == ["P02144", "P61626", "P69905", "P99999"]


def test_store_reports_the_node_of_each_protein_while_it_runs(cluster):
    cluster.mark("very_slow", "10")  # longer than the time between two questions to Slurm
    head = cluster.start()
    states = set()
    deadline = time.monotonic() + 120
    while head.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(cluster.store()) as conn:
            states |= set(conn.execute("select phase, node from protein_results"))
        time.sleep(0.3)
    assert head.wait() == 0
    assert {("waiting", None), ("submitted", None)} <= states
    assert {node for phase, node in states if phase == "running"} & set(NODES)
    with contextlib.closing(cluster.store()) as conn:
        rows = conn.execute("select status, node, attempts from protein_results").fetchall()
    assert {status for status, _, _ in rows} == {"SUCCESS"}
    assert {node for _, node, _ in rows} <= set(NODES)
    assert {attempts for _, _, attempts in rows} == {1}


def test_job_killed_for_memory_is_tried_again_with_more(cluster, finished):
    cluster.mark("hungry", MYG)
    cluster.snakemake()
    tries = [row for row in cluster.searches() if row[2] == "P02144"]
    assert len(tries) == 2
    assert tries[0][1] in ("FAILED", "OUT_OF_MEMORY") and tries[1][1] == "COMPLETED"
    assert int(tries[1][4].rstrip("M")) > int(tries[0][4].rstrip("M"))
    assert cluster.tables() == finished.tables()


def test_error_of_hhsearch_is_not_repeated_and_takes_no_other_down(cluster):
    cluster.mark("fail", MYG)
    cluster.snakemake(expect=1)
    assert cluster.searched().count(MYG) == 1
    assert [row.split(",")[:2] for row in cluster.rows("failed.csv")] == [[MYG, "search"]]
    assert len(cluster.rows("merge_results.csv")) == 3
    cluster.mark("fail")
    cluster.snakemake()
    assert cluster.searched() == [MYG]
    assert len(cluster.rows("merge_results.csv")) == 4


def test_jobs_of_a_killed_head_are_adopted_and_no_protein_is_searched_twice(cluster, finished):
    head = start_four_searches(cluster, 12)
    os.killpg(head.pid, signal.SIGKILL)
    head.wait()
    cluster.mark("very_slow", "0")
    time.sleep(2)
    cluster.snakemake(keep_count=True)
    assert sorted(cluster.searched()) == sorted([HBA, MYG, LYS, CYC])
    assert cluster.tables() == finished.tables()


def test_head_killed_at_a_random_moment_costs_no_search(cluster, finished, kill_seed):
    cluster.mark("very_slow", "4")
    head = cluster.start()
    time.sleep(random.Random(kill_seed).uniform(2, 25))
    with contextlib.suppress(ProcessLookupError):  # it may have ended
        os.killpg(head.pid, signal.SIGKILL)
    head.wait()
    cluster.snakemake(keep_count=True)
    assert sorted(cluster.searched()) == sorted([HBA, MYG, LYS, CYC])
    assert cluster.tables() == finished.tables()


def test_jobs_that_end_while_no_head_lives_are_kept(cluster, finished):
    head = start_four_searches(cluster, 3)
    os.killpg(head.pid, signal.SIGKILL)
    head.wait()
    wait_until(lambda: len(cluster.searches("COMPLETED")) == 4, 60, "end of the searches")
    cluster.snakemake(keep_count=True)
    assert sorted(cluster.searched()) == sorted([HBA, MYG, LYS, CYC])
    assert cluster.tables() == finished.tables()


def test_jobs_of_an_earlier_sequence_are_not_adopted(cluster):
    head = start_four_searches(cluster, 60)
    os.killpg(head.pid, signal.SIGKILL)
    head.wait()
    cluster.mark("very_slow", "0")
    cluster.records[CYC] = cluster.records[CYC][:-1]
    earlier = {row[0] for row in cluster.searches() if row[2] == "P99999"}
    for job_id, _, protein, *_ in cluster.searches():  # these need not be waited for
        if protein != "P99999":
            cluster.slurm.call("scancel", job_id)
    cluster.snakemake()
    assert [row[1] for row in cluster.searches() if row[2] == "P99999" and row[0] not in earlier] == ["COMPLETED"]
    assert len(cluster.rows("merge_results.csv")) == 4


@pytest.mark.slow
def test_after_a_power_cut_noted_job_ids_that_slurm_does_not_know_are_not_waited_for(cluster, finished):
    head = start_four_searches(cluster, 60)
    os.killpg(head.pid, signal.SIGKILL)
    head.wait()
    cluster.slurm.forget_everything()
    cluster.mark("very_slow", "0")
    cluster.snakemake()
    assert cluster.tables() == finished.tables()


def test_hangup_leaves_the_jobs_for_the_next_start(cluster, finished):
    head = start_four_searches(cluster, 8)
    os.kill(head.pid, signal.SIGHUP)
    head.wait()
    cluster.mark("very_slow", "0")
    cluster.snakemake(keep_count=True)
    assert sorted(cluster.searched()) == sorted([HBA, MYG, LYS, CYC])
    assert cluster.tables() == finished.tables()


def test_terminated_head_waits_for_its_jobs_and_the_next_start_repeats_none(cluster, finished):
    head = start_four_searches(cluster, 5)
    head.terminate()
    assert head.wait(timeout=120) == 1
    assert len(cluster.searches("COMPLETED")) == 4
    cluster.mark("very_slow", "0")
    cluster.snakemake(keep_count=True)
    assert sorted(cluster.searched()) == sorted([HBA, MYG, LYS, CYC])
    assert cluster.tables() == finished.tables()


def test_ctrl_c_leaves_nothing_in_the_queue(cluster):
    head = start_four_searches(cluster, 120)
    os.kill(head.pid, signal.SIGINT)
    head.wait(timeout=60)
    printed = (cluster.spy / "printed").read_text()
    assert "FAILED" not in printed and "Interrupted." in printed and cluster.rows("failed.csv") == []
    wait_until(lambda: cluster.slurm.jobs(cluster.path, "pending,running,completing") == [], 60, "empty queue")
    cluster.mark("very_slow", "0")
    cluster.snakemake()
    assert len(cluster.rows("merge_results.csv")) == 4


@pytest.mark.slow
def test_death_of_a_node_costs_its_jobs_and_they_run_elsewhere(cluster, finished):
    head = start_four_searches(cluster, 20)
    victim = next(row[3] for row in cluster.searches("RUNNING"))
    cluster.slurm.kill(victim)
    cluster.mark("very_slow", "0")
    assert head.wait(timeout=240) == 0
    assert cluster.tables() == finished.tables()
    assert "NODE_FAIL" in {row[1] for row in cluster.searches()}


@pytest.mark.slow
def test_restart_of_the_controller_is_waited_for(cluster, finished):
    head = start_four_searches(cluster, 10)
    cluster.slurm.stop_controller()
    time.sleep(15)
    cluster.slurm.start_controller()
    assert head.wait(timeout=240) == 0
    assert cluster.tables() == finished.tables()
    assert len(cluster.searched()) == 4


@pytest.mark.slow
def test_job_beyond_its_time_is_ended_and_tried_again(cluster, finished):
    cluster.mark("hang_once", MYG)
    cluster.snakemake("--set-resources", "search_templates:runtime=1")
    tries = [row[1] for row in cluster.searches() if row[2] == "P02144"]
    assert tries == ["TIMEOUT", "COMPLETED"]
    assert cluster.tables() == finished.tables()


def test_submission_that_is_refused_ten_times_goes_through(cluster, finished):
    cluster.obstruct("sbatch", 'echo "sbatch: error: Socket timed out on send/recv operation" >&2; exit 1', times=10)
    cluster.snakemake()
    assert cluster.tables() == finished.tables()
    assert len(cluster.searched()) == 4


def test_question_that_hangs_delays_the_run_and_does_not_end_it(cluster, finished):
    cluster.mark("slow")
    cluster.obstruct("squeue", "sleep 60", times=2, after=2)
    cluster.snakemake()
    assert cluster.tables() == finished.tables()


@pytest.mark.slow
def test_100_jobs_in_flight_and_a_controller_that_answers_slowly(cluster):
    cluster.records = {f"made{number}": "MKVLAAGIVG" * 3 for number in range(100)}
    cluster.mark("pretend")
    cluster.snakemake("--until", "predict_secondary_structure")
    cluster.slurm.hold()
    cluster.obstruct("squeue", "sleep 3", times=1_000_000)
    cluster.obstruct("sbatch", "sleep 0.1", times=1_000_000)
    head = cluster.start()
    wait_until(lambda: len(cluster.searches("PENDING")) == 100, 250, "100 jobs in the queue")
    time.sleep(15)  # several rounds of questions
    assert head.poll() is None
    cluster.slurm.hold(False)
    assert head.wait(timeout=300) == 0
    assert len(cluster.rows("merge_results.csv")) == 100
    assert [row[1] for row in cluster.searches()] == ["COMPLETED"] * 100


def test_job_gets_no_more_than_the_largest_node_has(cluster, finished):
    cluster.snakemake("--set-resources", "search_templates:mem_mb=9000")
    assert {row[4] for row in cluster.searches()} == {"7400M"}
    assert cluster.tables() == finished.tables()


def test_adopted_job_that_its_owner_cancels_is_submitted_again_with_the_same_memory(cluster, finished):
    head = start_waiting_searches(cluster)
    os.killpg(head.pid, signal.SIGKILL)
    head.wait()
    head = cluster.start()
    # the first head submitted five, the prediction too; the second notes only its own
    wait_until(lambda: len(cluster.submissions()) == 4, 120, "adopted jobs")
    for job_id, *_ in cluster.searches():
        cluster.slurm.call("scancel", job_id)
    let_go(cluster)
    assert head.wait(timeout=200) == 0
    assert cluster.tables() == finished.tables()
    for protein in ("P69905", "P02144", "P61626", "P99999"):
        tries = [row for row in cluster.searches() if row[2] == protein]
        assert [row[1] for row in tries] == ["CANCELLED", "COMPLETED"]
        assert tries[0][4] == tries[1][4]


def test_protein_that_two_runs_want_at_once_is_searched_once(cluster, finished):
    head = start_four_searches(cluster, 15)
    cluster.write_second_run()
    words, environment = cluster.command("--configfile", "second.yaml")
    second = subprocess.Popen(words, cwd=cluster.path, env=environment, stdout=subprocess.DEVNULL)
    assert (second.wait(timeout=200), head.wait(timeout=200)) == (0, 0)
    assert sorted(cluster.searched()) == sorted([HBA, MYG, LYS, CYC])
    assert cluster.tables() == finished.tables()
    for name in ("merge_results.csv", "best_hits.csv"):
        assert (cluster.path / "results" / "second" / name).read_bytes() == finished.tables()[name]


def test_ctrl_c_of_one_run_does_not_end_the_other(cluster, finished):
    head = start_waiting_searches(cluster)
    cluster.write_second_run()
    words, environment = cluster.command("--configfile", "second.yaml")
    second = subprocess.Popen(words, cwd=cluster.path, env=environment, stdout=subprocess.DEVNULL)
    wait_until(lambda: len(cluster.submissions("second")) == 4, 120, "adopted jobs")
    os.kill(head.pid, signal.SIGINT)
    head.wait(timeout=120)
    let_go(cluster)
    assert second.wait(timeout=200) == 0
    for name in ("merge_results.csv", "best_hits.csv"):
        assert (cluster.path / "results" / "second" / name).read_bytes() == finished.tables()[name]


def test_interrupted_library_is_built_again_on_the_cluster(cluster, finished):
    cluster.forget_library()
    cluster.snakemake()
    assert cluster.tables() == finished.tables()
