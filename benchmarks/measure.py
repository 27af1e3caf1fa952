"""Measuring whole commands with GNU time, and the inputs that the sections share."""

import contextlib
import os
import random
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SNAKEMAKE = [ROOT / ".venv" / "bin" / "snakemake", "--snakefile", ROOT / "workflow" / "Snakefile"]
SNAKEMAKE += ["--workflow-profile", ROOT / "profiles" / "default"]
PROTEOFOLD = ROOT / ".venv" / "bin" / "proteofold"
PYTHON = ROOT / ".venv" / "bin" / "python"

# Lengths of UniProt's human proteome are close to log-normal: median about 300 residues, mean about 400.
_LOG_MEDIAN, _LOG_SPREAD = 5.7, 0.75
RESIDUES = "AAAAAAACCDDDDDEEEEEEEFFFFGGGGGGGHHHIIIIKKKKKKLLLLLLLLLLMMNNNNPPPPPPQQQQQRRRRRRSSSSSSSSTTTTTVVVVVVWYYY"


class LeftOutError(Exception):
    """A section cannot run on this machine; the message says why."""


@dataclass(frozen=True)
class Measured:
    """CPU seconds (children included), wall seconds, and the highest resident memory of any one process in MB."""

    cpu_s: float
    wall_s: float
    max_rss_mb: float


def measure(command, cwd=None, env=None, output=None):
    """Run a command under GNU time; raises if it fails. Its output goes to the path ``output``, or is dropped."""
    with tempfile.NamedTemporaryFile("r", suffix=".time") as report:
        words = ["time", "-f", "%U %S %e %M", "-o", report.name, *map(str, command)]
        words[0] = shutil.which("time") or "/usr/bin/time"
        with open(output or "/dev/null", "w") as sink:
            outcome = subprocess.run(words, cwd=cwd, env=env, stdout=sink, stderr=subprocess.PIPE, text=True)
        if outcome.returncode:
            raise SystemExit(f"{' '.join(words)} ended with exit code {outcome.returncode}:\n{outcome.stderr[-3000:]}")
        user, system, wall, rss = map(float, report.read().split()[-4:])
    return Measured(user + system, wall, rss / 1024)


def measure_private(command):
    """Run a command; returns (Measured, highest private memory of it and its children together in MB).

    Mapped files, such as a library, do not count: the system takes their memory back. Looked at every few milliseconds.
    Raises if the command fails.
    """
    highest, begun = 0, time.monotonic()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        highest = max(highest, sum(map(_private_kb, _family(process.pid))))
        time.sleep(0.005)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} ended with exit code {process.returncode}")
    measured = Measured(used.ru_utime + used.ru_stime, time.monotonic() - begun, used.ru_maxrss / 1024)
    return measured, highest / 1024


def children(pid):
    """The processes that the threads of a process have started and that have not ended."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has ended
            found += path.read_text().split()
    return found


def _family(pid):
    """A process and those that it started, and so on."""
    return [pid, *(one for child in children(pid) for one in _family(child))]


def _private_kb(pid):
    try:
        found = re.search(r"^RssAnon:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


def median(values):
    """Median, rounded for a table."""
    return round(statistics.median(values), 2)


def milliseconds(seconds):
    """Seconds as milliseconds, for a table."""
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"


def write_proteins(path, count, seed=1):
    """A FASTA file of made proteins with human-like lengths and composition; returns their lengths."""
    dice = random.Random(seed)
    lengths = []
    with open(path, "w") as handle:
        for number in range(count):
            length = int(min(max(dice.lognormvariate(_LOG_MEDIAN, _LOG_SPREAD), 30), 34_350))
            sequence = "".join(dice.choices(RESIDUES, k=length))
            lines = "\n".join(sequence[start : start + 60] for start in range(0, length, 60))
            handle.write(f">tr|Q{number:06d}|Q{number:06d}_MADE made protein\n{lines}\n")
            lengths.append(length)
    return lengths


def table(header, rows):
    """A Markdown table."""
    lines = [f"| {' | '.join(header)} |", f"| {' | '.join('---' for _ in header)} |"]
    lines += [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines)


def processor():
    """The processor's name."""
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else "unknown processor"
