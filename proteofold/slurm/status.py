"""The status of one job where the last answer of Slurm does not include it: ``python -m proteofold.slurm.status ID``.

Prints one word, running, success or failed, and always succeeds: Snakemake ends the whole run on anything else.
``profiles/cluster/status.sh`` answers the ordinary cases and starts this for the others.
"""

import contextlib
import os
import sys
import time

from proteofold.slurm.jobs import FOLDER_VARIABLE, JobFolder
from proteofold.slurm.states import FAILED, RUNNING, SUCCESS, word_of
from proteofold.slurm.tools import SlurmError, call
from proteofold.system.files import write_aside

# A job that Slurm does not know: for this long it may not be listed yet, or no longer.
GRACE_S = 120


def status(job_id, job_folder, now=None):
    """running, success or failed.

    While Slurm is silent every job is running. A job that Slurm answers not to know ended as accounting says, or well
    if its outputs are there; else it has failed, once the grace time is over, and is cancelled to be sure.
    """
    now = time.time() if now is None else now
    answered, jobs = job_folder.ask()
    if job_id in jobs and (word := jobs[job_id].word):
        return word
    if answered is None:
        return RUNNING
    submission = {submission.job_id: submission for submission in job_folder.submissions()}.get(job_id)
    if submission and submission.at > answered:
        return RUNNING
    if (word := _word_of_accounting(job_id)) in (SUCCESS, FAILED):
        return word
    if submission and submission.outputs and all(map(os.path.exists, submission.outputs)):
        return SUCCESS
    if now - _missed_since(job_folder, job_id, now) < GRACE_S:
        return RUNNING
    with contextlib.suppress(SlurmError):  # mostly it is gone, and there is nothing to cancel
        call(["scancel", job_id])
    return FAILED


def _word_of_accounting(job_id):
    """What Slurm's accounting says; None where there is none or it knows nothing."""
    try:
        answer = call(["sacct", "--noheader", "--parsable2", "--allocations", f"--jobs={job_id}", "--format=State"])
    except SlurmError:
        return None
    # a job that was started again has a line for each start
    return word_of(answer.splitlines()[-1]) if answer.strip() else None


def _missed_since(job_folder, job_id, now):
    """When a job was missed first."""
    noted = job_folder.path / "missed" / job_id
    try:
        return float(noted.read_text())
    except (OSError, ValueError):
        write_aside(noted, f"{now}\n")
        return now


def main():
    """Entry point of the status command's slow way."""
    try:
        word = status(sys.argv[1], JobFolder(os.environ[FOLDER_VARIABLE]))
    except Exception as error:  # whatever happens here must not end the run
        print(f"proteofold: status of job {sys.argv[1:]}: {error}", file=sys.stderr)
        word = RUNNING
    print(word)


if __name__ == "__main__":
    main()
