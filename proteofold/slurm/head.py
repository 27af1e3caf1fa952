"""What the head does with Slurm when a run begins and ends: find the jobs of a head that died, leave none behind."""

import os
import sys
import time
from dataclasses import dataclass

from proteofold.errors import UserError
from proteofold.slurm.cancel import cancel
from proteofold.slurm.desk import Desk
from proteofold.slurm.registry import FOLDER_VARIABLE, PYTHON_VARIABLE, Registry, ask_slurm
from proteofold.slurm.tools import SlurmError, SlurmSilentError, call

_PATIENCE_S = 300
_PAUSE_S = 5


@dataclass(frozen=True, slots=True)
class Cluster:
    """What the head needs to know of the cluster: memory of its largest node in MB, and whether it has GPUs."""

    largest_node_mb: int
    has_gpus: bool


def begin(folder, keys):
    """Make a run ready for Slurm; returns (Cluster, its Desk, ids of the jobs of an earlier head that go on).

    ``folder`` is the run's Slurm folder, ``keys`` says of each job's name what its result has to belong to. A job of
    an earlier head that still waits or runs goes on if it makes what is wanted now, and is cancelled if not. Raises
    UserError while Slurm does not answer: starting without knowing what runs could compute a protein twice.
    """
    registry = Registry(os.path.abspath(folder))
    registry.folder.mkdir(parents=True, exist_ok=True)
    jobs = _patiently(lambda: ask_slurm(registry.run))
    wanted, known = [], set()
    for job in jobs:
        if keys.get(job.name) == job.key and job.name not in known:
            known.add(job.name)
            wanted.append(job)
    unwanted = [job.job_id for job in jobs if job not in wanted]
    cancel(unwanted)
    _keep_submissions(registry, {job.job_id for job in wanted})
    registry.write_adoptable(wanted)
    cluster = _patiently(ask_cluster)
    os.environ[FOLDER_VARIABLE] = str(registry.folder)
    os.environ[PYTHON_VARIABLE] = sys.executable
    return cluster, Desk(registry, cluster.largest_node_mb), [job.job_id for job in wanted]


def end(folder, desk):
    """Cancel what is left of a run's jobs; returns their ids. On Ctrl-C Snakemake cancels only those it holds.

    ``desk`` is what ``begin`` returned, None if it did not come so far.
    """
    if desk:
        desk.close()
    registry = Registry(os.path.abspath(folder))
    left = [job.job_id for job in _patiently(lambda: ask_slurm(registry.run))]
    cancel(left)
    return left


def ask_cluster():
    """The Cluster as sinfo tells; nodes that are down or drained count, for they may come back."""
    largest, has_gpus = 0, False
    for line in call(["sinfo", "--noheader", "--Node", "--format=%m|%G"]).splitlines():
        memory, _, devices = line.partition("|")
        largest = max(largest, int(memory))
        has_gpus |= "gpu" in devices
    return Cluster(largest, has_gpus)


def _keep_submissions(registry, job_ids):
    submissions = registry.read_submissions()
    registry.submissions.unlink(missing_ok=True)
    registry.states.unlink(missing_ok=True)
    (registry.folder / "missed.tsv").unlink(missing_ok=True)
    for job_id in job_ids & submissions.keys():
        registry.add(submissions[job_id])


def _patiently(ask):
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return ask()
        except SlurmSilentError as error:
            if time.monotonic() > deadline:
                raise UserError(f"Slurm does not answer ({error}). Start again when 'squeue' does.") from None
            print(f"{error}; asking again", file=sys.stderr, flush=True)
            time.sleep(_PAUSE_S)
        except SlurmError as error:
            raise UserError(f"{error}") from None
