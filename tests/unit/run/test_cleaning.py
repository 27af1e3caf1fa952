"""Cleaning the shared results: exactly what no run uses goes, and nothing while it is not known what runs list."""

import fcntl
import os

import pytest
from click.testing import CliRunner
from runfolders import FolderOfRuns

from proteofold.cli.main import cli
from proteofold.run import layout
from proteofold.run import lock as headlock
from proteofold.run.cleaning import remove_old_temporary
from proteofold.run.manifest import load_run


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Nobody waits for a lock, and what this process claims it gives back."""
    monkeypatch.setattr(headlock, "_SECONDS_TO_WAIT", 0)
    monkeypatch.setattr(headlock, "_held", [])


@pytest.fixture
def folder(tmp_path):
    """A folder of runs."""
    return FolderOfRuns(tmp_path)


@pytest.fixture
def make_run(folder):
    """Function that makes a run whose proteins are all done."""

    def make(name, proteins, **settings):
        run = folder.plan(name, proteins, **settings)
        for protein in run.members:
            folder.finish(run, protein)
            log = run.search.log("search", run.members[protein].entry)
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text("$ hhsearch\n")
        return run

    return make


@pytest.fixture
def clean(folder):
    """Function that cleans the results folder; returns what was printed."""

    def call(*options, expect=0):
        outcome = CliRunner().invoke(cli, ["clean", "--results", str(folder.path), *options])
        headlock._held.clear()
        assert outcome.exit_code == expect, outcome.output
        return outcome.output

    return call


def shared_files(folder):
    """The files below results/shared, and the folders that are empty."""
    paths = (folder.path / "shared").rglob("*")
    return {path for path in paths if path.is_file() or not any(path.iterdir())}


def files_of(run, *proteins):
    """The result files of these proteins of a run."""
    entries = {run.members[protein].entry for protein in proteins}
    return {
        path for path in run.search.path.rglob("*") if path.is_file() and any(path.name.startswith(e) for e in entries)
    }


def test_nothing_is_removed_that_a_run_lists(folder, make_run, clean):
    make_run("one", {"a": "MKV", "b": "MKVL"})
    make_run("two", {"a": "MKV", "c": "MKVLA"}, search="few.fast.76543210")
    before = shared_files(folder)
    assert "0 results and 0 predictions" in clean()
    assert shared_files(folder) == before


def test_protein_that_was_removed_goes_with_all_its_files(folder, make_run, clean):
    run = make_run("one", {"a": "MKV", "b": "MKVL"})
    before, gone = shared_files(folder), files_of(run, "b")
    assert len(gone) == 4  # .out, .hhr.gz, usage, log
    folder.plan("one", {"a": "MKV"})
    # its batch was that of both, and the run now lists another
    printed = clean()
    assert "1 result and 1 prediction" in printed
    assert shared_files(folder) & before == before - gone - {
        run.predictions.fasta(run.members["b"].batch),
        run.predictions.horiz(run.members["b"].batch),
    }


def test_results_that_another_run_lists_stay(folder, make_run, clean):
    one = make_run("one", {"a": "MKV", "b": "MKVL"})
    make_run("two", {"b": "MKVL"})
    folder.plan("one", {"c": "MMM"})
    clean()
    assert files_of(one, "b") and not files_of(one, "a")


def test_query_alignments_that_no_run_lists_are_removed(folder, make_run, clean):
    settings = {
        "msa": {"alignments": "uniref-n2-01234567"},
        "depends_on": {"predictions": {}, "search": {}, "alignments": {}},
    }
    run = make_run("one", {"a": "MKV", "b": "MKVL"}, **settings)
    kept, gone = (run.alignments.a3m(run.members[protein].entry) for protein in ("a", "b"))
    for path in (kept, gone):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    folder.plan("one", {"a": "MKV"}, **settings)
    assert "1 alignment" in clean()
    assert kept.exists() and not gone.exists()
    folder.plan("one", {"a": "MKV"})
    clean()
    assert not run.alignments.path.exists()


def test_search_that_no_run_uses_goes_as_a_whole(folder, make_run, clean):
    run = make_run("one", {"a": "MKV"})
    folder.plan("one", {"a": "MKV"}, search="few.fast.76543210")
    assert "1 result and 0 predictions" in clean()
    assert not run.search.path.exists()
    assert run.predictions.horiz(run.members["a"].batch).exists()


def test_summaries_of_an_earlier_version_are_removed_and_searches_stay(folder, make_run, clean, monkeypatch):
    earlier = make_run("one", {"a": "MKV", "b": "MKVL"})
    monkeypatch.setattr(layout, "SUMMARY_VERSION", layout.SUMMARY_VERSION + 1)
    made = make_run("one", {"a": "MKV", "b": "MKVL"})
    make_run("two", {"a": "MKV"}, search="few.fast.76543210")
    before = shared_files(folder)
    gone = {earlier.search.out(member.entry) for member in earlier.members.values()}
    assert gone <= before and made.search.out_folder != earlier.search.out_folder
    said = "removed: 0 results and 0 predictions and 2 .out of earlier versions"
    assert clean("--dry-run").startswith(f"would be {said}")
    assert clean().startswith(said)
    assert shared_files(folder) == before - gone and not earlier.search.out_folder.exists()
    assert made.done() == set(made.by_entry)


def test_deleted_run_leaves_nothing_behind(folder, make_run, clean):
    run = make_run("one", {"a": "MKV", "b": "MKVL"})
    for path in run.folder.path.iterdir():
        path.unlink()
    run.folder.path.rmdir()
    assert "2 results and 1 prediction" in clean()
    assert {path for path in shared_files(folder) if path.is_file()} == set()


def test_dry_run_prints_the_same_and_removes_nothing(folder, make_run, clean):
    make_run("one", {"a": "MKV", "b": "MKVL"})
    folder.plan("one", {"a": "MKV"})
    before = shared_files(folder)
    printed = clean("--dry-run")
    assert printed.startswith("would be removed: 1 result") and not printed.endswith(" 0.0 MB")
    assert shared_files(folder) == before
    assert clean().partition(":")[2] == printed.partition(":")[2]


def test_what_a_killed_step_left_goes(folder, make_run, clean):
    run = make_run("one", {"a": "MKV"})
    left = run.search.out(run.members["a"].entry).with_name(".a-01234567.out.123.part")
    left.write_text("half")
    before = shared_files(folder)
    clean()
    assert shared_files(folder) == before - {left}


def test_folders_that_are_no_runs_are_left_alone(folder, make_run, clean):
    make_run("one", {"a": "MKV"})
    (folder.path / "notes").mkdir()
    (folder.path / "notes" / "mine.txt").write_text("")
    (folder.path / "proteofold.db").write_text("")
    clean()
    assert [path.name for path in (folder.path / "notes").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("described", [True, False])
def test_nothing_is_removed_while_a_run_is_worked_on(folder, make_run, clean, described):
    """A head has its lock before it has described its run."""
    make_run("one", {"a": "MKV", "b": "MKVL"})
    folder.plan("one", {"a": "MKV"})
    other = folder.path / "other"
    if described:
        folder.plan("other", {"c": "MMM"})
    other.mkdir(exist_ok=True)
    before = shared_files(folder)
    with open(other / ".lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert f"another Snakemake process works on {other}" in clean(expect=1)
        assert shared_files(folder) == before
    clean()
    assert shared_files(folder) < before


@pytest.mark.parametrize("name", ["settings.json", "manifest.tsv"])
@pytest.mark.parametrize("damage", ["cut", "lost"])
def test_nothing_is_removed_while_a_run_is_damaged(folder, make_run, clean, name, damage):
    run = make_run("one", {"a": "MKV", "b": "MKVL"})
    path = run.folder.path / name
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    else:
        path.unlink()
    before = shared_files(folder)
    assert str(path) in clean(expect=1)
    assert shared_files(folder) == before


def test_run_whose_start_failed_hinders_nothing(folder, make_run, clean):
    make_run("one", {"a": "MKV"})
    (folder.path / "failed").mkdir()
    (folder.path / "failed" / ".lock").write_text("")
    clean()


def test_run_starts_again_after_cleaning(folder, make_run, clean):
    run = make_run("one", {"a": "MKV"})
    clean()
    assert load_run(run.folder.path).done() == {run.members["a"].entry}


def test_temporary_files_in_a_run_are_removed_if_they_are_older_than_its_start(folder, make_run):
    run = make_run("one", {"a": "MKV"})
    a3m = run.a3m(run.members["a"].entry)
    (a3m.parent / ".search-old").mkdir(parents=True)
    (a3m.parent / ".search-new").mkdir()
    (a3m.parent / ".search-old" / "query.hhr").write_text("half")
    kept = [a3m, run.folder.path / ".lock", run.folder.path / "notes.part", run.folder.path / ".b.csv.2.part"]
    old = [run.folder.path / ".a.csv.1.part", a3m.with_name(f".{a3m.name}.1.part")]
    for path in (*kept, *old):
        path.write_text("")
    for path in (*kept[:3], *old, a3m.parent / ".search-old"):
        os.utime(path, (1000, 1000))
    remove_old_temporary(run.folder, 2000)
    assert [path for path in old if path.exists()] == [] and [path for path in kept if not path.exists()] == []
    assert [path.name for path in a3m.parent.glob(".*")] == [".search-new"]
