"""Recording a run while it is running: its start, batches of events, its end.

All of it may be done again: events that the store knows already change nothing. What the run's files do not contain is
noted in its journal before it is committed, so a store that was lost is imported again as it was.
"""

import contextlib
import json
import os
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

from proteofold.run.lock import head_is_alive
from proteofold.run.manifest import load_run
from proteofold.run.states import STATE_COLUMNS, State, apply_event, seconds_of
from proteofold.store.database import importing_alone, transaction
from proteofold.store.journal import note_end, note_events, note_start, read_history
from proteofold.store.proteins import add_members, member_rows, write_members
from proteofold.store.results import RESULT_COLUMNS, RunFiles, run_id_of
from proteofold.store.rows import count_run, write_rows, write_run
from proteofold.system.errors import UserError

# Rows of one transaction: about 0.1 s.
ROWS_AT_ONCE = 500

_READ_UNFINISHED = f"select {', '.join(RESULT_COLUMNS)} from protein_results where run_id = ? and phase <> 'done'"
_QUERY_ID = RESULT_COLUMNS.index("query_id")
_READ_STATE = f"select position, {', '.join(STATE_COLUMNS)} from protein_results where run_id = ? and query_id = ?"


def start_run(conn, run, author=None, at=None):
    """Record that a head begins to work on a run, for the first time or again.

    Adds the proteins, and a row for each: waiting, or done where its files are. ``at`` is in seconds since 1970.
    """
    note_start(run.folder.path, time.time() if at is None else at, author)
    write_running(conn, run)


def write_running(conn, run):
    """Bring the rows of a run in progress to what its journal and its files contain."""
    run_id = run_id_of(run)
    history = read_history(run.folder.path)
    files = RunFiles(run, from_blocks=True)
    known = _stored_results(conn, run)
    add_members(conn, run)
    with transaction(conn):
        write_run(conn, run, history, None)
        remove_others(conn, run)

    def rows():
        for position, member in files.by_batch():
            made = files.finished_at(member)
            if made is None or known.get(member.query_id) != (position, member.entry, made):
                result = files.result(member)
                yield files.row(position, member, history.state(member.protein), None, result), result

    _write_in_batches(conn, run, rows())
    with transaction(conn):
        count_run(conn, run_id)
    with importing_alone(conn, wait=False) as alone:
        if alone:
            remove_unused_predictions(conn)


def record_events(conn, run, events):
    """Record events of proteins; returns those to give again with the next batch.

    These are ends whose result files are not to be seen yet, as happens on a shared folder. Events of proteins that
    are not in the run, and events that are known already, change nothing.
    """
    files, early = RunFiles(run), []
    events = iter(events)
    while chunk := list(islice(events, ROWS_AT_ONCE)):
        ready, results = [], {}
        for event in chunk:
            member = run.members.get(event.protein)
            if member is None:
                continue
            if event.phase == "done":
                result = files.read(member)
                if result is None:
                    early.append(event)
                    continue
                results[event.protein] = result
            ready.append(_completed(files, member, event))
        _record(conn, run, files, ready, results)
    return early


def note_unrecorded(run, events):
    """Add events of proteins to the journal alone, while the store cannot be written."""
    files = RunFiles(run)
    known = (event for event in events if event.protein in run.members)
    note_events(run.folder.path, [_completed(files, run.members[event.protein], event) for event in known])


def _completed(files, member, event):
    """An event with what the files contain of a failure."""
    if event.phase == "failed" and not event.reason:
        step, reason, log, _ = files.failure(member)
        event = replace(event, step=event.step or step, reason=reason, log=event.log or log)
    return replace(event, log=files.log_text(event.log)) if event.log else event


