"""How far a protein of a run is: events in, state out. Nothing here reads or writes a file."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime

from proteofold.run.rules import ALIGNMENT, PREDICTION

_ORDER = {"waiting": 0, "submitted": 1, "running": 2, "failed": 3, "done": 4}
_ACTIVE = ("submitted", "running")
_BEFORE_SEARCH = (PREDICTION.step, ALIGNMENT.step)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a protein.

    ``protein`` is the file stem, ``phase`` one of schema.PHASES, ``at`` seconds since 1970. Events of one protein
    carry different times, to the millisecond; of two at the same one the later in the order waiting, submitted,
    running, failed, done counts. ``step`` is that of one of the RULES; None is the search.
    """

    protein: str
    phase: str
    at: float
    node: str | None = None
    step: str | None = None
    reason: str | None = None
    log: str | None = None


@dataclass(slots=True)
class State:
    """The columns of protein_results that change while a run is running; times are text in UTC.

    Events decide them, but for ``computed_in``, which is in the files of a result.
    """

    phase: str = "waiting"
    attempts: int = 0
    node: str | None = None
    computed_in: str | None = None
    step: str | None = None
    reason: str | None = None
    log: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    updated_at: str | None = None

    def wait_again(self):
        """Back to the start, with the attempts and the clock kept."""
        for name in ("node", "computed_in", "step", "reason", "log", "started_at", "finished_at"):
            setattr(self, name, None)
        self.phase = "waiting"


STATE_COLUMNS = tuple(field.name for field in fields(State))


def timestamp(seconds):
    """Seconds since 1970 as the store writes times: 2026-11-18T14:27:37.123Z."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_of(text):
    """The seconds since 1970 of a timestamp."""
    return datetime.fromisoformat(text).timestamp()


def apply_event(state, event):
    """Change a state as an event reports; False, and no change, if it is not newer than what the state knows.

    So events may come twice, and a late word of an earlier phase undoes nothing.
    """
    at = timestamp(event.at)
    if state.updated_at and (at, _ORDER[event.phase]) <= (state.updated_at, _ORDER[state.phase]):
        return False
    if state.phase == "done" and (event.phase == "waiting" or event.step in _BEFORE_SEARCH):
        return False  # its batch is predicted again for another protein
    predicted_before = state.step in _BEFORE_SEARCH
    began = event.phase == "submitted" or (
        event.phase == "running"
        and (state.phase not in _ACTIVE or (predicted_before and event.step not in _BEFORE_SEARCH))
    )
    if began and event.step not in _BEFORE_SEARCH:
        state.attempts += 1
    node, started_at, was_running = state.node, state.started_at, state.phase == "running"
    state.wait_again()
    state.phase, state.updated_at = event.phase, at
    if event.phase in (*_ACTIVE, "failed"):
        state.step, state.log = event.step, event.log
    if event.phase == "running":
        state.node = event.node or (node if not began else None)
        state.started_at = started_at if was_running and not began else at
    elif event.phase == "failed":
        state.node, state.started_at = event.node or node, started_at
        state.reason, state.finished_at = event.reason, at
    return True
