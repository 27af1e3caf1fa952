"""Where fetched files come to lie: room for them, one process at a time, and switching to them when they are whole.

Each release has a folder of its own, ``<name>-<release>``; the name itself is a symbolic link to the one in use.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from email.utils import parsedate_to_datetime
from pathlib import Path

from proteofold.system.errors import UserError
from proteofold.system.files import write_aside

RECORD = "fetched.json"  # in a folder: what it holds; it is there only when the folder is whole


def release_of(identity):
    """A release's name from the date of its file (Identity), or from whatever the server says of it."""
    try:
        return parsedate_to_datetime(identity.modified).strftime("%Y%m%d")
    except (TypeError, ValueError):
        return hashlib.sha256(repr(identity).encode()).hexdigest()[:8]


def existing_parent(path):
    """The nearest folder of a path that exists."""
    path = Path(path).absolute()
    while not path.is_dir():
        path = path.parent
    return path


def require_room(folder, needed, what):
    """UserError unless the disk of a folder, which may be still to be made, has room for so many bytes."""
    free = shutil.disk_usage(existing_parent(folder)).free
    if needed > free:
        raise UserError(
            f"{what} takes about {needed / 1e9:.1f} GB on the disk of {folder}, which has {free / 1e9:.1f} GB left: "
            "free some, or choose a folder on another disk.",
            topic="download",
        )


def disk_error(error, folder):
    """The UserError for an OSError that ended the writing of a folder."""
    what = error.strerror or error
    return UserError(
        f"{error.filename or folder}: {what}. Once that is repaired, rerun the same command to resume.",
        topic="download",
    )


@contextlib.contextmanager
def alone_in(folder):
    """Hold a folder, which is made, against other processes that fetch into it, until the block ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be made ({error.strerror}): choose a folder that may be written.", topic="download"
        ) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{folder}: another process is writing to it; let it end.", topic="download") from None
        yield
    finally:
        os.close(descriptor)


def clear(folder):
    """Remove all that a folder holds, and keep the folder, which may be held."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def read_record(folder):
    """What a whole folder holds, as passed to ``finish``; None if there is no whole folder."""
    try:
        record = json.loads(Path(folder, RECORD).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        raise UserError(
            f"{Path(folder, RECORD)} is damaged: remove the folder {folder} and fetch again.", topic="download"
        ) from None
    return record


def finish(part, whole, names, record):
    """Give a folder that is complete its name. What it has beside ``names`` (checkpoints and the like) is removed; the
    rest is on the disk before the record, which is written last."""
    for path in part.iterdir():
        if path.name in names:
            sync(path)
        else:
            path.unlink()
    write_aside(part / RECORD, json.dumps(record, indent=2) + "\n")
    sync(part / RECORD)
    sync(part)
    os.rename(part, whole)
    sync(whole.parent)


def sync(path):
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def refuse_real_folder(link):
    """UserError where a link is to stand and something else does, for example a folder that was filled manually."""
    if link.exists() and not link.is_symlink():
        raise UserError(
            f"{link} is in the way and was not fetched: rename it, then rerun the command.", topic="download"
        )


def refuse_rest(whole):
    """Raise UserError if something without a record is where a release is to lie."""
    if whole.exists():
        raise UserError(
            f"{whole} is in the way and is incomplete: remove it, then rerun the command.", topic="download"
        )


def switch(link, whole):
    """Have a link lead to a folder beside it, at once; returns False if it does so already."""
    if link.is_symlink() and os.readlink(link) == whole.name:
        return False
    aside = link.with_name(f".{link.name}.link")
    aside.unlink(missing_ok=True)
    aside.symlink_to(whole.name)
    os.replace(aside, link)
    sync(link.parent)
    return True
