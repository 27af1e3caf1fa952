"""The states of Slurm's jobs, and what is reported to Snakemake for each.

The states are those of squeue(1) and sacct(1), section JOB STATE CODES.
"""

RUNNING, SUCCESS, FAILED = "running", "success", "failed"

_WORDS = {
    RUNNING: (
        *("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING"),
        *("STAGE_OUT", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"),
    ),
    SUCCESS: ("COMPLETED",),
    FAILED: (
        *("FAILED", "OUT_OF_MEMORY", "TIMEOUT", "NODE_FAIL", "CANCELLED", "PREEMPTED", "BOOT_FAIL", "DEADLINE"),
        *("REVOKED", "LAUNCH_FAILED", "RECONFIG_FAIL"),
    ),
}
_WORD_OF = {state: word for word, states in _WORDS.items() for state in states}

# States of a job that occupies a node
AT_WORK = frozenset(("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING", "STAGE_OUT"))


def word_of(state):
    """running, success or failed for a state of Slurm; None for one that Slurm's manual does not know.

    sacct adds who cancelled a job ("CANCELLED by 1000"), squeue may cut a state with "+".
    """
    first = state.split(maxsplit=1)[0] if state.strip() else ""
    return _WORD_OF.get(first.rstrip("+").upper())
