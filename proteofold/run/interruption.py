"""Whether a run was interrupted: by Ctrl-C, by a signal that asked its Snakemake process to end, or by a full disk.

What is unfinished then has not failed, and a job that ended with the run is no error of its own.
"""

import os
import signal
import threading
import time

# Ctrl-C that is pressed again so soon is impatience, or was sent twice; later, something does not end.
_SECONDS_OF_PATIENCE = 5

_interrupted = False
_pressed_at = None
_jobs_have_ended = False


def interrupted(wait_s=0):
    """Whether this process was asked to end, or is within some seconds.

    On Ctrl-C jobs may be seen to end before this process has noticed: Python calls handlers in its main thread only.
    """
    deadline = time.monotonic() + wait_s
    while not _interrupted and time.monotonic() < deadline:
        time.sleep(0.02)
    return _interrupted


def exit_on_ctrl_c():
    """Have Ctrl-C end this process without a traceback; Snakemake, while it runs jobs, cancels them first.

    Pressed again after a while it ends the process at once.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _exit)


def notice_termination():
    """Notice SIGTERM before its handler is called. Snakemake has set its own by the time a run starts."""
    handler = signal.getsignal(signal.SIGTERM)

    def note(number, frame):
        note_interruption()
        handler(number, frame)

    if callable(handler):
        signal.signal(signal.SIGTERM, note)


def note_end_of_jobs():
    """Note that Snakemake runs no more jobs: there is nothing left to interrupt."""
    global _jobs_have_ended
    _jobs_have_ended = True


def note_interruption():
    """Note that the run stops before its end, though no signal has asked for it yet."""
    global _interrupted
    _interrupted = True


def interrupt_jobs(number, frame):
    """Handler of a signal that has Snakemake cancel its jobs, as Ctrl-C does."""
    if not _jobs_have_ended:
        raise KeyboardInterrupt


def _exit(number, frame):
    global _pressed_at
    code = 128 + number  # as shells report it
    if _pressed_at is None:
        _pressed_at = time.monotonic()
        note_interruption()
        raise SystemExit(code)
    if time.monotonic() > _pressed_at + _SECONDS_OF_PATIENCE:
        os._exit(code)  # the system ends the jobs (proteofold.system.process)
