"""Orders of runs: what the pages ask for, and the runner carries out. Nothing here starts anything.

``platform.db`` is the truth about orders. The store has a row of a queued run for its readers; where a kill comes
between the two, the runner repairs it (``orders.repair``).
"""

import json
import sqlite3
import time
from dataclasses import dataclass

from proteofold.service import choices
from proteofold.service.accounts import when
from proteofold.service.database import PLATFORM_NAME
from proteofold.service.matching import MOST_IDS, match_ids
from proteofold.service.places import check_name, run_folder, working_folder
from proteofold.store.database import dicts, path_of, transaction
from proteofold.store.queries import NotFoundError, find_run
from proteofold.store.schema import ACTIVE
from proteofold.system.errors import UserError

_ORDER_ENDS_WITHIN_S = 15  # on a busy machine


class NotAllowedError(UserError):
    """The user may not do this to this run."""


class NameTakenError(UserError):
    """There is a run of this name, or something else where its folder would be."""


class WrongStateError(UserError):
    """What is asked for cannot be done to a run in the state in which it is."""


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to be: ``ids`` are query_ids of the store; templates, mode and weights are names of Choices."""

    run_id: str
    ids: list
    author: str
    templates: str
    mode: str
    weights: str


def order_run(store, platform, new_run):
    """Order a run; the runner starts it when its turn comes. Connections to the store and to the platform's database.

    Raises NameTakenError, WrongStateError for an author who has as many runs waiting as a user may have, or UserError
    for a name, ids or choices that are invalid. Of two orders of one name at the same time one is taken.
    """
    check_run(store, platform, new_run)
    now = time.time()
    row = (new_run.run_id, new_run.author, new_run.templates, new_run.mode, new_run.weights, len(new_run.ids), now, now)
    most = choices.limits(working_folder(platform))["waiting_runs"]
    try:
        with transaction(platform):
            waiting = "select count(*) from orders where state = 'queued' and author = ? collate nocase"
            if platform.execute(waiting, (new_run.author,)).fetchone()[0] >= most:
                raise WrongStateError(f"You have {most:,} queued runs, as many as a user may have. Wait, or stop some.")
            platform.execute(
                "insert into orders (run_id, author, templates, mode, weights, proteins, state, ordered_at, queued_at)"
                " values (?, ?, ?, ?, ?, ?, 'queued', ?, ?)",
                row,
            )
            platform.execute("insert into order_proteins values (?, ?)", (new_run.run_id, json.dumps(new_run.ids)))
    except sqlite3.IntegrityError:
        raise _taken(new_run.run_id) from None
    show_queued(store, new_run.run_id, new_run.author, len(new_run.ids))


def check_run(store, platform, new_run):
    """Raise what order_run would raise for a run, as far as it is known before; nothing is written."""
    check_free(store, platform, new_run.run_id)
    if not 1 <= len(new_run.ids) <= MOST_IDS:
        raise UserError(f"A run needs proteins: 1 to {MOST_IDS:,} ids, not {len(new_run.ids):,}.")
    matched = match_ids(store, new_run.ids)
    if matched.absent or matched.found != list(new_run.ids):
        first = matched.absent[0] if matched.absent else None
        why = f"{first.id!r}: {first.reason}" if first else "an id is there twice, or is not a full id"
        raise UserError(f"The list of ids is invalid ({len(matched.absent):,} are absent): {why}.")
    config_of(working_folder(platform), new_run, "proteins.fasta")


def check_free(store, platform, name):
    """Raise UserError or NameTakenError unless a run of this name can be ordered."""
    check_name(name)
    known = platform.execute("select 1 from orders where run_id = ?", (name,)).fetchone()
    known = known or store.execute("select 1 from runs where run_id = ?", (name,)).fetchone()
    folder = run_folder(platform, name)
    # the store and the platform's files may lie among the run folders; some of them come and go
    ours = (path_of(store).rpartition("/")[2], PLATFORM_NAME)
    is_ours = any(name == own or name.startswith((f"{own}-", f"{own}.")) for own in ours)
    if known or is_ours or folder.exists() or folder.is_symlink():
        raise _taken(name)


def config_of(working, new_run, proteins):
    """The configuration of a run as a dict, ``proteins`` being its FASTA file. UserError for a choice there is not."""
    return {
        "run": new_run.run_id,
        "proteins": [str(proteins)],
        "templates": choices.value_of(choices.template_choices(working), new_run.templates, "templates"),
        "s4pred": {"weights": choices.value_of(choices.weight_choices(working), new_run.weights, "weights")},
        "search": {"mode": choices.value_of(choices.modes(), new_run.mode, "search modes")},
    }


def order_of(platform, run_id):
    """The order of a run as a dict, None if there is none.

    run_id, author, templates, mode, weights, proteins, state (queued, running, ended, deleting), starts, message,
    stop_asked_by; ordered_at, queued_at, started_at, ended_at as text or None; ahead: orders that come before it.
    """
    return next(iter(list_orders(platform, run_id)), None)


def list_orders(platform, run_id=None):
    """All orders, or that of a run, the latest first: dicts as of order_of."""
    rows = dicts(
        platform,
        "select run_id, author, templates, mode, weights, proteins, state, starts, message, stop_asked_by, ordered_at,"
        " queued_at, started_at, ended_at, iif(state = 'queued', (select count(*) from orders as other"
        " where state = 'queued' and other.queued_at < orders.queued_at), 0) as ahead"
        " from orders where ? is null or run_id = ? order by ordered_at desc",
        (run_id, run_id),
    )
    times = ("ordered_at", "queued_at", "started_at", "ended_at")
    return [row | {name: when(row[name]) for name in times} for row in rows]


def ids_of(store, platform, run_id):
    """The query_ids of a run in order, as ordered, or as recorded of a run that was started otherwise."""
    if row := platform.execute("select ids from order_proteins where run_id = ?", (run_id,)).fetchone():
        return json.loads(row[0])
    query = "select query_id from protein_results where run_id = ? order by position"
    return [query_id for (query_id,) in store.execute(query, (run_id,))]


def may_change(store, platform, run_id, user):
    """Whether a User may stop, retry or delete a run: its author, or an administrator."""
    order = order_of(platform, run_id)
    # who is named as the author of another run is an account of the machine, not of the platform
    return user.is_admin or (order is not None and order["author"].casefold() == user.name.casefold())


def ask_stop(store, platform, run_id, user):
    """Take an order out of the queue, or ask the runner to stop its run. NotFoundError, NotAllowedError, UserError."""
    order = _own_order(store, platform, run_id, user)
    now, before = time.time(), f"stopped by {user.name} before it began"
    with transaction(platform):
        waited = platform.execute(
            "update orders set state = 'ended', ended_at = ?, stop_asked_by = ?, message = ?"
            " where run_id = ? and state = 'queued'",
            (now, user.name, before, run_id),
        ).rowcount
        works = platform.execute(
            "update orders set stop_asked_by = ifnull(stop_asked_by, ?), stop_asked_at = ifnull(stop_asked_at, ?)"
            " where run_id = ? and state = 'running'",
            (user.name, now, run_id),
        ).rowcount
    if waited:
        show_stopped(store, run_id)
    elif not works:
        raise WrongStateError(f"Run {order['run_id']} is neither queued nor running: there is nothing to stop.")


def wait_for_order(store, platform, run_id):
    """Of a run that has ended by the store: wait a few seconds until its order has ended too.

    A head writes down how its run ended, then ends itself, and the runner notices a second later. Whoever sees the end
    and asks for the next thing at once is not answered that the run is running.
    """
    if find_run(store, run_id)["status"] in ACTIVE:
        return
    last = time.monotonic() + _ORDER_ENDS_WITHIN_S
    while (order := order_of(platform, run_id)) and order["state"] == "running" and time.monotonic() < last:
        time.sleep(0.1)


def ask_retry(store, platform, run_id, user):
    """Queue a run again that failed or was interrupted: what did not succeed is computed, all else is kept.

    Raises NotFoundError, NotAllowedError, UserError.
    """
    _own_order(store, platform, run_id, user)
    wait_for_order(store, platform, run_id)
    if find_run(store, run_id)["status"] == "SUCCESS":
        raise WrongStateError(f"Run {run_id}: all of its proteins succeeded, there is nothing to retry.")
    with transaction(platform):
        queued = platform.execute(
            "update orders set state = 'queued', queued_at = ?, stop_asked_by = null, stop_asked_at = null,"
            " signals = 0, signalled_at = null, message = null where run_id = ? and state = 'ended'",
            (time.time(), run_id),
        ).rowcount
    if not queued:
        raise WrongStateError(f"Run {run_id} is already queued or running.")
    show_queued_again(store, run_id)


def repeat_run(store, platform, run_id, name, user):
    """Order a run of another name with the same proteins and choices; returns its NewRun. Anybody may.

    Raises NotFoundError, NameTakenError, UserError.
    """
    find_named(store, run_id)
    order = order_of(platform, run_id)
    if order is None:
        raise WrongStateError(f"Run {run_id} was not started on this site: order a new one with its ids.")
    chosen = {key: order[key] for key in ("templates", "mode", "weights")}
    new_run = NewRun(name, ids_of(store, platform, run_id), user.name, **chosen)
    order_run(store, platform, new_run)
    return new_run


def show_queued(store, run_id, author, total):
    """Have the store show a run that waits for its first start."""
    with transaction(store):
        store.execute(
            "insert into runs (run_id, status, author, total) values (?, 'QUEUED', ?, ?) on conflict do nothing",
            (run_id, author, total),
        )


def show_queued_again(store, run_id):
    """Have the store show that a run which ended waits for another start."""
    with transaction(store):
        store.execute("update runs set status = 'QUEUED' where run_id = ? and status <> 'RUNNING'", (run_id,))


def show_stopped(store, run_id):
    """Have the store show that a run does not wait any more."""
    with transaction(store):
        store.execute("update runs set status = 'INTERRUPTED' where run_id = ? and status = 'QUEUED'", (run_id,))


def find_named(store, run_id):
    """The row of a run of a name that we give; NotFoundError for others, in the store or not."""
    try:
        check_name(run_id)
    except UserError:
        raise NotFoundError(f"There is no run {run_id[:80]!r} that could be changed here.") from None
    return find_run(store, run_id)


def _own_order(store, platform, run_id, user):
    find_named(store, run_id)
    order = order_of(platform, run_id)
    if order is None:
        raise WrongStateError(f"Run {run_id} was not started on this site: stop or resume it where it was started.")
    if not may_change(store, platform, run_id, user):
        raise NotAllowedError(f"Run {run_id} belongs to {order['author']}: only they and administrators may do this.")
    return order


def _taken(name):
    return NameTakenError(f"There is a run {name!r} already, or its folder: choose another name.")
