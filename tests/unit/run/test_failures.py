"""The reason of a failure is read from the logs of the steps: their own words, or what their absence means."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import runfolders

from proteofold.run.failures import (
    FAILURE_COLUMNS,
    disk_failure,
    failure_of,
    is_unfinished,
    last_words,
    must_fail_again,
)
from proteofold.run.layout import LIBRARY_LOG
from proteofold.run.results import remove

NO_REASON = "exited without an error message: it was killed, its machine went down, or the disk was full"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("$ hhsearch\nError: no: file\n", "no: file"),
        ("$ hhsearch\nError: why\n\n", "why"),
        ("Error: why", "why"),
        ("$ hhsearch\n", NO_REASON),
        ("", NO_REASON),
        ("Error: in a line of a tool\nmore\n", NO_REASON),
        ("ERROR: of a tool\n", NO_REASON),
    ],
)
def test_last_line_has_the_reason(tmp_path, text, reason):
    (tmp_path / "job.log").write_text(text)
    assert last_words(tmp_path / "job.log") == reason


def test_missing_log_and_a_folder_in_its_place_have_a_reason(tmp_path):
    for path in (tmp_path / "none.log", tmp_path):
        assert last_words(path) == "left no log: it was killed before it began, or could not be started"


def test_log_that_is_no_text_is_read(tmp_path):
    (tmp_path / "job.log").write_bytes(b"$ search\n\xff\xfe\0\nError: caf\xe9\n")
    assert last_words(tmp_path / "job.log") == "caf\ufffd"


@pytest.fixture
def runs(tmp_path):
    """The folder of all runs."""
    return runfolders.FolderOfRuns(tmp_path)


@pytest.fixture
def run(runs, tmp_path, make_library):
    """A run of one protein that has left nothing yet; its library is there."""
    library = {"prefix": make_library(tmp_path / "library" / "db", {"A": 9}), "templates": 1, "columns": 9}
    return runs.plan(proteins=["sp|P1|A"], library=library | {"longest": 9, "key": ""}, library_source="my templates")


@pytest.fixture
def member(run):
    """The protein of the run."""
    return run.members["P1"]


def put(path, text="", at=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if at:
        os.utime(path, (at, at))
    return str(path)


def test_protein_whose_jobs_never_began_has_not_started(run, member, runs):
    assert failure_of(run, member) == ("sp|P1|A", "secondary_structure", "not started: the run ended before", "")
    runs.predict(run, member.batch)
    assert failure_of(run, member) == ("sp|P1|A", "a3m", "not started: the run ended before", "")
    assert is_unfinished(failure_of(run, member)[2])


def test_failed_batch_is_the_reason_of_its_proteins(run, member):
    put(run.folder.log("write_batch", member.batch), "")
    log = put(run.predictions.log(member.batch), "Error: no memory\n")
    assert failure_of(run, member) == ("sp|P1|A", "secondary_structure", "no memory", log)


def test_batch_that_could_not_be_written_is_the_reason(run, member):
    log = put(run.folder.log("write_batch", member.batch), "Error: no space\n")
    assert failure_of(run, member) == ("sp|P1|A", "batch", "no space", log)


def test_failed_search_is_the_reason_once_there_is_a_prediction(run, member, runs):
    put(run.predictions.log(member.batch), "Error: an earlier attempt\n")
    put(run.folder.log("write_a3m", member.entry), "")
    log = put(run.search.log("search", member.entry), "$ hhsearch\nError: why\n")
    runs.predict(run, member.batch)
    assert failure_of(run, member) == ("sp|P1|A", "search", "why", log)


@pytest.mark.parametrize(("newest", "step"), [("search", "search"), ("summary", "summary")])
def test_newest_error_is_the_reason(run, member, runs, newest, step):
    runs.predict(run, member.batch)
    for number, name in enumerate(("search", "summary")):
        put(run.search.log(name, member.entry), f"Error: of {name}\n", at=1e9 + number + 9 * (name == newest))
    assert failure_of(run, member)[1:3] == (step, f"of {step}")


def test_search_that_was_killed_without_a_message_comes_after_an_old_log_of_its_query(run, member, runs):
    runs.predict(run, member.batch)
    put(run.folder.log("write_a3m", member.entry), "", at=1e9)
    put(run.search.log("search", member.entry), "$ hhsearch\n", at=1e9 + 1)
    assert failure_of(run, member)[1:3] == ("search", NO_REASON)


def test_removed_result_is_the_reason(run, member, runs):
    runs.finish(run, "P1")
    run.search.out(member.entry).write_bytes(b"")
    remove(run.search, member, "cut short")
    log = str(run.search.log("summary", member.entry))
    assert failure_of(run, member) == ("sp|P1|A", "summary", "damaged, removed; rerun", log)
    assert not is_unfinished(failure_of(run, member)[2])


def test_prediction_that_was_removed_as_damaged_is_the_reason(run, member):
    put(run.predictions.log(member.batch), "note: lower case\n")
    log = put(run.folder.log("write_a3m", member.entry), "Error: x.horiz: damaged, removed; rerun\n")
    assert failure_of(run, member) == ("sp|P1|A", "a3m", "x.horiz: damaged, removed; rerun", log)


def test_row_has_the_columns_of_the_table(run, member):
    assert len(failure_of(run, member)) == len(FAILURE_COLUMNS)


@pytest.mark.parametrize(
    ("script", "again"), [("exit 3", True), ("kill -ABRT $$", True), ("kill -TERM $$", False), ("kill -KILL $$", False)]
)
def test_only_an_error_of_the_tool_itself_would_be_repeated(tmp_path, in_rule, script, again):
    """A time limit ends the tool first and the process around it later: the log then has a signal as the reason."""
    log = tmp_path / "log"
    step = "import click\nfrom proteofold.cli import steps\nfrom proteofold.system.process import run_tool\n"
    step += f"click.command()(steps._step(lambda: run_tool(['sh', '-c', {script!r}])))()"
    with log.open("w") as handle:
        subprocess.run([sys.executable, "-c", step], stderr=handle, check=False)
    assert last_words(log).startswith("sh ")
    assert must_fail_again(log) is again


def test_log_without_a_reason_would_not_be_repeated(tmp_path):
    assert not must_fail_again(tmp_path / "none.log")
    put(tmp_path / "log", "$ hhsearch\n")
    assert not must_fail_again(tmp_path / "log")


def test_library_that_could_not_be_built_is_the_reason(run, member, runs):
    runs.predict(run, member.batch)
    log = put(run.folder.path / LIBRARY_LOG, "$ hhmake\nError: x.a3m: template x: hhmake: why\n")
    Path(f"{run.library.prefix}_cs219.ffindex").unlink()
    assert failure_of(run, member) == ("sp|P1|A", "template_library", "x.a3m: template x: hhmake: why", log)
    put(Path(f"{run.library.prefix}_cs219.ffindex"))
    assert failure_of(run, member)[2] == "not started: the run ended before"


STEP = "import sys; from proteofold.cli.main import main; sys.argv[0] = 'proteofold'; main()"


def test_step_whose_result_a_full_disk_does_not_take_names_the_disk(tmp_path, in_rule, data):
    log = tmp_path / "log"
    script = "from proteofold.system import files\n"
    script += "files.os.replace = lambda *_: (_ for _ in ()).throw(OSError(28, 'full'))\n"
    words = ["summarise", str(data / "hhsearch3.hhr"), str(tmp_path / "some.out")]
    with log.open("w") as handle:
        step = subprocess.run([sys.executable, "-c", script + STEP, *words], stderr=handle, check=False)
    assert step.returncode == 1
    assert f"{tmp_path}/some.out cannot be written to disk: No space left on device. The disk /" in last_words(log)
    assert disk_failure(log) == last_words(log)
    assert "Traceback" not in log.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_disk_that_takes_no_log_is_found_by_trying_it(tmp_path, monkeypatch):
    put(tmp_path / "log")
    assert disk_failure(tmp_path / "log", tmp_path) is None
    monkeypatch.setattr("proteofold.run.failures.disk_problem", lambda folder: f"{folder} is full")
    assert disk_failure(tmp_path / "log", tmp_path) == f"{tmp_path} is full"
