"""Orders are carried out once each, whatever is killed meanwhile."""

import os
import random
import shutil
import signal
import time

import pytest
from platformbench import ALICE, wait_until
from runbench import imported, plant

from proteofold.service.deletion import delete_run
from proteofold.service.estimates import estimate
from proteofold.service.runs import NewRun, ask_retry, ask_stop, repeat_run
from proteofold.store import open_store
from proteofold.system.errors import UserError

HBA, MYG, LYS, CYC = "sp|P69905|HBA_HUMAN", "sp|P02144|MYG_HUMAN", "sp|P61626|LYSC_HUMAN", "sp|P99999|CYC_HUMAN"


def wait_for_searches(bench, count=1):
    wait_until(lambda: len(bench.searched()) >= count, f"{count} searches")


def test_runner_that_is_killed_and_ended_while_a_head_works_never_starts_it_twice(bench, finished):
    bench.mark("hold")
    bench.order()
    runner = bench.start_runner()
    wait_for_searches(bench)
    (head,) = bench.living_heads()
    runner.kill()
    runner.wait()
    second = bench.start_runner()
    wait_until(
        lambda: "runner: started for" in (bench.path / "runner.log").read_text().splitlines()[-1], "second runner"
    )
    assert bench.start_runner().wait(timeout=600) == 1
    assert "another runner is running" in (bench.path / "runner.log").read_text()
    second.send_signal(signal.SIGTERM)
    assert second.wait(timeout=600) == 0
    assert bench.living_heads() == [head] and bench.order_of()["state"] == "running"
    third = bench.start_runner("--once")
    (bench.spy / "hold").unlink()
    assert third.wait(timeout=600) == 0
    assert sorted(bench.searched()) == sorted(bench.records)
    assert bench.row() == ("SUCCESS", "alice", 4, 4, 0)
    assert (bench.order_of()["starts"], bench.order_of()["message"]) == (1, None)
    assert bench.tables() == finished.tables()


def test_failed_protein_alone_is_tried_again_and_a_killed_head_is_reported(bench):
    bench.mark("fail", MYG)
    bench.order(ids=[HBA, MYG])
    bench.start_runner()
    bench.wait_for_end()
    assert bench.row() == ("FAILED", "alice", 2, 1, 1)
    bench.mark("fail")
    bench.mark("hold")
    ask_retry(bench.store, bench.platform, "test", ALICE)
    with pytest.raises(UserError, match="is already queued or running"):
        ask_retry(bench.store, bench.platform, "test", ALICE)
    wait_for_searches(bench, 3)
    (head,) = bench.living_heads()
    os.killpg(head, signal.SIGKILL)
    assert "was killed" in bench.wait_for_end()["message"]
    assert bench.row() == ("INTERRUPTED", "alice", 2, 1, 0)
    (bench.spy / "hold").unlink()
    ask_retry(bench.store, bench.platform, "test", ALICE)
    assert bench.wait_for_end()["starts"] == 3
    assert bench.row() == ("SUCCESS", "alice", 2, 2, 0)
    assert sorted(bench.searched()) == sorted([HBA, MYG, MYG, MYG])
    with pytest.raises(UserError, match="nothing to retry"):
        ask_retry(bench.store, bench.platform, "test", ALICE)


def test_runner_that_resumes_continues_what_ended_with_the_one_before(bench):
    bench.mark("hold")
    bench.order(ids=[HBA, MYG])
    runner = bench.start_runner()
    wait_for_searches(bench)
    runner.kill()
    runner.wait()
    (head,) = bench.living_heads()
    os.killpg(head, signal.SIGKILL)
    wait_until(lambda: not bench.living_heads(), "end of the head")
    (bench.spy / "hold").unlink()
    assert bench.start_runner("--resume", "--once").wait(timeout=600) == 0
    assert bench.row() == ("SUCCESS", "alice", 2, 2, 0)
    assert (bench.order_of()["starts"], bench.order_of()["message"]) == (2, None)


