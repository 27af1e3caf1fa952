"""Damaged and foreign files: never merged, removed, listed, and made again by the next start."""

import contextlib
import csv
import os
import shutil

import pytest

pytestmark = pytest.mark.slow

HBA, MYG, LYS, CYC = "sp|P69905|HBA_HUMAN", "sp|P02144|MYG_HUMAN", "sp|P61626|LYSC_HUMAN", "sp|P99999|CYC_HUMAN"
DAMAGED = "damaged, removed; rerun"


def empty(path):
    path.write_bytes(b"")


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def overwrite(path):
    path.write_bytes(path.read_bytes()[:-20] + b"x" * 20)


def failed(bench):
    """The rows of failed.csv: query_id -> reason."""
    return {row["query_id"]: row["reason"] for row in csv.DictReader(bench.results.joinpath("failed.csv").open())}


def have_merged_again(bench):
    """Have the next start merge, as when a protein is removed."""
    (bench.results / "merge_results.csv").unlink()


def have_collected_again(bench):
    """Have the next start read all hits again and merge."""
    have_merged_again(bench)
    shutil.rmtree(bench.results / "blocks")


@pytest.mark.parametrize("kind, damage", [("out", empty), ("out", cut), ("hhr", overwrite), ("hhr", cut)])
def test_damaged_result_is_listed_and_made_again(done, finished, kind, damage):
    damage(getattr(done, kind)("P02144"))
    have_merged_again(done) if kind == "out" else have_collected_again(done)
    done.snakemake(expect=1)
    assert failed(done) == {MYG: DAMAGED}
    assert [row.split(",")[0] for row in done.rows("merge_results.csv")] == [HBA, LYS, CYC]
    done.snakemake()
    assert done.searched() == ([MYG] if kind == "hhr" else [])  # an .out is made again from its .hhr.gz
    assert done.tables() == finished.tables()


def test_removed_result_is_reported_at_the_end_and_in_the_store(done):
    cut(done.out("P02144"))
    have_merged_again(done)
    printed = done.snakemake(expect=1)
    assert "1 of 4 results cannot be read" in printed and "3 of 4 proteins done" in printed
    with contextlib.closing(done.store()) as conn:
        rows = dict(conn.execute("select query_id, ifnull(reason, phase) from protein_results"))
    assert rows == {HBA: "done", MYG: DAMAGED, LYS: "done", CYC: "done"}


def test_tables_that_lack_a_result_are_made_again_when_another_run_has_made_it(done, finished):
    empty(done.out("P02144"))
    have_merged_again(done)
    done.snakemake(expect=1)
    done.config["run"] = "second"
    done.snakemake()
    done.config["run"] = "test"
    assert "Nothing to be done" not in done.snakemake()
    assert done.searched() == [] and done.tables() == finished.tables()


def test_damaged_result_does_not_end_a_run_that_tries_steps_again(done, finished):
    """As on a cluster, where steps are tried three times."""
    for accession in ("P02144", "P69905"):
        done.out(accession).unlink()
    done.hhr("P69905").unlink()
    cut(done.hhr("P02144"))
    done.snakemake("--retries", "2", expect=1)
    assert list(failed(done)) == [MYG] and failed(done)[MYG].endswith(DAMAGED)
    assert done.searched() == [HBA]
    done.snakemake("--retries", "2")
    assert done.searched() == [MYG] and done.tables() == finished.tables()


def test_a3m_that_a_power_cut_has_emptied_is_written_again(done, finished):
    path = done.run.a3m(done.run.members["P02144"].entry)
    path.parent.mkdir(parents=True)
    path.touch()
    for part in (done.out, done.hhr):
        part("P02144").unlink()
    done.snakemake(expect=1)
    assert list(failed(done)) == [MYG]
    done.snakemake()
    assert done.tables() == finished.tables()


@pytest.mark.parametrize("damage", [cut, None])
def test_damaged_out_beside_a_damaged_or_foreign_hhr_costs_the_search(done, finished, damage):
    cut(done.out("P02144"))
    if damage:
        damage(done.hhr("P02144"))
    else:
        shutil.copy(done.hhr("P69905"), done.hhr("P02144"))
    have_merged_again(done)
    done.snakemake(expect=1)
    assert failed(done) == {MYG: DAMAGED}
    done.snakemake()
    assert done.searched() == [MYG]
    assert done.tables() == finished.tables()


@pytest.mark.parametrize("kind", ["hhr", "a3m"])
def test_hits_and_query_of_another_protein_are_not_taken_for_those_of_this_one(done, finished, kind):
    if kind == "hhr":
        shutil.copy(done.hhr("P69905"), done.hhr("P02144"))
    else:
        done.config["keep"] = ["a3m"]
        done.snakemake()
        myg, hba = (done.run.a3m(done.run.members[name].entry) for name in ("P02144", "P69905"))
        shutil.copy(hba, myg)
        done.hhr("P02144").unlink()
    done.out("P02144").unlink()
    done.snakemake(expect=1)
    assert list(failed(done)) == [MYG]
    done.snakemake()
    assert done.searched() == [MYG]
    assert done.tables() == finished.tables()


def test_out_of_another_protein_is_not_merged(done, finished):
    shutil.copy(done.out("P69905"), done.out("P02144"))
    have_merged_again(done)
    done.snakemake(expect=1)
    assert failed(done) == {MYG: DAMAGED}
    done.snakemake()
    assert done.tables() == finished.tables()


@pytest.mark.parametrize(
    "name, damage",
    [("hits.csv.gz", cut), ("best_hits.csv", overwrite), ("overview.json", empty), ("manifest.tsv", cut)],
)
def test_damaged_table_is_made_again(done, finished, name, damage):
    damage(done.results / name)
    done.snakemake()
    assert done.searched() == [] and done.tables() == finished.tables()


@pytest.mark.parametrize("name", ["config.yaml", "report/evalues.svg"])
def test_damaged_file_beside_the_tables_is_made_again(done, name):
    path = done.results / name
    whole = path.read_bytes()
    cut(path)
    done.snakemake()
    assert done.searched() == [] and path.read_bytes() == whole
    assert "Nothing to be done" in done.snakemake()


def test_same_damage_again_is_noticed_again(done, finished):
    for _ in range(2):
        empty(done.results / "merge_results.csv")
        done.snakemake()
        assert done.searched() == [] and done.tables() == finished.tables()
        assert "Nothing to be done" in done.snakemake()


@pytest.mark.parametrize("ending, damage", [("fas", cut), ("horiz", empty), ("horiz", cut)])
def test_damaged_prediction_is_removed_and_made_again(done, finished, ending, damage):
    for path in done.path.glob(f"results/shared/predictions/*/{ending}/*"):
        damage(path)
        if ending == "fas":  # else nothing reads it
            for horiz in path.parents[1].glob("horiz/*"):
                horiz.unlink()
    for accession in ("P69905", "P02144", "P61626", "P99999"):
        done.out(accession).unlink()
        done.hhr(accession).unlink()
    done.snakemake(expect=1)
    assert len(failed(done)) == 4 and DAMAGED in " ".join(failed(done).values())
    done.snakemake()
    assert done.tables() == finished.tables()


def test_damaged_usage_stops_nothing(done, finished):
    run = done.run
    for entry in run.by_entry:
        cut(run.search.usage(entry))
    (done.results / "merge_results.csv").unlink()
    done.snakemake()
    assert done.tables() == finished.tables()
