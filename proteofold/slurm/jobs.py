"""This user's jobs in Slurm that were submitted from this folder, and what ``results/<run>/slurm/`` records about them.

One query of Slurm serves all processes for seconds: its answer is kept in the file ``states``, which the submit and
the status command read, and the recorder of the results store.
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import NamedTuple

from proteofold.run.rules import ALIGNMENT, PREDICTION, SEARCH
from proteofold.slurm.states import RUNNING, word_of
from proteofold.slurm.tools import SlurmError, call
from proteofold.system.files import write_aside

# How the programs of the profile find the run's Slurm folder, the Python of the head, and the name of the head.
FOLDER_VARIABLE, PYTHON_VARIABLE, HEAD_VARIABLE = "PROTEOFOLD_SLURM", "PROTEOFOLD_PYTHON", "PROTEOFOLD_HEAD"

# So long an answer of Slurm is good enough (profiles/cluster/status.sh has this number, too).
FRESH_S = 5

# After this time Slurm is queried again for the size of the largest node.
_NODES_FRESH_S = 600

_OURS = "proteofold"
_SILENT = "silent"

_NOT_IN_FILE_NAMES = re.compile(r"[^A-Za-z0-9._-]")

# The working directory comes last: it is the only part that may hold the separator.
_QUESTION = "%A|%T|%N|%j|%k|%Z"


class Job(NamedTuple):
    """A job as reported by Slurm; ``node`` is empty while it waits."""

    job_id: str
    state: str
    node: str
    name: str
    comment: str

    @property
    def word(self):
        """running, success or failed; None for an unknown state."""
        return word_of(self.state)

    @property
    def run_and_head(self):
        """The run that a job was submitted for and the head that did it; (None, None) for what is not ours."""
        return read_comment(self.comment)


class Submission(NamedTuple):
    """A job that a head submitted or adopted, ``at`` seconds since 1970. It is done when its outputs are there."""

    job_id: str
    name: str
    at: float
    mem_mb: int
    outputs: list[str]


def comment_of(run, head):
    """The comment of a job in Slurm: what it was submitted for, and by which head."""
    return f"{_OURS} {run} {head}"


def read_comment(comment):
    """(run, head) of a job's comment; (None, None) for a job of another user."""
    ours, run, head = [*comment.split(" "), "", "", ""][:3]
    return (run, head) if ours == _OURS and head else (None, None)


def read_name(name, search, predictions, alignments):
    """(step, entry or batch) of a job of a run, by its name: job_name in rules/resources.smk makes it.

    ``search``, ``predictions`` and ``alignments`` are the names of the folders of the run's results, None for one that
    it does not have. The step is search, secondary_structure or alignment, None for a job that fills none of them.
    """
    folder, _, made = name.rpartition(":")
    steps = {search: SEARCH.step, predictions: PREDICTION.step, alignments: ALIGNMENT.step}
    return steps.get(folder), made


def become_head(folder):
    """Set variables for the programs that Snakemake starts: where the run notes its jobs, and who submits them."""
    folder = Path(folder).absolute()
    for left in ("jobs.jsonl", "missed", "states"):  # by an earlier head
        shutil.rmtree(folder / left) if (folder / left).is_dir() else (folder / left).unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    os.environ[FOLDER_VARIABLE] = str(folder)
    os.environ[PYTHON_VARIABLE] = sys.executable
    # a process id comes again, and so does a name of a machine
    os.environ[HEAD_VARIABLE] = f"{os.uname().nodename}-{os.getpid()}-{time.time():.0f}"


def ask_slurm(all_states=False):
    """The jobs of this folder that wait or run; with ``all_states`` all that Slurm remembers. Raises SlurmError."""
    states = ["--states=all"] if all_states else []
    answer = call(["squeue", "--me", "--noheader", *states, f"--format={_QUESTION}"])
    here, jobs = os.getcwd(), []
    for line in answer.splitlines():
        *job, folder = [*line.split("|", 5), *[""] * 6][:6]
        if folder == here:
            jobs.append(Job(*job))
    return jobs


