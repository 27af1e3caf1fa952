"""How much memory this machine can give to jobs, and how much more a job gets after it was killed."""

import os
from pathlib import Path

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


# Slurm sets this to the memory of a job, in MB: less than its rule says where no node has that much.
_SLURM_MEMORY = "SLURM_MEM_PER_NODE"

# Memory of the Snakemake that runs a job on a node of a cluster, beside the job itself; some executors start two.
SNAKEMAKE_MB = 300


def slurm_memory_mb():
    """What Slurm gave to this job, less the Snakemake that runs in it; None outside Slurm's jobs."""
    given = os.environ.get(_SLURM_MEMORY, "")
    # 0 is all that the node has
    return max(int(given) - SNAKEMAKE_MB, 1) if given.isdigit() and int(given) else None


def available_mb():
    """Free memory in MB (page cache counts as free), within a container's limit, less a tenth for the system.

    In a job of Slurm it is what Slurm gave to the job.
    """
    if given_mb := slurm_memory_mb():
        return given_mb
    with open("/proc/meminfo", encoding="ascii") as handle:
        fields = dict(line.split(":") for line in handle)
    available = int(fields["MemAvailable"].split()[0]) * 1024
    for path in _CGROUP_LIMITS:
        try:
            limit = Path(path).read_text().strip()
        except OSError:
            continue
        if limit.isdigit():
            available = min(available, int(limit))
    return int(available * 0.9 / 2**20)


# What a job asks for after each kill, as a multiple of what it asked for before.
RAISED = 1.5
