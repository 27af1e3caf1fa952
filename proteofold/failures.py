"""Why a protein has no result: read from the logs of the jobs that should have made it."""

from pathlib import Path

from proteofold.disks import NOT_WRITTEN, disk_problem
from proteofold.library_build import is_built
from proteofold.process import DONE_MARK, ERROR_MARK, KILLED, STEP_MARK, STOPPED

_NOT_STARTED = "not started: the run ended before"
_NO_LOG = "it left no log: it was killed before it began, or could not be started"
_NO_LAST_WORD = "it ended without a word: it was killed, or its machine went down"
_EMPTY_LOG = "its log is empty: the disk was full when it began, or its machine went down"

FAILURE_COLUMNS = ("query_id", "step", "reason", "log")


def failure_of(run, member):
    """The row of failed.csv of a member without a result: query_id, step, reason, log (empty if there is none)."""
    rules = [("search_templates", member.protein, "search")]
    if not run.folder.horiz(member.batch).exists():
        rules.insert(0, ("predict_secondary_structure", member.batch, "secondary_structure"))
    for rule, name, first_step in rules:
        log = run.folder.log(rule, name)
        if log.is_file():
            step, reason = last_words(log, first_step)
            return (member.query_id, step, reason, str(log))
    log = _library_log(run)
    if log:
        step, reason = last_words(log, "template_library")
        return (member.query_id, step, reason, str(log))
    return (member.query_id, rules[0][2], _NOT_STARTED, "")


def _library_log(run):
    """The last log of building the run's template library, if it was to be built and is not; else None."""
    if not run.settings.get("library_source") or is_built(run.library.prefix):
        return None
    logs = [path for path in Path(f"{run.library.prefix}_logs").glob("*.log") if path.stat().st_size]
    return max(logs, key=lambda path: path.stat().st_mtime, default=None)


def last_words(log, step):
    """Step and reason that a job's log tells: its last line, or what a log without a last word lets conclude.

    ``step`` is the first step of the job, for a log that names none.
    """
    try:
        text = Path(log).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return step, _NO_LOG
    lines = [line for line in text.splitlines() if line.strip()]
    steps = [line.partition(" ")[2] for line in lines if line.startswith(f"{STEP_MARK} ")]
    step = steps[-1] if steps else step
    mark, _, rest = lines[-1].partition(" ") if lines else ("", "", "")
    if mark == ERROR_MARK and ": " in rest:
        step, _, reason = rest.partition(": ")
        return step, reason
    if mark == DONE_MARK:
        return step, "it ended well, but its result was removed: the same command makes it again"
    if lines and not steps:
        return step, lines[-1].strip()  # the log of a job that is a plain command
    return step, _NO_LAST_WORD if text else _EMPTY_LOG


def is_unfinished(reason):
    """Whether the reason of a missing result may be that the run was interrupted, rather than an error of the job."""
    return reason in (_NOT_STARTED, _NO_LOG, _NO_LAST_WORD, _EMPTY_LOG, "KeyboardInterrupt") or STOPPED in reason


def disk_failure(log, *folders):
    """Why a job failed, if a disk that takes no more is the reason: as its log tells, or as one of the folders does.

    The folders are those that its run writes to. They are asked by writing into them, as a full disk takes no log.
    """
    _, reason = last_words(log, "")
    if NOT_WRITTEN in reason:
        return reason
    return next((str(problem) for problem in map(disk_problem, folders) if problem), None)


def must_fail_again(log):
    """Whether a job's log ends with an error that another try, with more memory, would only repeat."""
    try:
        lines = Path(log).read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return False
    last = next((line for line in reversed(lines) if line.strip()), "")
    return last.startswith(f"{ERROR_MARK} ") and not any(words in last for words in (KILLED, STOPPED))
