"""Telling a living head process from one that was killed, so that its leftover lock stops nobody.

Snakemake marks the files of a run in ``.snakemake/locks`` and cannot tell, after ``kill -9`` or a power cut, that the
marks are stale. Each head of proteofold therefore holds a lock of the operating system (flock), which ends with the
process, whatever ends it: who gets it knows that the run's marks are nobody's.
"""

import fcntl
import time
from pathlib import Path

from proteofold.records import recorded_files

_SECONDS_TO_WAIT = 2  # a report or a summary of the same run holds the lock for a moment

_held = []  # open files, whose locks last as long as this process


def claim_run(run_folder, state=Path(".snakemake")):
    """Become the head of a run and clear marks that a dead head left; False if another head is alive."""
    state.mkdir(exist_ok=True)
    handle = open(_lock_path(run_folder, state), "w")  # noqa: SIM115 - held until the process ends
    deadline = time.monotonic() + _SECONDS_TO_WAIT
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                handle.close()
                return False
            time.sleep(0.1)
    _held.append(handle)
    for path in sorted((state / "locks").glob("*.lock")):
        if _is_of(run_folder, path):
            path.unlink(missing_ok=True)
    # Snakemake would make again what was finished while no head lived. Its marks of unfinished files mean nothing here:
    # a file of a run is moved into its place when it is whole, the .out of a protein after all its others.
    for mark, path in recorded_files(state / "incomplete"):
        if path.startswith(f"{run_folder}/"):
            mark.unlink(missing_ok=True)
    return True


def head_is_alive(run_folder):
    """Whether a process of this machine is at work on a run in ``<working directory>/results/``."""
    folder = Path(run_folder).absolute()  # not resolved: `results` may be a link to a shared folder
    try:
        with open(_lock_path(folder, folder.parent.parent / ".snakemake"), "rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _lock_path(run_folder, state):
    return state / f"proteofold-{run_folder.name}.lock"


def _is_of(run_folder, lock):
    """Whether a lock of Snakemake marks files of this run; those of other runs and workflows are left alone."""
    with open(lock, encoding="utf-8", errors="replace") as lines:
        return any(line.startswith(f"{run_folder}/") for line in lines)
