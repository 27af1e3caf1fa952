"""The submit command of the cluster profile: what it asks of Slurm, what it refuses, and its patience."""

import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from proteofold.slurm import jobs
from proteofold.slurm import submit as submit_module
from proteofold.slurm.jobs import Submission, comment_of
from proteofold.slurm.submit import submit
from proteofold.slurm.tools import SlurmError

OTHER_HEAD = comment_of("other", "client-3-4")


@pytest.fixture
def no_pause(monkeypatch):
    """No pauses between tries."""
    monkeypatch.setattr(submit_module.time, "sleep", lambda seconds: None)
    # an answer that is good for some seconds would be taken for that of the next try
    monkeypatch.setattr("proteofold.slurm.jobs.FRESH_S", 0)


def options(slurm, **changes):
    """The command line of a job, as Snakemake formats it from the profile."""
    values = {"name": "lib:P1", "attempt": 1, "threads": 2, "mem": 700, "time": 90, "gpu": 0, "nice": 4600} | changes
    words = [f"--{name}={value}" for name, value in values.items()]
    script = slurm.folder / "snakejob.sh"
    script.write_text("#!/bin/sh\ncd . && exec_job && exit 0 || exit 1\n")
    return [*words, "--log", slurm.log, "--output", *slurm.outputs, "--", str(script)]


def submit_here(slurm, patience_s=3600, **changes):
    """Submit in this process; returns the id."""
    job = submit_module._options(options(slurm, **changes))
    return submit(job.script, job, slurm.job_folder, slurm.head, patience_s=patience_s)


def submit_command(slurm, **changes):
    """What the command prints, and its exit code."""
    command = [sys.executable, "-m", "proteofold.slurm.submit", *options(slurm, **changes)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    return done.stdout, done.returncode, done.stderr


def test_command_prints_one_job_id_and_notes_the_job(slurm):
    slurm.answer("sbatch", "4711;cluster\n")
    assert submit_command(slurm)[:2] == ("4711\n", 0)
    (noted,) = slurm.job_folder.submissions()
    assert (noted.job_id, noted.name, noted.mem_mb, tuple(noted.outputs)) == ("4711", "lib:P1", 700, slurm.outputs)


def test_job_has_the_resources_of_its_rule_and_the_name_of_its_output(slurm):
    slurm.answer("sbatch", "1\n")
    submit_here(slurm)
    (words,) = slurm.calls("sbatch")
    assert {"--mem=700M", "--time=90", "--cpus-per-task=2", "--nice=4600", "--job-name=lib:P1"} <= set(words)
    assert {"--parsable", "--no-requeue", "--output=results/demo/slurm/out/P1.txt"} <= set(words)
    assert "--comment=proteofold demo client-1-2" in slurm.calls_file.read_text()
    assert not any(word.startswith("--gres") for word in words)


def test_batch_asks_for_a_gpu_when_its_rule_does(slurm):
    slurm.answer("sbatch", "1\n")
    submit_here(slurm, gpu=1)
    assert "--gres=gpu:1" in slurm.calls("sbatch")[0]


def test_job_without_a_name_is_named_after_its_first_output(slurm):
    slurm.answer("sbatch", "1\n")
    submit_here(slurm, name="")
    assert f"--job-name={slurm.outputs[0]}" in slurm.calls("sbatch")[0]


def test_memory_is_no_more_than_the_largest_node_has_and_slurm_is_asked_for_that_once(slurm):
    slurm.answer("sbatch", "1\n")
    for _ in range(3):
        submit_here(slurm, mem=9000)
    assert all("--mem=7400M" in words for words in slurm.calls("sbatch"))
    assert len(slurm.calls("sinfo")) == 1


def test_memory_is_that_of_the_rule_where_slurm_does_not_report_its_nodes(slurm):
    slurm.answer("sbatch", "1\n")
    slurm.fail("sinfo", "Unable to contact slurm controller")
    submit_here(slurm, mem=9000)
    assert "--mem=9000M" in slurm.calls("sbatch")[0]


def run_on_node(slurm, text):
    """Run a script as it would be on a node; returns the exit code and the file of its output."""
    slurm.answer("sbatch", "1\n")
    job = submit_module._options(options(slurm))
    Path(job.script).write_text(text)
    submit(job.script, job, slurm.job_folder, slurm.head)
    output = Path(slurm.job_folder.output("lib:P1"))
    with open(output, "w") as handle:
        code = subprocess.run(["sh", slurm.script_file], stdout=handle, stderr=handle).returncode
    return code, output


def test_output_of_a_job_that_ends_well_is_removed_and_that_of_a_failure_stays(slurm):
    code, output = run_on_node(slurm, "echo much && exit 0 || exit 1")
    assert (code, output.exists()) == (0, False)
    code, output = run_on_node(slurm, "no_such_program && exit 0 || exit 1")
    assert code == 1
    assert "no_such_program" in output.read_text()


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "SUSPENDED"])
def test_job_that_another_head_submitted_is_adopted(slurm, state):
    slurm.answer("sbatch", "2\n")
    slurm.jobs((76, state, "lib:P11", "n", OTHER_HEAD), (77, state, "lib:P1", "n", OTHER_HEAD))
    assert submit_here(slurm) == "77"
    assert slurm.calls("sbatch") == []
    assert [each.job_id for each in slurm.job_folder.submissions()] == ["77"]


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "COMPLETING", "CANCELLED"])
def test_job_that_has_ended_is_not_adopted(slurm, state):
    slurm.answer("sbatch", "2\n")
    slurm.jobs((77, state, "lib:P1", "n", OTHER_HEAD))
    assert submit_here(slurm) == "2"


