"""What the runner does with orders: take the next, watch running ones, record how one ended.

Each step may be killed anywhere and is then done again: an order says in which state it is, the lock of its head says
whether one lives, the run's journal says how far it came.
"""

import contextlib
import signal
import sqlite3
import subprocess
import time

from proteofold.run.lock import head_is_alive
from proteofold.run.manifest import load_run
from proteofold.run.states import seconds_of
from proteofold.service import heads
from proteofold.service.deletion import finish_deletion
from proteofold.service.places import order_lock, run_folder
from proteofold.service.runs import show_queued, show_queued_again, show_stopped
from proteofold.store import Event, finish_run, import_run, mark_interrupted, record_events, transaction
from proteofold.store.database import dicts
from proteofold.store.journal import note_end, read_history
from proteofold.system.errors import UserError

# How a run is stopped: as by Ctrl-C first, which leaves everything tidy. Each with the seconds since the one before it.
_SIGNALS = {
    "default": ((0, signal.SIGINT), (60, signal.SIGTERM), (15, signal.SIGKILL)),
    "cluster": ((0, signal.SIGINT), (300, signal.SIGTERM), (15, signal.SIGKILL)),  # cancelling takes its time
}

_LONGEST_MESSAGE = 2000
_NOTHING_TO_DO = "Nothing to be done"  # as Snakemake says it


# --- the queue --------------------------------------------------------------------------------------


def repair(store, platform):
    """Make good what a kill left between the platform's database and the store, and finish deletions."""
    for order in dicts(platform, "select * from orders where state in ('queued', 'ended')"):
        if not run_folder(platform, order["run_id"]).exists():
            show_queued(store, order["run_id"], order["author"], order["proteins"])
    for (run_id,) in store.execute("select run_id from runs where status = 'QUEUED'").fetchall():
        order = _read(platform, run_id)
        if order is None or order["state"] == "ended":
            show_stopped(store, run_id)
    for (run_id,) in platform.execute("select run_id from orders where state = 'deleting'").fetchall():
        with order_lock(platform, run_id) as lock:
            if lock is not None:
                with contextlib.suppress(OSError, UserError):  # tried again at the next start
                    finish_deletion(store, platform, run_id)


def start_next(store, platform, settings, parallel, log):
    """Start what is queued, the first come first, while fewer than ``parallel`` runs are running.

    Returns the processes that were started, by run.
    """
    started = {}
    for (run_id,) in platform.execute("select run_id from orders where state = 'queued' order by queued_at").fetchall():
        (at_work,) = platform.execute("select count(*) from orders where state = 'running'").fetchone()
        if at_work >= parallel:
            break
        order = _claim(platform, run_id)
        if order and (process := _start(store, platform, order, settings, log)):
            started[run_id] = process
    return started


def _claim(platform, run_id):
    """Take an order out of the queue; None if it was stopped first."""
    with transaction(platform):
        row = platform.execute(
            "update orders set state = 'running', starts = starts + 1, started_at = ?, ended_at = null"
            " where run_id = ? and state = 'queued' returning run_id",
            (time.time(), run_id),
        ).fetchone()
    return row and _read(platform, run_id)


def _start(store, platform, order, settings, log):
    run_id = order["run_id"]
    try:
        heads.write_inputs(store, platform, order)
        with order_lock(platform, run_id) as lock:
            if lock is None or head_is_alive(run_folder(platform, run_id)):
                log(f"{run_id}: a head is running already; it is watched")
                return None
            process = heads.start_head(store, platform, order, lock, settings)
    except (UserError, OSError, subprocess.SubprocessError) as error:
        log(f"{run_id}: cannot be started: {error}")
        _end(store, platform, order, "FAILED", f"could not be started: {error}")
        return None
    log(f"{run_id}: started for {order['author']}, {order['proteins']} proteins, process {process.pid}")
    return process


# --- running ----------------------------------------------------------------------------------------


def look_after(store, platform, settings, log, children, resume=False):
    """Watch running orders: stop those that were asked to stop, and record the end of those that have ended.

    ``children`` are the heads that this runner started itself, by run; those that ended are taken out. With ``resume``
    a run that was interrupted without being asked to stop is queued again. Returns how many orders there were.
    """
    orders = dicts(platform, "select * from orders where state = 'running'")
    for order in orders:
        run_id = order["run_id"]
        child = children.get(run_id)
        # a child that closes its files gives its lock back a moment before it can be waited for
        if (child and child.poll() is None) or heads.lives(platform, run_id):
            if order["stop_asked_by"]:
                _stop(platform, order, settings, log)
        elif heads.began(platform, order):
            try:
                status, message = _conclude(store, platform, order, settings, child and child.returncode)
            except sqlite3.Error:
                raise  # the store is busy, or its disk is full: tried again
            except Exception as error:  # whatever its folder holds, the other orders are looked after
                status, message = "INTERRUPTED", f"how it ended could not be written down: {error!r}"
            children.pop(run_id, None)
            if resume and status == "INTERRUPTED" and not order["stop_asked_by"]:
                _queue_again(store, platform, run_id)
                log(f"{run_id}: interrupted, and queued again")
                continue
            log(f"{run_id}: ended as {status}")
            _end(store, platform, order, status, message)
        else:
            _back_into_queue(store, platform, order, log)
    return len(orders)


