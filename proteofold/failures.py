"""Why a protein has no result: read from the logs of the jobs that should have made it."""

from proteofold.process import ERROR_MARK, STEP_MARK

FAILURE_COLUMNS = ("query_id", "step", "reason", "log")


def failure_of(run, member):
    """The row of failed.csv of a member without a result: query_id, step, reason, log (empty if there is none)."""
    rules = [("search_templates", member.protein, "search")]
    if not run.folder.horiz(member.batch).exists():
        rules.insert(0, ("predict_secondary_structure", member.batch, "secondary_structure"))
    for rule, name, first_step in rules:
        log = run.folder.log(rule, name)
        if log.is_file():
            step, reason = _last_words(log, first_step)
            return (member.query_id, step, reason, str(log))
    return (member.query_id, rules[0][2], "not started: the run ended before", "")


def _last_words(log, step):
    """Step and reason of a log: its ERROR line, or what a log without one lets conclude."""
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        mark, _, rest = line.partition(" ")
        if mark == STEP_MARK:
            step = rest
        elif mark == ERROR_MARK:
            step, _, reason = rest.partition(": ")
            return step, reason
    return step, "ended without a word: the job was killed or its machine went down"