def test_runner_that_resumes_does_not_continue_what_was_asked_to_stop(bench):
    bench.mark("hold")
    bench.order(ids=[HBA])
    runner = bench.start_runner()
    wait_for_searches(bench)
    runner.kill()
    runner.wait()
    ask_stop(bench.store, bench.platform, "test", ALICE)
    (head,) = bench.living_heads()
    os.killpg(head, signal.SIGKILL)
    wait_until(lambda: not bench.living_heads(), "end of the head")
    assert bench.start_runner("--resume", "--once").wait(timeout=600) == 0
    assert bench.order_of()["message"] == "stopped by alice"
    assert bench.row()[0] == "INTERRUPTED"


def test_stopped_run_leaves_no_process_is_interrupted_and_continues_when_asked(bench):
    bench.mark("hold")
    bench.order(ids=[HBA, MYG, LYS])
    bench.order("later", ids=[CYC])
    bench.start_runner()
    wait_for_searches(bench, 2)
    ask_stop(bench.store, bench.platform, "later", ALICE)
    assert bench.order_of("later")["message"] == "stopped by alice before it began"
    assert bench.row("later") == ("INTERRUPTED", "alice", 1, 0, 0)
    with pytest.raises(UserError, match="stop it first"):
        delete_run(bench.store, bench.platform, "test", ALICE)
    ask_stop(bench.store, bench.platform, "test", ALICE)
    assert bench.wait_for_end()["message"] == "stopped by alice"
    assert bench.living_heads() == []
    assert bench.row() == ("INTERRUPTED", "alice", 3, 0, 0)
    (bench.spy / "hold").unlink()
    ask_retry(bench.store, bench.platform, "test", ALICE)
    bench.wait_for_end()
    assert bench.row() == ("SUCCESS", "alice", 3, 3, 0)
    delete_run(bench.store, bench.platform, "test", ALICE)
    assert bench.order_of() is None and bench.row() is None and not bench.results.exists()
    assert sorted(path.name for path in bench.results.parent.iterdir() if not path.name.startswith("p")) == [
        ".platform",
        "shared",
    ]


def test_runs_at_once_with_a_library_that_one_of_them_builds_all_succeed_and_a_repeat_shares_their_results(bench):
    shutil.rmtree(bench.path / "resources")
    bench.order("one", ids=[HBA])
    bench.order("two", ids=[MYG])
    assert bench.start_runner("--once", "--parallel", "2").wait(timeout=600) == 0
    assert [bench.row(run_id)[0] for run_id in ("one", "two")] == ["SUCCESS", "SUCCESS"]
    repeat_run(bench.store, bench.platform, "one", "three", ALICE)
    assert bench.start_runner("--once").wait(timeout=600) == 0
    (shared,) = open_store(bench.store_path).execute("select shared from runs where run_id = 'three'").fetchone()
    assert shared == 1


@pytest.mark.slow
def test_runner_that_is_killed_again_and_again_carries_each_order_out_once(bench):
    orders = {"one": HBA, "two": MYG, "three": LYS}
    for run_id, query_id in orders.items():
        bench.order(run_id, ids=[query_id])
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    log = bench.path / "runner.log"
    for number in range(1, 13):
        runner = bench.start_runner("--parallel", "2")
        wait_until(lambda number=number: log.read_text().count("runner: started for") == number, f"runner {number}")
        time.sleep(chance.uniform(0, 2))
        runner.kill()
        runner.wait()
    assert bench.start_runner("--parallel", "2", "--once").wait(timeout=600) == 0
    assert {run_id: bench.row(run_id)[0] for run_id in orders} == dict.fromkeys(orders, "SUCCESS")
    assert sorted(bench.searched()) == sorted(orders.values())


@pytest.mark.slow
def test_files_in_the_working_folder_are_no_modules_for_what_the_platform_starts(bench):
    plant(bench.path)
    bench.order(ids=[HBA])
    runner = bench.start_runner("--once")
    assert runner.wait(timeout=600) == 0
    assert bench.row() == ("SUCCESS", "alice", 1, 1, 0)
    estimated = estimate(bench.store, bench.platform, NewRun("next", [MYG], "alice", "six", "lean", "demo"))
    assert estimated["total"] == 1
    assert imported(bench.path) == []