class JobFolder:
    """The folder in which a run notes its jobs."""

    def __init__(self, path):
        self.path = Path(path)
        self.states = self.path / "states"
        self.error = None  # why Slurm did not answer this process
        self._submissions = self.path / "jobs.jsonl"

    @property
    def run(self):
        """The name of the run."""
        return self.path.parent.name

    def output(self, name):
        """What Slurm writes a job's output to: a relative path, because Slurm reads % in it as a pattern."""
        return os.path.relpath(self.path / "out" / f"{_NOT_IN_FILE_NAMES.sub('_', name.rpartition(':')[2])}.txt")

    # --- what Slurm says ----------------------------------------------------------------------------

    def ask(self, newer_than=0.0):
        """(when Slurm was asked for it, job_id -> Job); asks if that is some seconds ago or before ``newer_than``.

        The time is None while Slurm is silent, with the jobs as last reported. It is asked again after some
        seconds, whichever process needs it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with open(self.path / "states.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a process that waited here takes over the answer
            age_s, answered, jobs = self._read()
            if 0 <= age_s < FRESH_S and (answered is None or answered >= newer_than):
                return answered, jobs
            try:
                answered = time.time()
                jobs = {job.job_id: job for job in ask_slurm(all_states=True)}
            except SlurmError as error:
                answered, self.error = None, error
            self._write(answered, jobs)
            return answered, jobs

    def jobs(self):
        """job_id -> Job as last reported by Slurm."""
        return self._read()[2]

    def _read(self):
        """(age of the file in seconds, when Slurm was asked or None if it was silent, job_id -> Job)."""
        try:
            age_s = time.time() - self.states.stat().st_mtime
            first, *lines = self.states.read_text(encoding="utf-8").splitlines()
            jobs = {}
            for line in lines:
                job_id, _, state, node, name, comment = line.split(" ", 5)
                jobs[job_id] = Job(job_id, state, node.strip("-"), name, comment)
            return age_s, None if first == _SILENT else float(first), jobs
        except (OSError, ValueError):  # none yet, or damaged
            return float("inf"), None, {}

    def _write(self, answered, jobs):
        lines = [_SILENT if answered is None else repr(answered)]
        for job in jobs.values():
            # id and word first, for status.sh
            word, name = job.word or "unknown", job.name.replace(" ", "_")
            lines.append(f"{job.job_id} {word} {job.state} {job.node or '-'} {name} {job.comment}")
        write_aside(self.states, "\n".join(lines) + "\n")
        now = time.time()
        os.utime(self.states, (now, now))  # by the clock of this machine, not by that of a file server

    def largest_node_mb(self):
        """Memory of the cluster's largest node; None while Slurm does not report it. Asked every ten minutes."""
        noted = self.path / "largest_node_mb"
        try:
            if 0 <= time.time() - noted.stat().st_mtime < _NODES_FRESH_S:
                return int(noted.read_text())
        except (OSError, ValueError):
            pass
        from proteofold.slurm.nodes import largest_mb  # here: asked once in ten minutes, and not by each submission

        try:
            largest = largest_mb()
        except SlurmError:
            return None
        if largest is None:
            return None
        write_aside(noted, f"{largest}\n")
        return largest

    # --- what was submitted -------------------------------------------------------------------------

    def note(self, submission):
        """Note a submission. One short line in one write: it cannot be torn by a kill."""
        with open(self._submissions, "a", encoding="utf-8") as handle:
            handle.write(json.dumps(submission) + "\n")

    def submissions(self):
        """The submissions of this run, the earliest first."""
        found = []
        with contextlib.suppress(FileNotFoundError):
            for line in self._submissions.read_text(encoding="utf-8").splitlines():
                with contextlib.suppress(ValueError, TypeError):
                    found.append(Submission(*json.loads(line)))
        return found


def is_at_work(job):
    """Whether a job waits or runs, and does not only end."""
    return job.word == RUNNING and job.state != "COMPLETING"