def _record(conn, run, files, events, results):
    states, new = {}, []
    with transaction(conn):
        for event in events:
            if event.protein not in states:
                key = (files.run_id, run.members[event.protein].query_id)
                row = conn.execute(_READ_STATE, key).fetchone()
                if row is None:
                    continue  # the run has not been started
                states[event.protein] = [row[0], State(*row[1:]), False]
            entry = states[event.protein]
            if apply_event(entry[1], event):
                new.append(event)
                entry[2] = True
        if not new:
            return
        note_events(run.folder.path, new)
        rows = []
        for protein, (position, state, changed) in states.items():
            if changed:
                result = results.get(protein) if state.phase == "done" else None
                rows.append((files.row(position, run.members[protein], state, None, result), result))
        # the sequences of a batch are there since it was predicted
        predicted = [run.members[event.protein] for event in new if event.phase == "waiting"]
        write_members(conn, member_rows(run, predicted))
        write_rows(conn, run, rows)
        count_run(conn, files.run_id)


def finish_run(conn, run, status, at=None):
    """Record that the head ends, with the run's status: SUCCESS, FAILED or INTERRUPTED.

    Proteins that are not done get what their files contain: a result, or why there is none. Interrupted ones wait.
    """
    note_end(run.folder.path, time.time() if at is None else at, status)
    write_ended(conn, run, status)


def mark_interrupted(conn, run_id, run=None):
    """Record that the head of a run was killed. ``run``, where its folder is there, shows what was done until then."""
    if run is not None:
        write_ended(conn, run, "INTERRUPTED")
        return
    with transaction(conn):
        cleared = [name for name in STATE_COLUMNS if name not in ("phase", "attempts", "updated_at")]
        conn.execute(
            f"update protein_results set phase = 'waiting', {', '.join(f'{name} = null' for name in cleared)}"
            " where run_id = ? and phase in ('submitted', 'running')",
            (run_id,),
        )
        resumed, worked_s, last = conn.execute(
            "select date_resumed, ifnull(duration_s, 0), (select max(updated_at) from protein_results where run_id = ?)"
            " from runs where run_id = ?",
            (run_id, run_id),
        ).fetchone()
        if resumed:
            last = max(resumed, last or "")
            worked_s = round(worked_s + seconds_of(last) - seconds_of(resumed), 3)
        conn.execute(
            "update runs set status = 'INTERRUPTED', date_finished = ?, duration_s = ? where run_id = ?",
            (last, worked_s, run_id),
        )


def interrupt_dead_runs(conn, *results):
    """End the runs whose head does not live on this machine; ``results`` are folders that may hold the run folders.

    They were interrupted, unless their journal or their files show that only the store missed their end. Returns the
    ids of those that were. A run whose folder is in none of the folders may be running elsewhere and is left unchanged.
    """
    dead = []
    for (run_id,) in conn.execute("select run_id from runs where status = 'RUNNING'").fetchall():
        folder = next((path for path in (Path(parent) / run_id for parent in results) if path.is_dir()), None)
        if folder and not head_is_alive(folder):
            with contextlib.suppress(OSError, ValueError, UserError):
                run = load_run(folder)
                ended = status_at_end(run, read_history(folder))
                write_ended(conn, run, ended)
                if ended == "INTERRUPTED":
                    dead.append(run_id)
    return dead


def status_at_end(run, history):
    """The status with which a run ended whose head does not live: as its journal records, or its files."""
    if history.ended:
        return history.ended
    try:
        merged_at = os.stat(run.folder.overview).st_mtime
        counts = json.loads(run.folder.overview.read_text())
        is_whole = counts["with_hit"] + counts["without_hit"] == counts["proteins"] == len(run.members)
    except (OSError, ValueError, KeyError, TypeError):
        return "INTERRUPTED"
    return "SUCCESS" if is_whole and merged_at >= history.last_at else "INTERRUPTED"


