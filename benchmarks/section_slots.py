"""How busy one machine's head keeps its slots, and how soon Ctrl-C and a restart take effect in a large run."""

import os
import resource
import signal
import statistics
import subprocess
import time

from made_runs import predicted_run
from measure import SNAKEMAKE, children, measure, table
from stub_search import write_stub

from proteofold.run.manifest import load_run
from proteofold.system.process import read_usage

SLOTS, SEARCH_S, SEARCHES = 12, 2.5, 480
PROTEINS, STOPPED_AT = 20_000, 100


def run(folder, options):
    """Searches of seconds on more slots than cores; then a run of many proteins, stopped and started again."""
    predicted_run(folder, "slots", SEARCHES)
    predicted_run(folder, "stopped", PROTEINS)
    measure([*SNAKEMAKE, "--configfile", "slots.yaml", "--cores", "1", "--until", "build_template_library"], folder)
    environment = os.environ | write_stub(folder, SEARCH_S)
    cpu_s, counts = _counted_run([*SNAKEMAKE, "--configfile", "slots.yaml", "--cores", SLOTS], folder, environment)
    busy, searching = _busy(folder, counts)
    write_stub(folder)
    ends, begins = _stopped_and_started(folder, environment)
    rows = [
        [f"part of the time that {SLOTS} slots are busy, searches of {SEARCH_S} s", f"**{busy:.2f}**"],
        ["— with the search itself, not with its Python, `.a3m` or summary", f"{searching:.2f}"],
        ["— CPU s a protein, start of the run and tables included", f"{cpu_s / SEARCHES:.2f}"],
        [f"Ctrl-C at {STOPPED_AT} of {PROTEINS:,} done, to the end of the command", f"{ends:.0f} s"],
        ["started again, to the first result", f"{begins:.0f} s"],
    ]
    return table([f"{SEARCHES} made proteins, one machine of {os.cpu_count()} cores", ""], rows)


def _counted_run(command, folder, environment):
    """(CPU seconds of a run, [(time, jobs at work)] ten times a second)."""
    used, counts = resource.getrusage(resource.RUSAGE_CHILDREN), []
    head = _start(list(map(str, command)), folder, environment)
    while head.poll() is None:
        counts.append((time.time(), len(children(head.pid))))
        time.sleep(0.1)
    if head.returncode:
        raise SystemExit(f"the run ended with exit code {head.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime, counts


def _busy(folder, counts):
    """Parts of the slots' time from the first search's begin to the last one's end: with a job, with a search."""
    made = load_run(folder / "results" / "slots")
    seconds = [read_usage(made.search.usage(entry)).wall_s for entry in made.by_entry]
    ends = [made.search.hhr(entry).stat().st_mtime for entry in made.by_entry]
    begin, end = min(end - second for end, second in zip(ends, seconds, strict=True)), max(ends)
    jobs = [min(count, SLOTS) for at, count in counts if begin <= at <= end]
    return statistics.mean(jobs) / SLOTS, sum(seconds) / (SLOTS * (end - begin))


def _stopped_and_started(folder, environment):
    """Seconds from Ctrl-C to the command's end, and from the next start to its first result."""
    command = [*map(str, SNAKEMAKE), "--configfile", "stopped.yaml", "--cores", str(os.cpu_count())]
    found = load_run(folder / "results" / "stopped").search.out_folder
    head = _start(command, folder, environment)
    _wait_for(found, _count(found) + STOPPED_AT, head)  # what the other run has found is there already
    asked = time.monotonic()
    head.send_signal(signal.SIGINT)
    head.wait()
    ended = time.monotonic()
    head = _start(command, folder, environment)
    _wait_for(found, _count(found) + 1, head)
    began = time.monotonic()
    head.send_signal(signal.SIGINT)
    head.wait()
    return ended - asked, began - ended


def _start(command, folder, environment):
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a suite in the background ignores it
    )  # fmt: skip


def _wait_for(found, count, head):
    while _count(found) < count:
        if head.poll() is not None:
            raise SystemExit("the run ended by itself before it was stopped")
        time.sleep(0.2)


def _count(found):
    return sum(1 for _ in found.rglob("*.out"))
