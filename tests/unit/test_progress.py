"""Progress in proteins: what is counted, what is said of failures, and how Snakemake's events reach it."""

import io
import logging
from types import SimpleNamespace

import pytest

from proteofold import progress
from proteofold.process import JobLog
from proteofold.progress import Progress, duration
from proteofold.runs import from_runs


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
    started.plan({"a": 100, "b": 200, "c": 300, "d": 400, "e": 500})
    started.jobs({"search_templates": 4, "predict_secondary_structure": 2, "merge_results": 1})
    started.started("predict_secondary_structure", {"batch": "0001-ab"})
    return started


def search(run, protein):
    run.started("search_templates", {"protein": protein})
    run.finished("search_templates", {"protein": protein})


def test_proteins_done_before_count_as_done(run):
    assert run.text() == "1 of 5 proteins done, secondary structure: 0 of 2 batches"


def test_searches_and_batches_are_counted(run):
    run.finished("predict_secondary_structure", {"batch": "0001-ab"})
    search(run, "a")
    assert run.text() == "2 of 5 proteins done, secondary structure: 1 of 2 batches"
    run.finished("predict_secondary_structure", {"batch": "0002-cd"})
    assert run.text() == "2 of 5 proteins done"


def test_time_left_is_told_after_three_searches(run, clock):
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


def test_failure_is_told_with_step_reason_and_log(run, shown, tmp_path):
    with JobLog(tmp_path / "a.log") as log:
        log.step("search")
        raise ValueError("why [red]not[/red]")
    run.failed("search_templates", {"protein": "a"}, [str(log.path)])
    assert shown.getvalue() == f"FAILED a at search: why [red]not[/red] (log: {log.path})\n"
    assert "1 failed" in run.text()


def test_failure_without_a_log_is_told(run, shown):
    run.failed("merge_results", {}, [])
    assert shown.getvalue().startswith("FAILED merge_results at merge_results: it left no log")
    assert "failed" not in run.text()


def test_attempts_of_one_protein_are_one_failure(run):
    for protein in ("a", "a", "b"):
        run.failed("search_templates", {"protein": protein}, [])
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
    assert shown.getvalue().startswith("3 of 5 proteins done")


def test_last_state_stays(run, shown):
    search(run, "a")
    run.stop()
    run.stop()
    assert shown.getvalue() == "2 of 5 proteins done, secondary structure: 0 of 2 batches\n"


def test_run_with_nothing_to_do_shows_nothing(shown):
    idle = Progress(file=shown)
    idle.plan({"a": 100})
    idle.jobs({})
    idle.stop()
    assert (shown.getvalue(), idle.text()) == ("", "1 of 1 proteins done")


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
def test_time_is_told_in_the_unit_that_matters(seconds, text):
    assert duration(seconds) == text


def test_reused_results_are_told_by_run_until_they_are_searched_again(run):
    run.reuse({"a": "first", "b": "second", "c": "first"})
    assert "done (reused: 2 from first, 1 from second)" in run.text()
    run.started("search_templates", {"protein": "b"})
    assert "done (reused: 2 from first)" in run.text()
    run.reuse({})
    assert "reused" not in run.text()


def test_many_runs_are_told_as_a_number():
    assert from_runs({"a": 9, "b": 2, "c": 3, "d": 1, "e": 1}) == "9 from a, 3 from c, 2 from b, 2 from 2 more"
    assert from_runs({}) == ""


@pytest.fixture
def handler(shown, monkeypatch):
    """Snakemake's side: the plugin's handler, without Snakemake."""
    plugin = pytest.importorskip("snakemake_logger_plugin_proteofold")
    monkeypatch.setattr(plugin, "Progress", lambda quiet: Progress(file=shown, quiet=quiet))
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


def start(handler, jobid, rule, **wildcards):
    handler.emit(event("JOB_INFO", jobid=jobid, rule_name=rule, wildcards=wildcards, local=True))


def test_events_of_snakemake_become_progress(handler, shown):
    handler.emit(record("2 proteins", protein_lengths={"a": 10, "b": 20}))
    handler.emit(event("RUN_INFO", stats={"search_templates": 2, "total": 3}))
    start(handler, 1, "search_templates", protein="a")
    handler.emit(event("JOB_FINISHED", job_id=1))
    handler.emit(event("JOB_FINISHED", job_id=99))
    assert handler.progress.text() == "1 of 2 proteins done"
    assert shown.getvalue() == ""
    handler.close()
    assert shown.getvalue() == "1 of 2 proteins done\n"


def test_failed_job_is_told_by_its_protein(handler, shown, tmp_path):
    handler.emit(record("2 proteins", protein_lengths={"a": 10, "b": 20}))
    start(handler, 1, "search_templates", protein="a")
    (tmp_path / "a.log").write_text("STEP search\nERROR search: why\n")
    handler.emit(event("JOB_ERROR", jobid=1, rule_name="search_templates", log=[str(tmp_path / "a.log")]))
    assert shown.getvalue() == f"FAILED a at search: why (log: {tmp_path / 'a.log'})\n"


def test_warnings_and_notes_are_shown_and_job_texts_are_not(handler, shown):
    handler.emit(record("note: 1 record was mended", level=logging.WARNING))
    handler.emit(record("Building DAG of jobs..."))
    handler.emit(record("Select jobs to execute..."))
    handler.emit(event("SHELLCMD", shellcmd="hhsearch"))
    handler.emit(event("ERROR", exception="WorkflowError", rule=None, traceback=None, file=None, line=None))
    assert shown.getvalue().splitlines()[:2] == ["note: 1 record was mended", "Building DAG of jobs..."]
    assert "Select jobs" not in shown.getvalue()


def test_dry_run_shows_what_snakemake_says(handler, shown):
    handler.common_settings.dryrun = True
    handler.emit(record("This was a dry-run (flag -n)."))
    assert "This was a dry-run" in shown.getvalue()


NO_RECORDS = "3 jobs have missing provenance/metadata so that it in part cannot be used to trigger re-runs."


def test_missing_records_of_reused_results_are_no_news(handler, shown):
    handler.common_settings.dryrun = True
    handler.emit(record("1 results of other runs", proteins_reused={"a": "first"}))
    handler.emit(record(NO_RECORDS))
    assert "provenance" not in shown.getvalue()


def test_missing_records_of_other_results_are_told_in_a_dry_run(handler, shown):
    handler.common_settings.dryrun = True
    handler.emit(record(NO_RECORDS))
    assert "provenance" in shown.getvalue()
