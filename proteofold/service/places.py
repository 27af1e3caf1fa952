"""Where the files of the platform and of its runs lie. Names of runs come from strangers: none leads elsewhere."""

import contextlib
import fcntl
import os
import re
import stat
from pathlib import Path

from proteofold.run.layout import RESULTS, SHARED
from proteofold.service.database import platform_of, private_mode
from proteofold.store.database import path_of
from proteofold.system.errors import UserError

# As in the schema of the configuration.
_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

# Hidden, so that `results/*/` are run folders only.
_FOLDER = ".platform"


def check_name(name):
    """The name of a run, if it is valid; UserError names what is wrong."""
    if name == SHARED:
        raise UserError(f"{name!r} is not a valid name for a run: results/{name} holds the results of all runs.")
    if not _RUN_NAME.fullmatch(name):
        raise UserError(
            f"{name[:80]!r} is not a valid name for a run: expected letters, digits and . _ -, first a "
            "letter or digit, at most 64."
        )
    return name


def files_of(platform):
    """The folder with the files of a platform that stay on its machine, given an open connection to it."""
    return Path(path_of(platform)).parent / _FOLDER


def order_folder(platform, run_id):
    """The folder with what an order gives to its run: proteins and configuration.

    Among the run folders, not beside the store: jobs read it, on machines that do not have the store's disk.
    """
    return working_folder(platform) / RESULTS / _FOLDER / "orders" / check_name(run_id)


def heads_folder(platform, run_id):
    """The folder with what the heads of an order printed and their process ids: out of reach of jobs."""
    return files_of(platform) / "heads" / check_name(run_id)


def working_folder(platform):
    """The folder in which runs are started: their folders are in its ``results``.

    That of the runner; before the first one ran, the one around the store's folder if that is named ``results``, else
    the current one.
    """
    if row := platform.execute("select working from runner").fetchone():
        return Path(row[0])
    return default_working_folder(path_of(platform))


def default_working_folder(path):
    """Where a runner works by default, by a path beside the store."""
    folder = Path(path).absolute().parent
    return folder.parent if folder.name == RESULTS.name else Path.cwd()


def close_to_others(store_path):
    """Let only owner and group read a store, and the runs of its platform.

    The folder of runs is closed where there is one, not each file in it. OSError if they belong to another user.
    """
    store_path = Path(store_path).absolute()
    # SQLite gives -wal and -shm that it makes the mode of the file
    files = [path for ending in ("", "-wal", "-shm") if (path := Path(f"{store_path}{ending}")).exists()]
    with platform_of(store_path) as platform:
        results = working_folder(platform) / RESULTS
    for path in (*files, *([results] if results.is_dir() else [])):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & stat.S_IRWXO:
            path.chmod(mode & ~stat.S_IRWXO)


def run_folder(platform, run_id):
    """The folder of a run, there or not."""
    return working_folder(platform) / RESULTS / check_name(run_id)


@contextlib.contextmanager
def order_lock(platform, run_id):
    """The lock of an order: a file descriptor that holds it, or None while another process does.

    A head holds it as long as it lives, whatever becomes of the runner that started it: it inherits the descriptor.
    So a process that gets the lock knows that no head of the run is alive, and that none will start meanwhile.
    """
    folder = files_of(platform) / "locks"
    mode = private_mode(files_of(platform).parent)
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
    # never removed: a process that waits for a deleted file waits for nothing
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    descriptor = os.open(folder / f"{check_name(run_id)}.lock", flags, mode & 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held = descriptor
    except BlockingIOError:
        held = None
    try:
        yield held
    finally:
        os.close(descriptor)
