"""Cancelling jobs until Slurm has none of them any more: ``python -m proteofold.slurm.cancel [--run RUN]``.

The program cancels what the head submitted that started it, and not what it adopted: that is another head's. Snakemake
names jobs to it; they are not looked at, because Snakemake does not know of one that is just being submitted.

With --run, for the platform's runner, it cancels the jobs of a run, whichever head submitted them, and gives a silent
Slurm up soon.
"""

import os
import sys
import time

from proteofold.slurm.jobs import HEAD_VARIABLE, ask_slurm, is_at_work
from proteofold.slurm.tools import SlurmError, SlurmSilentError, call

PATIENCE_S = 300
_RUNNERS_PATIENCE_S = 10
_PAUSE_S = 1
_IDS_AT_ONCE = 500


def cancel_run(run, patience_s=PATIENCE_S):
    """Cancel all jobs of a run, whichever head submitted them. SlurmError if Slurm stays silent."""
    _cancel(lambda job: job.run_and_head[0] == run, patience_s)


def cancel_head(head, patience_s=PATIENCE_S):
    """Cancel all jobs that a head submitted. SlurmError if Slurm stays silent."""
    _cancel(lambda job: job.run_and_head[1] == head, patience_s)


def _cancel(is_meant, patience_s):
    deadline = time.monotonic() + patience_s
    while True:
        try:
            left = [job.job_id for job in ask_slurm() if is_meant(job) and is_at_work(job)]
            if not left:
                return
            for start in range(0, len(left), _IDS_AT_ONCE):
                call(["scancel", "--quiet", *left[start : start + _IDS_AT_ONCE]])
        except SlurmError as error:  # scancel also fails when its jobs have ended meanwhile
            if not isinstance(error, SlurmSilentError) and "squeue" in str(error):
                raise
            if time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE_S)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        try:
            cancel_run(sys.argv[2], _RUNNERS_PATIENCE_S)
        except SlurmError as error:
            sys.exit(str(error))
    else:
        cancel_head(os.environ[HEAD_VARIABLE])
