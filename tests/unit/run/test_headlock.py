"""The lock of a run: one process works on it, and the system ends the lock with that process."""

import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from proteofold.run import lock as headlock
from proteofold.run.lock import claim_run, head_is_alive, hold_run
from proteofold.system.errors import UserError

HEAD = """
import sys
from proteofold.run.lock import claim_run
claim_run(sys.argv[1])
print("claimed", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def run_folder(tmp_path):
    """Folder of a run that nobody has started yet."""
    return tmp_path / "results" / "mine"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Nobody waits for a lock, and what this process claims it gives back."""
    monkeypatch.setattr(headlock, "_SECONDS_TO_WAIT", 0)
    monkeypatch.setattr(headlock, "_held", [])


@contextmanager
def other_head(folder):
    """Another process that has claimed a run."""
    command = [sys.executable, "-c", HEAD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as head:
        assert head.stdout.readline() == "claimed\n"
        yield head
        head.kill()


def test_second_head_of_a_run_is_refused_with_its_folder(run_folder):
    with other_head(run_folder), pytest.raises(UserError, match=f"another Snakemake process works on {run_folder}"):
        claim_run(run_folder)


def test_refused_head_leaves_the_lock_to_the_first(run_folder):
    with other_head(run_folder):
        with pytest.raises(UserError):
            claim_run(run_folder)
        assert head_is_alive(run_folder)


def test_runs_do_not_hinder_each_other(run_folder):
    with other_head(run_folder):
        claim_run(run_folder.with_name("mine-too"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_run_whose_head_was_ended_can_be_claimed_again(run_folder, number):
    with other_head(run_folder) as head:
        head.send_signal(number)
        head.wait()
        claim_run(run_folder)


def test_head_is_alive_while_its_process_is(run_folder):
    assert not head_is_alive(run_folder)
    with other_head(run_folder):
        assert head_is_alive(run_folder)
        assert not head_is_alive(run_folder.with_name("other"))
    assert not head_is_alive(run_folder)


def test_asking_for_a_head_changes_nothing_and_keeps_none_away(run_folder):
    assert not head_is_alive(run_folder)
    assert not run_folder.exists()
    claim_run(run_folder)


def test_lock_that_is_held_for_a_moment_is_waited_for(run_folder, monkeypatch):
    """Whoever asks for a head holds the lock while it asks."""
    monkeypatch.setattr(headlock, "_SECONDS_TO_WAIT", 30)
    with other_head(run_folder) as head:
        monkeypatch.setattr(headlock.time, "sleep", lambda seconds: head.kill() or head.wait())
        claim_run(run_folder)


def test_heads_are_kept_away_while_a_run_is_held(run_folder):
    run_folder.mkdir(parents=True)
    with hold_run(run_folder) as held:
        assert held and head_is_alive(run_folder)
        with pytest.raises(UserError, match="mine"):
            claim_run(run_folder)
    claim_run(run_folder)


def test_run_of_a_living_head_is_not_held(run_folder):
    with other_head(run_folder), hold_run(run_folder) as held:
        assert not held
    with hold_run(run_folder / "absent") as held:
        assert not held
