"""What Slurm tells of a run's jobs, as events of its proteins: which node they run on, and that they are done."""

import time

from proteofold.slurm.registry import PREDICTION, SEARCH, rule_and_name
from proteofold.slurm.states import AT_WORK, SUCCESS
from proteofold.store.states import Event


class Watch:
    """Turns the answers of Slurm into events; each thing is told once.

    ``members`` has the proteins of each batch. Snakemake asks for one job after the other and may learn of an end a
    minute late; this looks at all of them every few seconds.
    """

    def __init__(self, registry, members):
        self._registry, self._members = registry, members
        self._told = {}  # job id -> phase

    def events(self):
        """The events since the last call; asks Slurm if its last answer is some seconds old."""
        self._registry.refresh()
        return [event for job in self._registry.read_jobs().values() for event in self._events_of(job)]

    def _events_of(self, job):
        phase = "running" if job.state in AT_WORK else "done" if job.word == SUCCESS else None
        if phase is None or self._told.get(job.job_id) == phase:
            return []
        self._told[job.job_id] = phase
        rule, name = rule_and_name(job.name)
        if rule == SEARCH:
            proteins, step = (name,), None
        elif rule == PREDICTION and phase == "running":
            proteins, step = self._members.get(name, ()), "secondary_structure"
        else:  # that a batch is predicted is told by the searches that begin
            proteins, step = (), None
        return [Event(protein, phase, time.time(), node=job.node or None, step=step) for protein in proteins]
