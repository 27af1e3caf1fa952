"""Opening the store: SQLite in WAL mode, on a local disk only, by any number of processes of one machine."""

import contextlib
import fcntl
import os
import re
import sqlite3
from pathlib import Path

from proteofold.store.schema import MIGRATIONS, migrate
from proteofold.system.disks import file_system
from proteofold.system.errors import UserError

BUSY_TIMEOUT_S = 30
READING_TIMEOUT_S = 2

# Processes that share a WAL talk through shared memory, and lock: on these file systems either is missing or
# fails silently, and the file is damaged.
_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|ncpfs|afs|9p|ceph|lustre|gpfs|beegfs|orangefs|pvfs2|glusterfs|panfs|davfs"
    r"|fuse\.(?:sshfs|s3fs|gcsfuse|rclone|glusterfs|ceph|ceph-fuse|davfs2?|lizardfs|moosefs|mfs|juicefs|nfs\w*|smb\w*)"
)


def open_store(path, create=True):
    """A connection to the store, made or brought to the newest schema where needed.

    Transactions are begun by ``transaction`` and by nothing else. With ``create`` False a store that is not there
    is an error. Raises UserError, which says what to do, for a path on a network file system, a damaged file, or
    one that cannot be opened.
    """
    path = Path(path)
    refuse_network(path)
    if not path.exists():
        if not create:
            raise UserError(
                f"{path}: there is no store yet. Start a run, or create it from existing runs: "
                "proteofold store import results/*/",
                topic="store",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
    conn = None
    try:
        if not path.exists():
            # the umask says who may write, as for other files; SQLite by itself leaves the group out
            with contextlib.suppress(OSError):  # SQLite says what is wrong
                os.close(os.open(path, os.O_CREAT, 0o666))
        conn = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        conn.execute(f"pragma busy_timeout = {BUSY_TIMEOUT_S * 1000}")
        conn.execute("pragma journal_mode = wal")
        # a power cut may cost the last transactions, never the file: what is lost is imported from the run's files
        conn.execute("pragma synchronous = normal")
        conn.execute("pragma foreign_keys = on")
        # Debian's SQLite overwrites what is removed with zeros: alignments that are not used any more would be written
        conn.execute("pragma secure_delete = off")
        migrate(conn)
    except (sqlite3.DatabaseError, UserError) as error:
        if conn is not None:
            conn.close()
        if isinstance(error, UserError):
            raise UserError(f"{path}: {error}", topic="store") from None
        raise UserError(f"{path}: {advice(path, error)}", topic="store") from None
    return conn


def open_for_reading(path):
    """A connection for a look at a store that may be in use, old or damaged; it waits two seconds at most.

    It changes nothing and leaves no file behind. Raises UserError or sqlite3.Error.
    """
    path = Path(path)
    refuse_network(path)
    # Without a log no process has the store open. SQLite would make a log for reading, too, and leave it there.
    unused = not os.path.exists(f"{path}-wal")
    mode = "immutable=1" if unused else "mode=ro"
    conn = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=READING_TIMEOUT_S)
    try:
        (version,) = conn.execute("pragma user_version").fetchone()
        if version != len(MIGRATIONS):
            raise UserError(f"{path}: the store is of version {version}, not {len(MIGRATIONS)}", topic="store")
    except (UserError, sqlite3.Error):
        conn.close()
        raise
    return conn


def advice(path, error):
    """What an error of SQLite means for the store at a path, and what to do."""
    text = str(error)
    if isinstance(error, sqlite3.OperationalError) and ("unable to open" in text or "readonly" in text):
        return f"cannot be opened for writing ({text}). The folder must be writable, too."
    if isinstance(error, sqlite3.OperationalError) and ("locked" in text or "busy" in text):
        return f"another process has kept it locked for {BUSY_TIMEOUT_S} s. Try again when it has finished."
    if isinstance(error, sqlite3.OperationalError) and "full" in text:
        return (
            f"no room left on its disk, or on that of temporary files, TMPDIR ({text}). Nothing of this step was "
            "written: make room, then do it again."
        )
    return (
        f"not a store, or damaged ({text}). Move it away together with {path.name}-wal and {path.name}-shm, then "
        "rebuild it: proteofold store import results/*/"
    )


@contextlib.contextmanager
def transaction(conn):
    """One writing transaction: all of the block or, when it raises, nothing. Keep it under a second."""
    conn.execute("begin immediate")
    try:
        yield conn
        conn.execute("commit")
    except BaseException:
        if conn.in_transaction:
            conn.execute("rollback")
        raise


@contextlib.contextmanager
def importing_alone(conn, wait=True):
    """Hold the lock of the one import that may be under way; yields whether it is held.

    What an import writes belongs to no run until its last transaction, and no other may take it for leftovers. Without
    ``wait`` the lock is not held, and False yielded, while another process imports.
    """
    with open(f"{path_of(conn)}.import.lock", "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = True
        except BlockingIOError:
            held = False
        yield held


def dicts(conn, query, values=()):
    """The rows of a query as dicts by column; ``values`` in order, or by name."""
    cursor = conn.execute(query, values)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def path_of(conn):
    """The path of the store that a connection has open."""
    return next(file for _, name, file in conn.execute("pragma database_list") if name == "main")


def refuse_network(path):
    """Raise UserError if a path lies, or would lie, on a file system of another machine."""
    kind, mount = file_system(path)
    if _NETWORK.fullmatch(kind):
        raise UserError(
            f"{path}: the store cannot lie on a network file system ({mount} is {kind}): SQLite's locks and shared "
            "memory do not work there, and the file would be damaged. Choose a local disk with --store, for example "
            "/var/lib/proteofold/proteofold.db; the run folders may stay where they are.",
            topic="store",
        )
