"""The status command of the cluster profile: every state, silence, and unknown jobs."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from proteofold.slurm import jobs, tools
from proteofold.slurm.jobs import Submission, ask_slurm
from proteofold.slurm.states import word_of
from proteofold.slurm.status import GRACE_S, status

STATUS = Path(__file__).parents[3] / "profiles/cluster/status.sh"

RUNNING = (
    *("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED"),
    *("STOPPED", "SIGNALING", "RESIZING", "STAGE_OUT", "REQUEUED"),
    *("REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"),
)
FAILED = (
    *("FAILED", "OUT_OF_MEMORY", "TIMEOUT", "NODE_FAIL"),
    *("CANCELLED", "PREEMPTED", "BOOT_FAIL", "DEADLINE", "REVOKED", "LAUNCH_FAILED", "RECONFIG_FAIL"),
)
EXPECTED = dict.fromkeys(RUNNING, "running") | {"COMPLETED": "success"} | dict.fromkeys(FAILED, "failed")


def answer_of(job_id):
    """What the status command prints, as Snakemake calls it."""
    done = subprocess.run(f"{STATUS} '{job_id}'", shell=True, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0
    return done.stdout


@pytest.mark.parametrize(("state", "word"), EXPECTED.items())
def test_status_command_translates_every_state_of_slurm(slurm, state, word):
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


def test_job_that_was_submitted_after_the_question_is_running(slurm, monkeypatch):
    monkeypatch.setattr(jobs, "FRESH_S", 600)  # however slow the machine is
    slurm.jobs((17, "COMPLETED"))
    assert status("17", slurm.job_folder) == "success"
    slurm.job_folder.note(Submission("18", "lib:P2", time.time(), 700, slurm.outputs))
    write_outputs(slurm)  # of an earlier job
    assert status("18", slurm.job_folder) == "running"
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
    assert status("17", slurm.job_folder) == "running"
    # no second process hangs: the next one has the answer that nothing is known
    assert status("18", slurm.job_folder) == "running"
    assert len(slurm.calls("squeue")) == 1


def test_what_was_known_before_the_silence_stays_known(slurm):
    slurm.jobs((17, "COMPLETED"), (18, "RUNNING"))
    slurm.job_folder.ask()
    slurm.age_answer()
    slurm.fail("squeue", *["Socket timed out on send/recv operation"] * 9)
    assert (answer_of(17), answer_of(18)) == ("success\n", "running\n")


def test_job_that_was_submitted_before_a_long_silence_is_running_until_slurm_answers(slurm):
    slurm.jobs((16, "RUNNING"))
    slurm.job_folder.ask()
    submitted(slurm)
    slurm.fail("squeue", *["slurm_load_jobs error: Unable to contact slurm controller"] * 99)
    for _ in range(4):
        slurm.age_answer(GRACE_S)
        assert unknown(slurm) == "running"
    assert slurm.calls("scancel") == []


def unknown(slurm, seconds_later=0.0):
    """The status of a job that Slurm does not know, asked so many seconds later."""
    slurm.age_answer()  # so that it is asked again
    slurm.job_folder.ask()
    return status("17", slurm.job_folder, now=time.time() + seconds_later)


def submitted(slurm):
    slurm.job_folder.note(Submission("17", "lib:P1", time.time() - 5, 700, slurm.outputs))


def write_outputs(slurm):
    for path in map(Path, slurm.outputs):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_job_that_slurm_does_not_list_has_failed_after_the_grace_time_and_is_cancelled(slurm, monkeypatch):
    submitted(slurm)
    assert unknown(slurm) == "running"
    assert unknown(slurm) == "running"
    assert slurm.calls("scancel") == []
    (missed,) = (slurm.job_folder.path / "missed").iterdir()
    missed.write_text(str(time.time() - GRACE_S - 1))
    assert unknown(slurm) == "failed"
    assert slurm.calls("scancel") == [["17"]]


def test_forgotten_job_whose_outputs_are_there_ended_well(slurm):
    submitted(slurm)
    write_outputs(slurm)
    assert unknown(slurm) == "success"


def test_forgotten_job_of_which_one_output_is_missing_did_not_end_well(slurm):
    submitted(slurm)
    write_outputs(slurm)
    Path(slurm.outputs[-1]).unlink()
    assert unknown(slurm) == "running"


@pytest.mark.parametrize(
    ("answer", "word"),
    [("COMPLETED\n", "success"), ("NODE_FAIL\nOUT_OF_MEMORY\n", "failed"), ("", "running"), ("RUNNING\n", "running")],
)
def test_accounting_is_asked_about_a_forgotten_job(slurm, answer, word):
    submitted(slurm)
    slurm.answer("sacct", answer)
    assert unknown(slurm) == word


def test_job_that_only_accounting_takes_for_running_does_not_hang_the_run(slurm):
    submitted(slurm)
    slurm.answer("sacct", "RUNNING\n")
    unknown(slurm)
    (missed,) = (slurm.job_folder.path / "missed").iterdir()
    missed.write_text(str(time.time() - GRACE_S - 1))
    assert unknown(slurm) == "failed"


def test_cluster_without_accounting_is_no_error(slurm):
    submitted(slurm)
    slurm.fail("sacct", *["Slurm accounting storage is disabled"] * 3)
    assert unknown(slurm) == "running"


def test_state_that_the_manual_does_not_name_counts_as_unknown(slurm):
    slurm.jobs((17, "TELEPORTED"))
    submitted(slurm)
    assert answer_of(17) == "running\n"
    write_outputs(slurm)
    assert answer_of(17) == "success\n"


def test_status_is_running_when_its_files_are_damaged(slurm):
    slurm.job_folder.states.write_bytes(b"\xff\x00 nonsense\n17\n")
    slurm.jobs((17, "RUNNING"))
    assert answer_of(17) == "running\n"


def test_jobs_of_other_folders_are_not_ours(slurm):
    rows = [f"1|RUNNING|n|lib:P1|c|{os.getcwd()}", "3|RUNNING|n|lib:P1|c|/else|where"]
    slurm.answer("squeue", "".join(f"{row}\n" for row in rows))
    assert [job.job_id for job in ask_slurm()] == ["1"]
