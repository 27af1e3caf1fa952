"""Starting again does only what is missing; what really ran is counted at hhsearch itself."""

import contextlib
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from damage import copy_of
from runbench import DEMO, ROOT

from proteofold.science.library_build import build_library

pytestmark = pytest.mark.slow

HBA, MYG, LYS, CYC = "sp|P69905|HBA_HUMAN", "sp|P02144|MYG_HUMAN", "sp|P61626|LYSC_HUMAN", "sp|P99999|CYC_HUMAN"
UBIQUITIN = ("sp|P0CG48|UBC_HUMAN", "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG")


def everything(bench):
    """Every file below results but the store: path -> (time, size)."""
    return {
        path.relative_to(bench.path): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in (bench.path / "results").rglob("*")
        if path.is_file() and not path.name.startswith("proteofold.db")
    }


def test_same_command_again_runs_and_writes_nothing(done):
    before = everything(done)
    assert "Nothing to be done" in done.snakemake()
    assert done.searched() == []
    assert everything(done) == before


def test_added_protein_costs_that_protein_and_the_merge(done):
    predictions = done.predictions()
    done.records = dict([UBIQUITIN, *done.records.items()])
    done.snakemake()
    assert done.searched() == [UBIQUITIN[0]]
    assert [row.split(",")[0] for row in done.rows("merge_results.csv")] == list(done.records)
    after = done.predictions()
    assert len(after) == len(predictions) + 1 and predictions.items() <= after.items()


def test_removed_protein_leaves_the_tables_and_costs_no_search(done):
    before = done.tables()
    removed = done.records.pop(LYS)
    done.snakemake()
    assert done.searched() == []
    assert [row.split(",")[0] for row in done.rows("merge_results.csv")] == [HBA, MYG, CYC]
    done.records[LYS] = removed
    done.records = {query_id: done.records[query_id] for query_id in (HBA, MYG, LYS, CYC)}
    done.snakemake()
    assert done.searched() == [] and done.tables() == before


def test_moved_protein_costs_the_merge(done):
    predictions = done.predictions()
    done.records = dict(reversed(done.records.items()))
    done.snakemake()
    assert done.searched() == [] and done.predictions() == predictions
    assert [row.split(",")[0] for row in done.rows("merge_results.csv")] == [CYC, LYS, MYG, HBA]


def test_deleted_out_costs_its_summary_and_the_merge(done):
    before, predictions = done.tables(), done.predictions()
    done.out("P02144").unlink()
    done.snakemake()
    assert done.searched() == [] and done.predictions() == predictions
    assert done.tables() == before


def test_deleted_out_and_hhr_cost_the_search(done):
    before, predictions = done.tables(), done.predictions()
    done.out("P02144").unlink()
    done.hhr("P02144").unlink()
    done.snakemake()
    assert done.searched() == [MYG] and done.predictions() == predictions
    assert done.tables() == before


def test_deleted_hhr_or_usage_of_a_finished_protein_costs_nothing(done):
    run = done.run
    run.search.hhr(run.members["P02144"].entry).unlink()
    run.search.usage(run.members["P61626"].entry).unlink()
    assert "Nothing to be done" in done.snakemake()


def test_lost_usage_repeats_no_search(done):
    run = done.run
    entry = run.members["P02144"].entry
    run.search.usage(entry).unlink()
    run.search.out(entry).unlink()
    done.snakemake()
    assert done.searched() == []


@pytest.mark.parametrize("name", ["merge_results.csv", "overview.json"])
def test_deleted_table_costs_the_merge(done, name):
    before = done.tables()
    (done.results / name).unlink()
    done.snakemake()
    assert done.searched() == [] and done.tables() == before
    assert "Nothing to be done" in done.snakemake()


def test_raised_version_of_the_summary_costs_no_search(done, monkeypatch, tmp_path):
    before, predictions = done.tables(), done.predictions()
    changed = tmp_path / "changed"
    shutil.copytree(ROOT / "proteofold", changed / "proteofold")
    summary = changed / "proteofold" / "science" / "summary.py"
    summary.write_text(summary.read_text().replace("SUMMARY_VERSION = 1", "SUMMARY_VERSION = 2"))
    for name in ("workflow", "config", "profiles"):
        (changed / name).symlink_to(ROOT / name)
    done.environment = os.environ | {"PYTHONPATH": str(changed)}
    done.snakemake()
    assert done.searched() == [] and done.predictions() == predictions
    assert done.tables() == before
    assert len(list(done.path.glob("results/shared/searches/*/out-2/*/*.out"))) == 4