def _queue_again(store, platform, run_id):
    """Of an order whose head did not outlive its runner, as where both were in a container that ended."""
    _works_no_more(store, run_id)
    with transaction(platform):
        platform.execute("update orders set state = 'queued' where run_id = ? and state = 'running'", (run_id,))
    show_queued_again(store, run_id)


def _back_into_queue(store, platform, order, log):
    """Of an order that a runner claimed and did not live to start."""
    with transaction(platform):
        platform.execute(
            "update orders set state = 'queued' where run_id = ? and state = 'running' and stop_asked_by is null",
            (order["run_id"],),
        )
    again = _read(platform, order["run_id"])
    if again["state"] == "running":
        _end(store, platform, again, "INTERRUPTED", f"stopped by {again['stop_asked_by']} before it began")
    log(f"{order['run_id']}: claimed and not started by an earlier runner: {_read(platform, order['run_id'])['state']}")


def _stop(platform, order, settings, log):
    """Send the next signal if it is due."""
    left = _SIGNALS[settings.profile][order["signals"] :]
    if not left or time.time() - (order["signalled_at"] or 0) < left[0][0]:
        return
    number = left[0][1]
    if heads.signal_head(platform, order, number, settings):
        log(f"{order['run_id']}: {number.name} sent, as {order['stop_asked_by']} asked")
        with transaction(platform):
            query = "update orders set signals = signals + 1, signalled_at = ? where run_id = ?"
            platform.execute(query, (time.time(), order["run_id"]))


def _conclude(store, platform, order, settings, exit_code):
    """Bring the store up to date on a run whose head is gone; returns the run's status, and the reason if there is one.

    ``exit_code`` is None where an earlier runner started the head.
    """
    run_id, folder = order["run_id"], run_folder(platform, order["run_id"])
    try:
        run = load_run(folder)
    except (UserError, OSError, ValueError):
        run = None
    if run and run.settings["run"] != run_id:  # a folder that was put in its place manually
        run = None
    history = read_history(folder)
    recorded = run is not None and history.last_start is not None and history.last_start >= order["started_at"]
    message, words = None, heads.last_words(platform, order)
    idle = exit_code == 0 or (exit_code is None and _NOTHING_TO_DO in words)
    if recorded and history.ended == "SUCCESS":
        status = "SUCCESS"
    elif order["stop_asked_by"]:
        status, message = "INTERRUPTED", f"stopped by {order['stop_asked_by']}"
        if recorded and history.ended:
            _wait_again(store, run, history, order["stop_asked_at"])
            finish_run(store, run, status)
        if settings.profile == "cluster" and order["signals"] == len(_SIGNALS["cluster"]):
            said = heads.cancel_jobs(run_id, settings)
            message += f"; jobs of it may be left in Slurm: {said}" if said else ""
    elif recorded and history.ended:
        status = history.ended
    elif not recorded and idle and run is not None:
        status = "SUCCESS"
        note_end(folder, time.time(), status)
    elif not recorded and exit_code and exit_code > 0:
        status, message = "FAILED", words or f"its head ended with exit code {exit_code}"
    else:
        status, message = "INTERRUPTED", "its head process was killed, or the machine went down"
        message += f". It printed last:\n{words}" if words and not recorded else ""
    if recorded or status == "SUCCESS":
        _bring_up_to_date(store, run, status)
    if status == "FAILED" and message is None:
        (failed,) = store.execute("select ifnull(sum(failed), 0) from runs where run_id = ?", (run_id,)).fetchone()
        message = None if failed else words
    if status == "INTERRUPTED" and message is None:  # as by a full disk, which the head names
        message = words
    return status, message


def _wait_again(store, run, history, since):
    """What failed by a stop did not fail: it waits."""
    now = time.time()
    states = ((protein, state) for protein, state in history.states.items() if state.phase == "failed")
    stopped = [protein for protein, state in states if seconds_of(state.updated_at) >= since]
    record_events(store, run, [Event(protein, "waiting", now) for protein in stopped])


def _bring_up_to_date(store, run, status):
    """Record in the store how a run ended, if its recorder did not."""
    row = store.execute("select status from runs where run_id = ?", (run.settings["run"],)).fetchone()
    if row and row[0] == status:
        return
    if status == "INTERRUPTED":
        mark_interrupted(store, run.settings["run"], run)
    else:
        import_run(store, run.folder.path)


def _end(store, platform, order, status, message):
    """Write down that an order is carried out; ``status`` is the run's, where the store does not know better."""
    _works_no_more(store, order["run_id"])
    with transaction(store):
        store.execute("update runs set status = ? where run_id = ? and status = 'QUEUED'", (status, order["run_id"]))
    with transaction(platform):
        platform.execute(
            "update orders set state = 'ended', ended_at = ?, message = ? where run_id = ? and state = 'running'",
            (time.time(), message and message[:_LONGEST_MESSAGE], order["run_id"]),
        )


def _works_no_more(store, run_id):
    """Have the store show a run as interrupted that has no head, and whose files do not show how it ended."""
    if store.execute("select 1 from runs where run_id = ? and status = 'RUNNING'", (run_id,)).fetchone():
        mark_interrupted(store, run_id)


def _read(platform, run_id):
    return next(iter(dicts(platform, "select * from orders where run_id = ?", (run_id,))), None)
