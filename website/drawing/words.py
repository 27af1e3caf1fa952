"""Numbers, times and states as the pages say them."""

from datetime import UTC, datetime

from proteofold.run.states import seconds_of
from proteofold.store import schema
from proteofold.system.words import duration, whole_percent

# The status of a run, or the phase of a protein -> what the pages call it, and the class that colours it
STATES = {
    "QUEUED": ("waiting to start", "quiet"),
    "RUNNING": ("running", "busy"),
    "SUCCESS": ("finished", "good"),
    "FAILED": ("finished, some failed", "bad"),
    "INTERRUPTED": ("interrupted", "bad"),
    "waiting": ("waiting", "quiet"),
    "submitted": ("submitted", "quiet"),
    "running": ("running", "busy"),
    "done": ("done", "good"),
    "failed": ("failed", "bad"),
}
ACTIVE = schema.ACTIVE  # templates know it by this module


def state(name):
    """What a status or phase is called, and the class of its colour."""
    return STATES.get(name, (name or "unknown", "quiet"))


def evalue(value):
    """An E-value in two digits: 1.5e-20, 0.002, 1.2; nothing where there is none.

    Zero, which is below the smallest number that hhsearch prints, is shown as a bound.
    """
    if value is None:
        return ""
    if value == 0:
        return "< 1e-300"
    return f"{value:.1e}".replace("e-0", "e-") if 0 < value < 0.001 else f"{float(f'{value:.2g}'):g}"


def number(value, digits=0):
    """A number with its thousands apart; nothing where there is none."""
    return "" if value is None else f"{value:,.{digits}f}"


def percent(part, total):
    """A part in percent, rounded down as in verdicts: 0%, below 1%, 42%, 100% only where it is all."""
    if not part or not total:
        return "0%"
    whole = whole_percent(part / total)
    return f"{whole}%" if whole else "below 1%"


def moment(text):
    """A time of the store to the minute: 2026-11-22 15:44."""
    return (text or "")[:16].replace("T", " ")


def span(seconds):
    """A time span in words, as far as it is known: 2 h 5 min."""
    return "not known" if seconds is None else duration(seconds)


def time_at_work(run, now=None):
    """How long the head of a run was running, in words; of a running one until now. Nothing where it is not known."""
    seconds = run["duration_s"]
    if run["status"] == "RUNNING" and run["date_resumed"]:
        now = datetime.now(UTC).timestamp() if now is None else now
        seconds = (seconds or 0) + max(0, now - seconds_of(run["date_resumed"]))
    return "" if seconds is None else duration(seconds)
