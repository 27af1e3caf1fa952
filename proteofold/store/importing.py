"""The rows of a run, made from the files of its folder. Until all are ready the store shows the earlier ones."""

import contextlib
import gc
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context, parent_process

from proteofold.run.failures import DAMAGED
from proteofold.run.lock import head_is_alive, hold_run
from proteofold.run.manifest import load_run
from proteofold.run.results import is_whole, remove
from proteofold.store.database import importing_alone, transaction
from proteofold.store.journal import read_history
from proteofold.store.proteins import member_rows, write_members
from proteofold.store.results import RunFiles, run_id_of
from proteofold.store.rows import (
    ADD_RESULT,
    WRITE_RESULT,
    count_run,
    new_result_ids,
    write_hits,
    write_predictions,
    write_run,
)
from proteofold.store.writing import remove_others, remove_unused_predictions, status_at_end
from proteofold.system.errors import UserError
from proteofold.system.process import die_with

# While importing: room for what a transaction writes and for the indexes of the proteins, which grow in random places,
# and fewer copies of the same pages from the log into the file.
_FOR_IMPORT = {"cache_size": -65_536, "wal_autocheckpoint": 16_000}

# Proteins of one transaction: half a second.
PROTEINS_AT_ONCE = 1000

_PROTEINS_WORTH_A_PROCESS = 2000  # a second of reading; a process takes half a second to start
_READ_AHEAD = 2  # transactions' worth of results that wait for the writer, for each process that reads

_reader = None  # of a process that reads


def import_run(conn, folder, workers=1, warn=None):
    """Replace a run's rows by what its folder holds; returns the run's id. Raises UserError if it is no run folder.

    A damaged result is removed, so that the next start of the run makes it again, unless a head works on the run or
    the file cannot be removed. ``warn`` is called with a text on each.

    Of more than one ``workers`` all read while this process writes; with 1 it does both. A script that asks for more
    must be importable without side effects (``if __name__ == "__main__"``).

    Hits are written first, under ids that no result has, so no reader sees them; then one transaction puts the rows of
    all proteins in place. An import that is killed before leaves the earlier rows, and hits and predictions that the
    next one removes.
    """
    run = _load(folder)
    with importing_alone(conn), _pragmas(conn, _FOR_IMPORT), _without_garbage_collection():
        _remove_unused(conn)
        _import(conn, run, workers, warn or (lambda text: None))
        _remove_unused(conn)
        remove_unused_predictions(conn)
    return run_id_of(run)


def _load(folder):
    try:
        return load_run(folder)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"{folder}: not the folder of a run ({why}). Give a folder that holds settings.json and manifest.tsv, such "
            "as results/demo.",
            topic="store",
        ) from None


def _import(conn, run, workers, warn):
    run_id, history, files = run_id_of(run), read_history(run.folder.path), RunFiles(run, from_blocks=True)
    ended = _ending(run, history, files)
    order = files.by_batch()
    with transaction(conn):
        first = new_result_ids(conn, len(order))
        reserved = (first, first + len(order) - 1)
        conn.execute("insert into unused_results values (?, ?)", reserved)
        conn.execute("insert or ignore into unused_predictions values (?)", (run.settings["predictions"],))
    rows, damaged, numbered = [], [], enumerate(order, first)

    def add_row(result_id, position, member, result):
        rows.append((result_id, *files.row(position, member, history.state(member.protein), ended, result)))

    with contextlib.closing(_write_hidden(conn, files, order, first, workers)) as results:
        for result, (result_id, (position, member)) in zip(results, numbered, strict=True):
            if member.entry in files.damaged:
                damaged.append((result_id, position, member, None))
            else:
                add_row(result_id, position, member, result)
    _remove_damaged(files, warn)
    for row in damaged:
        add_row(*row)
    rows.sort(key=lambda row: row[2])  # query_id: in the order of the key it is written in half the time
    with transaction(conn):
        old = conn.execute("select min(result_id), max(result_id) from protein_results where run_id = ?", (run_id,))
        (earlier,) = old.fetchall()
        write_run(conn, run, history, ended)
        remove_others(conn, run)
        conn.executemany(ADD_RESULT if earlier[0] is None else WRITE_RESULT, rows)
        conn.execute("delete from unused_results where (first, last) = (?, ?)", reserved)
        if earlier[0] is not None:
            conn.execute("insert into unused_results values (?, ?)", earlier)
        if history.last_start is None:
            _date_by_results(conn, run_id, ended)
        count_run(conn, run_id)


def _remove_damaged(files, warn):
    """Remove the results that were found damaged, where that is possible, and report each."""
    if not files.damaged:
        return
    search = files.run.search
    with hold_run(files.run.folder.path) as held:
        for entry, why in list(files.damaged.items()):
            if is_whole(search, entry):
                warn(f"{why}: made again by another run meanwhile. Import this run again.")
                continue
            try:
                if held:
                    remove(search, files.run.by_entry[entry], why)
                    del files.damaged[entry]
                    warn(f"{why}: {DAMAGED}")
                    continue
                reason = "a Snakemake process works on the run"
            except OSError as error:
                reason = error.strerror
            warn(f"{why}: not removed: {reason}")


