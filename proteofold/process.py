"""Running a job's work so that its end is always told: a log with a last word, tools that die with their job."""

import ctypes
import os
import platform
import resource
import signal
import subprocess
import time
import traceback
from dataclasses import dataclass, fields
from pathlib import Path

from proteofold.errors import UserError

# The last line of the log of a job that failed: ERROR, the step, the reason; of one that ended well: DONE.
# failures.py reads it.
ERROR_MARK = "ERROR"
STEP_MARK = "STEP"
DONE_MARK = "DONE"

_SIGNALS = {number.value: number.name for number in signal.Signals}
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a job used: wall and CPU seconds, the highest resident memory (mapped files included), and where.

    ``result_key`` tells which sequence and settings the job's result belongs to.
    """

    wall_s: float
    cpu_s: float
    max_rss_mb: float
    node: str
    result_key: str = ""

    def __add__(self, other):
        """Both one after the other, on the same node and for the same result."""
        return Usage(
            self.wall_s + other.wall_s,
            self.cpu_s + other.cpu_s,
            max(self.max_rss_mb, other.max_rss_mb),
            other.node,
            other.result_key,
        )


USAGE_COLUMNS = tuple(field.name for field in fields(Usage))


class JobLog:
    """A job's log file. An error inside the ``with`` block becomes its last line and ``exit_code`` 1."""

    def __init__(self, path):
        self.path = Path(path)
        self.exit_code = 0
        self._step = "start"

    def __enter__(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # closed in __exit__; backslashreplace because a path in a message may hold bytes that are no UTF-8
        self.handle = open(self.path, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
        return self

    def step(self, name):
        """Tell which step begins."""
        self._step = name
        self.write(f"{STEP_MARK} {name}")

    def __exit__(self, kind, error, trace):
        if isinstance(error, Exception):
            if not isinstance(error, UserError):
                self.write("".join(traceback.format_exception(kind, error, trace)).rstrip())
            reason = " ".join(str(error).split()) or kind.__name__
            self.write(f"{ERROR_MARK} {self._step}: {reason}")
            self.exit_code = 1
        elif error is None:
            self.write(DONE_MARK)
        self.handle.close()
        return isinstance(error, Exception)

    def write(self, line):
        """Add a line, visible at once."""
        print(f"\n{line}" if self._line_is_open() else line, file=self.handle, flush=True)

    def _line_is_open(self):
        """Whether the last output, of a tool, lacks its line end."""
        with open(self.path, "rb") as written:
            size = written.seek(0, os.SEEK_END)
            written.seek(max(size - 1, 0))
            return written.read(1) not in (b"", b"\n")


def measured_run(command, log, result_key=""):
    """Run a tool with its output in the log; returns its Usage. UserError if it fails, in words that say how."""
    log.write("$ " + " ".join(map(str, command)))
    output_start = log.path.stat().st_size
    started = time.monotonic()
    try:
        child = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.DEVNULL,
            stdout=log.handle,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent,
        )
    except OSError as error:
        raise UserError(f"{command[0]} cannot be started: {error.strerror}") from None
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        output = log.path.read_bytes()[output_start:].decode(errors="replace")
        tool = Path(command[0]).name.partition("-")[0]  # Debian's builds are hhsearch-avx2 and so on
        raise UserError(_why_it_ended(tool, child.returncode, output))
    return _usage(started, used, result_key)


def own_usage(started):
    """Usage of this process so far; ``started`` is the time.monotonic() of its beginning."""
    return _usage(started, resource.getrusage(resource.RUSAGE_SELF))


def _usage(started, used, result_key=""):
    cpu_s = used.ru_utime + used.ru_stime
    return Usage(time.monotonic() - started, cpu_s, used.ru_maxrss / 1024, platform.node(), result_key)


def usage_tsv(usage):
    """A Usage as a table of one row."""
    values = [f"{usage.wall_s:.3f}", f"{usage.cpu_s:.3f}", f"{usage.max_rss_mb:.1f}", usage.node, usage.result_key]
    return "\t".join(USAGE_COLUMNS) + "\n" + "\t".join(values) + "\n"


def read_usage(path):
    """The rows of a usage table as dicts of text."""
    with open(path, encoding="utf-8") as handle:
        names, *rows = (line.rstrip("\n").split("\t") for line in handle)
    return [dict(zip(names, row, strict=True)) for row in rows]


def die_with_parent():
    """Have Linux kill this process when its parent dies, so that no killed run leaves searches behind."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _why_it_ended(tool, code, output):
    if code > 128 and code - 128 in _SIGNALS:
        code = 128 - code  # so a shell around the tool tells the signal that ended it
    if code == -signal.SIGKILL:
        return f"{tool} was killed (SIGKILL): most likely for want of memory"
    if code < 0:
        return f"{tool} crashed ({_SIGNALS.get(-code, f'signal {-code}')})"
    lines = [line.strip() for line in output.splitlines()]
    errors = [line for line in lines if "ERROR" in line] or [line for line in lines if line][-1:]
    return f"{tool} ended with exit code {code}: {errors[-1] if errors else 'no message'}"