def test_changed_sequence_costs_that_protein(done):
    done.records[CYC] = done.records[CYC][:-1]
    done.snakemake()
    assert done.searched() == [CYC]


def test_sequence_changed_back_costs_nothing_but_the_merge(done):
    before = done.tables()
    original = done.records[CYC]
    done.records[CYC] = original[:-1]
    done.snakemake()
    predictions = done.predictions()
    done.records[CYC] = original
    done.snakemake()
    assert done.searched() == [] and done.predictions() == predictions
    assert done.tables() == before


@pytest.mark.parametrize("with_records", [True, False])
def test_touched_inputs_cost_nothing(done, with_records):
    if not with_records:
        shutil.rmtree(done.path / ".snakemake")
    # larger than what Snakemake compares by checksum
    with open(next((done.path / "resources").rglob("*_hhm.ffdata")), "ab") as library:
        library.truncate(5_000_000)
    for path in [*(done.path / "resources").rglob("*"), *(done.path / "results" / "shared").rglob("*")]:
        if not path.name.endswith((".out", ".hhr.gz")):
            os.utime(path)
    os.utime(done.path / "proteins.fasta")
    assert "Nothing to be done" in done.snakemake()
    done.records |= dict([UBIQUITIN])
    done.snakemake()
    assert done.searched() == [UBIQUITIN[0]]


def test_mode_switched_and_back_computes_nothing_twice(done):
    before, predictions = done.tables(), done.predictions()
    done.config["search"] = {"mode": "reference"}
    done.snakemake()
    assert sorted(done.searched()) == sorted(done.records)
    for mode in ("lean", "reference"):
        done.config["search"] = {"mode": mode}
        done.snakemake()
        assert done.searched() == []
    assert done.predictions() == predictions
    assert done.tables()["merge_results.csv"] == before["merge_results.csv"]


def test_weights_switched_and_back_compute_nothing_twice(done, tmp_path):
    before, predictions = done.tables(), done.predictions()
    weights = shutil.copytree(DEMO / "s4pred", tmp_path / "other weights")
    first, second = weights / "weights_1.pt", weights / "weights_2.pt"
    first.rename(weights / "aside")
    second.rename(first)
    (weights / "aside").rename(second)
    done.config["s4pred"] = {"weights": str(weights)}
    done.snakemake()
    assert sorted(done.searched()) == sorted(done.records)
    assert len(done.predictions()) == len(predictions)  # by name; in a folder of its own
    assert len(list(done.path.glob("results/shared/predictions/*/horiz/*"))) == 2 * len(predictions)
    done.config["s4pred"] = {"weights": "demo"}
    done.snakemake()
    assert done.searched() == [] and done.tables() == before


def test_changed_library_searches_all_and_the_old_one_is_kept(done, tmp_path):
    before = done.tables()
    folder = shutil.copytree(done.config["templates"]["build"], tmp_path / "six")
    (folder / "1UBQ_A.a3m").unlink()
    original, done.config["templates"] = done.config["templates"], {"build": str(folder)}
    done.snakemake()
    assert sorted(done.searched()) == sorted(done.records)
    done.config["templates"] = original
    done.snakemake()
    assert done.searched() == [] and done.tables() == before


def wait_for_searches(bench, head, count):
    """Wait until so many searches have begun, or the head has ended."""
    deadline = time.monotonic() + 60
    while len(bench.searched()) < count and time.monotonic() < deadline and head.poll() is None:
        time.sleep(0.05)


def test_library_that_is_replaced_while_a_run_works_fails_the_searches_of_it(fresh, finished, tmp_path):
    built = finished.path / finished.run.library.prefix
    fresh.config["templates"] = copy_of(built, tmp_path / "mine" / "six")
    other = tmp_path / "fewer"
    shutil.copytree(finished.config["templates"]["build"], other)
    (other / "1UBQ_A.a3m").unlink()
    build_library(other, tmp_path / "other" / "six")
    fresh.mark("wait", HBA, LYS, CYC)
    fresh.where = ("--cores", "1")
    head = fresh.start()
    wait_for_searches(fresh, head, 2)
    shutil.copytree(tmp_path / "other", tmp_path / "mine", dirs_exist_ok=True)
    fresh.mark("wait")
    assert head.wait(timeout=120) == 1
    assert len(fresh.rows("failed.csv")) == 3
    assert all("was replaced since the run started" in row for row in fresh.rows("failed.csv"))
    fresh.snakemake()
    assert sorted(fresh.searched()) == sorted(fresh.records) and fresh.rows("failed.csv") == []


def kill_group(head):
    """kill -9 of the head and all its jobs, as when the machine goes down."""
    os.killpg(head.pid, signal.SIGKILL)
    head.wait()


