"""Two runs that overlap: the second takes what the first has; what really ran is counted at hhsearch itself."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import zipfile

import pytest

HBA, MYG, LYS, CYC = "sp|P69905|HBA_HUMAN", "sp|P02144|MYG_HUMAN", "sp|P61626|LYSC_HUMAN", "sp|P99999|CYC_HUMAN"
UBIQUITIN = ("sp|P0CG48|UBC_HUMAN", "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG")
RENAMED = 'my,"own"'
TABLES_OF_THE_STORE = ("proteins", "runs", "protein_results", "hits")

# Takes results as the head does, but is killed before it has written so many files.
KILLED_HEAD = """
import os, signal, sys
from proteofold import planning, takeover
from proteofold.config import load_config

left, write = int(sys.argv[1]), takeover.write_aside

def write_or_die(path, content):
    global left
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    write(path, content)

takeover.write_aside = write_or_die
takeover.take_over(planning.plan_run(load_config("my.yaml"))[0])
"""


def begin_second(bench):
    """Turn a bench with the finished run ``test`` to a second run: two of its proteins, one renamed, one new."""
    bench.config["run"] = "second"
    bench.results = bench.path / "results" / "second"
    old = bench.records
    bench.records = {LYS: old[LYS], RENAMED: old[HBA], UBIQUITIN[0]: UBIQUITIN[1], CYC: old[CYC]}
    return bench


def copy_of(bench, path):
    """A bench with a copy of all that another has made."""
    copy = type(bench)(path, bench.config["templates"]["build"])
    for name in ("resources", "results", ".snakemake"):
        shutil.copytree(bench.path / name, path / name, symlinks=True)
    copy.config, copy.records = dict(bench.config), dict(bench.records)
    copy.results = path / bench.results.relative_to(bench.path)
    copy.write_inputs()
    return copy


@pytest.fixture
def second(done):
    """A bench with a finished run, and a second one that is not started yet."""
    return begin_second(done)


@pytest.fixture(scope="module")
def computed(tmp_path_factory, finished):
    """The second run without reuse."""
    bench = begin_second(copy_of(finished, tmp_path_factory.mktemp("computed")))
    bench.config["reuse"] = False
    bench.printed = bench.snakemake()
    bench.ran = bench.searched()
    return bench


@pytest.fixture(scope="module")
def reused(tmp_path_factory, finished):
    """The second run with reuse; tests work on copies of it."""
    bench = begin_second(copy_of(finished, tmp_path_factory.mktemp("reused")))
    bench.printed = bench.snakemake()
    bench.ran = bench.searched()
    return bench


@pytest.fixture
def taken(reused, tmp_path):
    """A copy of the second run, finished with reuse."""
    return copy_of(reused, tmp_path)


def proteofold(bench, *words):
    command = [sys.executable, "-m", "proteofold", *words]
    return subprocess.run(command, cwd=bench.path, capture_output=True, text=True, check=True).stdout


def query(bench, sql):
    with contextlib.closing(sqlite3.connect(bench.path / "results" / "proteofold.db")) as conn:
        return conn.execute(sql).fetchall()


def stored(bench):
    """All rows of the store; what only names rows is left out."""
    rows = {}
    for table in TABLES_OF_THE_STORE:
        columns = [row[1] for row in query(bench, f"pragma table_xinfo({table})")]
        columns = [name for name in columns if name not in ("result_id", "number")]
        rows[table] = sorted(query(bench, f"select {', '.join(columns)} from {table}"), key=repr)
    return rows


def rebuilt(bench):
    """All rows of a store made anew from the run folders."""
    for path in (bench.path / "results").glob("proteofold.db*"):
        path.unlink()
    proteofold(bench, "store", "import", "results/test", "results/second")
    return stored(bench)


def predicted(bench):
    """Batches that a job predicted."""
    return sorted(path.stem for path in (bench.results / "benchmarks" / "predict_secondary_structure").glob("*"))


def test_reuse_can_be_switched_off(computed):
    assert sorted(computed.ran) == sorted(computed.records)
    assert "taken from" not in computed.printed
    assert query(computed, "select reused from runs where run_id = 'second'") == [(0,)]
    assert not (computed.results / "reused.tsv").exists()


def test_overlap_is_not_computed_again(reused):
    assert reused.ran == [UBIQUITIN[0]]
    assert len(predicted(reused)) == 1
    assert len(list((reused.results / "horiz").iterdir())) == 2


def test_tables_are_those_of_a_run_that_computed_all(reused, computed):
    assert reused.tables() == computed.tables()


def test_run_says_what_it_took(reused):
    assert "note: 3 of 4 proteins were taken from other runs: 3 from test. 'reuse: false'" in reused.printed
    assert "4 of 4 proteins done (reused: 3 from test)" in reused.printed
    assert "reused" in (shown := proteofold(reused, "show", "second")) and "3 from test" in shown
    log = (reused.results / "logs" / "search_templates" / "P61626.log").read_text()
    assert "was taken from run test" in log and log.endswith("DONE\n")


def test_store_names_the_run_that_computed_a_result_and_so_does_a_rebuilt_one(taken):
    columns = "query_id, status, attempts, reused_from"
    assert query(taken, f"select {columns} from protein_results where run_id = 'second' order by position") == [
        (LYS, "SUCCESS", 0, "test"),
        (RENAMED, "SUCCESS", 0, "test"),
        (UBIQUITIN[0], "SUCCESS", 1, None),
        (CYC, "SUCCESS", 0, "test"),
    ]
    assert query(taken, "select status, succeeded, reused from runs where run_id = 'second'") == [("SUCCESS", 4, 3)]
    before = stored(taken)
    assert rebuilt(taken) == before


def test_packed_report_has_no_warning_for_each_file_that_was_taken(reused):
    printed = reused.snakemake("--report", "report.zip")
    assert len(printed.splitlines()) < 10, printed
    with zipfile.ZipFile(reused.path / "report.zip") as packed:
        assert any(name.endswith("report.html") for name in packed.namelist())


def test_report_counts_only_jobs_of_the_run(reused):
    page = (reused.results / "report" / "overview.html").read_text()
    assert "3 from test" in page
    assert "1 job," in page and "4 jobs," not in page


def test_second_start_has_nothing_to_do_and_no_remarks(taken):
    assert "Nothing to be done" in taken.snakemake()
    assert taken.searched() == []
    printed = taken.snakemake("--dry-run")
    assert "Nothing to be done" in printed and "metadata" not in printed and "would be" not in printed


def test_first_run_may_be_deleted(taken):
    shutil.rmtree(taken.path / "results" / "test")
    (taken.results / "merge_results.csv").unlink()
    before = taken.rows("best_hits.csv")
    taken.snakemake()
    assert taken.searched() == []
    assert taken.rows("best_hits.csv") == before


def test_dry_run_lists_only_jobs_that_would_run_and_writes_nothing(second):
    before = sorted(str(path) for path in (second.path / "results").rglob("*"))
    printed = second.snakemake("--dry-run")
    assert "3 of 4 proteins would be taken from other runs: 3 from test" in printed
    counts = dict(line.split() for line in printed.splitlines() if line.startswith(("search_t", "predict_")))
    assert counts == {"search_templates": "1", "predict_secondary_structure": "1"}
    second.snakemake("--summary")
    second.snakemake("--unlock")
    assert sorted(str(path) for path in (second.path / "results").rglob("*")) == before


def test_whole_run_is_taken_without_any_job_but_the_merge(done, finished):
    done.config["run"], done.results = "second", done.path / "results" / "second"
    done.snakemake()
    assert done.searched() == [] and predicted(done) == []
    assert done.tables() == finished.tables()


def test_other_mode_takes_nothing(second):
    second.config["search"] = {"mode": "reference"}
    assert "taken from" not in second.snakemake()
    assert sorted(second.searched()) == sorted(second.records)


def test_files_to_keep_are_a_reason_to_compute(second):
    second.config["keep"] = ["hhr"]
    second.snakemake()
    assert sorted(second.searched()) == sorted(second.records)
    assert len(list((second.results / "hhr").iterdir())) == 4


def test_changed_mode_searches_the_taken_ones_again_and_predicts_none(taken):
    taken.config["search"] = {"mode": "reference"}
    assert "taken from other runs with other settings: 3" in taken.snakemake("--dry-run")
    taken.snakemake()
    assert sorted(taken.searched()) == sorted(taken.records)
    assert len(predicted(taken)) == 1
    assert query(taken, "select reused from runs where run_id = 'second'") == [(0,)]
    assert "Nothing to be done" in taken.snakemake()


def test_deleted_result_is_searched_and_taken_no_more(taken, computed):
    (taken.results / "out" / "P61626.out").unlink()
    assert "4 of 4 proteins done (reused: 2 from test)" in taken.snakemake()
    assert taken.searched() == [LYS]
    assert len(predicted(taken)) == 1
    assert taken.tables() == computed.tables()
    assert query(
        taken, f"select attempts, reused_from from protein_results where run_id = 'second' and query_id = '{LYS}'"
    ) == [(1, None)]
    before = stored(taken)
    assert before == rebuilt(taken)


def test_damaged_file_of_the_first_run_has_that_protein_computed(second, computed):
    path = second.path / "results" / "test" / "hits" / "P61626.csv.gz"
    os.truncate(path, path.stat().st_size // 2)
    assert "files in another run are damaged: 1" in second.snakemake()
    assert sorted(second.searched()) == sorted([LYS, UBIQUITIN[0]])
    assert second.tables() == computed.tables()


def test_store_that_is_no_store_has_all_computed_with_a_note(second, computed):
    (second.path / "results" / "proteofold.db").write_text("no store")
    printed = second.snakemake()
    assert "note: no results of other runs are taken" in printed and "not a database" in printed
    assert sorted(second.searched()) == sorted(second.records)
    assert second.tables() == computed.tables()


def test_locked_store_is_told_and_not_waited_for(second):
    conn = sqlite3.connect(second.path / "results" / "proteofold.db", isolation_level=None)
    conn.execute("pragma locking_mode = exclusive")
    conn.execute("begin exclusive")
    conn.execute("update runs set author = 'somebody'")
    assert "note: no results of other runs are taken" in (printed := second.snakemake("--dry-run"))
    assert "locked" in printed
    conn.close()


@pytest.mark.parametrize("written", [1, 7, 99])
def test_start_after_one_that_was_killed_while_taking(second, computed, written):
    second.write_inputs()
    words = [sys.executable, "-c", KILLED_HEAD, str(written)]
    outcome = subprocess.run(words, cwd=second.path, check=False)
    assert outcome.returncode == (0 if written == 99 else -signal.SIGKILL)
    second.snakemake()
    assert second.searched() == [UBIQUITIN[0]]
    assert second.tables() == computed.tables()


def test_what_a_killed_start_took_is_not_used_after_reuse_was_switched_off(second, computed):
    second.write_inputs()
    subprocess.run([sys.executable, "-c", KILLED_HEAD, "9"], cwd=second.path, check=False)
    second.config["reuse"] = False
    second.snakemake()
    assert sorted(second.searched()) == sorted(second.records)
    assert second.tables() == computed.tables()


def test_records_of_a_deleted_run_folder_make_nothing_run_again(computed, tmp_path):
    bench = copy_of(computed, tmp_path)
    shutil.rmtree(bench.results)
    bench.config["reuse"] = True
    bench.snakemake()
    assert bench.searched() == [UBIQUITIN[0]]
    assert bench.tables() == computed.tables()


def test_target_named_by_the_user_is_taken_too(second):
    second.snakemake("--keep-going", "results/second/out/P61626.out")
    assert second.searched() == []
    assert (second.results / "out" / "P61626.out").exists()


def test_folder_that_cannot_be_written_is_told(second):
    second.results.mkdir()
    (second.results / "hits").write_text("in the way")
    printed = second.snakemake(expect=1)
    assert "results of other runs cannot be copied" in printed and "second/hits" in printed
    (second.results / "hits").unlink()
    second.snakemake()
    assert second.searched() == [UBIQUITIN[0]]
