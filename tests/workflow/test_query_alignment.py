"""Searches with query alignments: made from a sequence database, or given in a folder."""

import csv
import gzip

import pytest
from runbench import demo_records

MYOGLOBIN = "sp|P02144|MYG_HUMAN"


def failures_of(bench):
    """(step, reason) of the failed proteins by id."""
    with open(bench.results / "failed.csv", encoding="utf-8", newline="") as handle:
        return {row["query_id"]: (row["step"], row["reason"]) for row in csv.DictReader(handle)}


def probability(bench, query_id, template):
    """The highest probability of the hits of a protein with a template; 0 without any."""
    with gzip.open(bench.results / "hits.csv.gz", "rt", encoding="utf-8", newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if (row["query_id"], row["template"]) == (query_id, template)]
    return max((float(row["probability"]) for row in rows), default=0)


def test_relatives_from_a_database_make_the_search_more_sensitive_and_are_kept(done):
    alone, tables = probability(done, MYOGLOBIN, "4HHB_A"), done.tables()
    done.config["msa"] = {"database": done.run.library.prefix}
    done.snakemake()
    assert len(done.searched()) == len(done.records)
    assert failures_of(done) == {}
    assert probability(done, MYOGLOBIN, "4HHB_A") > alone
    made = sorted(done.path.glob("results/shared/alignments/*/a3m/*/*.a3m.gz"))
    assert len(made) == len(done.records)
    assert "Nothing to be done" in done.snakemake()

    del done.config["msa"]  # and back: each choice has results of its own
    done.snakemake()
    assert done.searched() == [] and done.tables() == tables
    done.config["msa"] = {"database": done.run.library.prefix, "iterations": 2}
    done.snakemake()
    assert done.searched() == []


def test_damaged_alignment_is_made_again_for_the_search_that_needs_it(done):
    done.config["msa"] = {"database": done.run.library.prefix}
    done.snakemake()
    member = done.run.members["P02144"]
    alignment = done.run.alignments.a3m(member.entry)
    whole = alignment.read_bytes()
    alignment.write_bytes(whole[: len(whole) // 2])
    for path in (done.run.search.out(member.entry), done.run.search.hhr(member.entry)):
        path.unlink()
    done.snakemake(expect=1)
    assert failures_of(done) == {MYOGLOBIN: ("a3m", f"{alignment.relative_to(done.path)}: damaged, removed; rerun")}
    done.snakemake()
    assert done.searched() == [MYOGLOBIN]
    assert alignment.read_bytes() == whole


@pytest.fixture
def given(done, tmp_path):
    """A folder with an alignment of each protein of the bench but myoglobin: the protein and itself once more."""
    folder = tmp_path / "given"
    folder.mkdir()
    for accession, (query_id, sequence) in demo_records().items():
        if query_id in done.records and query_id != MYOGLOBIN:
            text = f"#{len(sequence)}\t1\n>101\n{sequence}\n>again\tx\n-{sequence[1:]}\n\0"
            (folder / f"{accession}.a3m").write_text(text)
    done.config["msa"] = {"folder": str(folder)}
    return folder


def test_protein_without_a_given_alignment_fails_alone_until_it_is_there(done, given):
    assert f"no alignment of 1 of {len(done.records)} proteins" in done.snakemake(expect=1)
    assert len(done.searched()) == len(done.records) - 1
    ((step, reason),) = failures_of(done).values()
    assert (step, reason.startswith(f"{given}/P02144.a3m: there is no alignment of {MYOGLOBIN}")) == ("a3m", True)

    sequence = done.records[MYOGLOBIN]
    (given / "P02144.a3m").write_text(f">q\n{sequence}\n>short\n{sequence[1:]}\n")
    done.snakemake(expect=1)
    length = len(sequence)
    assert failures_of(done)[MYOGLOBIN][1].startswith(f"{given}/P02144.a3m, line 3: short has {length - 1} columns")
    assert done.searched() == []

    (given / "P02144.a3m").write_text(f">q\n{sequence}\n")
    done.snakemake()
    assert done.searched() == [MYOGLOBIN]


def test_changed_alignment_costs_the_search_of_its_protein(done, given):
    done.snakemake(expect=1)
    changed = given / "P69905.a3m"
    changed.write_text(changed.read_text() + f">third\n{demo_records()['P69905'][1]}\n")
    done.snakemake(expect=1)
    assert done.searched() == [demo_records()["P69905"][0]]
