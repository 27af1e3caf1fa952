"""A run on a real Slurm with searches that only take their time: overhead, pace, and how near the plan's bound."""

import contextlib
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
from made_runs import predicted_run
from measure import ROOT, LeftOutError, measure, table
from stub_search import write_stub

from proteofold.plan.cost import search_cpu_s
from proteofold.plan.nodes import NodeKind
from proteofold.plan.schedule import Job, lower_bound
from proteofold.run.manifest import load_run
from proteofold.slurm.jobs import FOLDER_VARIABLE, FRESH_S, PYTHON_VARIABLE, JobFolder
from proteofold.system.process import read_usage

sys.path.append(str(ROOT / "tests"))
from slurm_here import NEEDED, Slurm, SlurmDoesNotStartError

# Slots of the made cluster: three nodes that think they have these cores and this memory in MB.
NODES = {"worker1": (24, 48_000), "worker2": (24, 48_000), "client": (16, 96_000)}

MEMORY_LOOK_S = 10  # as ansible/ sets it

IN_FLIGHT = 500  # jobs in Slurm at once: `jobs` of the profile

PROTEOME, PROTEOME_S = 41_339, 900  # proteins; seconds in which so many jobs of the run must be in Slurm

# Shell words: the seconds that the file {times} has for a query.
SECONDS = """"$(grep -m 1 -x -A 1 -e "$(grep '^>' "$query" | tail -n 1)" "{times}" | tail -n 1)" """


def run(folder, options):
    """A run of made proteins on 64 slots; searches sleep for what the cost model says, in proportion.

    Then the head of a run of a whole proteome until all jobs that may be in Slurm at once are, ended by Ctrl-C.
    """
    if absent := [name for name in NEEDED if not shutil.which(name)]:
        raise LeftOutError(f"{', '.join(absent)} not found; bin/setup --test installs Slurm.")
    count = options.cluster_proteins
    predicted_run(folder, "made", count)
    lengths = predicted_run(folder, "proteome", max(PROTEOME, count))  # begins with the same proteins
    slots = sum(cores for cores, _ in NODES.values())
    costs = [search_cpu_s(length, _PDB70, "lean") for length in lengths.values()]
    scale = options.cluster_seconds * slots / sum(costs[:count])
    seconds = [cost * scale for cost in costs]
    times = (f">{name}\n{value:.2f}\n" for name, value in zip(lengths, seconds, strict=True))
    (folder / "times").write_text("".join(times))
    stub = write_stub(folder, SECONDS.format(times=folder / "times"))
    slurm = Slurm(folder / "slurm", NODES, MEMORY_LOOK_S)
    slurm.folder.mkdir()
    environment = slurm.environment | stub
    command = [ROOT / ".venv" / "bin" / "snakemake", "--snakefile", ROOT / "workflow" / "Snakefile"]
    command += ["--profile", ROOT / "profiles" / "cluster", "--configfile"]
    with _counted_cpu() as counted:
        try:
            slurm.start()
            measure([*command, "made.yaml", "--until", "build_template_library"], cwd=folder, env=environment)
            before, began = counted(), time.time()
            whole = measure([*command, "made.yaml"], cwd=folder, env=environment)
            used = counted() - before
            made = load_run(folder / "results" / "made")
            polling = _polling_share(made, folder, environment)
            rows = _rows(made, seconds[:count], whole, used, began, polling)
            rows += _of_proteome([*command, "proteome.yaml"], folder, environment)
        except SlurmDoesNotStartError as error:
            raise LeftOutError(str(error)) from None
        finally:
            slurm.stop()
    return table([f"{count:,} made proteins, one job each, {slots} slots on this machine", ""], rows)


class _PDB70:
    """Size of PDB70."""

    templates, columns = 91_501, 23_800_000


@contextlib.contextmanager
def _counted_cpu():
    """Yields a function: the CPU seconds of this process and all that it starts, Slurm's daemons and jobs included.

    A control group counts them, for daemons and jobs are nobody's children; where none can be made the whole
    machine's are returned.
    """
    group = Path("/sys/fs/cgroup/cpuacct") / f"proteofold-bench-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        yield lambda: psutil.cpu_times().user + psutil.cpu_times().system
        return
    try:
        (group / "cgroup.procs").write_text(str(os.getpid()))
        yield lambda: int((group / "cpuacct.usage").read_text()) / 1e9
    finally:
        for process in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):  # it may have ended
                (group.parent / "cgroup.procs").write_text(process)
        group.rmdir()


