"""Disks: which one holds a path, and what is reported when one cannot be written."""

import contextlib
import errno
import os
import re
import tempfile
from pathlib import Path

from proteofold.system.errors import UserError

MOUNTS = Path("/proc/self/mounts")

# In the reason of a job that could not write its results: no other job of the run could, either.
NOT_WRITTEN = "cannot be written to disk"

_ADVICE = {
    errno.ENOSPC: "Free some space, then rerun the same command.",
    errno.EDQUOT: "Free some space or have the quota raised, then rerun the same command.",
    errno.EROFS: "Mount it for writing, then rerun the same command.",
}

_PROBE_BYTES = 64 * 1024


class DiskError(UserError):
    """A disk that takes no more: it is full, its user's quota is used up, or it is mounted read-only."""

    topic = "disk"


def disk_error(error, path):
    """An OSError of writing ``path`` as a DiskError that names the disk; None if it is not about the disk."""
    if error.errno not in _ADVICE:
        return None
    kind, mount = file_system(path)
    disk = f"{mount} ({kind})" if kind else mount
    return DiskError(
        f"{path} {NOT_WRITTEN}: {os.strerror(error.errno)}. The disk {disk} has {_room(mount)}. {_ADVICE[error.errno]}"
    )


def describe(error):
    """What an OSError about a file or a disk means, as a sentence; None if it is about none."""
    if not error.filename and error.errno in _ADVICE:
        return f"the output {NOT_WRITTEN}: {error.strerror}. {_ADVICE[error.errno]}"
    if not error.filename or not error.strerror:
        return None
    path = error.filename2 or error.filename  # of moving a file its new place, as a user does not know the old one
    return str(disk_error(error, path) or f"{path}: {error.strerror}.")


def disk_problem(folder):
    """The DiskError of writing into a folder now, found by trying it; None if it can be written, or is not there."""
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as probe:
            probe.write(bytes(_PROBE_BYTES))
    except OSError as error:
        return disk_error(error, folder)
    return None


@contextlib.contextmanager
def blaming_full_disk(folder):
    """Raise the DiskError of a folder in place of an error of the block, if the folder cannot be written.

    For programs that write there themselves, of which some end with success and a file that is cut short.
    """
    try:
        yield
    except (UserError, OSError):
        if problem := disk_problem(folder):
            raise problem from None
        raise


def _room(mount):
    """How much a file system has left, in words."""
    try:
        disk = os.statvfs(mount)
    except OSError:
        return "an unknown amount of free space"
    free = f"{disk.f_bavail * disk.f_frsize / 1e6:,.1f} MB free of {disk.f_blocks * disk.f_frsize / 1e6:,.1f} MB"
    return f"{free} and no room for more files" if disk.f_files and not disk.f_favail else free


def file_system(path):
    """Type and mount point of the file system that holds a path: ('ext4', '/'); ('', '/') where no mount is listed.

    In a chroot its root may be no mount point.
    """
    target = os.path.realpath(path)
    found = ("", "/")
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return found
    for line in lines:
        _, mount, kind, *_ = line.split(" ")
        mount = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), mount)
        inside = target == mount or target.startswith(mount.rstrip("/") + "/")
        # of two file systems at one place the later hides the earlier
        if inside and len(mount) >= len(found[1]):
            found = (kind, mount)
    return found
