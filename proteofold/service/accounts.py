"""Accounts: who may write, by password; sessions that expire; sign-ins that cannot be guessed in a hurry."""

import base64
import hashlib
import hmac
import ipaddress
import re
import secrets
import sqlite3
import threading
import time
from dataclasses import dataclass

from proteofold.run.states import timestamp
from proteofold.service.database import dicts
from proteofold.store.database import transaction
from proteofold.system.errors import UserError

IDLE_S = 12 * 3600
LONGEST_SESSION_S = 7 * 24 * 3600
_NOTE_SEEN_S = 60

# scrypt of 32 MB, 0.3 s of a core. The parameters stand in each hash, so they may be raised later.
_COST, _BLOCK, _PARALLEL = 2**15, 8, 3
_MAXMEM = 64 << 20
# A flood of sign-ins must not take the machine's memory.
_hashing = threading.BoundedSemaphore(2)

_SHORTEST_PASSWORD, _LONGEST_PASSWORD = 10, 1000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")

# After so many failures each further one doubles the waiting time: of a name, and of an address, behind which many
# people may sit. Names wait less: anybody can fail at anybody's name.
_FREE = {"name": 5, "address": 10}
_LONGEST_WAIT_S = {"name": 300, "address": 3600}
_ONE_FORGOTTEN_EVERY_S = 600
_FORGOTTEN_AFTER_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with an account."""

    name: str
    is_admin: bool


class WrongPasswordError(UserError):
    """Name and password do not belong together; the message does not tell which of them is wrong."""


class TooManyAttemptsError(UserError):
    """Sign-ins failed too often; ``seconds`` is how long to wait."""

    def __init__(self, seconds):
        super().__init__(f"Too many failed attempts. Try again in {seconds} s.")
        self.seconds = seconds


# --- accounts ---------------------------------------------------------------------------------------


def add_user(conn, name, password, admin=False):
    """Add an account; returns its User. UserError if the name is taken or will not do, or the password is too short.

    Names differ by more than the case of their letters.
    """
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{name!r} will not do as a user name: letters, digits and . _ @ - that start with a letter or digit, 64 "
            "at most."
        )
    hashed = _hash(_checked(name, password))
    try:
        with transaction(conn):
            conn.execute(
                "insert into users (name, password, is_admin, created_at) values (?, ?, ?, ?)",
                (name, hashed, int(admin), time.time()),
            )
    except sqlite3.IntegrityError:
        raise UserError(f"There is a user {name!r} already. 'proteofold admin set-password' sets a password.") from None
    return User(name, admin)


def set_password(conn, name, password):
    """Set an account's password and end its sessions. Its tokens go on. UserError if there is no such user."""
    hashed = _hash(_checked(name, password))
    with transaction(conn):
        _change(conn, name, "password = ?", hashed)
        conn.execute("delete from sessions where user = ?", (name,))


def disable_user(conn, name):
    """Close an account: no sign-in, no session, no token of it works; its runs stay. UserError if there is none."""
    with transaction(conn):
        _change(conn, name, "disabled_at = ifnull(disabled_at, ?)", time.time())
        conn.execute("delete from sessions where user = ?", (name,))


def enable_user(conn, name):
    """Open a closed account again; tokens that were not revoked work again. UserError if there is none."""
    with transaction(conn):
        _change(conn, name, "disabled_at = ?", None)


def list_users(conn):
    """All accounts by name, as dicts: name, is_admin, created_at, disabled_at (times as text or None)."""
    rows = dicts(conn, "select name, is_admin, created_at, disabled_at from users order by name")
    return [
        row | {"is_admin": bool(row["is_admin"])} | {key: when(row[key]) for key in ("created_at", "disabled_at")}
        for row in rows
    ]


def find_user(conn, name):
    """The User of an open account; None if there is none."""
    row = conn.execute("select name, is_admin from users where name = ? and disabled_at is null", (name,)).fetchone()
    return row and User(row[0], bool(row[1]))


def _change(conn, name, assignment, value):
    if not conn.execute(f"update users set {assignment} where name = ?", (value, name)).rowcount:
        raise UserError(f"There is no user {name!r}. 'proteofold admin list-users' lists them.")


# --- signing in -------------------------------------------------------------------------------------


