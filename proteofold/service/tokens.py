"""API tokens: secrets for programs, each with the rights that its maker chose, and revoked one by one."""

import secrets
import time

from proteofold.service.accounts import User, digest, when
from proteofold.store.database import dicts, transaction
from proteofold.system.errors import UserError

RIGHTS = ("read", "upload", "run")
PREFIX = "pft_"

_LONGEST_LABEL = 100
_MOST_DAYS = 3650
_MOST_OF_A_USER = 100
_NOTE_USED_S = 60


def create_token(conn, user, label, rights, days=None):
    """Make a token of a User; returns its secret, which is shown only now. ``days`` None: until it is revoked.

    ``rights`` are some of RIGHTS. Raises UserError for a label, rights or days that are invalid.
    """
    rights = [right for right in RIGHTS if right in set(rights)] if set(rights) <= set(RIGHTS) else []
    if not rights:
        raise UserError(f"A token needs rights: one or more of {', '.join(RIGHTS)}.")
    label = " ".join(label.split())
    if not label or len(label) > _LONGEST_LABEL or not label.isprintable():
        raise UserError(f"A token needs a label that describes its purpose: {_LONGEST_LABEL} characters at most.")
    if days is not None and not 1 <= days <= _MOST_DAYS:
        raise UserError(f"Days that a token is valid: 1 to {_MOST_DAYS}, or none for no limit.")
    now, secret = time.time(), PREFIX + secrets.token_urlsafe(32)
    with transaction(conn):
        query = "select count(*) from tokens where user = ? and revoked_at is null"
        if conn.execute(query, (user.name,)).fetchone()[0] >= _MOST_OF_A_USER:
            raise UserError(f"{_MOST_OF_A_USER} tokens are enough: revoke some that are not used any more.")
        conn.execute(
            "insert into tokens (digest, user, label, rights, created_at, expires_at) values (?, ?, ?, ?, ?, ?)",
            (digest(secret), user.name, label, " ".join(rights), now, days and now + days * 86_400),
        )
    return secret


def token_actor(conn, secret):
    """(User, frozenset of rights) of a token; None if there is none, or it was revoked, expired or its user closed.

    That it was used is noted, once a minute at most.
    """
    row = conn.execute(
        "select token_id, users.name, is_admin, rights, last_used_at from tokens"
        " join users on users.name = tokens.user where digest = ? and revoked_at is null and disabled_at is null"
        " and (expires_at is null or expires_at > ?)",
        (digest(secret), time.time()),
    ).fetchone()
    if row is None:
        return None
    token_id, name, is_admin, rights, used = row
    if used is None or time.time() - used > _NOTE_USED_S:
        with transaction(conn):
            conn.execute("update tokens set last_used_at = ? where token_id = ?", (time.time(), token_id))
    return User(name, bool(is_admin)), frozenset(rights.split())


def list_tokens(conn, user=None):
    """The tokens of a User, or of all, that were not revoked, the newest first, as dicts.

    token_id, user, label, rights (list), created_at, expires_at, last_used_at (text or None), expired. No secrets.
    """
    rows = dicts(
        conn,
        "select token_id, user, label, rights, created_at, expires_at, last_used_at from tokens"
        " where revoked_at is null and (? is null or user = ?) order by token_id desc",
        (user and user.name, user and user.name),
    )
    times = ("created_at", "expires_at", "last_used_at")
    return [
        row
        | {"rights": row["rights"].split(), "expired": bool(row["expires_at"] and row["expires_at"] <= time.time())}
        | {name: when(row[name]) for name in times}
        for row in rows
    ]


def revoke_tokens(conn, name):
    """Revoke all tokens of an account; returns how many."""
    with transaction(conn):
        query = "update tokens set revoked_at = ? where user = ? and revoked_at is null"
        return conn.execute(query, (time.time(), name)).rowcount


def revoke_token(conn, token_id, user):
    """Make a token worthless. Users revoke their own, administrators any; UserError if there is none to revoke."""
    with transaction(conn):
        revoked = conn.execute(
            "update tokens set revoked_at = ? where token_id = ? and revoked_at is null and (user = ? or ?)",
            (time.time(), token_id, user.name, user.is_admin),
        ).rowcount
    if not revoked:
        raise UserError(f"There is no token {token_id!r} that you could revoke.")
