"""Writing files so that an interruption leaves nothing half done."""

import contextlib
import errno
import os
import stat

from proteofold.system.disks import disk_error

_ASIDE = ".part"  # the end of the names of files that are being written


def open_unlinked(path, mode="rb", **options):
    """Open a file as ``open`` does; OSError if it is a link, also one that took its place this moment, or a pipe.

    For the folders of runs, which jobs write to: whoever has more rights than a job may not be led elsewhere, nor wait.
    """
    return open(path, mode, opener=_unlinked, **options)


def _unlinked(path, flags):
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    return descriptor


@contextlib.contextmanager
def replacing(path):
    """A path beside another to write to, which takes its place when the block succeeds and is removed when not.

    Raises a DiskError, which names the disk, if that takes no more.
    """
    folder, name = os.path.split(path)
    aside = os.path.join(folder, f".{name}.{os.getpid()}{_ASIDE}")
    try:
        os.makedirs(folder or os.curdir, exist_ok=True)
        yield aside
        os.replace(aside, path)
    except OSError as error:
        if error.filename == aside:  # a name that no user knows
            error.filename = os.fspath(path)
        raise disk_error(error, path) or error from None
    finally:
        if os.path.lexists(aside):
            os.unlink(aside)


def is_aside(name):
    """Whether a file has the name of one that is being written: a process that was killed has left it."""
    return name.startswith(".") and name.endswith(_ASIDE)


def write_aside(path, content, sync=False):
    """Write text or bytes beside the target, then move it there: the file is whole or not there at all.

    After a power cut it may be empty or cut short, unless ``sync`` waits until the disk has it. Raises a DiskError,
    which names the disk, if that takes no more.
    """
    with replacing(path) as aside, open_unlinked(aside, "wb") as handle:
        handle.write(content.encode() if isinstance(content, str) else content)
        if sync:
            handle.flush()
            os.fsync(handle.fileno())


def write_if_changed(path, content):
    """write_aside, but a file that holds this text already keeps its time."""
    if os.path.isfile(path):
        with open(path, "rb") as handle:
            if handle.read() == content.encode():
                return
    write_aside(path, content)


def existing_names(folder):
    """Names in a folder, read at once: cheaper than asking for each of 40,000 files. Empty if there is no folder."""
    try:
        return set(os.listdir(folder))
    except FileNotFoundError:
        return set()
