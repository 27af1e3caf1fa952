"""How well a run used its machines: the least time its jobs could have taken on them, over the time they took.

The head notes at its start on which machines it works (``machines.json``); merging, which comes last, compares
(``efficiency.json``). A run that was resumed has several spans of time; all in which jobs of it ended count.
"""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from proteofold.plan.nodes import NodeKind
from proteofold.plan.plan import alignment_mem_mb, known_usage, search_mem_mb, search_usages
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
    """Note that a head starts now, and on which NodeKinds; none if they are unknown. Earlier starts are kept."""
    noted = {"starts": [*_starts(_noted(folder)), [time.time(), None]], "kinds": [asdict(kind) for kind in kinds]}
    write_aside(Path(folder, MACHINES), json.dumps(noted, indent=2) + "\n")


def write_efficiency(run):
    """Compare what ended in all starts of a run with what its machines could have done in their time."""
    noted = _noted(run.folder.path)
    try:
        starts, kinds = _starts(noted), [NodeKind(**kind) for kind in noted["kinds"]]
        since = starts[0][0]
    except (KeyError, TypeError, IndexError):
        return
    ends = _ends(run, since)
    # a run that is merged again later has not been working until then
    if starts[-1][1] is None or (ends and ends[-1] > starts[-1][1]):
        starts[-1][1] = time.time()
    write_aside(Path(run.folder.path, MACHINES), json.dumps(noted | {"starts": starts}, indent=2) + "\n")
    wall_s = _wall_s(starts, ends)
    jobs = measured_jobs(run, since)
    if jobs and kinds and wall_s > 0:
        efficiency = Efficiency(len(jobs), round(wall_s, 1), round(achieved_bound_s(jobs, kinds), 1), kinds)
        write_aside(Path(run.folder.path, EFFICIENCY), json.dumps(asdict(efficiency), indent=2) + "\n")


def _noted(folder):
    try:
        noted = json.loads(Path(folder, MACHINES).read_text())
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _starts(noted):
    """[when it began, when it ended or None] of each start, in seconds since 1970."""
    if "since" in noted:  # of the last start only, as earlier versions noted it
        return [[noted["since"], None]]
    return [list(start) for start in noted.get("starts", [])]


def _ends(run, since):
    """When the searches that a run did itself ended, sorted."""
    usages = search_usages(run, run.done()).items()
    ends = (run.search.usage(entry).stat().st_mtime for entry, used in usages if used.run == run.name)
    return sorted(end for end in ends if end >= since)


def _wall_s(starts, ends):
    """Seconds of the starts in which a search ended. One that was killed lasted until the last of its searches."""
    wall_s = 0
    for (since, until), (following, _) in zip(starts, [*starts[1:], (float("inf"), None)], strict=True):
        if of_start := [end for end in ends if since <= end < following]:
            wall_s += (until or of_start[-1]) - since
    return wall_s


def read_efficiency(folder):
    """The Efficiency of all starts of a run in which jobs ended, None where it is not known."""
    try:
        stored = json.loads(Path(folder, EFFICIENCY).read_text())
        found = Efficiency(**(stored | {"kinds": [NodeKind(**kind) for kind in stored["kinds"]]}))
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
        after = place.get(member.batch)
        if run.alignments and (aligned := known_usage(run.alignments.usage(entry))) and aligned.run == run.name:
            jobs.append(Job(aligned.cpu_s, alignment_mem_mb(member, run)))
            after = len(jobs) - 1
        jobs.append(Job(used.cpu_s, search_mem_mb(member, run, run.settings["mode"]), after))
    return jobs


def achieved_bound_s(jobs, kinds):
    """Lower bound in seconds of jobs that were done on these NodeKinds.

    A job that asked for more memory than any node has did run, so it counts with that of the largest.
    """
    largest = max(kind.mem_mb for kind in kinds)
    return lower_bound([Job(job.seconds, min(job.mem_mb, largest), job.after) for job in jobs], kinds)