def write_ended(conn, run, ended):
    """Bring the rows of a run to what its journal and its files contain, now that it has ended with this status."""
    run_id, files, history = run_id_of(run), RunFiles(run, from_blocks=True), read_history(run.folder.path)
    phases = dict(conn.execute("select query_id, phase from protein_results where run_id = ?", (run_id,)).fetchall())
    if conn.execute("select 1 from runs where run_id = ?", (run_id,)).fetchone() is None:  # of a store that was lost
        with transaction(conn):
            write_run(conn, run, history, None)
    add_members(conn, run)  # with the sequences of batches that were written since the run began
    if _began_again(run, history):
        return

    def rows():
        for position, member in files.by_batch():
            # a merge may have removed the result of a protein that was done
            if not (phases.get(member.query_id) == "done" and files.has_result(member)):
                result = files.result(member)
                yield files.row(position, member, history.state(member.protein), ended, result), result

    _write_in_batches(conn, run, rows())
    with transaction(conn):
        if not _began_again(run, history):
            write_run(conn, run, history, ended)
        count_run(conn, run_id)


def _began_again(run, history):
    """Whether another head has begun to work on a run since its history was read: the rows are those of that head."""
    return read_history(run.folder.path).last_start != history.last_start


def _stored_results(conn, run):
    """query_id -> (position, entry, finished_at) of the finished proteins that the store has, of the same search.

    Empty if their domains were chosen with other thresholds, or have superfamilies of another classification.
    """
    found = conn.execute("select settings from runs where run_id = ?", (run_id_of(run),)).fetchone()
    stored = json.loads(found[0] or "{}") if found else {}
    if _of_domains(stored) != _of_domains(run.settings):
        return {}
    rows = conn.execute(
        "select query_id, position, entry, finished_at from protein_results join runs using (run_id)"
        " where run_id = ? and phase = 'done' and coverage_class is not null and search = ?",
        (run_id_of(run), run.settings["search"]),
    )
    return {row[0]: row[1:] for row in rows}


def _of_domains(settings):
    """What the domains of a run depend on beside its hits."""
    # the store has no folders of this machine
    return settings.get("domains"), Path(settings.get("classification") or "").name


def remove_others(conn, run):
    """Remove the rows of proteins that have left the run."""
    run_id = run_id_of(run)
    members = {member.query_id for member in run.members.values()}
    stored = conn.execute("select query_id from protein_results where run_id = ?", (run_id,))
    gone = [(run_id, query_id) for (query_id,) in stored if query_id not in members]
    conn.executemany("delete from protein_results where run_id = ? and query_id = ?", gone)


def _write_in_batches(conn, run, rows):
    """Write (row, Result or None) pairs, but for rows without a result that the store has already."""
    stored = {row[_QUERY_ID]: row for row in conn.execute(_READ_UNFINISHED, (run_id_of(run),))}
    changed = ((row, result) for row, result in rows if result or row != stored.get(row[_QUERY_ID]))
    while batch := list(islice(changed, ROWS_AT_ONCE)):
        with transaction(conn):
            write_rows(conn, run, batch)


def remove_unused_predictions(conn):
    """Remove predictions without a result of their sequence and weights, in short transactions.

    Only while ``importing_alone`` holds: what an import has written has no results until it ends.
    """
    unused = """
        not exists (
            select 1 from protein_results join runs using (run_id)
            where protein_results.md5 = predictions.md5 and phase = 'done'
                and runs.weights = predictions.weights
        )
    """
    for (key,) in conn.execute("select weights from unused_predictions").fetchall():
        query = f"select rowid from predictions where weights = ? and {unused}"
        found = iter(conn.execute(query, (key,)).fetchall())
        while part := list(islice(found, ROWS_AT_ONCE)):
            with transaction(conn):
                # a run may have come to use it meanwhile
                conn.executemany(f"delete from predictions where rowid = ? and {unused}", part)
        with transaction(conn):  # and another may have come to be unused
            left = f"select 1 from predictions where weights = :key and {unused}"
            conn.execute(f"delete from unused_predictions where weights = :key and not exists ({left})", {"key": key})
