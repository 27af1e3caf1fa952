"""The status of one job when the last answer of Slurm does not tell it: ``python -m proteofold.slurm.status ID``.

Prints one word, running, success or failed, and always ends well: Snakemake ends the whole run on anything else.
``profiles/cluster/status.sh`` answers the ordinary cases and starts this for the others.
"""

import contextlib
import os
import sys
import time
from pathlib import Path

from proteofold.slurm.registry import FOLDER_VARIABLE, Registry
from proteofold.slurm.states import FAILED, RUNNING, SUCCESS, word_of
from proteofold.slurm.tools import SlurmError, call

# A job that Slurm does not know: so long it may be that it does not know it yet, or forgot it while nobody asked.
GRACE_S = 120


def status(job_id, registry, now=None):
    """running, success or failed.

    While Slurm is silent every job is running. A job that Slurm answers not to know ended well if accounting says so
    or its result is there; else it has failed, once the grace time is over, and is cancelled to be sure.
    """
    now = time.time() if now is None else now
    answered = registry.refresh()
    job = registry.read_jobs().get(job_id)
    if job and job.word:
        return job.word
    if not answered:
        return RUNNING
    submission = registry.read_submissions().get(job_id)
    if word := _word_of_accounting(job_id):
        return word
    if submission and _is_newer(submission.output, submission.at):
        return SUCCESS
    if now - _missed_since(registry, job_id, now) < GRACE_S:
        return RUNNING
    _cancel(job_id)
    return FAILED


def _word_of_accounting(job_id):
    """What Slurm's accounting says; None where there is none or it knows nothing."""
    try:
        answer = call(["sacct", "--noheader", "--parsable2", "--allocations", f"--jobs={job_id}", "--format=State"])
    except SlurmError:
        return None
    lines = answer.split("\n")
    return word_of(lines[-2]) if len(lines) > 1 else None


def _is_newer(path, at):
    try:
        # a second for clocks of file servers
        return bool(path) and Path(path).stat().st_mtime > at - 1
    except OSError:
        return False


def _missed_since(registry, job_id, now):
    """When a job was missed first; noted in ``missed.tsv``."""
    path = registry.folder / "missed.tsv"
    try:
        missed = dict(line.split("\t") for line in path.read_text(encoding="utf-8").splitlines())
    except (FileNotFoundError, ValueError):
        missed = {}
    if job_id not in missed:
        with open(path, "a", encoding="utf-8") as handle:
            handle.write(f"{job_id}\t{now:.0f}\n")
    return float(missed.get(job_id, now))


def _cancel(job_id):
    # mostly it is gone, and there is nothing to cancel
    with contextlib.suppress(SlurmError):
        call(["scancel", job_id])


def main():
    """Entry point of the status command's slow way."""
    try:
        word = status(sys.argv[1], Registry(os.environ[FOLDER_VARIABLE]))
    except Exception as error:  # whatever happens here must not end the run
        print(f"proteofold: status of job {sys.argv[1:]}: {error}", file=sys.stderr)
        word = RUNNING
    print(word)


if __name__ == "__main__":
    main()
