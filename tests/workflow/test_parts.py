"""A run in parts: ordinary runs over slices of its proteins, and the joint tables without a run of the whole."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

HBA = "sp|P69905|HBA_HUMAN"


def proteofold(bench, *arguments, expect=0):
    command = [sys.executable, "-m", "proteofold", *arguments]
    outcome = subprocess.run(command, cwd=bench.path, capture_output=True, text=True, check=False)
    assert outcome.returncode == expect, outcome.stdout + outcome.stderr
    return outcome.stdout


def cut(bench, size):
    """Cut the run of a bench into parts; returns their configurations."""
    bench.write_inputs()
    proteofold(bench, "parts", "my.yaml", "--size", str(size))
    return sorted(bench.path.glob("parts/*.yaml"))


def test_merged_parts_have_the_tables_of_the_whole(fresh, finished):
    for part in cut(fresh, 3):
        fresh.snakemake("--configfile", part)
    proteofold(fresh, "merge", "--configfile", "my.yaml")
    assert fresh.tables() == finished.tables()
    fresh.snakemake()
    assert fresh.searched() == [] and fresh.tables() == finished.tables()


def test_failed_and_unstarted_proteins_of_parts_are_listed(fresh):
    first, second = cut(fresh, 2)
    fresh.mark("fail", HBA)
    fresh.snakemake("--configfile", first, expect=1)
    proteofold(fresh, "merge", "--configfile", "my.yaml", expect=2)
    failed = {row.split(",")[0]: row.split(",")[1:3] for row in fresh.rows("failed.csv")}
    assert failed.keys() == set(fresh.records) - {"sp|P02144|MYG_HUMAN"}
    assert failed[HBA][0] == "search" and len(fresh.rows("merge_results.csv")) == 1
    fresh.mark("fail")
    for part in (first, second):
        fresh.snakemake("--configfile", part)
    proteofold(fresh, "merge", "--configfile", "my.yaml")
    assert fresh.rows("failed.csv") == [] and len(fresh.rows("merge_results.csv")) == len(fresh.records)


def test_reason_in_the_folder_of_a_part_is_found(fresh, tmp_path):
    """The log of the step that reads a given alignment is of the run that took the step."""
    alignments = tmp_path / "alignments"
    alignments.mkdir()
    fresh.config["msa"] = {"folder": "alignments"}
    for query_id, sequence in list(fresh.records.items())[1:]:
        (alignments / f"{query_id.split('|')[1]}.a3m").write_text(f">{query_id}\n{sequence}\n")
    (part,) = cut(fresh, 10)
    fresh.snakemake("--configfile", part, expect=1)
    proteofold(fresh, "merge", "--configfile", "my.yaml", expect=2)
    (row,) = fresh.rows("failed.csv")
    assert row.split(",")[:2] == [HBA, "a3m"] and "test.part1" in row