def test_one_question_to_slurm_serves_many_submissions(slurm, monkeypatch):
    monkeypatch.setattr(jobs, "FRESH_S", 600)  # however slow the machine is
    slurm.answer("sbatch", "2\n")
    for number in range(9):
        submit_here(slurm, name=f"lib:P{number}")
    assert len(slurm.calls("squeue")) == 1


def test_busy_controller_is_asked_again(slurm, no_pause, capsys):
    slurm.answer("sbatch", "12\n")
    slurm.fail("sbatch", *["sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"] * 10)
    assert submit_here(slurm) == "12"
    assert len(slurm.calls("sbatch")) == 11
    assert "submitted again" in capsys.readouterr().err


def test_job_that_slurm_took_although_its_answer_was_lost_is_not_submitted_twice(slurm, no_pause):
    slurm.jobs((99, "PENDING"))
    queue, taken = slurm.folder / "squeue.answer", slurm.folder / "taken"
    queue.rename(taken)
    slurm.fail("sbatch", "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation")
    program = slurm.folder / "sbatch"
    program.write_text(program.read_text().replace("#!/bin/sh", f"#!/bin/sh\ncp '{taken}' '{queue}'"))
    assert submit_here(slurm) == "99"
    assert len(slurm.calls("sbatch")) == 1


def test_nothing_is_submitted_while_it_is_unknown_what_runs(slurm, no_pause):
    slurm.fail("squeue", *["slurm_load_jobs error: Unable to contact slurm controller"] * 5)
    slurm.jobs((99, "PENDING"))
    assert submit_here(slurm) == "99"
    assert (len(slurm.calls("sbatch")), len(slurm.calls("squeue"))) == (0, 6)


def test_refusal_for_good_is_reported_in_the_log_of_the_protein(slurm):
    slurm.fail("sbatch", "sbatch: error: invalid partition specified: nonsense")
    printed, code, said = submit_command(slurm)
    assert (printed, code) == ("", 1)
    assert "invalid partition" in said
    assert "Error: submit: sbatch: sbatch: error: invalid partition" in Path(slurm.log).read_text()


def test_patience_ends(slurm, no_pause):
    slurm.fail("sbatch", *["Unable to contact slurm controller"] * 50)
    with pytest.raises(SlurmError, match="Unable to contact"):
        submit_here(slurm, patience_s=0)