def kill_head_only(head):
    """kill -9 of the head alone: its jobs must not go on behind the next head's back."""
    head.kill()
    head.wait()


def kill_a_job(head):
    """kill -9 of whatever hhsearch is running; the head continues and ends by itself."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            name = Path(f"/proc/{pid}/comm").read_text()
            if name.startswith("hhsearch") and os.getsid(int(pid)) == head.pid:
                os.kill(int(pid), signal.SIGKILL)
    head.wait(timeout=120)


def press_ctrl_c(head):
    """What a terminal does on Ctrl-C: SIGINT to the head and all its jobs."""
    os.killpg(head.pid, signal.SIGINT)
    head.wait(timeout=120)


KILLS = (kill_group, kill_head_only, kill_a_job, press_ctrl_c)


@pytest.mark.parametrize("kill", KILLS)
@pytest.mark.parametrize("moment", ["first search", "mid-run"])
def test_run_that_is_cut_short_and_started_again_ends_in_identical_files(fresh, finished, kill, moment):
    fresh.mark("slow")
    head = fresh.start()
    wait_for_searches(fresh, head, 1 if moment == "first search" else 3)
    kill(head)
    fresh.snakemake()
    assert fresh.tables() == finished.tables()


def test_run_that_is_cut_short_at_a_random_moment_repeats_no_complete_search(fresh, finished, kill_seed):
    fresh.mark("slow")
    head = fresh.start()
    time.sleep(random.Random(kill_seed).uniform(0, 10))
    if head.poll() is not None:
        pytest.skip("the run had ended before")
    KILLS[kill_seed % len(KILLS)](head)
    # before it began to search, the run may not have its folder
    hhrs = {query_id: finished.hhr(query_id.split("|")[1]).relative_to(finished.path) for query_id in fresh.records}
    complete = {query_id for query_id, path in hhrs.items() if (fresh.path / path).exists()}
    fresh.snakemake()
    assert complete.isdisjoint(fresh.searched())
    assert fresh.tables() == finished.tables()


def test_temporary_files_that_a_killed_run_left_in_its_folder_are_removed(fresh):
    fresh.mark("wait", *fresh.records)
    head = fresh.start()
    wait_for_searches(fresh, head, 2)
    kill_group(head)
    (fresh.results / ".merge_results.csv.1.part").write_text("half a ta")
    (fresh.results / "logs" / ".of_a_step.log.2.part").write_text("")
    fresh.mark("wait")
    fresh.mark("fail", MYG)
    left = hidden(fresh.results)
    assert len(left) >= 4  # two of searches
    fresh.snakemake(expect=1)
    assert left <= hidden(fresh.results)  # what searches in a container, say, may still need
    fresh.mark("fail")
    fresh.snakemake()
    assert hidden(fresh.results) == {".lock"}


def hidden(folder):
    """Names of hidden files and folders anywhere in a folder."""
    return {path.name for path in folder.rglob(".*")}


def test_searches_die_with_the_head(fresh):
    fresh.mark("wait", *fresh.records)
    head = fresh.start()
    wait_for_searches(fresh, head, 1)
    assert processes_in(fresh.path) != []
    kill_head_only(head)
    deadline = time.monotonic() + 30
    while (left := processes_in(fresh.path)) and time.monotonic() < deadline:
        time.sleep(0.1)
    fresh.mark("wait")
    assert left == []


def processes_in(folder):
    """Command lines of the search steps that run in a folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/cwd") == str(folder):
                with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as handle:
                    found.append(handle.read().replace("\0", " "))
        except OSError:
            continue
    return [line for line in found if "search" in line]


def test_library_whose_files_were_touched_is_not_built_again_and_is_searched(fresh, finished):
    for path in (fresh.path / "resources").rglob("*_hhm.ff*"):
        path.touch()
    printed = fresh.snakemake("--dry-run")
    assert "search_templates" in printed and "translate_profiles" not in printed
    fresh.snakemake()
    assert len(fresh.searched()) == 4
    assert fresh.tables() == finished.tables()


def test_deleted_library_is_built_again_for_a_new_protein_and_repeats_no_search(done):
    shutil.rmtree(done.path / "resources")
    assert "Nothing to be done" in done.snakemake()
    done.records |= dict([UBIQUITIN])
    done.snakemake()
    assert done.searched() == [UBIQUITIN[0]]
    assert "Nothing to be done" in done.snakemake()


def test_library_that_lost_a_file_is_refused_with_what_to_do(fresh):
    next((fresh.path / "resources").rglob("*_hhm.ffdata")).unlink()
    assert "Remove the folder resources/templates/six-" in fresh.snakemake(expect=1)
