"""Starting again does only what is missing; what really ran is counted at hhsearch itself."""

import contextlib
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from runbench import DEMO

HBA, MYG, LYS, CYC = "sp|P69905|HBA_HUMAN", "sp|P02144|MYG_HUMAN", "sp|P61626|LYSC_HUMAN", "sp|P99999|CYC_HUMAN"
UBIQUITIN = ("sp|P0CG48|UBC_HUMAN", "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG")


def test_same_command_again_runs_nothing(done):
    before = done.tables()
    printed = done.snakemake()
    assert "Nothing to be done" in printed
    assert done.searched() == []
    assert done.tables() == before


def test_added_protein_costs_that_protein_and_the_merge(done):
    horiz = {path.name: path.stat().st_mtime_ns for path in (done.results / "horiz").iterdir()}
    done.records = dict([UBIQUITIN, *done.records.items()])
    done.snakemake()
    assert done.searched() == [UBIQUITIN[0]]
    assert [row.split(",")[0] for row in done.rows("merge_results.csv")] == list(done.records)
    after = {path.name: path.stat().st_mtime_ns for path in (done.results / "horiz").iterdir()}
    assert len(after) == len(horiz) + 1 and horiz.items() <= after.items()


def test_deleted_out_costs_its_search_and_the_merge(done):
    before = done.tables()
    (done.results / "out" / "P02144.out").unlink()
    done.snakemake()
    assert done.searched() == [MYG]
    assert done.tables() == before


def test_results_without_a_record_are_made_again_when_settings_change(done):
    shutil.rmtree(done.path / ".snakemake")
    assert "Nothing to be done" in done.snakemake() and done.searched() == []
    done.config["search"] = {"mode": "reference"}
    done.snakemake()
    assert sorted(done.searched()) == sorted(done.records)


def test_prediction_without_a_record_is_made_again_when_the_weights_change(done, tmp_path):
    shutil.rmtree(done.path / ".snakemake")
    before = {path.name: path.stat().st_mtime_ns for path in (done.results / "horiz").iterdir()}
    assert "Nothing to be done" in done.snakemake()
    weights = shutil.copytree(DEMO / "s4pred", tmp_path / "other weights")
    first, second = weights / "weights_1.pt", weights / "weights_2.pt"
    first.rename(weights / "aside")
    second.rename(first)
    (weights / "aside").rename(second)
    done.config["s4pred"] = {"weights": str(weights)}
    done.snakemake()
    after = {path.name: path.stat().st_mtime_ns for path in (done.results / "horiz").iterdir()}
    assert after.keys() == before.keys() and not after.items() & before.items()
    assert sorted(done.searched()) == sorted(done.records)


def test_result_without_a_record_is_made_again_when_its_sequence_changes(done):
    shutil.rmtree(done.path / ".snakemake")
    done.records[CYC] = done.records[CYC][:-1]
    done.snakemake()
    assert done.searched() == [CYC]


@pytest.mark.parametrize(
    "name", ["alignments/P02144.hhr.gz", "hits/P02144.csv.gz", "benchmarks/search_templates/P02144.tsv"]
)
def test_any_other_deleted_result_file_is_made_again(done, name):
    (done.results / name).unlink()
    done.snakemake()
    assert done.searched() == [MYG]


def test_lost_result_is_made_again_for_a_table_that_the_user_asks_for_alone(done):
    before = done.tables()
    (done.results / "out" / "P02144.out").unlink()
    (done.results / "best_hits.csv").unlink()
    done.snakemake("--", "results/test/best_hits.csv")
    assert done.searched() == [MYG]
    assert done.tables() == before


def test_run_of_before_there_were_blocks_has_nothing_to_do_but_to_note_them(done):
    shutil.rmtree(done.results / "complete")
    before = done.tables()
    done.snakemake()
    assert done.searched() == []
    assert done.tables() == before
    assert "Nothing to be done" in done.snakemake()


def test_changed_sequence_costs_that_protein(done):
    done.records[CYC] = done.records[CYC][:-1]
    done.snakemake()
    assert done.searched() == [CYC]
    manifest = (done.results / "manifest.tsv").read_text().splitlines()
    assert [line.split("\t")[2] for line in manifest if CYC in line] == ["105", "104"]


def test_sequence_changed_back_is_searched_again_but_not_predicted_again(done):
    before = done.tables()
    original = done.records[CYC]
    done.records[CYC] = original[:-1]
    done.snakemake()
    batches = sorted(path.name for path in (done.results / "horiz").iterdir())
    done.records[CYC] = original
    done.snakemake()
    assert done.searched() == [CYC]
    assert sorted(path.name for path in (done.results / "horiz").iterdir()) == batches
    assert done.tables() == before


def test_removed_protein_leaves_the_tables_and_costs_no_search(done):
    del done.records[LYS]
    done.snakemake()
    assert done.searched() == []
    assert [row.split(",")[0] for row in done.rows("merge_results.csv")] == [HBA, MYG, CYC]


def test_touched_inputs_cost_nothing(done):
    for path in (done.path / "resources").rglob("*"):
        os.utime(path)
    os.utime(done.path / "proteins.fasta")
    done.snakemake()
    assert done.searched() == []


def test_changed_search_mode_searches_all_again_and_predicts_none(done):
    done.config["search"] = {"mode": "reference"}
    horiz = {path: path.stat().st_mtime_ns for path in (done.results / "horiz").iterdir()}
    done.snakemake()
    assert sorted(done.searched()) == sorted(done.records)
    assert {path: path.stat().st_mtime_ns for path in (done.results / "horiz").iterdir()} == horiz


def kill_group(head):
    """kill -9 of the head and all its jobs, as when the machine goes down."""
    os.killpg(head.pid, signal.SIGKILL)
    head.wait()


def kill_head_only(head):
    """kill -9 of the head alone: its jobs must not go on behind the next head's back."""
    head.kill()
    head.wait()


def kill_a_job(head):
    """kill -9 of whatever hhsearch is running; the head goes on and ends by itself."""
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


@pytest.mark.parametrize("kill", [kill_group, kill_head_only, kill_a_job, press_ctrl_c])
@pytest.mark.parametrize("moment", ["first search", "mid-run", "random"])
def test_run_that_is_cut_short_and_started_again_ends_in_identical_files(fresh, finished, kill, moment):
    fresh.mark("slow")
    head = fresh.start()
    if moment == "random":
        time.sleep(random.uniform(0, 14))
    else:
        wanted = 1 if moment == "first search" else 3
        deadline = time.monotonic() + 120
        while len(fresh.searched()) < wanted and time.monotonic() < deadline and head.poll() is None:
            time.sleep(0.05)
    kill(head)
    fresh.snakemake()
    assert fresh.tables() == finished.tables()


def test_searches_die_with_the_head(fresh):
    fresh.mark("slow")
    head = fresh.start()
    while not fresh.searched():
        time.sleep(0.05)
    kill_head_only(head)
    deadline = time.monotonic() + 10
    while (left := processes_in(fresh.path)) and time.monotonic() < deadline:
        time.sleep(0.1)
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
