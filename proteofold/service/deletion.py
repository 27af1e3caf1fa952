"""Deleting a run: its folder, its rows, its order; a kill in between leaves nothing that looks like a run."""

import contextlib
import os
import shutil

from proteofold.run.lock import head_is_alive
from proteofold.run.states import timestamp
from proteofold.service.places import heads_folder, order_folder, order_lock, run_folder
from proteofold.service.runs import NotAllowedError, WrongStateError, find_named, may_change, wait_for_order
from proteofold.store.database import importing_alone, transaction
from proteofold.store.writing import remove_unused_predictions
from proteofold.system.errors import UserError

_ROWS_AT_ONCE = 200  # each takes its hits with it: 0.1 s


def delete_run(store, platform, run_id, user):
    """Delete a run: its folder, its rows in the store, its order. A deletion that is killed is finished by the runner.

    Proteins stay, and so do its results in ``results/shared``, which other runs use ('proteofold clean' removes those
    that none does). Raises NotFoundError, NotAllowedError, and UserError for a run that waits or works, or whose folder
    is not one of ``results``.
    """
    row = find_named(store, run_id)
    if not may_change(store, platform, run_id, user):
        raise NotAllowedError(f"Run {run_id} can be deleted by its author or an administrator.")
    wait_for_order(store, platform, run_id)
    with order_lock(platform, run_id) as lock:
        folder = _own_folder(platform, run_id)
        if lock is None or (folder.exists() and head_is_alive(folder)):
            raise WrongStateError(f"Run {run_id} is running: stop it first.")
        with transaction(platform):
            platform.execute(
                "insert into orders (run_id, author, templates, mode, weights, proteins, state, ordered_at, queued_at)"
                " values (?, ?, '', '', '', 0, 'deleting', 0, 0)"
                " on conflict (run_id) do update set state = 'deleting' where state = 'ended'",
                (run_id, row["author"] or ""),
            )
            (state,) = platform.execute("select state from orders where run_id = ?", (run_id,)).fetchone()
        if state != "deleting":
            raise WrongStateError(f"Run {run_id} is queued or running: stop it first.")
        finish_deletion(store, platform, run_id)


def ended_before(store, seconds, author=None):
    """The ids of runs that ended before a time (seconds since 1970), of all or of an author, the oldest first."""
    query = (
        "select run_id from runs where status in ('SUCCESS', 'FAILED', 'INTERRUPTED') and date_finished < ?"
        " and author is ifnull(?, author) order by date_finished"
    )
    return [run_id for (run_id,) in store.execute(query, (timestamp(seconds), author))]


def finish_deletion(store, platform, run_id):
    """Delete what is left of a run that is being deleted. The caller holds its lock."""
    folder = _own_folder(platform, run_id)
    results, doomed = folder.parent, folder.with_name(f".{run_id}.deleted")
    if folder.exists():
        if doomed.exists():
            shutil.rmtree(doomed)
        folder.rename(doomed)  # from here on it does not count as a run
    _remove_rows(store, run_id)
    for path in (doomed, order_folder(platform, run_id)):
        _remove_below(results, path.relative_to(results))
    if heads_folder(platform, run_id).exists():
        shutil.rmtree(heads_folder(platform, run_id))
    with transaction(platform):
        platform.execute("delete from orders where run_id = ? and state = 'deleting'", (run_id,))


def _remove_below(root, path):
    """Remove the folder ``path``, relative to ``root``; nothing if it is not there.

    Jobs write below ``root``: OSError if a folder on the way is a link, by which others' files would be removed.
    """
    *parents, name = path.parts
    with contextlib.ExitStack() as stack, contextlib.suppress(FileNotFoundError):
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, folder)
        for parent in parents:
            folder = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            stack.callback(os.close, folder)
        shutil.rmtree(name, dir_fd=folder)


def _own_folder(platform, run_id):
    """The run's folder, there or not; UserError unless it is one of ``results`` itself."""
    folder = run_folder(platform, run_id)
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UserError(
            f"{folder} is a link or a file, not the folder of a run: nothing was deleted. Remove it manually."
        )
    return folder


def _remove_rows(store, run_id):
    while True:
        with transaction(store):
            removed = store.execute(
                "delete from protein_results where run_id = ? and query_id in"
                " (select query_id from protein_results where run_id = ? limit ?)",
                (run_id, run_id, _ROWS_AT_ONCE),
            ).rowcount
            if not removed:
                store.execute("delete from runs where run_id = ?", (run_id,))
                break
    with importing_alone(store, wait=False) as alone:
        if alone:
            remove_unused_predictions(store)
