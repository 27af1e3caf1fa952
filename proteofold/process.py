"""Running a job's work so that its end is always told: a log with a last word, tools that die with their job."""

import ctypes
import os
import resource
import signal
import sys
import time
from collections import namedtuple

from proteofold.errors import UserError

# The last line of the log of a job that failed: ERROR, the step, the reason; of one that ended well: DONE.
# failures.py reads it.
ERROR_MARK = "ERROR"
STEP_MARK = "STEP"
DONE_MARK = "DONE"

# Of a tool that did nothing wrong: more memory or time may help, so the cluster tries such a job again.
KILLED = "was killed (SIGKILL)"
STOPPED = "was stopped from outside"
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU)

_SIGNALS = {number.value: number.name for number in signal.Signals}
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class Usage(namedtuple("Usage", "wall_s cpu_s max_rss_mb node result_key", defaults=[""])):
    """What a job used: wall and CPU seconds, the highest resident memory (mapped files included), and where.

    ``result_key`` tells which sequence and settings the job's result belongs to.
    """

    __slots__ = ()

    def __add__(self, other):
        """Both one after the other, on the same node and for the same result."""
        return Usage(
            self.wall_s + other.wall_s,
            self.cpu_s + other.cpu_s,
            max(self.max_rss_mb, other.max_rss_mb),
            other.node,
            other.result_key,
        )