def sign_in(conn, name, password, address):
    """Begin a session; returns its secret, for a cookie. ``address`` is where the request comes from.

    Raises WrongPasswordError, or TooManyAttemptsError when too many failed for this name or from this address. Both
    take as long for names that do not exist.
    """
    subjects = {"name": _subject("name", name.casefold()), "address": _subject("address", network(address))}
    # counted before the password is looked at, so that attempts at the same time do not slip through together
    _count_attempt(conn, subjects)
    query = "select name, password from users where name = ? and disabled_at is null"
    row = conn.execute(query, (name,)).fetchone() if _NAME.fullmatch(name) else None
    is_right = _is_password(password, row[1] if row else _NOBODYS)
    if not (is_right and row):
        raise WrongPasswordError("Name or password is wrong.")
    now, secret = time.time(), secrets.token_urlsafe(32)
    with transaction(conn):
        conn.execute("delete from attempts where subject = ?", (subjects["name"],))
        # the count of the address stays, but for this attempt: else an own account would clear it
        conn.execute("update attempts set failures = failures - 1 where subject = ?", (subjects["address"],))
        conn.execute("delete from sessions where created_at < ? or seen_at < ?", _oldest(now))
        conn.execute("insert into sessions values (?, ?, ?, ?)", (digest(secret), row[0], now, now))
    return secret


def session_user(conn, secret):
    """The User of a session; None if it does not exist, has expired, or the account was closed."""
    row = conn.execute(
        "select users.name, is_admin, seen_at from sessions join users on users.name = sessions.user"
        " where digest = ? and sessions.created_at >= ? and seen_at >= ? and disabled_at is null",
        (digest(secret), *_oldest(time.time())),
    ).fetchone()
    if row is None:
        return None
    if time.time() - row[2] > _NOTE_SEEN_S:
        with transaction(conn):
            conn.execute("update sessions set seen_at = ? where digest = ?", (time.time(), digest(secret)))
    return User(row[0], bool(row[1]))


def sign_out(conn, secret):
    """End a session; one that is over already changes nothing."""
    with transaction(conn):
        conn.execute("delete from sessions where digest = ?", (digest(secret),))


def digest(secret):
    """What is stored of a random secret. It has 256 bits of chance, so a fast hash will do."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def when(seconds):
    """Seconds since 1970 as the store writes times; None stays None."""
    return None if seconds is None else timestamp(seconds)


def _oldest(now):
    return now - LONGEST_SESSION_S, now - IDLE_S


def _count_attempt(conn, subjects):
    now = time.time()
    with transaction(conn):
        conn.execute("delete from attempts where last_at < ?", (now - _FORGOTTEN_AFTER_S,))
        query = "select failures, last_at, blocked_until from attempts where subject = ?"
        rows = {kind: conn.execute(query, (subject,)).fetchone() or (0, now, 0) for kind, subject in subjects.items()}
        blocked_until = max(row[2] for row in rows.values())
        if blocked_until > now:
            raise TooManyAttemptsError(max(1, round(blocked_until - now)))
        for kind, subject in subjects.items():
            before, last_at, _ = rows[kind]
            failures = max(0, before - (now - last_at) / _ONE_FORGOTTEN_EVERY_S) + 1
            over = failures - _FREE[kind]
            wait_s = min(2 ** min(over, 30), _LONGEST_WAIT_S[kind]) if over >= 0 else 0
            conn.execute(
                "insert into attempts values (?, ?, ?, ?) on conflict (subject) do update set"
                " failures = excluded.failures, last_at = excluded.last_at, blocked_until = excluded.blocked_until",
                (subject, failures, now, now + wait_s),
            )


def _subject(kind, text):
    return hashlib.sha256(f"{kind}:{text}".encode("utf-8", "replace")).hexdigest()


def network(address):
    """The address as it is counted: of IPv6 the network, since one machine has billions of addresses."""
    try:
        known = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if known.version == 4:
        return str(known)
    return str(known.ipv4_mapped or ipaddress.ip_network((known, 64), strict=False))


# --- passwords --------------------------------------------------------------------------------------


def _checked(name, password):
    if not _SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD or password.casefold() == name.casefold():
        raise UserError(
            f"The password will not do: {_SHORTEST_PASSWORD} characters at least ({_LONGEST_PASSWORD} at most), and "
            "not the name."
        )
    return password


def _hash(password):
    salt = secrets.token_bytes(16)
    made = _scrypt(password, salt, _COST, _BLOCK, _PARALLEL)
    return "$".join(("scrypt", *map(str, (_COST, _BLOCK, _PARALLEL)), _text(salt), _text(made)))


def _is_password(password, hashed):
    _, cost, block, parallel, salt, expected = hashed.split("$")
    made = _scrypt(password[:_LONGEST_PASSWORD], base64.b64decode(salt), int(cost), int(block), int(parallel))
    return hmac.compare_digest(_text(made), expected)


def _scrypt(password, salt, cost, block, parallel):
    with _hashing:
        return hashlib.scrypt(
            password.encode("utf-8", "replace"), salt=salt, n=cost, r=block, p=parallel, maxmem=_MAXMEM, dklen=32
        )


def _text(raw):
    return base64.b64encode(raw).decode()


# No password leads to this hash: an unknown name takes as long as a known one.
_NOBODYS = "$".join(("scrypt", str(_COST), str(_BLOCK), str(_PARALLEL), _text(bytes(16)), "-"))
