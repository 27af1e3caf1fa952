"""What Slurm reports about a run's jobs, as events of its proteins: which node they run on."""

import time

from proteofold.run.rules import PREDICTION, SEARCH
from proteofold.run.states import Event
from proteofold.slurm.jobs import read_name
from proteofold.slurm.states import AT_WORK


class Watch:
    """Turns answers of Slurm into events; each is reported once. The status command queries Slurm."""

    def __init__(self, job_folder, run):
        self._jobs, self._run = job_folder, run
        self._seen, self._reported = None, set()
        self._batches = {}
        for member in run.members.values():
            self._batches.setdefault(member.batch, []).append(member.protein)

    def events(self):
        """The events since the last call."""
        try:
            changed = self._jobs.states.stat().st_mtime
        except OSError:
            return []
        if changed == self._seen:
            return []
        self._seen = changed
        return [event for job in self._jobs.jobs().values() for event in self._events_of(job)]

    def _events_of(self, job):
        if job.state not in AT_WORK or job.job_id in self._reported:
            return []
        run = self._run
        step, name = read_name(job.name, run.search.name, run.predictions.name, run.alignments and run.alignments.name)
        if step == PREDICTION.step:
            proteins = self._batches.get(name, ())
        elif step and name in run.by_entry:
            proteins = (run.by_entry[name].protein,)
        else:
            return []
        self._reported.add(job.job_id)
        step = None if step == SEARCH.step else step  # as in Event
        return [Event(protein, "running", time.time(), node=job.node or None, step=step) for protein in proteins]
