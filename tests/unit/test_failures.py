"""The reason of a failure is read from the log of the job: its own words, or what their absence tells."""

import pytest

from proteofold.failures import FAILURE_COLUMNS, failure_of, last_words, must_fail_again
from proteofold.hhsuite import Library
from proteofold.process import JobLog, measured_run
from proteofold.runs import Member, Run, RunFolder


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("STEP a3m\nSTEP search\n$ hhsearch\nERROR search: no: file\n", ("search", "no: file")),
        ("STEP a3m\n", ("a3m", "it ended without a word: it was killed, or its machine went down")),
        ("", ("first", "its log is empty: the disk was full when it began, or its machine went down")),
        ("STEP search\nERROR: of a tool\n", ("search", "it ended without a word")),
        ("STEP search\nERROR of a tool\nSTEP summary\nERROR summary: why\n", ("summary", "why")),
        ("STEP search\nERROR in a line of a tool\nmore\n", ("search", "it ended without a word")),
        ("STEP search\nERROR search: why\n\n", ("search", "why")),
        ("hhmake: no such file\n\n", ("first", "hhmake: no such file")),
        ("ERROR start: disk full\n", ("start", "disk full")),
    ],
)
def test_last_line_tells_step_and_reason(tmp_path, text, words):
    (tmp_path / "job.log").write_text(text)
    step, reason = last_words(tmp_path / "job.log", "first")
    assert step == words[0]
    assert reason.startswith(words[1])


def test_job_that_ended_well_was_not_killed(tmp_path):
    with JobLog(tmp_path / "job.log") as log:
        log.step("summary")
    step, reason = last_words(log.path, "search")
    assert step == "summary"
    assert "killed" not in reason
    assert "ended well, but its result was removed" in reason


def test_missing_log_and_a_folder_in_its_place_are_told(tmp_path):
    for path in (tmp_path / "none.log", tmp_path, ""):
        assert last_words(path, "search") == (
            "search",
            "it left no log: it was killed before it began, or could not be started",
        )


def test_log_that_is_no_text_is_read(tmp_path):
    (tmp_path / "job.log").write_bytes(b"STEP search\n\xff\xfe\0\nERROR search: caf\xe9\n")
    assert last_words(tmp_path / "job.log", "x") == ("search", "caf\ufffd")


MEMBER = Member("sp|P1|A", "P1", 10, "m", "0001-ab")


@pytest.fixture
def run(tmp_path):
    """A run of one protein that has left nothing yet."""
    return Run(RunFolder(tmp_path), {"P1": MEMBER}, {}, {}, [])


def put(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def test_protein_whose_jobs_never_began_is_told(run):
    assert failure_of(run, MEMBER) == ("sp|P1|A", "secondary_structure", "not started: the run ended before", "")
    put(run.folder.horiz("0001-ab"))
    assert failure_of(run, MEMBER) == ("sp|P1|A", "search", "not started: the run ended before", "")


def test_failed_batch_is_the_reason_of_its_proteins(run):
    log = put(run.folder.log("predict_secondary_structure", "0001-ab"), "ERROR secondary_structure: no memory\n")
    assert failure_of(run, MEMBER) == ("sp|P1|A", "secondary_structure", "no memory", log)


def test_failed_search_is_the_reason_once_there_is_a_prediction(run):
    put(run.folder.log("predict_secondary_structure", "0001-ab"), "ERROR secondary_structure: an earlier attempt\n")
    log = put(run.folder.log("search_templates", "P1"), "STEP search\nERROR search: why\n")
    put(run.folder.horiz("0001-ab"))
    assert failure_of(run, MEMBER) == ("sp|P1|A", "search", "why", log)


def test_row_has_the_columns_of_the_table(run):
    assert len(failure_of(run, MEMBER)) == len(FAILURE_COLUMNS)


@pytest.mark.parametrize(
    ("script", "again"), [("exit 3", True), ("kill -ABRT $$", True), ("kill -TERM $$", False), ("kill -KILL $$", False)]
)
def test_only_an_error_of_the_tool_itself_would_be_repeated(tmp_path, script, again):
    """A time limit ends the tool first and the process around it later: the log then tells of a signal."""
    path = tmp_path / "log"
    with JobLog(path) as log:
        log.step("search")
        measured_run(["sh", "-c", script], log, "")
    assert must_fail_again(path) is again


def test_library_that_could_not_be_built_is_the_reason(run, tmp_path):
    prefix = tmp_path / "library" / "db"
    run.settings |= {"library_source": "my templates", "library": Library(str(prefix), 1, 9, 9, "")._asdict()}
    put(run.folder.horiz("0001-ab"))
    assert failure_of(run, MEMBER)[2] == "not started: the run ended before"
    put(tmp_path / "library" / "db_logs" / "collect_templates.log")
    log = put(tmp_path / "library" / "db_logs" / "make_profiles.log", "x.a3m: template x: hhmake: why\n")
    assert failure_of(run, MEMBER) == ("sp|P1|A", "template_library", "x.a3m: template x: hhmake: why", log)
    put(tmp_path / "library" / "db_cs219.ffindex")
    assert failure_of(run, MEMBER)[2] == "not started: the run ended before"
