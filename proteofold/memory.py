"""How much memory this machine can give to jobs."""

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
