"""The run at a glance: counts that add up to those of the merged tables."""

import csv
import json

import pytest
import runfolders
from runfolders import span_hit

from proteofold.run.merge import merge_run
from proteofold.run.proteome import PROTEOME_COLUMNS, read_coverage_classes

SEQUENCES = {
    "covered": "MKVLI" * 40,
    "partly": "MKVLA" * 40,
    "dark": "MKVLG" * 40,
    "also, dark": "MKVLS" * 20,
    "failed": "MKVLT" * 10,
}
NOISE = [span_hit(1, 90, "T9", evalue=2.0, probability=20.0)]
HITS = {
    "covered": [span_hit(1, 80, "T1", score=200.0), span_hit(101, 180, "T1", rank=2)],
    "partly": [span_hit(1, 60, "T2"), span_hit(71, 90, "T3", rank=2)],
    "dark": NOISE,
    "also, dark": [],
}


@pytest.fixture
def run(tmp_path):
    """A run of five proteins: one covered, one partly, two dark, one failed."""
    runs = runfolders.FolderOfRuns(tmp_path)
    run = runs.plan("my run", SEQUENCES)
    for member in list(run.members.values())[:4]:
        runs.finish(run, member.protein, HITS[member.query_id])
    return run


def summary_of(run):
    merge_run(run.folder.path)
    return json.loads((run.folder.path / "proteome_summary.json").read_text())


def test_proteins_and_residues_add_up(run):
    found = summary_of(run)
    assert found["coverage_classes"] == {
        "covered": {"proteins": 1, "residues": 200},
        "partly": {"proteins": 1, "residues": 200},
        "dark": {"proteins": 2, "residues": 300},
    }
    assert (found["proteins"], found["residues"], found["residues_in_domains"]) == (4, 700, 220)
    assert found["residues_in_confident_hits"] == 240
    assert found["domains_per_protein"] == {"0": 2, "1": 1, "2": 1}
    assert found["thresholds"]["min_covered"] == 70


def test_templates_are_listed_by_their_number_of_domains(run):
    assert summary_of(run)["top_templates"] == [
        {"template": "T1", "proteins": 1, "domains": 2, "residues": 160},
        {"template": "T2", "proteins": 1, "domains": 1, "residues": 60},
    ]


def test_dark_proteins_have_their_secondary_structure_if_it_is_there(run):
    first, second = summary_of(run)["dark_proteins"]
    # predictions of test runs are helix, strand, coil, helix, ...
    assert first == {"query_id": "dark", "length": 200, "helix": 0.335, "strand": 0.335, "coil": 0.33}
    assert (second["query_id"], second["length"]) == ("also, dark", 100)
    for path in run.predictions.horiz_folder.iterdir():
        path.unlink()
    first, _ = summary_of(run)["dark_proteins"]
    assert first == {"query_id": "dark", "length": 200, "helix": None, "strand": None, "coil": None}


def test_table_has_the_numbers_of_the_json(run):
    summary_of(run)
    with open(run.folder.path / "proteome_summary.csv", encoding="utf-8", newline="") as handle:
        header, *rows = csv.reader(handle)
    assert tuple(header) == PROTEOME_COLUMNS
    assert rows == [
        ["coverage_class", "covered", "1", "200", "", "", "", ""],
        ["coverage_class", "partly", "1", "200", "", "", "", ""],
        ["coverage_class", "dark", "2", "300", "", "", "", ""],
        ["domains_per_protein", "0", "2", "", "", "", "", ""],
        ["domains_per_protein", "1", "1", "", "", "", "", ""],
        ["domains_per_protein", "2", "1", "", "", "", "", ""],
        ["template", "T1", "1", "160", "2", "", "", ""],
        ["template", "T2", "1", "60", "1", "", "", ""],
        ["dark_protein", "dark", "1", "200", "", "0.335", "0.335", "0.33"],
        ["dark_protein", "also, dark", "1", "100", "", "0.34", "0.33", "0.33"],
    ]


def test_run_without_any_result_has_a_summary(tmp_path):
    run = runfolders.FolderOfRuns(tmp_path).plan("empty", ["a"])
    found = summary_of(run)
    assert (found["proteins"], found["residues"], found["top_templates"], found["dark_proteins"]) == (0, 0, [], [])
    assert read_coverage_classes(run.folder.path) == {"covered": 0, "partly": 0, "dark": 0}


def test_coverage_classes_are_read_back(run):
    assert read_coverage_classes(run.folder.path) is None
    merge_run(run.folder.path)
    assert read_coverage_classes(run.folder.path) == {"covered": 1, "partly": 1, "dark": 2}
    (run.folder.path / "proteome_summary.json").write_text("{}")
    assert read_coverage_classes(run.folder.path) is None
