"""Running the tools of a step, and noting what it used. No tool outlives its step, and no step outlives its run."""

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from functools import partial
from typing import NamedTuple

from proteofold.system.errors import UserError
from proteofold.system.files import write_aside

# Rules set this to the process id of their Snakemake (workflow/rules/common.smk).
PARENT_VARIABLE = "PROTEOFOLD_PARENT"

# Of a tool that did nothing wrong: more memory or time may help, so the cluster tries such a job again.
KILLED = "was killed (SIGKILL)"
STOPPED = "was stopped from outside"

_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU)
_SIGNALS = {number.value: number.name for number in signal.Signals}
_PR_SET_PDEATHSIG = 1  # prctl(2)
_LIBC = ctypes.CDLL(None)


class Usage(NamedTuple):
    """What a step used: wall and CPU seconds, the highest resident memory (mapped files included), and where.

    ``run`` is the run that computed the result, ``hhsuite`` the version that searched; numbers are nan where they were
    lost.
    """

    wall_s: float
    cpu_s: float
    max_rss_mb: float
    node: str
    run: str
    hhsuite: str = ""


def die_with(parent):
    """Have Linux kill this process when its parent, of that process id, dies; at once if it is dead already."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):  # another process takes in the children of a dead one
        os._exit(1)


def dying_with_us():
    """A preexec_fn for subprocess: the child ends when this process is killed."""
    return partial(die_with, os.getpid())


def end_with_run():
    """Have this process, a step of a run, end with its Snakemake, and on Ctrl-C at once and without a traceback.

    Nothing where no Snakemake started it.
    """
    if parent := os.environ.get(PARENT_VARIABLE):
        die_with(parent)
        # a run that a script starts in the background ignores Ctrl-C, and so do its steps
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


def run_tool(command, problem_in=None):
    """Run a tool; its output goes to standard error, line by line. UserError says how it failed.

    ``problem_in`` is a function that finds in the output what the tool reports as wrong, '' for nothing. A tool that
    reports a problem has failed, whatever its exit code.
    """
    command = list(map(str, command))
    print("$", *command, file=sys.stderr, flush=True)
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            preexec_fn=dying_with_us(),
        )
    except OSError as error:
        raise UserError(f"{command[0]} cannot be started: {error.strerror}") from None
    with child:
        lines = []
        for line in child.stdout:
            print(line, end="", file=sys.stderr, flush=True)
            lines.append(line)
    output = "".join(lines)
    if output and not output.endswith("\n"):
        print(file=sys.stderr)
    problem = problem_in(output) if problem_in else ""
    if child.returncode or problem:
        raise UserError(why_it_failed(command[0], child.returncode, output, problem))


def why_it_failed(program, code, output, problem=""):
    """Why a program failed, in one sentence: how it ended, and what it reports as its problem, or its last error line.

    ``code`` is its exit code as subprocess returns it.
    """
    tool = os.path.basename(program).partition("-")[0]  # Debian's builds are hhsearch-avx2 and so on
    if code > 128 and code - 128 in _SIGNALS:
        code = 128 - code  # so a shell around the tool reports the signal that ended it
    if code == -signal.SIGKILL:
        return f"{tool} {KILLED}: most likely out of memory"
    if -code in _STOPPING:
        return f"{tool} {STOPPED} ({_SIGNALS[-code]}): out of time, or the run was ended"
    if code < 0:
        return f"{tool} crashed ({_SIGNALS.get(-code, f'signal {-code}')})" + (f": {problem}" if problem else "")
    if problem:
        return f"{tool}: {problem}"
    lines = [line.strip() for line in output.splitlines()]
    errors = [line for line in lines if "ERROR" in line] or [line for line in lines if line][-1:]
    return f"{tool} ended with exit code {code}: {errors[-1] if errors else 'no message'}"


def usage_of_tools(started, run, hhsuite):
    """Usage of the tools that this process has run; ``started`` is the time.monotonic() of its beginning."""
    return _usage(started, resource.getrusage(resource.RUSAGE_CHILDREN), run, hhsuite)


def own_usage(started, run):
    """Usage of this process so far; ``started`` is the time.monotonic() of its beginning."""
    return _usage(started, resource.getrusage(resource.RUSAGE_SELF), run, "")


def _usage(started, used, run, hhsuite):
    node = os.environ.get("SLURMD_NODENAME") or os.uname().nodename  # as Slurm names it, which may be otherwise
    wall_s, cpu_s = time.monotonic() - started, used.ru_utime + used.ru_stime
    return Usage(round(wall_s, 3), round(cpu_s, 3), round(used.ru_maxrss / 1024, 1), node, run, hhsuite)


def write_lost_usage(path, run):
    """Write a Usage without numbers where a result is there and what it took is not: Snakemake asks for both."""
    if path and not os.path.exists(path):
        write_aside(path, format_usage(Usage(*[float("nan")] * 3, "", run)))


def format_usage(usage):
    """A Usage as a table of one row."""
    return "\t".join(Usage._fields) + "\n" + "\t".join(map(str, usage)) + "\n"


def read_usage(path):
    """The Usage in a file; ValueError if it is damaged."""
    with open(path, encoding="utf-8", newline="") as handle:
        text = handle.read()
    try:
        wall_s, cpu_s, max_rss_mb, *words = text.splitlines()[1].split("\t")
        usage = Usage(float(wall_s), float(cpu_s), float(max_rss_mb), *words)
    except (IndexError, ValueError, TypeError):
        usage = None
    if usage is None or format_usage(usage) != text:
        raise ValueError(f"{path}: not the usage of a step")
    return usage