def _polling_share(run, folder, environment):
    """Part of a core that asking for states takes: Snakemake's ten questions a second, and the one to Slurm."""
    profile = ROOT / "profiles" / "cluster"
    environment = environment | {FOLDER_VARIABLE: str(run.folder.slurm), PYTHON_VARIABLE: sys.executable}
    listed = ["squeue", "--noheader", "--states=all", "--format=%A"]  # Slurm forgets what ended minutes ago
    jobs = subprocess.run(listed, env=environment, capture_output=True, text=True, check=True).stdout.split()
    fresh = [sys.executable, "-m", "proteofold.slurm.status", jobs[-1]]  # asks Slurm, as the head does meanwhile
    measure(fresh, folder, environment)
    question = ["squeue", "--me", "--noheader", "--states=all", "--format=%A|%T|%N|%j|%k|%Z"]
    status = measure(
        ["sh", "-c", f'for job in {" ".join(jobs)}; do "{profile}/status.sh" $job; done'], folder, environment
    )
    squeue = measure(question, folder, environment)
    return 10 * status.cpu_s / len(jobs) + squeue.cpu_s / FRESH_S


def _of_proteome(command, folder, environment):
    """What the head of a run of a whole proteome takes with its jobs in Slurm; rows. The run is ended by Ctrl-C."""
    job_folder = JobFolder(load_run(folder / "results" / "proteome").folder.slurm)
    peak_kb = 0
    with open(folder / "proteome.log", "w") as log:
        head = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a suite in the background ignores it
        )  # fmt: skip
        ends = math.inf
        while time.monotonic() < ends:
            if head.poll() is not None:
                raise SystemExit(f"the run of a proteome ended by itself:\n{Path(log.name).read_text()[-3000:]}")
            status = Path("/proc", str(head.pid), "status").read_text()
            peak_kb = int(re.search(r"VmHWM:\s+(\d+)", status)[1])
            if ends == math.inf and job_folder.submissions():
                ends = time.monotonic() + PROTEOME_S
            if len(job_folder.submissions()) >= IN_FLIGHT:
                break
            time.sleep(1)
        head.send_signal(signal.SIGINT)
        head.wait()
    submitted = job_folder.submissions()
    left = subprocess.run(["squeue", "--noheader"], env=environment, capture_output=True, text=True, check=True).stdout
    return [
        [
            f"head's peak memory at {PROTEOME:,} proteins, {len(submitted):,} of them submitted",
            f"**{peak_kb >> 10} MB**",
        ],
        [f"— jobs submitted a second, first {IN_FLIGHT}", f"{_pace(submitted):.1f}"],
        ["— jobs left in Slurm by Ctrl-C", len(left.splitlines())],
    ]


def _pace(submissions):
    """Jobs submitted a second, of the first so many as may be in Slurm at once."""
    times = sorted(job.at for job in submissions)[:IN_FLIGHT]
    return (len(times) - 1) / (times[-1] - times[0])


def _rows(run, seconds, whole, used, began, polling):
    count = len(seconds)
    kinds = [NodeKind(name, 1, cores, memory) for name, (cores, memory) in NODES.items()]
    bound = lower_bound([Job(value, 200) for value in seconds], kinds)
    usages = [read_usage(run.search.usage(entry)) for entry in run.by_entry]
    ends = [run.search.hhr(entry).stat().st_mtime for entry in run.by_entry]
    first = min(end - usage.wall_s for end, usage in zip(ends, usages, strict=True))
    return [
        ["searches, seconds each (median)", f"{sorted(seconds)[count // 2]:.1f}"],
        ["lower bound of the searches, s", f"{bound:.0f}"],
        ["first search begun to last search done, s", f"{max(ends) - first:.0f}"],
        ["bound / achieved", f"**{bound / (max(ends) - first):.2f}**"],
        ["start of the command to its end, s", f"{whole.wall_s:.0f}"],
        ["start of the command to the first search, s", f"{first - began:.0f}"],
        [f"jobs submitted a second, first {IN_FLIGHT}", f"{_pace(JobFolder(run.folder.slurm).submissions()):.1f}"],
        ["CPU s a protein, all but searches and predictions", f"**{used / count:.2f}**"],
        ["— of it the head with its submit and status commands", f"{whole.cpu_s / count:.2f}"],
        ["asking for the states of jobs in Slurm, part of a core", f"{polling:.1%}"],
        ["head's peak memory, MB", f"{whole.max_rss_mb:.0f}"],
    ]
