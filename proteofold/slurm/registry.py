"""What the head and Slurm know of a run's jobs, in files of ``results/<run>/slurm/``.

``jobs.tsv`` is what was submitted, ``states`` what Slurm last said of it. One question to Slurm serves everybody: the
head's recorder asks every few seconds, and the status command, which Snakemake calls for each job, reads the answer.
"""

import contextlib
import fcntl
import os
import time
from collections import namedtuple
from pathlib import Path

from proteofold.files import write_aside
from proteofold.slurm.states import RUNNING, word_of
from proteofold.slurm.tools import SlurmError, call

SECONDS_BETWEEN_QUESTIONS = 4

# An older answer tells nothing about a job that it does not name (status.sh has this number, too).
FRESH_S = 15
_NEVER = -1_000_000

# How the programs of the profile, which Snakemake starts, find the run and the head's Python.
FOLDER_VARIABLE = "PROTEOFOLD_SLURM"
PYTHON_VARIABLE = "PROTEOFOLD_PYTHON"

# The working directory comes last: it is the only part that may hold the separator.
_QUESTION = "%A|%T|%N|%j|%k|%Z"


SEARCH = "search_templates"
PREDICTION = "predict_secondary_structure"


def job_name(run, rule, *wildcards):
    """How a job is named in squeue: by run and protein; other jobs than searches by their rule, too."""
    return f"{run}/{wildcards[0]}" if rule == SEARCH else f"{run}/{rule}:{'-'.join(wildcards)}"


def rule_and_name(job_name):
    """Rule of a job by its name, and the rest: the protein or the batch. No protein's name has a colon."""
    rule, colon, name = job_name.partition("/")[2].partition(":")
    return (rule, name) if colon else (SEARCH, rule)


# named tuples, not dataclasses: the status command would pay 15 CPU-ms for that import
class Job(namedtuple("Job", "job_id state node name key")):
    """A job as Slurm tells of it; ``key`` is what its result belongs to, ``node`` is empty while it waits."""

    __slots__ = ()

    @property
    def word(self):
        """running, success or failed; None for a state nobody knows."""
        return word_of(self.state)


class Submission(namedtuple("Submission", "job_id name key at output")):
    """A job as it was submitted, ``at`` seconds since 1970. ``output`` is there when its work is done."""

    __slots__ = ()


class Registry:
    """The Slurm files of one run."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.submissions = self.folder / "jobs.tsv"
        self.states = self.folder / "states"
        self.adoptable = self.folder / "adoptable.tsv"

    @property
    def run(self):
        """The name of the run, with which the names of its jobs begin."""
        return self.folder.parent.name

    # --- what was submitted -------------------------------------------------------------------------

    def add(self, submission):
        """Note a submission. One short line in one write: it cannot be torn by a kill."""
        row = (submission.job_id, submission.name, submission.key, f"{submission.at:.3f}", submission.output)
        with open(self.submissions, "a", encoding="utf-8", errors="surrogateescape") as handle:
            handle.write("\t".join(row) + "\n")

    def read_submissions(self):
        """job_id -> Submission, the latest of each id."""
        found = {}
        with contextlib.suppress(FileNotFoundError):
            for line in self.submissions.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
                job_id, *rest = line.split("\t")
                if len(rest) == 4:
                    name, key, at, output = rest
                    found[job_id] = Submission(job_id, name, key, float(at), output)
        return found

    # --- what Slurm says ----------------------------------------------------------------------------

    def refresh(self, older_than_s=SECONDS_BETWEEN_QUESTIONS):
        """Ask Slurm about the run's jobs if it was asked longer ago; returns whether there is a fresh answer.

        While Slurm is silent the last answer stays, under a new time, so that nobody asks again at once. If another
        process is asking, its answer will do.
        """
        asked, answered = self._asked_and_answered()
        if not 0 <= _uptime() - asked < older_than_s:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(self.folder / "states.lock", "w") as lock, contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                answered = self._ask(answered)
        return 0 <= _uptime() - answered < FRESH_S

    def _ask(self, answered):
        """Ask Slurm; returns when it answered last."""
        asked = _uptime()
        try:
            jobs, answered = ask_slurm(self.run, all_states=True), asked
        except SlurmError:
            jobs = self.read_jobs().values()
        self._write(asked, answered, jobs)
        return answered

    def _write(self, asked, answered, jobs):
        newest, lines = 0, []
        for job in jobs:
            newest = max(newest, int(job.job_id))
            lines.append(f"{job.job_id} {job.word or 'unknown'} {job.state} {job.node or '-'} {job.key} {job.name}\n")
        # status.sh reads this: uptime at the question, that at the last one that was answered, newest id; then a job a
        # line, id and word first
        write_aside(self.states, f"{int(asked)} {int(answered)} {newest}\n" + "".join(lines))

    def _asked_and_answered(self):
        """When Slurm was asked last, and when it answered, in seconds of this machine's uptime."""
        try:
            with open(self.states, encoding="utf-8") as lines:
                asked, answered, _ = map(float, lines.readline().split())
                return asked, answered
        except (OSError, ValueError):
            return _NEVER, _NEVER

    def read_jobs(self):
        """job_id -> Job as Slurm last told."""
        found = {}
        with contextlib.suppress(FileNotFoundError):
            for line in self.states.read_text(encoding="utf-8").splitlines()[1:]:
                job_id, _, state, node, key, name = line.split(" ", 5)
                found[job_id] = Job(job_id, state, "" if node == "-" else node, name, key)
        return found

    # --- jobs of an earlier head --------------------------------------------------------------------

    def write_adoptable(self, jobs):
        """Note the jobs of an earlier head that still run and whose results this head wants."""
        write_aside(self.adoptable, "".join(f"{job.name}\t{job.key}\t{job.job_id}\n" for job in jobs))

    def adopt(self, name, key):
        """The id of a job of an earlier head that does the same work, once; None if there is none."""
        with contextlib.suppress(FileNotFoundError):
            lines = self.adoptable.read_text(encoding="utf-8").splitlines()
            for line in lines:
                if line.startswith(f"{name}\t{key}\t"):
                    write_aside(self.adoptable, "".join(f"{other}\n" for other in lines if other != line))
                    return line.rpartition("\t")[2]
        return None


def _uptime():
    """Seconds since this machine started: what a shell reads from /proc/uptime without starting a program."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def ask_slurm(run, all_states=False):
    """The jobs of a run of this working directory; those that wait or run, or all that Slurm remembers."""
    states = ["--states=all"] if all_states else []
    answer = call(["squeue", "--me", "--noheader", *states, f"--format={_QUESTION}"])
    here, jobs = os.getcwd(), []
    for line in answer.splitlines():
        job_id, state, node, name, key, folder = [*line.split("|", 5), *[""] * 6][:6]
        if name.startswith(f"{run}/") and folder == here:
            job = Job(job_id, state, node, name, "-" if key in ("", "(null)") else key)
            if all_states or job.word == RUNNING:
                jobs.append(job)
    return jobs
