"""Measuring whole commands with GNU time, and the inputs that the sections share."""

import random
import re
import shutil
import statistics
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SNAKEMAKE = [ROOT / ".venv" / "bin" / "snakemake", "--snakefile", ROOT / "workflow" / "Snakefile"]
SNAKEMAKE += ["--workflow-profile", ROOT / "profiles" / "default"]
PROTEOFOLD = ROOT / ".venv" / "bin" / "proteofold"
PYTHON = ROOT / ".venv" / "bin" / "python"

# Lengths of UniProt's human proteome are close to log-normal: median about 300 residues, mean about 400.
_LOG_MEDIAN, _LOG_SPREAD = 5.7, 0.75
_RESIDUES = "AAAAAAACCDDDDDEEEEEEEFFFFGGGGGGGHHHIIIIKKKKKKLLLLLLLLLLMMNNNNPPPPPPQQQQQRRRRRRSSSSSSSSTTTTTVVVVVVWYYY"


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
            sequence = "".join(dice.choices(_RESIDUES, k=length))
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
