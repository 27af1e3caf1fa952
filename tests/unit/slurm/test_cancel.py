"""Cancelling: what a head submitted, until Slurm has none of it any more."""

import subprocess
import time
from pathlib import Path

import pytest

from proteofold.slurm import cancel as cancel_module
from proteofold.slurm.cancel import cancel_head, cancel_run
from proteofold.slurm.jobs import comment_of
from proteofold.slurm.tools import SlurmError
from proteofold.system.paths import PYTHON

CANCEL = Path(__file__).parents[3] / "profiles/cluster/cancel.sh"


@pytest.fixture
def queue(slurm, monkeypatch):
    """Six jobs, which are gone from the queue when they are cancelled."""
    monkeypatch.setattr(cancel_module.time, "sleep", lambda seconds: None)
    slurm.jobs(
        (1, "RUNNING"),
        (2, "PENDING", "lib:P2"),
        (3, "COMPLETING", "lib:P3"),
        (4, "RUNNING", "lib:P4", "n", comment_of("demo", "client-1-1")),
        (5, "RUNNING", "lib:P5", "n", comment_of("other", "client-7-7")),
        (6, "RUNNING", "mine", "n", "(null)"),
    )
    program = slurm.folder / "scancel"
    lines = program.read_text().splitlines()
    lines.append(f'for id in "$@"; do sed -i "/^$id|/d" "{slurm.folder}/squeue.answer"; done')
    program.write_text("\n".join(lines) + "\n")
    return slurm


def test_head_cancels_what_it_submitted_and_not_what_it_adopted(queue):
    cancel_head(queue.head)
    assert queue.calls("scancel") == [["--quiet", "1", "2"]]


def test_jobs_of_a_run_are_those_of_all_its_heads(queue):
    cancel_run("demo")
    assert queue.calls("scancel") == [["--quiet", "1", "2", "4"]]


def test_command_cancels_the_jobs_of_a_run_or_prints_the_error_of_slurm(queue):
    command = [*PYTHON, "-m", "proteofold.slurm.cancel", "--run", "demo"]
    assert subprocess.run(command, check=False).returncode == 0
    assert queue.calls("scancel") == [["--quiet", "1", "2", "4"]]
    queue.fail("squeue", "squeue: error: Invalid user")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "Invalid user" in done.stderr


def test_cancelling_is_repeated_until_slurm_answers(queue):
    queue.fail("scancel", *["scancel: error: Socket timed out"] * 4)
    queue.fail("squeue", *["Unable to contact slurm controller"] * 4)
    cancel_head(queue.head)
    assert len(queue.calls("scancel")) == 5


def test_patience_ends(queue):
    queue.fail("squeue", *["Unable to contact slurm controller"] * 9)
    with pytest.raises(SlurmError):
        cancel_head(queue.head, patience_s=-1)


def test_cancel_command_returns_at_once_and_cancels_also_what_snakemake_does_not_name(queue):
    queue.fail("squeue", *["Unable to contact slurm controller"] * 5)  # a second each
    subprocess.run([CANCEL, "1"], check=True, timeout=10)
    assert not queue.calls("scancel")
    deadline = time.monotonic() + 60
    while not queue.calls("scancel") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert queue.calls("scancel") == [["--quiet", "1", "2"]]
