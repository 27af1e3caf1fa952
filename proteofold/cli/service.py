"""Commands of ``proteofold`` for administrators of the platform: accounts, tokens, and the runner."""

import contextlib
import getpass
import sys
import time
from pathlib import Path

import click

from proteofold.cli.output import print_json, print_table, time_shown
from proteofold.cli.store import json_option, store_option
from proteofold.system.words import counted

_PASSWORD_STDIN = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input: its first line."
)


@click.group()
def admin():
    """Manage accounts, tokens and proteins of the platform."""


@admin.command("add-user", short_help="Add an account.")
@click.argument("name")
@click.option("--admin", "is_admin", is_flag=True, help="May stop, retry and delete the runs of others.")
@_PASSWORD_STDIN
@click.option("--no-password", is_flag=True, help="Sign-in through the institute's proxy only (docs/platform.md).")
@store_option
def add_user(name, is_admin, password_stdin, no_password, store_path):
    """Add the account NAME and prompt for its password.

    \b
    Examples:
      proteofold admin add-user alice --admin
      pass show proteofold/bob | proteofold admin add-user bob --password-stdin
    """
    from proteofold.service import accounts

    with _platform(store_path) as conn:
        password = None if no_password else _password(password_stdin)
        user = accounts.add_user(conn, name, password, is_admin)
        _note(conn, "account added", f"{user.name}{', administrator' if is_admin else ''}")
    click.echo(f"added: {user.name}{' (administrator)' if user.is_admin else ''}")


@admin.command("set-password", short_help="Set the password of an account.")
@click.argument("name")
@_PASSWORD_STDIN
@click.option(
    "--revoke-tokens/--keep-tokens", default=None, help="Whether to revoke its tokens.  [default: ask; keep with stdin]"
)
@store_option
def set_password(name, password_stdin, revoke_tokens, store_path):
    """Set the password of NAME and end its sessions. Its tokens stay valid unless they are revoked.

    \b
    Example:
      proteofold admin set-password alice --revoke-tokens
    """
    from proteofold.service import accounts, tokens

    with _platform(store_path) as conn:
        accounts.set_password(conn, name, _password(password_stdin))
        _note(conn, "password set", name)
        click.echo(f"password set: {name}; its sessions ended")
        count = len(tokens.list_tokens(conn, accounts.User(name, False)))
        if count and revoke_tokens is None and not password_stdin:
            revoke_tokens = click.confirm(f"{name} has tokens ({count}). Revoke them as well?")
        if count and revoke_tokens:
            tokens.revoke_tokens(conn, name)
            _note(conn, "token revoked", f"all of {name}")
        if count:
            click.echo(f"tokens {'revoked' if revoke_tokens else 'still valid'}: {count}")


@admin.command("disable-user", short_help="Close an account.")
@click.argument("name")
@store_option
def disable_user(name, store_path):
    """Close the account NAME: sign-in is refused, its sessions end and its tokens are revoked. Its runs stay.

    \b
    Example:
      proteofold admin disable-user bob
    """
    from proteofold.service import accounts

    with _platform(store_path) as conn:
        accounts.disable_user(conn, name)
        _note(conn, "account closed", name)
    click.echo(f"disabled: {name}")


@admin.command("enable-user", short_help="Reopen a closed account.")
@click.argument("name")
@store_option
def enable_user(name, store_path):
    """Reopen the closed account NAME. Its tokens stay revoked.

    \b
    Example:
      proteofold admin enable-user bob
    """
    from proteofold.service import accounts

    with _platform(store_path) as conn:
        accounts.enable_user(conn, name)
        _note(conn, "account opened", name)
    click.echo(f"enabled: {name}")


@admin.command("list-users", short_help="List the accounts.")
@store_option
@json_option
def list_users(store_path, as_json):
    """List all accounts.

    \b
    Example:
      proteofold admin list-users --json
    """
    from proteofold.service import accounts

    with _platform(store_path) as conn:
        rows = accounts.list_users(conn)
    if as_json:
        return print_json(rows)
    shown = [
        (row["name"], "administrator" if row["is_admin"] else "user", time_shown(row["created_at"]), _state(row))
        for row in rows
    ]
    print_table(("name", "is", "since (UTC)", "account"), shown)


@admin.command(short_help="List the tokens.")
@click.argument("name", required=False)
@store_option
@json_option
def tokens(name, store_path, as_json):
    """List the tokens of all users, or of NAME. Their secrets are not stored.

    \b
    Example:
      proteofold admin tokens alice
    """
    from proteofold.service import tokens as known
    from proteofold.service.accounts import User

    with _platform(store_path) as conn:
        rows = known.list_tokens(conn, User(name, False) if name else None)
    if as_json:
        return print_json(rows)
    shown = [
        (row["token_id"], row["user"], row["label"], " ".join(row["rights"]), time_shown(row["last_used_at"]))
        for row in rows
    ]
    print_table(("token", "user", "label", "rights", "last used (UTC)"), shown)


@admin.command("revoke-token", short_help="Revoke a token.")
@click.argument("token_id", type=int)
@store_option
def revoke_token(token_id, store_path):
    """Revoke the token TOKEN_ID ('proteofold admin tokens' lists them).

    \b
    Example:
      proteofold admin revoke-token 7
    """
    from proteofold.service import tokens as known
    from proteofold.service.accounts import User

    with _platform(store_path) as conn:
        known.revoke_token(conn, token_id, User("", True))
        _note(conn, "token revoked", f"token {token_id}")
    click.echo(f"revoked: token {token_id}")


_WHY = click.option("--why", required=True, help="The reason; it is recorded with the name of the user.")


