"""The submit command of the cluster profile and the desk of the head that serves it."""

import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

from proteofold.slurm.desk import TO_VARIABLE, Desk

SUBMIT = Path(__file__).parents[3] / "profiles/cluster/submit.sh"


@pytest.fixture
def desk(slurm):
    """An open desk."""
    desk = Desk(slurm.registry, largest_node_mb=7400)
    yield desk
    desk.close()


def command(script):
    """The submit command as Snakemake calls it."""
    return [f'{SUBMIT} "{script}"']


def submit(script):
    """What the submit command prints, and its exit code."""
    done = subprocess.run(command(script), shell=True, stdout=subprocess.PIPE, text=True, timeout=50)
    return done.stdout, done.returncode


def test_submit_command_prints_one_job_id(slurm, desk):
    slurm.answer("sbatch", "4711;cluster\n")
    assert submit(slurm.script()) == ("4711\n", 0)
    assert list(slurm.registry.read_submissions()) == ["4711"]


def test_each_job_is_submitted_once_and_has_its_own_id(slurm, desk, tmp_path):
    (slurm.folder / "sbatch").write_text("#!/bin/sh\ncat > /dev/null\necho >> ids; wc -l < ids\n")
    script = slurm.script()
    assert [submit(script) for _ in range(20)] == [(f"{number}\n", 0) for number in range(1, 21)]


def test_refused_job_has_no_id_and_the_next_one_is_served(slurm, desk, tmp_path, capfd):
    slurm.answer("sbatch", "8\n")
    slurm.fail("sbatch", "sbatch: error: invalid partition specified: nonsense")
    script = slurm.script()
    assert submit(script) == ("", 1)
    assert "invalid partition specified: nonsense" in capfd.readouterr().err
    assert submit(script) == ("8\n", 0)


def test_protein_that_fits_no_node_of_the_cluster_is_not_submitted(slurm, desk, tmp_path):
    resources = {"mem_mb": 8000, "attempt": 1}
    assert submit(slurm.script(resources=resources)) == ("", 1)
    assert "the largest node has 7400 MB" in Path(slurm.log).read_text()
    assert slurm.calls("sbatch") == []


@pytest.mark.parametrize("text", [None, "#!/bin/sh\nno properties\n"], ids=["missing", "not of Snakemake"])
def test_script_that_cannot_be_read_is_refused_and_the_next_one_is_served(slurm, desk, tmp_path, text):
    slurm.answer("sbatch", "8\n")
    strange = tmp_path / "strange.sh"
    if text:
        strange.write_text(text)
    assert submit(strange) == ("", 1)
    assert submit(slurm.script()) == ("8\n", 0)


def test_answer_to_a_submit_command_that_was_killed_is_not_taken_for_the_next_ones(slurm, desk, tmp_path):
    calls = tmp_path / "calls"
    (slurm.folder / "sbatch").write_text(
        f"#!/bin/sh\ncat > /dev/null\necho >> {shlex.quote(str(calls))}\n"
        f"[ $(wc -l < {shlex.quote(str(calls))}) -gt 1 ] && echo 2 && exit\nsleep 1\necho 1\n"
    )
    script = slurm.script()
    killed = subprocess.Popen(command(script), shell=True, stdout=subprocess.PIPE, start_new_session=True)
    while not calls.exists():
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    assert killed.communicate()[0] == b""
    assert submit(script) == ("2\n", 0)


def test_submit_command_fails_when_its_head_is_gone(slurm, tmp_path, monkeypatch):
    gone = subprocess.Popen(["true"])
    gone.wait()
    monkeypatch.setenv(TO_VARIABLE, f"/proc/{gone.pid}/fd/5")
    assert submit(slurm.script()) == ("", 1)


def test_closed_desk_gives_up_a_job_that_slurm_does_not_take(slurm, tmp_path):
    slurm.fail("sbatch", *["sbatch: error: Socket timed out on send/recv operation"] * 1000)
    desk = Desk(slurm.registry)
    asking = subprocess.Popen(command(slurm.script()), shell=True, stdout=subprocess.PIPE)
    while not slurm.calls("sbatch"):
        time.sleep(0.02)
    desk.close()
    assert asking.communicate(timeout=20)[0] == b""
    assert asking.returncode == 1
    tries = len(slurm.calls("sbatch"))
    assert "the run ended before Slurm answered" in Path(slurm.log).read_text()
    assert tries <= 2


def test_closing_waits_for_the_job_that_slurm_is_taking(slurm, tmp_path):
    (slurm.folder / "sbatch").write_text("#!/bin/sh\ncat > /dev/null\ntouch taking\nsleep 1\necho 5\n")
    desk = Desk(slurm.registry)
    asking = subprocess.Popen(command(slurm.script()), shell=True, stdout=subprocess.PIPE)
    while not os.path.exists("taking"):
        time.sleep(0.02)
    desk.close()
    assert list(slurm.registry.read_submissions()) == ["5"]
    assert asking.communicate(timeout=20)[0] == b"5\n"
