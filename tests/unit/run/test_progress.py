"""Progress in proteins: what is counted, what is said of failures, and how Snakemake's events reach it."""

import gc
import io
import logging
import os
import re
import subprocess
import sys
import tempfile
from types import SimpleNamespace

import pytest

from proteofold.run import progress
from proteofold.run.progress import Progress
from proteofold.system.words import rough_duration


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is set."""
    now = SimpleNamespace(s=1000.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now.s)
    return now


@pytest.fixture
def shown():
    """What is written to standard error."""
    return io.StringIO()


@pytest.fixture
def run(shown, clock):
    """Progress of a run of five proteins in two batches, one of them done before."""
    started = Progress(file=shown)
    started.plan({"a": 100, "b": 200, "c": 300, "d": 400, "e": 500}, missing=4)
    started.jobs({"search_templates": 4, "summarise_hits": 4, "predict_secondary_structure": 2, "merge_results": 1})
    started.started("predict_secondary_structure", {"batch": "0001"})
    return started


def search(run, entry):
    for rule in ("search_templates", "summarise_hits"):
        run.started(rule, {"entry": entry, "xx": "ab"})
        run.finished(rule, {"entry": entry, "xx": "ab"})


def test_proteins_done_before_count_as_done(run):
    assert run.text() == "1 of 5 proteins done, secondary structure: 0 of 2 batches"


def test_searches_and_batches_are_counted(run):
    run.finished("predict_secondary_structure", {"batch": "0001"})
    search(run, "a")
    assert run.text() == "2 of 5 proteins done, secondary structure: 1 of 2 batches"
    run.finished("predict_secondary_structure", {"batch": "0002"})
    assert run.text() == "2 of 5 proteins done"


def test_time_left_is_reported_after_three_searches(run, clock):
    for protein in "abc":
        clock.s += 60
        assert run.seconds_left() is None
        search(run, protein)
    # 180 s for 3 x 440 + 600 residues; four searches of the run's mean length were due
    assert run.seconds_left() == pytest.approx(180 * (4 * (440 + 300) / 1920 - 1))
    assert "about 2 min left" in run.text()
    search(run, "d")
    assert run.seconds_left() is None
    assert "left" not in run.text()


def test_summary_alone_finishes_a_protein_too(run):
    """Its search was done before."""
    run.started("summarise_hits", {"entry": "a", "xx": "ab"})
    run.finished("summarise_hits", {"entry": "a", "xx": "ab"})
    assert run.text().startswith("2 of 5 proteins done")


def test_failure_is_shown_with_rule_protein_reason_and_log(run, shown, tmp_path):
    log = tmp_path / "a.log"
    log.write_text("$ hhsearch\nError: why [red]not[/red]\n")
    run.failed("search_templates", {"entry": "a", "xx": "ab"}, [str(log)])
    assert shown.getvalue() == f"FAILED search_templates a: why [red]not[/red] (log: {log})\n"
    assert "1 failed" in run.text()


def test_failure_of_a_batch_is_shown_with_its_name(run, shown, tmp_path):
    log = tmp_path / "b.log"
    log.write_text("Error: out of memory\n")
    run.failed("predict_secondary_structure", {"batch": "0001"}, [str(log)])
    assert shown.getvalue() == f"FAILED predict_secondary_structure 0001: out of memory (log: {log})\n"
    assert "failed" not in run.text()


def test_failure_without_a_log_is_shown(run, shown):
    run.failed("merge_results", {}, [])
    assert shown.getvalue().startswith("FAILED merge_results: left no log")
    assert "failed" not in run.text()


def test_attempts_of_one_protein_are_one_failure(run):
    for protein in ("a", "a", "b"):
        run.failed("search_templates", {"entry": protein, "xx": "ab"}, [])
    assert "2 failed" in run.text()
    search(run, "a")  # the third attempt went well
    assert "1 failed" in run.text()


def test_file_gets_a_line_now_and_then(run, shown, clock):
    search(run, "a")
    assert shown.getvalue() == ""
    clock.s += 16
    search(run, "b")
    search(run, "c")
    assert shown.getvalue().count("\n") == 1
    assert shown.getvalue().startswith("2 of 5 proteins done")


def test_bar_leaves_room_for_the_text_on_a_terminal_of_80_columns(monkeypatch, shown):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(shown, "isatty", lambda: True, raising=False)
    run = Progress(file=shown)
    run.plan({str(number): 100 for number in range(12345)}, missing=12345)
    run.jobs({"summarise_hits": 12345, "predict_secondary_structure": 321})
    run.started("predict_secondary_structure", {"batch": "0001"})
    run.stop()
    line = shown.getvalue().splitlines()[0]
    assert "·" in line and line.endswith("0 of 12345 proteins done, secondary structure: 0 of 321 batches")


def test_last_state_stays(run, shown):
    search(run, "a")
    run.stop()
    run.stop()
    assert shown.getvalue() == "2 of 5 proteins done, secondary structure: 0 of 2 batches\n"


def test_log_of_a_run_that_stopped_does_not_end_with_the_time_left(run, shown, clock):
    for protein in "abc":
        clock.s += 1
        search(run, protein)
    assert "left" in run.text()
    run.stop()
    assert "left" not in shown.getvalue().splitlines()[-1]


def test_lines_of_a_platform_log_have_the_time_and_the_step(run, shown, monkeypatch):
    monkeypatch.setenv("PROTEOFOLD_LOG_TIMES", "1")
    search(run, "a")
    run.failed("search_templates", {"entry": "b", "xx": "ab"}, [])
    lines = shown.getvalue().splitlines()
    assert lines and all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  \S", line) for line in lines), lines
    assert "search_templates a finished" in lines[0] and "search_templates b" in lines[-1]


def test_proteins_that_are_missing_and_not_requested_do_not_count_as_done(shown):
    start = Progress(file=shown)
    start.plan({"a": 100, "b": 200, "c": 300}, missing=2)
    start.jobs({"summarise_hits": 1})
    assert start.text() == "1 of 3 proteins done"
    search(start, "a")
    assert start.text(ended=True) == "2 of 3 proteins done"


def test_run_with_nothing_to_do_shows_nothing(shown):
    idle = Progress(file=shown)
    idle.plan({"a": 100}, missing=0)
    idle.jobs({})
    idle.stop()
    assert (shown.getvalue(), idle.text()) == ("", "1 of 1 proteins done")


@pytest.mark.parametrize("error", [BrokenPipeError, OSError])
def test_run_continues_when_nobody_reads_its_progress_any_more(error, clock):
    class Gone(io.StringIO):
        def write(self, text):
            raise error

    run = Progress(file=Gone())
    run.plan({"a": 100, "b": 200}, missing=2)
    run.jobs({"summarise_hits": 2})
    search(run, "a")
    run.failed("search_templates", {"entry": "b", "xx": "ab"}, [])
    run.stop()
    assert run.done == 1


def test_long_lines_are_not_broken(run, shown):
    run.print("x" * 500)
    assert shown.getvalue() == "x" * 500 + "\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (3600, "60 min"),
        (5400, "1 h 30 min"),
        (12_000, "3 h 20 min"),
        (14_399, "3 h 59 min"),
        (172_800, "2 days"),
    ],
)
def test_time_is_reported_in_the_unit_that_matters(seconds, text):
    assert rough_duration(seconds) == text


def test_job_on_a_node_does_not_import_what_shows_or_records_a_run():
    pytest.importorskip("snakemake")
    script = "import sys, snakemake_logger_plugin_proteofold; print({'rich', 'yaml', 'numpy'} & sys.modules.keys())"
    outcome = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert outcome.stdout == "set()\n"


@pytest.fixture
def handler(shown, monkeypatch):
    """Snakemake's side: the plugin's handler, without Snakemake."""
    plugin = pytest.importorskip("snakemake_logger_plugin_proteofold")
    monkeypatch.setattr("proteofold.run.progress.Progress", lambda quiet: Progress(file=shown, quiet=quiet))
    common = SimpleNamespace(
        dryrun=False, verbose=False, printshellcmds=False, debug_dag=False, nocolor=True, quiet=None
    )
    return plugin.LogHandler(common_settings=common, settings=None)


def record(text="", level=logging.INFO, **extra):
    made = logging.LogRecord("snakemake", level, __file__, 1, text, None, None)
    vars(made).update(extra)
    return made


def event(name, **extra):
    from snakemake_interface_logger_plugins.common import LogEvent

    return record(event=LogEvent[name], **extra)


def plan_of(**lengths):
    """What the Snakefile hands over when the run is planned."""
    members = {entry: SimpleNamespace(entry=entry, length=length) for entry, length in lengths.items()}
    return record(proteofold_plan=SimpleNamespace(run=SimpleNamespace(members=members), missing=list(lengths)))


def start(handler, jobid, rule, **wildcards):
    handler.emit(event("JOB_INFO", jobid=jobid, rule_name=rule, wildcards=wildcards, local=True))


def test_events_of_snakemake_become_progress(handler, shown):
    handler.emit(plan_of(a=10, b=20))
    handler.emit(event("RUN_INFO", stats={"search_templates": 2, "summarise_hits": 2, "total": 3}))
    start(handler, 1, "summarise_hits", entry="a")
    handler.emit(event("JOB_FINISHED", job_id=1))
    handler.emit(event("JOB_FINISHED", job_id=99))
    assert handler.progress.text() == "1 of 2 proteins done"
    assert shown.getvalue() == ""
    handler.close()
    assert shown.getvalue() == "1 of 2 proteins done\n"


def test_failed_job_is_shown_by_its_protein(handler, shown, tmp_path):
    handler.emit(plan_of(a=10, b=20))
    start(handler, 1, "search_templates", entry="a")
    (tmp_path / "a.log").write_text("$ hhsearch\nError: why\n")
    handler.emit(event("JOB_ERROR", jobid=1, rule_name="search_templates", log=[str(tmp_path / "a.log")]))
    assert shown.getvalue() == f"FAILED search_templates a: why (log: {tmp_path / 'a.log'})\n"


def test_warnings_and_notes_are_shown_and_job_texts_are_not(handler, shown):
    handler.emit(record("note: 1 record was corrected", level=logging.WARNING))
    handler.emit(record("Building DAG of jobs..."))
    handler.emit(record("Select jobs to execute..."))
    handler.emit(event("SHELLCMD", shellcmd="hhsearch"))
    handler.emit(event("ERROR", exception="WorkflowError", rule=None, traceback=None, file=None, line=None))
    assert shown.getvalue().splitlines()[:2] == ["note: 1 record was corrected", "Building DAG of jobs..."]
    assert "Select jobs" not in shown.getvalue()


def test_that_jobs_failed_is_not_reported_once_more_at_the_end(handler, shown):
    from snakemake.exceptions import WorkflowError, format_exception_to_string

    text = format_exception_to_string(WorkflowError("At least one job did not complete successfully."))
    handler.emit(record(text, level=logging.ERROR, event=event("ERROR").event))
    assert shown.getvalue() == ""


def test_dry_run_shows_what_snakemake_says(handler, shown):
    handler.common_settings.dryrun = True
    handler.emit(record("This was a dry-run (flag -n)."))
    assert "This was a dry-run" in shown.getvalue()


@pytest.fixture
def caches(handler, monkeypatch, tmp_path):
    """Function that sets HOME and XDG_CACHE_HOME, and gives the folder that Snakemake's cache then goes to."""
    plugin = pytest.importorskip("snakemake_logger_plugin_proteofold")

    def place(home, xdg=None):
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        if xdg:
            monkeypatch.setenv("XDG_CACHE_HOME", str(xdg))
        made = plugin.LogHandler(common_settings=handler.common_settings, settings=None)
        return made, os.environ.get("XDG_CACHE_HOME")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return place


def test_cache_stays_where_the_user_has_it(caches, tmp_path):
    assert caches(tmp_path)[1] is None
    assert caches("/proc", xdg=tmp_path)[1] == str(tmp_path)
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(("home", "xdg"), [("/proc", None), ("/proc", "/proc"), ("~", None), ("/proc", "/nowhere")])
def test_cache_is_a_temporary_folder_where_home_cannot_be_written(caches, tmp_path, home, xdg):
    handler, place = caches(home, xdg)
    assert os.path.dirname(place) == str(tmp_path / "tmp") and os.path.isdir(place)
    del handler
    gc.collect()
    assert list((tmp_path / "tmp").iterdir()) == []