class JobLog:
    """A job's log file. An error inside the ``with`` block becomes its last line and ``exit_code`` 1.

    Where the disk takes no more, the reason may not get there: then it goes to standard error.
    """

    def __init__(self, path):
        self.path = os.fspath(path)
        self.exit_code = 0
        self._step = "start"

    def __enter__(self):
        try:
            os.makedirs(os.path.dirname(self.path) or os.curdir, exist_ok=True)
            # closed in __exit__; backslashreplace because a path in a message may hold bytes that are no UTF-8
            self.handle = open(self.path, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
        except OSError as error:
            if told := _disk_error(error, self.path):
                raise SystemExit(str(told)) from None
            raise
        return self

    def step(self, name):
        """Tell which step begins."""
        self._step = name
        self.write(f"{STEP_MARK} {name}")

    def __exit__(self, kind, error, trace):
        try:
            self._write_end(kind, error, trace)
        except UserError as disk_error:
            if error is not None:  # else all results are there, and only the log lacks its last line
                print(disk_error, file=sys.stderr)
        try:  # noqa: SIM105 - contextlib would take longer to import than all else here
            self.handle.close()
        except OSError:
            pass  # of the lines that could not be written
        return isinstance(error, Exception)

    def _write_end(self, kind, error, trace):
        if isinstance(error, OSError):
            error = _disk_error(error, error.filename or self.path) or error
        if isinstance(error, Exception):
            self.exit_code = 1
            if not isinstance(error, UserError):
                import traceback  # here, because a job that goes well would pay for it

                self.write("".join(traceback.format_exception(kind, error, trace)).rstrip())
            reason = " ".join(str(error).split()) or kind.__name__
            self.write(f"{ERROR_MARK} {self._step}: {reason}")
        elif error is None:
            self.write(DONE_MARK)

    def write(self, line):
        """Add a line, visible at once. Raises a DiskError, which names the disk, if that takes no more."""
        try:
            print(f"\n{line}" if self._line_is_open() else line, file=self.handle, flush=True)
        except OSError as error:
            raise _disk_error(error, self.path) or error from None

    def _line_is_open(self):
        """Whether the last output, of a tool, lacks its line end."""
        with open(self.path, "rb") as written:
            size = written.seek(0, os.SEEK_END)
            written.seek(max(size - 1, 0))
            return written.read(1) not in (b"", b"\n")


def _disk_error(error, path):
    from proteofold.disks import disk_error  # here, because a job that goes well would pay for it

    return disk_error(error, path)


def measured_run(command, log, result_key="", problem_in=None):
    """Run a tool with its output in the log; returns its Usage. UserError if it fails, in words that say how.

    ``problem_in`` is a function that finds in the tool's output what the tool reports as wrong, '' for nothing. A tool
    that reports a problem has failed, whatever its exit code.
    """
    command = list(map(str, command))
    log.write("$ " + " ".join(command))
    output_start = os.path.getsize(log.path)
    started = time.monotonic()
    try:
        child = _start(command, log.handle.fileno())
    except OSError as error:
        raise UserError(f"{command[0]} cannot be started: {error.strerror}") from None
    _, status, used = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code or problem_in:
        with open(log.path, "rb") as written:
            written.seek(output_start)
            output = written.read().decode(errors="replace")
        problem = problem_in(output) if problem_in else ""
        if code or problem:
            raise UserError(why_it_failed(command[0], code, output, problem))
    return _usage(started, used, result_key)


def _start(command, output):
    """Start a tool, its output to the file descriptor ``output``; returns its process id, raises OSError.

    fork and exec are written out because subprocess takes 9 CPU-ms to import (docs/decisions.md).
    """
    error_end, told_end = os.pipe()  # a successful exec closes it: Python's descriptors are not inherited
    child = os.fork()
    if child == 0:
        try:
            die_with_parent()
            for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(ignored_by_python, signal.SIG_DFL)
            for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
                os.dup2(source, target)
            os.execvp(command[0], command)
        except OSError as error:
            os.write(told_end, str(error.errno).encode())
        finally:
            os._exit(255)
    os.close(told_end)
    with open(error_end, "rb") as pipe:
        told = pipe.read()
    if told:
        os.waitpid(child, 0)
        raise OSError(int(told), os.strerror(int(told)))
    return child


def own_usage(started, result_key=""):
    """Usage of this process so far; ``started`` is the time.monotonic() of its beginning."""
    return _usage(started, resource.getrusage(resource.RUSAGE_SELF), result_key)


def _usage(started, used, result_key=""):
    cpu_s = used.ru_utime + used.ru_stime
    node = os.environ.get("SLURMD_NODENAME") or os.uname().nodename  # as Slurm names it, which may be otherwise
    return Usage(time.monotonic() - started, cpu_s, used.ru_maxrss / 1024, node, result_key)


def usage_tsv(usage):
    """A Usage as a table of one row."""
    values = [f"{usage.wall_s:.3f}", f"{usage.cpu_s:.3f}", f"{usage.max_rss_mb:.1f}", usage.node, usage.result_key]
    return "\t".join(Usage._fields) + "\n" + "\t".join(values) + "\n"


def read_usage(path):
    """The rows of a usage table as dicts of text."""
    with open(path, encoding="utf-8") as handle:
        return usage_rows(handle.read())


def usage_rows(text):
    """The rows of the text of a usage table as dicts of text."""
    names, *rows = (line.split("\t") for line in text.rstrip("\n").split("\n"))
    return [dict(zip(names, row, strict=True)) for row in rows]


def end_with_run():
    """Have this process, a job's, end with the run: with its head, and on Ctrl-C at once and without a traceback."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def die_with_parent():
    """Have Linux kill this process when its parent dies, so that no killed run leaves searches behind."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def why_it_failed(program, code, output, problem=""):
    """Why a program failed, in one sentence: how it ended, and what it reports as its problem, or its last error line.

    ``code`` is its exit code as subprocess returns it.
    """
    tool = os.path.basename(program).partition("-")[0]  # Debian's builds are hhsearch-avx2 and so on
    if code > 128 and code - 128 in _SIGNALS:
        code = 128 - code  # so a shell around the tool tells the signal that ended it
    if code == -signal.SIGKILL:
        return f"{tool} {KILLED}: most likely for want of memory"
    if -code in _STOPPING:
        return f"{tool} {STOPPED} ({_SIGNALS[-code]}): out of time, or the run was ended"
    if code < 0:
        return f"{tool} crashed ({_SIGNALS.get(-code, f'signal {-code}')})" + (f": {problem}" if problem else "")
    if problem:
        return f"{tool}: {problem}"
    lines = [line.strip() for line in output.splitlines()]
    errors = [line for line in lines if "ERROR" in line] or [line for line in lines if line][-1:]
    return f"{tool} ended with exit code {code}: {errors[-1] if errors else 'no message'}"
