"""Accounts: who may write, by password; sessions that expire; sign-ins that cannot be guessed in a hurry."""

import hashlib
import ipaddress
import re
import secrets
import sqlite3
import time
from dataclasses import dataclass

from proteofold.run.states import timestamp
from proteofold.service.passwords import NO_PASSWORD, check_password, hash_password, is_password
from proteofold.store.database import dicts, transaction
from proteofold.system.errors import UserError

IDLE_S = 12 * 3600
LONGEST_SESSION_S = 7 * 24 * 3600
_NOTE_SEEN_S = 60

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")

# After so many failures each further one doubles the waiting time: of a name from one address, and of an address,
# behind which many people may sit. Of a name from anywhere only where the account never signed in before: strangers
# who fail at a name must not keep its owner out.
_FREE = {"name and address": 5, "address": 10, "name": 50}
_LONGEST_WAIT_S = {"name and address": 300, "address": 3600, "name": 3600}
_ONE_FORGOTTEN_EVERY_S = 600
_FORGOTTEN_AFTER_S = 24 * 3600
_PLACE_FORGOTTEN_AFTER_S = 180 * 24 * 3600
_LONGEST_AGENT = 200


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with an account."""

    name: str
    is_admin: bool


class WrongPasswordError(UserError):
    """Name and password do not belong together; the message does not reveal which of them is wrong."""


class TooManyAttemptsError(UserError):
    """Sign-ins failed too often; ``seconds`` is how long to wait."""

    def __init__(self, seconds):
        super().__init__(f"Too many failed attempts. Try again in {seconds} s.")
        self.seconds = seconds


# --- accounts ---------------------------------------------------------------------------------------


def add_user(conn, name, password, admin=False):
    """Add an account; returns its User. UserError if the name is taken or invalid, or the password easily guessed.

    Names differ by more than the case of their letters. ``password`` None is an account that signs in elsewhere.
    """
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{name!r} is not a valid user name: expected letters, digits and . _ @ -, "
            "first a letter or digit, at most 64."
        )
    hashed = NO_PASSWORD if password is None else _hashed(name, password)
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
    """Set an account's password and end its sessions. Its tokens stay valid. UserError if there is no such user."""
    hashed = _hashed(name, password)
    with transaction(conn):
        _change(conn, name, "password = ?", hashed)
        conn.execute("delete from sessions where user = ?", (name,))


def change_password(conn, name, old, new, address, keep=None):
    """Set the password of a user who knows the old one, and end their other sessions but ``keep``, a secret.

    Raises WrongPasswordError or TooManyAttemptsError as ``sign_in`` does, and UserError for a weak new password.
    """
    check_password(name, new)
    check_sign_in(conn, name, old, address)
    with transaction(conn):
        _change(conn, name, "password = ?", hash_password(new))
        conn.execute("delete from sessions where user = ? and digest <> ?", (name, digest(keep) if keep else ""))


def disable_user(conn, name):
    """Close an account: no sign-in, no session, no token of it works; its runs stay. UserError if there is none.

    Its tokens are revoked: they stay so if the account is opened again.
    """
    now = time.time()
    with transaction(conn):
        _change(conn, name, "disabled_at = ifnull(disabled_at, ?)", now)
        conn.execute("delete from sessions where user = ?", (name,))
        conn.execute("update tokens set revoked_at = ? where user = ? and revoked_at is null", (now, name))


def enable_user(conn, name):
    """Open a closed account again, without its sessions and tokens. UserError if there is none."""
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


def _hashed(name, password):
    check_password(name, password)
    return hash_password(password)


def _change(conn, name, assignment, value):
    if not conn.execute(f"update users set {assignment} where name = ?", (value, name)).rowcount:
        raise UserError(f"There is no user {name!r}. 'proteofold admin list-users' lists them.")


# --- signing in -------------------------------------------------------------------------------------


def sign_in(conn, name, password, address, agent=""):
    """Begin a session; returns its secret, for a cookie. ``address`` is where the request comes from, ``agent`` what
    the browser calls itself.

    Raises WrongPasswordError, or TooManyAttemptsError when too many failed for this name from this address, or from
    this address, or at this name from addresses where it never signed in. All take as long for unknown names.
    """
    return begin_session(conn, check_sign_in(conn, name, password, address), address, agent)


def check_sign_in(conn, name, password, address):
    """The name of the account that name and password belong to; raises as ``sign_in`` does."""
    where = network(address)
    subjects = {
        "name and address": _subject("name and address", f"{where} {name.casefold()}"),
        "address": _subject("address", where),
    }
    is_name = _NAME.fullmatch(name)
    known = "select 1 from sign_in_places where user = ? and network = ?"
    if not (is_name and conn.execute(known, (name, where)).fetchone()):
        subjects["name"] = _subject("name", name.casefold())
    # counted before the password is looked at, so that attempts at the same time do not slip through together
    _count_attempt(conn, subjects)
    query = "select name, password from users where name = ? and disabled_at is null"
    row = conn.execute(query, (name,)).fetchone() if is_name else None
    is_right = is_password(password, row[1] if row else NO_PASSWORD)
    if not (is_right and row):
        raise WrongPasswordError("Name or password is wrong.")
    with transaction(conn):
        conn.execute("delete from attempts where subject = ?", (subjects["name and address"],))
        # the other counts stay, but for this attempt: else an own account would clear that of the address
        for kind in subjects.keys() - {"name and address"}:
            conn.execute("update attempts set failures = failures - 1 where subject = ?", (subjects[kind],))
    return row[0]


def begin_session(conn, name, address, agent=""):
    """Begin a session of an account, whose user is known by now; returns its secret."""
    now, secret = time.time(), secrets.token_urlsafe(32)
    where = network(address)
    with transaction(conn):
        conn.execute("delete from sessions where created_at < ? or seen_at < ?", _oldest(now))
        conn.execute(
            "insert into sessions (digest, user, created_at, seen_at, network, agent) values (?, ?, ?, ?, ?, ?)",
            (digest(secret), name, now, now, where, _shown(agent)),
        )
        conn.execute(
            "insert into sign_in_places values (?, ?, ?) on conflict do update set last_at = excluded.last_at",
            (name, where, now),
        )
        conn.execute("delete from sign_in_places where last_at < ?", (now - _PLACE_FORGOTTEN_AFTER_S,))
    return secret


def list_sessions(conn, user):
    """The sessions of a User, the one used last first, as dicts without their secrets.

    session_id, created_at, seen_at (text), network (where it began) and agent (what the browser calls itself).
    """
    rows = dicts(
        conn,
        "select digest as session_id, created_at, seen_at, network, agent from sessions"
        " where user = ? and created_at >= ? and seen_at >= ? order by sessions.seen_at desc",
        (user.name, *_oldest(time.time())),
    )
    return [row | {key: when(row[key]) for key in ("created_at", "seen_at")} for row in rows]


def end_session(conn, session_id, user):
    """End a session of a User by its id; UserError if there is none."""
    with transaction(conn):
        query = "delete from sessions where digest = ? and user = ?"
        if not conn.execute(query, (session_id, user.name)).rowcount:
            raise UserError("This session has ended already.")


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


def _shown(agent):
    return "".join(letter if letter.isprintable() else "?" for letter in agent or "")[:_LONGEST_AGENT]


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