@admin.command("replace-protein", short_help="Replace wrong sequences under known ids.")
@click.argument("fasta", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_WHY
@store_option
def replace_protein(fasta, why, store_path):
    """Replace sequences and descriptions of proteins in the store by those of FASTA with the same ids: all or none.

    Results of finished runs stay as they are. 'proteofold admin events' shows who replaced what, and why.

    \b
    Example:
      proteofold admin replace-protein right.fasta --why "wrong isoform"
    """
    from proteofold.service.repair import replace_proteins
    from proteofold.store import open_store

    with contextlib.closing(open_store(store_path, create=False)) as store, _platform(store_path) as platform:
        for query_id in replace_proteins(store, platform, fasta, _who(), why):
            click.echo(f"replaced: {query_id}")


@admin.command("delete-protein", short_help="Delete a protein that is in no run.")
@click.argument("query_id", metavar="ID")
@_WHY
@store_option
def delete_protein(query_id, why, store_path):
    """Delete the protein ID from the store. A protein that is in a run is kept: delete the run, or replace the protein.

    \b
    Example:
      proteofold admin delete-protein P1 --why "test upload"
    """
    from proteofold.service import repair
    from proteofold.store import open_store

    with contextlib.closing(open_store(store_path, create=False)) as store, _platform(store_path) as platform:
        repair.delete_protein(store, platform, query_id, _who(), why)
    click.echo(f"deleted: {query_id}")


@admin.command("delete-runs", short_help="Delete runs that ended long ago.")
@click.option(
    "--older-than",
    "days",
    type=click.IntRange(1),
    required=True,
    metavar="DAYS",
    help="Only runs that ended longer ago.",
)
@click.option("--author", help="Only those that this user started.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@store_option
def delete_runs(days, author, yes, store_path):
    """Delete runs that ended more than DAYS ago: tables, report and rows in the store.

    Results stay in results/shared for other runs; 'proteofold clean' removes those that no run uses.

    \b
    Example:
      proteofold admin delete-runs --older-than 365 --author bob
    """
    from proteofold.service.accounts import User
    from proteofold.service.deletion import delete_run, ended_before
    from proteofold.store import open_store

    with contextlib.closing(open_store(store_path, create=False)) as store, _platform(store_path) as platform:
        run_ids = ended_before(store, time.time() - days * 86_400, author)
        click.echo("\n".join(run_ids) or f"No run ended more than {days} days ago.")
        if run_ids and (yes or click.confirm(f"Delete {counted(len(run_ids), 'run')}?")):
            for run_id in run_ids:
                delete_run(store, platform, run_id, User("", True))
                _note(platform, "run deleted", run_id)
            click.echo(f"deleted: {counted(len(run_ids), 'run')}")


@admin.command(short_help="List security events.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Number of events.")
@click.option("--user", help="Only events of this user.")
@click.option("--kind", help="Only events of this kind, such as 'sign-in failed'.")
@store_option
@json_option
def events(limit, user, kind, store_path, as_json):
    """List the latest sign-ins, failed sign-ins, refusals, deletions and changes of accounts, newest first.

    \b
    Example:
      proteofold admin events --kind 'sign-in failed' --limit 20
    """
    from proteofold.service.events import list_events

    with _platform(store_path) as conn:
        rows = list_events(conn, limit, user, kind)
    if as_json:
        return print_json(rows)
    columns = ("at", "kind", "user", "address", "about")
    shown = [[time_shown(row["at"]), *(row[name] or "" for name in columns[1:])] for row in rows]
    print_table(("at (UTC)", "event", "by", "from", "about"), shown)


@click.command(short_help="Start the runs that are ordered on the platform.")
@store_option
@click.option(
    "--parallel", type=click.IntRange(1), default=1, show_default=True, help="Number of runs at the same time."
)
@click.option("--profile", type=click.Choice(["default", "cluster"]), default="default", show_default=True)
@click.option("--cores", type=click.IntRange(1), help="Cores for each run on this machine.  [default: all, shared]")
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False),
    help="Where runs are started.  [default: the folder that holds results/]",
)
@click.option("--socket", metavar="PATH", help="Have runs started as another user, by the service at this socket.")
@click.option("--once", is_flag=True, help="Exit when no run is queued or running.")
@click.option("--resume", is_flag=True, help="Requeue the runs that were interrupted when the last runner ended.")
def runner(store_path, parallel, profile, cores, directory, socket, once, resume):
    """Run the service that starts, watches and stops the runs that are ordered on the platform.

    Runs continue when the service is stopped or killed; the next runner takes them over. Under systemd this needs
    KillMode=process. In a container, runs end with the service: --resume continues them at the next start.

    \b
    Examples:
      proteofold runner
      proteofold runner --profile cluster --parallel 4
    """
    from proteofold.service.runner import Runner, serve

    serve(Runner(store_path, parallel, profile, cores, directory, socket, resume=resume), once)


@contextlib.contextmanager
def _platform(store_path):
    from proteofold.service.database import platform_of

    with platform_of(store_path) as conn:
        yield conn


def _note(conn, kind, about):
    """Record a security event of a user of the command line."""
    from proteofold.service.events import record_event

    record_event(conn, kind, _who(), None, about)


def _who():
    return f"{getpass.getuser()} (command line)"


def _password(from_stdin):
    """A password, never as an argument: the list of processes shows arguments."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    from proteofold.service.passwords import SHORTEST

    return click.prompt(f"Password (at least {SHORTEST} characters)", hide_input=True, confirmation_prompt=True)


def _state(row):
    return f"closed {time_shown(row['disabled_at'])}" if row["disabled_at"] else "open"
