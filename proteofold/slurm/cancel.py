"""Cancelling jobs until Slurm says that they are gone: ``python -m proteofold.slurm.cancel ID...``."""

import sys
import time

from proteofold.slurm.tools import SlurmError, SlurmSilentError, call

PATIENCE_S = 300
_PAUSE_S = 5
_IDS_AT_ONCE = 500


def cancel(job_ids, patience_s=PATIENCE_S):
    """Cancel jobs; ones that have ended are passed over. While Slurm is silent it is asked again; then SlurmError."""
    deadline = time.monotonic() + patience_s
    for start in range(0, len(job_ids), _IDS_AT_ONCE):
        while True:
            try:
                call(["scancel", "--quiet", *job_ids[start : start + _IDS_AT_ONCE]])
                break
            except SlurmSilentError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE_S)
            except SlurmError:
                break  # scancel also fails when all of them have ended


if __name__ == "__main__":
    cancel(sys.argv[1:])
