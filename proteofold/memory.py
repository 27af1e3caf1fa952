"""How much memory this machine can give to jobs, and what a job asks for when it is tried again."""

from pathlib import Path

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def available_mb():
    """Free memory in MB (page cache counts as free), within a container's limit, less a tenth for the system."""
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


def raised_mb(first_mb, attempt, most_mb=None):
    """What a job asks for at an attempt: half as much again after each kill, up to the largest node's memory.

    What it needs at first is asked for in any case: that no node has so much is for others to tell.
    """
    raised = round(first_mb * RAISED ** (attempt - 1))
    return raised if most_mb is None else max(round(first_mb), min(raised, most_mb))