def _write_hidden(conn, files, order, first, workers):
    """Write what is invisible until results name it: proteins, hits, predictions. Yields the Result, or None, of each.

    The results of the members in ``order`` have the ids ``first`` and following.
    """
    library, weights = files.run.settings["library"]["key"], files.run.settings["predictions"]
    known = {name for (name,) in conn.execute("select template from templates where library_key = ?", (library,))}
    files.described |= known
    numbered = enumerate((member for _, member in order), first)
    with contextlib.closing(_read(_Reader(files, order), workers)) as parts:
        for proteins, results, damaged in parts:
            files.damaged |= damaged
            named = zip(results, islice(numbered, len(results)), strict=True)
            done = [(result_id, member.md5, result) for result, (result_id, member) in named if result]
            with transaction(conn):
                write_members(conn, proteins)
                known |= write_hits(conn, library, ((result_id, result) for result_id, _, result in done), known)
                write_predictions(conn, weights, ((md5, result.prediction) for _, md5, result in done))
            yield from results


def _read(reader, workers):
    """Yield what ``_Reader.read`` gives of each part of the members, in order."""
    starts = range(0, len(reader.order), PROTEINS_AT_ONCE)
    parts = [slice(start, start + PROTEINS_AT_ONCE) for start in starts]
    if workers < 2 or len(reader.order) < _PROTEINS_WORTH_A_PROCESS:
        yield from map(reader.read, parts)
        return
    # spawn: a fork would share the connection to the store
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin_reading, (reader,)) as pool:
        parts = iter(parts)
        try:
            ahead = deque(pool.submit(_read_part, part) for part in islice(parts, _READ_AHEAD * workers))
            while ahead:
                read = ahead.popleft().result()
                ahead.extend(pool.submit(_read_part, part) for part in islice(parts, 1))
                yield read
        except BrokenProcessPool:
            raise UserError(
                f"{reader.files.run.folder.path}: a process that read its files was killed, most likely out of "
                "memory. The store has the rows of before; try again with --jobs 1.",
                topic="store",
            ) from None


@dataclass(slots=True)
class _Reader:
    """Reads the files of a run; ``order`` holds its members by batch."""

    files: RunFiles
    order: list

    def read(self, part):
        """The rows of a part's proteins, the Result, or None, of each, and entry -> why of damaged ones."""
        members = [member for _, member in self.order[part]]
        results = []
        for member in members:
            results.append(self.files.result(member))
            if results[-1]:
                self.files.described.update(results[-1].descriptions)
        return list(member_rows(self.files.run, members)), results, dict(self.files.damaged)


def _begin_reading(reader):
    global _reader
    # else those of an import that was killed would wait for ever: each holds the other end of the pipe that it reads
    die_with(parent_process().pid)
    _reader = reader
    gc.disable()


def _read_part(part):
    return _reader.read(part)


@contextlib.contextmanager
def _without_garbage_collection():
    """Rows are no garbage and hold no cycles; looking for some among a million objects takes a third of an import."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextlib.contextmanager
def _pragmas(conn, values):
    before = {name: conn.execute(f"pragma {name}").fetchone()[0] for name in values}
    for name, value in values.items():
        conn.execute(f"pragma {name} = {value}")
    try:
        yield
    finally:
        for name, value in before.items():
            conn.execute(f"pragma {name} = {value}")


def _remove_unused(conn):
    """Remove hits and domains that belong to no result any more, in short transactions."""
    for first, last in conn.execute("select first, last from unused_results").fetchall():
        for start in range(first, last + 1, PROTEINS_AT_ONCE):
            part = {"start": start, "end": min(start + PROTEINS_AT_ONCE - 1, last)}
            with transaction(conn):
                for table in ("hit_rows", "domain_rows"):
                    conn.execute(
                        f"""
                        delete from {table} where result_id between :start and :end and result_id not in (
                            select result_id from protein_results where result_id between :start and :end
                        )
                        """,
                        part,
                    )
        with transaction(conn):
            conn.execute("delete from unused_results where (first, last) = (?, ?)", (first, last))


def import_order(folders):
    """Run folders in the order in which the runs were first started, in which live recording met them."""

    def started(folder):
        with contextlib.suppress(OSError, ValueError, UserError):
            run = load_run(folder)
            return read_history(folder).date_started or _first_result(run) or ""
        return ""

    return sorted(folders, key=started)


def _first_result(run):
    files = RunFiles(run)
    return min(filter(None, map(files.finished_at, run.members.values())), default=None)


def _ending(run, history, files):
    """The status with which a run ended; None if its head is running."""
    if history.ended:
        return history.ended
    if head_is_alive(run.folder.path):
        return None
    if history.last_start is not None:
        return status_at_end(run, history)
    if all(map(files.has_result, run.members.values())):
        return "SUCCESS"
    return "FAILED" if (run.folder.path / "failed.csv").exists() else "INTERRUPTED"


def _date_by_results(conn, run_id, ended):
    """Of a run without a journal: its first and last result as its start and end."""
    conn.execute(
        """
        update runs set date_started = first, date_finished = iif(:ended is null, null, last),
            duration_s = iif(:ended is null, null, round((julianday(last) - julianday(first)) * 86400, 3))
        from (
            select min(started_at) as first, max(finished_at) as last from protein_results where run_id = :run_id
        )
        where run_id = :run_id
        """,
        {"run_id": run_id, "ended": ended},
    )
