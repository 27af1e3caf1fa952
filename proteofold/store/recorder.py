"""Recording a run's events while it is running: a thread of its own writes them to the store in batches.

The thread that reports an event only puts it into a queue, so a slow or locked store delays no job. While the store
cannot be written events go to the run's journal alone; it is tried again now and then, and when the run ends.
"""

import contextlib
import getpass
import os
import queue
import sqlite3
import threading
import time
from functools import partial
from pathlib import Path

from proteofold.store.database import advice, open_store
from proteofold.store.journal import note_end, note_start
from proteofold.store.writing import note_unrecorded, record_events, write_ended, write_running
from proteofold.system import paths
from proteofold.system.errors import UserError

_CANNOT_BE_WRITTEN = (UserError, sqlite3.Error, OSError)

SECONDS_BETWEEN_TRIES = 20
SECONDS_BETWEEN_WRITES = 0.5
EVENTS_AT_ONCE = 500


def store_path(results):
    """The store of the runs in a folder of results."""
    return Path(os.environ.get(paths.STORE_VARIABLE) or Path(results) / paths.STORE_NAME)


class Recorder:
    """Records one run. ``warn`` is called with a text when the store cannot be written, and when it can be again.

    ``watch`` is asked again and again for events that are not reported to it: what Slurm reports about the run's jobs.
    """

    def __init__(self, run, warn, watch=list):
        self._run, self._warn, self._watch = run, warn, watch
        self._events = queue.SimpleQueue()
        self._status = "INTERRUPTED"  # unless the run ends otherwise
        self._closing = threading.Event()
        self._store = None  # the connection, while the store has all events so far
        self._try_at = 0.0
        self._missed = False  # whether the user was warned that the store is not written
        self._notes = []  # what the journal has not taken yet
        self._thread = threading.Thread(target=self._record, name="proteofold-recorder", daemon=True)
        self._thread.start()

    def add(self, event):
        """Take up an event; returns at once."""
        self._events.put(event)

    def end(self, status):
        """The status to leave: SUCCESS, FAILED or INTERRUPTED."""
        self._status = status

    def close(self):
        """Write what is left and the end of the run; returns when it is written."""
        self._closing.set()
        self._thread.join()

    def _record(self):
        folder, early = self._run.folder.path, []
        self._note(partial(note_start, folder, time.time(), _author()))
        self._bring_up_to_date()
        while not self._closing.is_set() or not self._events.empty():
            events, early = early + self._next_events() + self._watched(), []
            self._note()
            if self._store is None and time.monotonic() >= self._try_at:
                self._bring_up_to_date()
            if self._store is not None:
                try:
                    early = record_events(self._store, self._run, events)
                    continue
                except _CANNOT_BE_WRITTEN as error:
                    self._give_up(error)
            self._note(partial(note_unrecorded, self._run, events))
        self._note(partial(note_end, folder, time.time(), self._status))
        self._end()

    def _end(self):
        if self._store is None:
            self._bring_up_to_date()
        if self._store is not None:
            try:
                write_ended(self._store, self._run, self._status)
                self._store.close()
                return
            except _CANNOT_BE_WRITTEN as error:
                self._give_up(error)
        self._warn(
            f"The store lacks how this run went on. Repair what was reported, then: proteofold store import "
            f"{self._run.folder.path}"
        )

    def _bring_up_to_date(self):
        """Open the store and write what the run's journal and files contain; if that fails there is no connection."""
        try:
            self._store = open_store(store_path(self._run.folder.path.parent))
            write_running(self._store, self._run)
        except _CANNOT_BE_WRITTEN as error:
            self._give_up(error)
            return
        if self._missed:
            self._missed = False
            self._warn("The store is written again; nothing of the run is missing in it.")

    def _give_up(self, error):
        if self._store is not None:
            self._store.close()
            self._store = None
        self._try_at = time.monotonic() + SECONDS_BETWEEN_TRIES
        if not self._missed:
            self._missed = True
            if isinstance(error, sqlite3.Error):
                path = store_path(self._run.folder.path.parent)
                error = f"{path}: {advice(path, error)}"
            self._warn(
                f"the store is not written: {error} The run continues and is recorded in its folder; the store is "
                f"tried again every {SECONDS_BETWEEN_TRIES} s."
            )

    def _note(self, *notes):
        """Add to the run's journal; what a full disk does not take is kept for the next time."""
        self._notes += notes
        with contextlib.suppress(OSError):
            while self._notes:
                self._notes[0]()
                del self._notes[0]

    def _watched(self):
        with contextlib.suppress(UserError, OSError):  # on a full disk
            return self._watch()
        return []

    def _next_events(self):
        """What comes within a moment, up to a batch."""
        events, deadline = [], time.monotonic() + SECONDS_BETWEEN_WRITES
        while len(events) < EVENTS_AT_ONCE and (left := deadline - time.monotonic()) > 0:
            if self._closing.is_set() and self._events.empty():
                break
            with contextlib.suppress(queue.Empty):
                events.append(self._events.get(timeout=left))
        return events


def _author():
    try:
        return os.environ.get(paths.AUTHOR_VARIABLE) or getpass.getuser()
    except (KeyError, OSError):
        return None
