"""Security events: who signed in, failed to, changed an account, deleted or was refused something, from where and when.

They are kept in ``platform.db`` for a year, and hold no secrets: of a failed sign-in the name only if there is such an
account, because people type passwords where their name belongs.
"""

import time

from proteofold.service.accounts import when
from proteofold.store.database import dicts, transaction

KINDS = (
    *("sign-in", "sign-in failed", "sign-in refused", "sign-out", "session ended", "password changed"),
    *("token created", "token revoked", "unknown token", "refused", "run deleted"),
    *("account added", "password set", "account closed", "account opened", "protein replaced", "protein deleted"),
)
# What strangers can cause without end: it has a room of its own, and drives nothing else out.
_REFUSALS = ("sign-in failed", "sign-in refused", "unknown token", "refused")
_KEPT_S = 366 * 86_400
_MOST_KEPT = 100_000  # of refusals, and of all others
_TIDIED_EVERY = 100  # events
_LONGEST = 300


def record_event(conn, kind, user=None, address=None, about=""):
    """Keep an event; returns it as a dict. ``user`` is who did it, ``about`` what it was done to."""
    event = {"at": time.time(), "kind": kind, "user": user, "address": address, "about": _shown(about)}
    with transaction(conn):
        number = conn.execute(
            "insert into events (at, kind, user, address, about) values (:at, :kind, :user, :address, :about)", event
        ).lastrowid
        if number % _TIDIED_EVERY == 0:
            _drop_old(conn, event["at"])
    return event | {"at": when(event["at"])}


def _drop_old(conn, now):
    conn.execute("delete from events where at < ?", (now - _KEPT_S,))
    for which in ("in", "not in"):
        these = f"kind {which} ({', '.join('?' * len(_REFUSALS))})"
        conn.execute(
            f"delete from events where {these} and number <="
            f" (select number from events where {these} order by number desc limit 1 offset ?)",
            (*_REFUSALS, *_REFUSALS, _MOST_KEPT),
        )


def list_events(conn, limit=100, user=None, kind=None):
    """The latest events, the newest first, as dicts of at (text), kind, user, address and about."""
    rows = dicts(
        conn,
        "select at, kind, user, address, about from events"
        " where (:user is null or user = :user) and (:kind is null or kind = :kind) order by number desc limit :limit",
        {"user": user, "kind": kind, "limit": limit},
    )
    return [row | {"at": when(row["at"])} for row in rows]


def account_of(conn, name):
    """The name that a failed sign-in is noted with: that of an account, else what no account is called."""
    row = conn.execute("select name from users where name = ?", (name.encode("utf-8", "replace").decode(),)).fetchone()
    return row[0] if row else "(unknown name)"


def _shown(text):
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:_LONGEST]
