"""The lock of a run: held by the Snakemake process that works on it, and ended by the system with that process."""

import contextlib
import fcntl
import time

from proteofold.run.layout import RunFolder
from proteofold.system.errors import UserError
from proteofold.system.files import open_unlinked

_SECONDS_TO_WAIT = 2  # a process that asks whether a head is alive holds the lock for a moment

_held = []  # open files, whose locks last as long as this process


def claim_run(run_folder):
    """Become the head of a run, until this process ends. UserError if another process works on it."""
    lock = RunFolder(run_folder).lock
    lock.parent.mkdir(parents=True, exist_ok=True)
    handle = open(lock, "a")  # noqa: SIM115 - held until the process ends
    deadline = time.monotonic() + _SECONDS_TO_WAIT
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                handle.close()
                raise UserError(
                    f"another Snakemake process works on {run_folder}. Wait until it ends, or give this run another "
                    "name.",
                    topic="run-in-use",
                ) from None
            time.sleep(0.1)
    _held.append(handle)


@contextlib.contextmanager
def hold_run(run_folder):
    """Keep heads of a run away for the block; yields whether that is so.

    It is not while a head works on the run, nor where the folder cannot be written.
    """
    with contextlib.ExitStack() as stack:
        try:
            handle = stack.enter_context(open(RunFolder(run_folder).lock, "a"))
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = True
        except OSError:
            held = False
        yield held


def head_is_alive(run_folder):
    """Whether a process works on a run."""
    try:
        with open_unlinked(RunFolder(run_folder).lock) as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
