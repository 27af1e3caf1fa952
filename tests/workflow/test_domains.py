"""Domains of a real run, and what changing their thresholds costs."""

import csv
import shutil

from runbench import DEMO, demo_records

from proteofold.science.classification import FILE, write_classification


def domains_of(bench, accession=""):
    """(query_start, query_end, template) of the domains, in the order of the table."""
    with open(bench.results / "domains.csv", encoding="utf-8", newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if accession in row["query_id"]]
    return [(int(row["query_start"]), int(row["query_end"]), row["template"]) for row in rows]


def verdicts_of(bench):
    """(domains, coverage) of each protein in merge_results.csv."""
    with open(bench.results / "merge_results.csv", encoding="utf-8", newline="") as handle:
        return {
            row["query_id"].split("|")[1]: (row["domains"], float(row["coverage"])) for row in csv.DictReader(handle)
        }


def test_proteins_of_one_domain_have_one_that_covers_them(finished):
    assert [template for _, _, template in domains_of(finished)] == ["4HHB_A", "1MBN_A", "1LZ1_A", "1HRC_A"]
    assert all(count == "1" and coverage > 0.8 for count, coverage in verdicts_of(finished).values())


def test_chimera_has_a_domain_for_each_of_its_parts_in_their_order(fresh, tmp_path):
    folder = shutil.copytree(fresh.config["templates"]["build"], tmp_path / "seven")
    shutil.copy(DEMO / "templates" / "1ERU_A.a3m", folder)
    fresh.config["templates"] = {"build": str(folder)}
    sequences = {accession: sequence for accession, (_, sequence) in demo_records().items()}
    parts = [sequences["P62979"][:76], sequences["P0DP23"], sequences["P10599"]]  # ubiquitin, calmodulin, thioredoxin
    fresh.records = {"sp|CHIMERA|TEST": "".join(parts)}
    fresh.snakemake()
    found = domains_of(fresh)
    assert [template for _, _, template in found] == ["1UBQ_A", "1CLL_A", "1ERU_A"]
    borders = [(1, 76), (77, 225), (226, 330)]
    for (start, end, _), (first, last) in zip(found, borders, strict=True):
        assert abs(start - first) <= 10 and abs(end - last) <= 10
    assert verdicts_of(fresh)["CHIMERA"][0] == "3"


def test_changed_thresholds_cost_the_merge_and_no_search(done):
    before, predictions = done.tables(), done.predictions()
    done.config["domains"] = {"max_evalue": 0, "min_probability": 101}
    done.snakemake()
    assert done.searched() == [] and done.predictions() == predictions
    assert domains_of(done) == []
    assert set(verdicts_of(done).values()) == {("0", 0.0)}
    assert "Nothing to be done" in done.snakemake()
    del done.config["domains"]
    done.snakemake()
    assert done.searched() == [] and done.tables() == before


def test_default_thresholds_in_words_cost_nothing(done):
    done.config["domains"] = {"max_evalue": 0.001, "min_columns": 30}
    assert "Nothing to be done" in done.snakemake()


def test_fetched_classification_costs_the_merge_and_no_search(done):
    predictions = done.predictions()
    release = done.path / "resources" / "classification" / "cath-20261101"
    release.mkdir(parents=True)
    write_classification(release / FILE, ["4hhbA00 v4_4_0 1.10.490.10 1-141:A"], ["1.10.490.10 Globins"])
    (release.parent / "cath").symlink_to(release.name)
    done.snakemake()
    assert done.searched() == [] and done.predictions() == predictions
    ends = {row.split(",")[4]: row.split(",")[-2:] for row in done.rows("domains.csv")}
    assert ends == {"4HHB_A": ["1.10.490.10", "Globins"]} | dict.fromkeys(("1MBN_A", "1LZ1_A", "1HRC_A"), ["", ""])
    assert "Nothing to be done" in done.snakemake()
