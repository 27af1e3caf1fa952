"""Why a protein has no result: read from the logs of the steps that should have made it."""

from pathlib import Path

from proteofold.run.layout import LIBRARY_LOG
from proteofold.run.rules import A3M, ALIGNMENT, LIBRARY, PREDICTION, SEARCH, SUMMARY, WRITE_BATCH
from proteofold.system.disks import NOT_WRITTEN, disk_problem
from proteofold.system.files import open_unlinked
from proteofold.system.process import KILLED, STOPPED

FAILURE_COLUMNS = ("query_id", "step", "reason", "log")

# A step that fails writes this and its reason as the last line of its log (errors.py).
ERROR_MARK = "Error: "

# The reason of a result that was found damaged by a reader (results.py)
DAMAGED = "damaged, removed; rerun"

_NO_REASON = "exited without an error message: it was killed, its machine went down, or the disk was full"
_NO_LOG = "left no log: it was killed before it began, or could not be started"
# The reason of a protein of which no step left a log.
NOT_STARTED = "not started: the run ended before"


def batch_logs(run, batch):
    """step -> log, of the steps that all proteins of a batch share."""
    return {WRITE_BATCH.step: run.folder.log(WRITE_BATCH.name, batch), PREDICTION.step: run.predictions.log(batch)}


def protein_logs(run, member):
    """step -> log, of the steps that a member has to itself, in their order."""
    alignment = {ALIGNMENT.step: run.alignments.log(member.entry)} if run.alignments else {}
    return alignment | {
        A3M.step: run.folder.log(A3M.name, member.entry),
        SEARCH.step: run.search.log("search", member.entry),
        SUMMARY.step: run.search.log("summary", member.entry),
    }


def failure_of(run, member):
    """The row of failed.csv of a member without a result: query_id, step, reason, log (empty if there is none).

    The newest log of its steps is the one of the step that it came to.
    """
    logs = protein_logs(run, member)
    if member.batch and not run.predictions.horiz(member.batch).exists():
        # a3m finds a damaged prediction, for the merge to remove
        logs = batch_logs(run, member.batch) | {A3M.step: logs[A3M.step]}
    elif not Path(f"{run.library.prefix}_cs219.ffindex").exists():
        logs = {LIBRARY.step: run.folder.path / LIBRARY_LOG, **logs}
    there = {step: log for step, log in logs.items() if log.is_file()}
    if not there:
        return (member.query_id, PREDICTION.step if WRITE_BATCH.step in logs else A3M.step, NOT_STARTED, "")
    step = max(there, key=lambda step: (_failed(there[step]), there[step].stat().st_mtime_ns))
    return (member.query_id, step, last_words(there[step]), str(there[step]))


def last_words(log):
    """The reason that a step's log gives."""
    lines = _lines(log)
    if lines is None:
        return _NO_LOG
    return lines[-1].removeprefix(ERROR_MARK) if lines and lines[-1].startswith(ERROR_MARK) else _NO_REASON


def is_unfinished(reason):
    """Whether the reason of a missing result may be that the run was interrupted, rather than an error of the step."""
    return reason in (NOT_STARTED, _NO_LOG, _NO_REASON) or STOPPED in reason


def disk_failure(log, *folders):
    """Why a step failed, if a disk that takes no more is the reason: as its log says, or as one of the folders does.

    The folders are those that its run writes to. They are tried by writing into them, as a full disk takes no log.
    """
    reason = last_words(log)
    if NOT_WRITTEN in reason:
        return reason
    return next((str(problem) for problem in map(disk_problem, folders) if problem), None)


def must_fail_again(log):
    """Whether a log ends with an error that another try, with more memory, would only repeat."""
    return _failed(log) and not any(words in last_words(log) for words in (KILLED, STOPPED))


def _failed(log):
    lines = _lines(log)
    return bool(lines) and lines[-1].startswith(ERROR_MARK)


def _lines(log):
    """The lines of a log that are not blank; None if it cannot be read."""
    try:
        with open_unlinked(log, "r", encoding="utf-8", errors="replace") as handle:
            text = handle.read()
    except OSError:
        return None
    return [line for line in text.splitlines() if line.strip()]
