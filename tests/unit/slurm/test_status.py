"""The status command of the cluster profile: every state, silence, and jobs nobody knows."""

import fcntl
import os
import subprocess
import time
from pathlib import Path

import pytest

from proteofold.slurm import registry as registry_module
from proteofold.slurm import tools
from proteofold.slurm.registry import Submission
from proteofold.slurm.states import word_of
from proteofold.slurm.status import GRACE_S, status

STATUS = Path(__file__).parents[3] / "profiles/cluster/status.sh"

RUNNING = (
    *("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED"),
    *("STOPPED", "SIGNALING", "RESIZING", "STAGE_OUT", "REQUEUED"),
)
FAILED = (
    *("FAILED", "OUT_OF_MEMORY", "TIMEOUT", "NODE_FAIL"),
    *("CANCELLED", "PREEMPTED", "BOOT_FAIL", "DEADLINE", "REVOKED"),
)
EXPECTED = dict.fromkeys(RUNNING, "running") | {"COMPLETED": "success"} | dict.fromkeys(FAILED, "failed")


def answer_of(job_id):
    """What the status command prints, as Snakemake calls it."""
    done = subprocess.run(f"{STATUS} '{job_id}'", shell=True, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0
    return done.stdout


@pytest.mark.parametrize(("state", "word"), EXPECTED.items())
def test_status_command_knows_every_state_of_slurm(slurm, state, word):
    slurm.jobs((17, state))
    assert answer_of(17) == f"{word}\n"
    assert answer_of(17) == f"{word}\n"  # from the file that the first call wrote
    assert len(slurm.calls("squeue")) == 1


@pytest.mark.parametrize(
    ("state", "word"), [("CANCELLED by 1000", "failed"), ("OUT_OF_ME+", None), ("completed", "success"), ("", None)]
)
def test_states_are_read_as_sacct_and_squeue_write_them(state, word):
    assert word_of(state) == word


def test_one_question_to_slurm_serves_500_jobs(slurm):
    slurm.jobs(*((number, "RUNNING") for number in range(1000, 1500)))
    assert {answer_of(number) for number in (1000, 1001, 1250, 1499)} == {"running\n"}
    assert len(slurm.calls("squeue")) == 1


def test_job_that_was_submitted_after_the_question_is_running(slurm):
    slurm.jobs((17, "COMPLETED"))
    answer_of(17)
    assert answer_of(18) == "running\n"
    assert len(slurm.calls("squeue")) == 1


def test_id_that_is_part_of_another_is_not_mistaken_for_it(slurm):
    slurm.jobs((117, "COMPLETED"), (7, "FAILED"), (17, "RUNNING"), (171, "FAILED"))
    assert [answer_of(job) for job in (17, 117, 7, 171)] == ["running\n", "success\n", "failed\n", "failed\n"]


def test_every_job_is_running_while_slurm_is_silent(slurm):
    slurm.fail("squeue", *["slurm_load_jobs error: Unable to contact slurm controller (connect failure)"] * 9)
    assert answer_of(17) == "running\n"
    assert slurm.calls("scancel") == []


def test_status_query_that_hangs_is_given_up_and_the_job_is_running(slurm, monkeypatch):
    monkeypatch.setitem(tools.call.__kwdefaults__, "timeout_s", 0.3)
    slurm.hang("squeue")
    assert status("17", slurm.registry) == "running"
    # nobody hangs after the other: who asks next has the answer that nothing is known
    assert status("18", slurm.registry) == "running"
    assert len(slurm.calls("squeue")) == 1


def test_what_was_known_before_the_silence_stays_known(slurm):
    slurm.jobs((17, "COMPLETED"), (18, "RUNNING"))
    slurm.registry.refresh()
    slurm.fail("squeue", *["Socket timed out on send/recv operation"] * 9)
    slurm.registry.refresh(older_than_s=-1)
    assert (answer_of(17), answer_of(18)) == ("success\n", "running\n")


def test_job_that_was_submitted_before_a_long_silence_is_running_until_slurm_answers(slurm, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(registry_module, "_uptime", lambda: clock[0])
    slurm.jobs((16, "RUNNING"))
    slurm.registry.refresh()
    submitted(slurm)
    slurm.fail("squeue", *["slurm_load_jobs error: Unable to contact slurm controller"] * 99)
    started = time.time()
    for seconds in range(0, 3 * GRACE_S, 2):
        clock[0] = 1000.0 + seconds
        assert status("17", slurm.registry, now=started + seconds) == "running"
    assert slurm.calls("scancel") == []


def test_silence_is_told_while_somebody_else_waits_for_slurm(slurm, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(registry_module, "_uptime", lambda: clock[0])
    slurm.registry.refresh()
    with open(slurm.registry.folder / "states.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        clock[0] += registry_module.FRESH_S - 1
        assert slurm.registry.refresh() is True
        clock[0] += 1
        assert slurm.registry.refresh() is False


def unknown(slurm, seconds_later=0.0):
    return status("17", slurm.registry, now=time.time() + seconds_later)


def submitted(slurm, output="results/demo/out/P1.out"):
    slurm.registry.add(Submission("17", "demo/P1", "k1", time.time() - 5, output))


def test_job_that_nobody_knows_has_failed_after_the_grace_time_and_is_cancelled(slurm):
    submitted(slurm)
    assert unknown(slurm) == "running"
    assert unknown(slurm, GRACE_S - 1) == "running"
    assert slurm.calls("scancel") == []
    assert unknown(slurm, GRACE_S + 1) == "failed"
    assert slurm.calls("scancel") == [["17"]]


def test_forgotten_job_whose_result_is_there_ended_well(slurm):
    submitted(slurm)
    out = slurm.run_folder / "out/P1.out"
    out.parent.mkdir()
    out.write_text("")
    assert unknown(slurm) == "success"


def test_result_that_is_older_than_the_job_does_not_count(slurm):
    submitted(slurm)
    out = slurm.run_folder / "out/P1.out"
    out.parent.mkdir()
    out.write_text("")
    os.utime(out, (1, 1))
    assert unknown(slurm) == "running"
    assert unknown(slurm, GRACE_S + 1) == "failed"


@pytest.mark.parametrize(
    ("answer", "word"), [("COMPLETED\n", "success"), ("NODE_FAIL\nOUT_OF_MEMORY\n", "failed"), ("", "running")]
)
def test_accounting_is_asked_about_a_forgotten_job(slurm, answer, word):
    submitted(slurm)
    slurm.answer("sacct", answer)
    assert unknown(slurm) == word


def test_cluster_without_accounting_is_no_error(slurm):
    submitted(slurm)
    slurm.fail("sacct", *["Slurm accounting storage is disabled"] * 3)
    assert unknown(slurm) == "running"


def test_state_that_the_manual_does_not_name_counts_as_unknown(slurm):
    slurm.jobs((17, "TELEPORTED"))
    submitted(slurm)
    assert answer_of(17) == "running\n"
    slurm.registry.refresh(older_than_s=-1)
    assert unknown(slurm, GRACE_S + 1) == "failed"


def test_status_says_running_when_its_files_are_damaged(slurm):
    slurm.registry.states.write_bytes(b"\xff\x00 nonsense\n17\n")
    slurm.jobs((17, "RUNNING"))
    assert answer_of(17) == "running\n"


def test_jobs_of_other_runs_and_folders_are_not_ours(slurm):
    here = os.getcwd()
    rows = [f"1|RUNNING|n|demo/P1|k|{here}", f"2|RUNNING|n|demo2/P1|k|{here}", "3|RUNNING|n|demo/P1|k|/else|where"]
    slurm.answer("squeue", "".join(f"{row}\n" for row in rows))
    assert [job.job_id for job in registry_module.ask_slurm("demo")] == ["1"]
