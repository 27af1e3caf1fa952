"""``platform.db``: accounts, tokens and orders, in a SQLite file for its owner, or the platform's group, alone."""

import contextlib
import os
import sqlite3
import stat
from pathlib import Path

from proteofold.store.database import BUSY_TIMEOUT_S, refuse_network
from proteofold.store.schema import migrate
from proteofold.system.errors import UserError
from proteofold.system.paths import PLATFORM_VARIABLE

PLATFORM_NAME = "platform.db"

ORDER_STATES = ("queued", "running", "ended", "deleting")
_STATE_IS_KNOWN = ", ".join(f"'{state}'" for state in ORDER_STATES)

# Times are seconds since 1970. Of passwords, sessions and tokens only digests are stored.
_FIRST = (
    """
    create table users (
        name text not null primary key collate nocase,
        password text not null,
        is_admin integer not null default 0,
        created_at real not null,
        disabled_at real
    ) strict
    """,
    """
    create table sessions (
        digest text not null primary key,
        user text not null collate nocase references users (name) on delete cascade,
        created_at real not null,
        seen_at real not null
    ) strict, without rowid
    """,
    # failed sign-ins; the subject is a digest, because people type passwords where their name belongs
    """
    create table attempts (
        subject text not null primary key,
        failures real not null,
        last_at real not null,
        blocked_until real not null
    ) strict, without rowid
    """,
    """
    create table tokens (
        token_id integer primary key,
        digest text not null unique,
        user text not null collate nocase references users (name) on delete cascade,
        label text not null,
        rights text not null,
        created_at real not null,
        expires_at real,
        last_used_at real,
        revoked_at real
    ) strict
    """,
    f"""
    create table orders (
        run_id text not null primary key,
        author text not null,
        templates text not null,
        mode text not null,
        weights text not null,
        proteins integer not null,
        state text not null check (state in ({_STATE_IS_KNOWN})),
        ordered_at real not null,
        queued_at real not null,
        starts integer not null default 0,
        started_at real,
        ended_at real,
        stop_asked_by text,
        stop_asked_at real,
        signals integer not null default 0,
        signalled_at real,
        message text
    ) strict
    """,
    "create index orders_state on orders (state, queued_at)",
    # apart from the orders, which are read each second: a list has a megabyte
    """
    create table order_proteins (
        run_id text not null primary key references orders (run_id) on delete cascade,
        ids text not null check (json_valid(ids))
    ) strict
    """,
    """
    create table runner (
        number integer primary key check (number = 1),
        pid integer not null,
        working text not null,
        profile text not null,
        parallel integer not null,
        cores integer not null,
        started_at real not null,
        beat_at real not null
    ) strict
    """,
)
# set by a runner that was stopped, not killed
_SECOND = ("alter table runner add column ended_at real",)
# Sessions can be distinguished; where an account has signed in; tokens of closed accounts stay revoked.
_THIRD = (
    "alter table sessions add column network text not null default ''",
    "alter table sessions add column agent text not null default ''",
    """
    create table sign_in_places (
        user text not null collate nocase references users (name) on delete cascade,
        network text not null,
        last_at real not null,
        primary key (user, network)
    ) strict, without rowid
    """,
    """
    update tokens set revoked_at = (select disabled_at from users where name = user)
    where revoked_at is null and user in (select name from users where disabled_at is not null)
    """,
)
_EVENTS = (
    """
    create table events (
        number integer primary key,
        at real not null,
        kind text not null,
        user text collate nocase,
        address text,
        about text not null
    ) strict
    """,
    "create index events_at on events (at)",
)
MIGRATIONS = (_FIRST, _SECOND, _THIRD, _EVENTS)


def platform_path(store_path):
    """Where the platform's database of a store lies: beside it, or in the folder that PROTEOFOLD_PLATFORM names."""
    folder = os.environ.get(PLATFORM_VARIABLE) or Path(store_path).parent
    return Path(folder).absolute() / PLATFORM_NAME


def private_mode(folder):
    """The mode of what is made in a folder of the platform: its owner's alone, or its group's, too.

    A folder with the setgid bit belongs to a group: site and runner are users of their own there (ansible/).
    """
    return 0o770 if folder.stat().st_mode & stat.S_ISGID else 0o700


def open_platform(path):
    """A connection to the platform's database, made or brought to the newest schema where needed.

    Its mode is 0600, or 0660 in a folder of a group (``private_mode``).

    Transactions are begun by ``proteofold.store.transaction``. Raises UserError for a path on a network file system,
    a damaged file, or one that cannot be opened.
    """
    path = Path(path)
    refuse_network(path)
    conn = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # SQLite gives its -wal and -shm the mode of the file
        mode = private_mode(path.parent) & 0o666
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, mode))
        if path.stat().st_mode & 0o777 & ~mode:
            path.chmod(mode)
        conn = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        conn.execute(f"pragma busy_timeout = {BUSY_TIMEOUT_S * 1000}")
        conn.execute("pragma journal_mode = wal")
        # an order that was confirmed must outlive a power cut; there are few writes
        conn.execute("pragma synchronous = full")
        conn.execute("pragma foreign_keys = on")
        conn.execute("pragma secure_delete = on")
        migrate(conn, MIGRATIONS)
    except (sqlite3.DatabaseError, OSError, UserError) as error:
        if conn is not None:
            conn.close()
        raise UserError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    return conn


@contextlib.contextmanager
def platform_of(store_path):
    """A connection to the platform's database of a store, closed at the end of the block."""
    with contextlib.closing(open_platform(platform_path(store_path))) as conn:
        yield conn
