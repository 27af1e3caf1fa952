"""How well a run used its machines: the least time its jobs could have taken on them, over the time they took.

The head notes at its start on which machines it works (``machines.json``); merging, which comes last, compares
(``efficiency.json``). A run that was resumed has several spans of time: what is told is about its last start.
"""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from proteofold.plan.nodes import NodeKind
from proteofold.plan.plan import known_usage, search_mem_mb, search_usages
from proteofold.plan.schedule import Job, lower_bound
from proteofold.system.files import write_aside

MACHINES, EFFICIENCY = "machines.json", "efficiency.json"


@dataclass(frozen=True, slots=True)
class Efficiency:
    """``jobs`` ended within ``wall_s`` seconds on the ``kinds`` of nodes; no schedule takes less than ``bound_s``."""

    jobs: int
    wall_s: float
    bound_s: float
    kinds: list

    @property
    def part(self):
        """Bound over actual time; 1 is perfect."""
        return self.bound_s / self.wall_s


def note_machines(folder, kinds):
    """Note that a head starts now, and on which NodeKinds; none, if nobody knows."""
    noted = {"since": time.time(), "kinds": [asdict(kind) for kind in kinds]}
    write_aside(Path(folder, MACHINES), json.dumps(noted, indent=2) + "\n")


def write_efficiency(run):
    """Compare what ended since the last start of a run with what its machines could have done by now."""
    try:
        noted = json.loads(Path(run.folder.path, MACHINES).read_text())
        since, kinds = noted["since"], [NodeKind(**kind) for kind in noted["kinds"]]
    except (OSError, ValueError, KeyError, TypeError):
        return
    wall_s = time.time() - since
    jobs = measured_jobs(run, since)
    if jobs and kinds and wall_s > 0:
        told = Efficiency(len(jobs), round(wall_s, 1), round(achieved_bound_s(jobs, kinds), 1), kinds)
        write_aside(Path(run.folder.path, EFFICIENCY), json.dumps(asdict(told), indent=2) + "\n")


def read_efficiency(folder):
    """The Efficiency of a run's last start at which jobs ended, None where it is not known."""
    try:
        told = json.loads(Path(folder, EFFICIENCY).read_text())
        found = Efficiency(**(told | {"kinds": [NodeKind(**kind) for kind in told["kinds"]]}))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.wall_s > 0 else None


def measured_jobs(run, since=0.0):
    """The jobs that this run did itself, with the CPU seconds that they took and the memory they asked for.

    ``since`` (seconds since 1970) leaves out those that ended before.
    """
    searches = {
        entry: used
        for entry, used in search_usages(run, run.done()).items()
        if used.run == run.name and run.search.usage(entry).stat().st_mtime >= since
    }
    jobs, place = [], {}
    for batch in dict.fromkeys(run.by_entry[entry].batch for entry in searches):
        path = run.predictions.usage(batch)
        if (used := known_usage(path)) and used.run == run.name and path.stat().st_mtime >= since:
            place[batch] = len(jobs)
            jobs.append(Job(used.cpu_s, run.batch_mem_mb(batch)))
    for entry, used in searches.items():
        member = run.by_entry[entry]
        jobs.append(Job(used.cpu_s, search_mem_mb(member, run, run.settings["mode"]), place.get(member.batch)))
    return jobs


def achieved_bound_s(jobs, kinds):
    """Lower bound in seconds of jobs that were done on these NodeKinds.

    A job that asked for more memory than any node has did run, so it counts with that of the largest.
    """
    largest = max(kind.mem_mb for kind in kinds)
    return lower_bound([Job(job.seconds, min(job.mem_mb, largest), job.after) for job in jobs], kinds)