def test_submission_that_slurm_does_not_take_ends_with_its_head(slurm):
    slurm.fail("sbatch", *["sbatch: error: Socket timed out on send/recv operation"] * 1000)
    words = shlex.join([sys.executable, "-m", "proteofold.slurm.submit", *options(slurm)])
    head = subprocess.Popen(["sh", "-c", f"{words}; true"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not slurm.calls("sbatch"):
        assert head.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    head.send_signal(signal.SIGKILL)
    assert head.communicate(timeout=20)[0] == b""  # the pipe is closed when its last process is gone


def second_try(slurm, log="", state=None, **changes):
    slurm.answer("sbatch", "2\n")
    Path(slurm.log).parent.mkdir(parents=True)
    Path(slurm.log).write_text(log)
    slurm.job_folder.note(Submission("1", "lib:P1", time.time() - 60, 700, slurm.outputs))
    if state:
        slurm.jobs((1, state))
    submit_here(slurm, attempt=2, mem=1050, **changes)
    (words,) = slurm.calls("sbatch")
    return next(word for word in words if word.startswith("--mem"))


def test_error_of_the_tool_is_not_repeated_with_more_memory(slurm):
    log = "$ hhsearch\nError: hhsearch ended with exit code 1: no such database\n"
    with pytest.raises(SlurmError, match="not tried again"):
        second_try(slurm, log)
    assert Path(slurm.log).read_text() == log
    assert slurm.calls("sbatch") == []


@pytest.mark.parametrize(
    "log", ["$ hhsearch\n", "$ hhsearch\nError: hhsearch was killed (SIGKILL): most likely out of memory\n", ""]
)
@pytest.mark.parametrize("state", ["OUT_OF_MEMORY", "FAILED", None])
def test_killed_job_is_tried_again_with_more_memory(slurm, log, state):
    assert second_try(slurm, log, state) == "--mem=1050M"


def test_job_that_was_cancelled_is_submitted_again_with_the_same_memory(slurm):
    assert second_try(slurm, state="CANCELLED") == "--mem=700M"


def test_error_of_an_earlier_start_does_not_hinder_a_first_try_and_is_not_taken_for_its_own(slurm):
    slurm.answer("sbatch", "2\n")
    Path(slurm.log).parent.mkdir(parents=True)
    Path(slurm.log).write_text("Error: disk full\n")
    assert submit_here(slurm) == "2"
    assert not Path(slurm.log).exists()


def test_limits_of_a_job_around_the_head_are_not_handed_on(slurm, monkeypatch):
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "100")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm/slurm.conf")
    (slurm.folder / "sbatch").write_text(
        '#!/bin/sh\ncat >/dev/null\n[ -z "$SLURM_MEM_PER_CPU" ] && [ -n "$SLURM_CONF" ] && echo 5\n'
    )
    assert submit_here(slurm) == "5"


def test_name_with_blanks_and_signs_makes_a_file_name_that_slurm_and_shells_read_as_it_is(slurm):
    assert slurm.job_folder.output("data/it's 100% mine") == "results/demo/slurm/out/data_it_s_100__mine.txt"


_UNCONFIGURED = "squeue: fatal: Could not establish a configuration source"


def test_machine_of_no_cluster_fails_the_first_job_at_once(slurm, no_pause):
    slurm.fail("squeue", *[_UNCONFIGURED] * 4)
    with pytest.raises(SlurmError, match="belongs to no Slurm cluster.*login node"):
        submit_here(slurm)


def test_cluster_that_lost_its_configuration_for_a_while_is_waited_for_by_later_jobs(slurm, no_pause):
    slurm.answer("sbatch", "1\n")
    submit_here(slurm)
    slurm.fail("squeue", *[_UNCONFIGURED] * 4)
    slurm.answer("sbatch", "2\n")
    assert submit_here(slurm, name="lib:P2") == "2"
