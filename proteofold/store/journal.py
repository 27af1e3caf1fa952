"""The journal of a run, ``results/<run>/events.jsonl``: what its result files do not contain.

One JSON object a line: starts and ends of the run, and events of its proteins. It is only ever appended to. With it
the rows of a store that was lost are made again as they were: attempts, nodes, failures, times.
"""

import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from proteofold.run.states import Event, State, apply_event, timestamp
from proteofold.store.schema import RUN_STATUSES
from proteofold.system.files import open_unlinked

JOURNAL = "events.jsonl"

_STARTED = "STARTED"
_EVENT_FIELDS = {column.name for column in fields(Event)}


@dataclass(slots=True)
class History:
    """What a journal records. ``ended`` is the status the last head left, None while it runs or when it was killed."""

    states: dict = field(default_factory=dict)  # protein -> State
    first_start: float | None = None
    last_start: float | None = None
    last_at: float = 0.0
    author: str | None = None
    ended: str | None = None
    worked_s: float = 0.0  # of the starts before the last

    @property
    def date_started(self):
        """The first start, as text; None without a journal."""
        return None if self.first_start is None else timestamp(self.first_start)

    @property
    def date_resumed(self):
        """The last start, as text."""
        return None if self.last_start is None else timestamp(self.last_start)

    @property
    def duration_s(self):
        """Seconds that heads were running, up to the last event."""
        return round(self.worked_s + self.last_at - self.last_start, 3)

    def state(self, protein):
        """The state of a protein, kept: what is changed in it stays changed."""
        return self.states.setdefault(protein, State())

    def _take_up(self, record):
        _check(record)
        at = record["at"]
        kind = record.get("run")
        if kind == _STARTED:
            if self.last_start is None:
                self.first_start = at
            else:
                self.worked_s = self.duration_s
            self.last_start, self.author, self.ended = at, record.get("author"), None
            self.last_at = at  # also where the clock was set back meanwhile
            for state in self.states.values():
                if state.phase != "done":  # whether that still holds, the result files show
                    state.wait_again()
        elif kind is not None:
            self.ended = kind
        else:
            event = Event(**{key: record[key] for key in record.keys() & _EVENT_FIELDS})
            apply_event(self.state(event.protein), event)
        self.last_at = max(self.last_at, at)


def _check(record):
    """Raise one of the errors that read_history passes over for values of other kinds than are written."""
    timestamp(record["at"])
    "".join(value for name, value in record.items() if name != "at" and value is not None).encode()
    if record.get("run") not in (None, _STARTED, *RUN_STATUSES):
        raise ValueError


def read_history(folder):
    """Read the journal of a run folder; a line that a killed process left half written is passed over.

    So is one of which the store could not hold the values: jobs write in the folder, too.
    """
    history = History()
    try:
        with open_unlinked(Path(folder) / JOURNAL, "r", encoding="utf-8", errors="replace", newline="\n") as lines:
            for line in lines:
                try:
                    history._take_up(json.loads(line))
                except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
                    continue
    except FileNotFoundError:
        pass
    return history


def note_start(folder, at, author):
    """Add that a head begins to work on the run."""
    _append(folder, [{"at": at, "run": _STARTED, "author": author}])


def note_end(folder, at, status):
    """Add that the head ends, and with which status of the run."""
    _append(folder, [{"at": at, "run": status}])


def note_events(folder, events):
    """Add events of proteins."""
    _append(folder, [{key: value for key, value in asdict(event).items() if value is not None} for event in events])


def _append(folder, records):
    if not records:
        return
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    with open_unlinked(Path(folder) / JOURNAL, "a+b") as handle:
        size = handle.seek(0, os.SEEK_END)
        if size:
            handle.seek(size - 1)
            if handle.read(1) != b"\n":  # a killed process left half a line
                text = "\n" + text
        handle.write(text.encode(errors="backslashreplace"))
