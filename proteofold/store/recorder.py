"""Recording a run's events while it goes on: a thread of its own writes them to the store in batches.

The thread that reports an event only puts it into a queue, so a slow or locked store delays no job. A store that
cannot be written costs the live view and nothing else: the run goes on, and is imported from its files later.
"""

import contextlib
import getpass
import os
import queue
import sqlite3
import threading
import time
from pathlib import Path

from proteofold import paths
from proteofold.errors import UserError
from proteofold.store.database import open_store
from proteofold.store.writing import finish_run, record_events, start_run

SECONDS_BETWEEN_WRITES = 0.5
EVENTS_AT_ONCE = 500


def store_path(results):
    """The store of the runs in a folder of results."""
    return Path(os.environ.get(paths.STORE_VARIABLE) or Path(results) / paths.STORE_NAME)


class Recorder:
    """Records one run. ``warn`` is called with a text, once, if the store cannot be written.

    ``watch`` is asked again and again for events that nobody brings: what Slurm tells of the run's jobs.
    """

    def __init__(self, run, warn, watch=list):
        self._run, self._warn, self._watch = run, warn, watch
        self._events = queue.SimpleQueue()
        self._status = "INTERRUPTED"  # unless the run tells another end
        self._closing = threading.Event()
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
        try:
            path = store_path(self._run.folder.path.parent)
            with contextlib.closing(open_store(path)) as conn:
                start_run(conn, self._run, author=_author())
                early = []
                while not self._closing.is_set() or not self._events.empty():
                    early = record_events(conn, self._run, early + self._next_events() + self._watch())
                finish_run(conn, self._run, self._status)
        except (UserError, sqlite3.Error, OSError) as error:
            self._warn(
                f"the store is not written: {error}. The run goes on; afterwards 'proteofold store import "
                f"{self._run.folder.path}' puts it into the store."
            )

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
