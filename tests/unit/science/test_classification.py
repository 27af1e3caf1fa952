"""The CATH superfamily of a region of a template, and of the domains of a run."""

import csv
import json

import pytest
from click.testing import CliRunner
from runfolders import FolderOfRuns, span_hit

from proteofold.cli.main import cli
from proteofold.formats.cath import parse_domain, parse_name
from proteofold.run.classes import chosen_classification
from proteofold.run.manifest import load_run
from proteofold.run.merge import merge_run
from proteofold.science.classification import (
    FILE,
    NOT_IN_CATH,
    NOT_MAPPED,
    Classification,
    fold_of,
    open_classification,
    superfamily_of,
    write_classification,
)
from proteofold.system.errors import UserError

DOMAINS = [
    "# CATH",
    "1abcA01 v4_4_0 1.10.8.10 1-100:A",
    "1abcA02 v4_4_0 3.40.50.300 101-150:A,171-200:A",
    "1abcB00 putative 1.10.8.10 1-60:B",
    "2defA00 v4_4_0 3.40.50.720 501-590:A",
]
NAMES = ["1 Mainly Alpha", "1.10.8 Helicase", "1.10.8.10 DNA helicase", "3.40.50 Rossmann fold"]
NAMES += ["3.40.50.300 P-loop", "3.40.50.720 "]


# CATH's lists


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("1oaiA00 v4_3_0 1.10.8.10 561-619:A", ("1oai_A", "v4_3_0", "1.10.8.10", ((561, 619),))),
        ("1abcA02 putative 3.40.50.300 1-9:A,20-30:A", ("1abc_A", "putative", "3.40.50.300", ((1, 9), (20, 30)))),
        ("1abcA01 v4_3_0 1.10.8.10 -5-60A:A", ("1abc_A", "v4_3_0", "1.10.8.10", ((-5, 60),))),
        ("1abcA01 v4_3_0 1.10.8.10 -9--5:A", ("1abc_A", "v4_3_0", "1.10.8.10", ((-9, -5),))),
        ("1abcA01 v4_3_0 1.10.8.10 60(A)-61(B):A", ("1abc_A", "v4_3_0", "1.10.8.10", ((60, 61),))),
        ("1abcAA01 v4_3_0 1.10.8.10 1-60:AA", ("1abc_AA", "v4_3_0", "1.10.8.10", ((1, 60),))),
        ("1abcA00 v4_3_0 1.10.8 1-60:A", None),
        ("1abcA00 v4_3_0 1.10.8.10", None),
        ("1abcA00 v4_3_0 1.10.8.10 1-60:A,5-9:B", None),
        ("1abcA00 v4_3_0 1.10.8.10 1-60", None),
        ("1abcA00 v4_3_0 1.10.8.10 1-9999999999:A", None),
        ("../../x v4_3_0 1.10.8.10 1-60:A", None),
        ("", None),
    ],
)
def test_line_of_the_list_of_domains(line, expected):
    assert parse_domain(line) == expected


def test_line_of_the_list_of_names():
    assert parse_name("1.10.8 Helicase, Ruva Protein; domain 3\n") == ("1.10.8", "Helicase, Ruva Protein; domain 3")
    assert parse_name("3.40.50.720 ") == parse_name("3.40.50.720") == ("3.40.50.720", "")
    assert parse_name("<html>") is None


# Superfamilies of regions

TWO = [("1.10.8.10", [(1, 100)]), ("3.40.50.300", [(101, 200)])]


@pytest.mark.parametrize(
    ("domains", "region", "expected"),
    [
        (TWO, (1, 90, 210), "1.10.8.10"),
        (TWO, (90, 200, 210), "3.40.50.300"),
        (TWO, (40, 150, 210), "1.10.8.10"),
        (TWO, (201, 210, 210), None),
        # a third of the region is the least
        ([("1.10.8.10", [(1, 30)])], (1, 90, 210), "1.10.8.10"),
        ([("1.10.8.10", [(1, 29)])], (1, 90, 210), None),
        # pieces of a domain, and domains of a superfamily, count together
        ([("1.10.8.10", [(1, 30), (71, 100)]), ("2.60.40.10", [(31, 70)])], (1, 100, 100), "1.10.8.10"),
        (
            [("1.10.8.10", [(1, 30)]), ("1.10.8.10", [(71, 100)]), ("2.60.40.10", [(31, 70)])],
            (1, 100, 100),
            "1.10.8.10",
        ),
        # numbers beyond the sequence begin at its first residue
        ([("1.10.8.10", [(701, 800)]), ("3.40.50.300", [(801, 900)])], (101, 200, 200), "3.40.50.300"),
        ([("1.10.8.10", [(-4, 95)]), ("3.40.50.300", [(96, 195)])], (101, 200, 200), "3.40.50.300"),
        # numbers that jump: chymotrypsin's a little, those of a fusion protein too much
        ([("2.40.10.10", [(16, 120)]), ("2.40.10.20", [(121, 245)])], (110, 223, 223), "2.40.10.20"),
        ([("1.10.8.10", [(1, 100)]), ("3.40.50.300", [(1001, 1100)])], (1, 100, 200), None),
        ([("1.10.8.10", [(1, 100), (1001, 1100)])], (1, 100, 200), "1.10.8.10"),
    ],
)
def test_superfamily_is_the_one_that_covers_most_of_the_region(domains, region, expected):
    assert superfamily_of(domains, *region) == expected


def test_fold_is_the_code_without_its_last_number():
    assert fold_of("3.40.50.300") == "3.40.50"


# The file


@pytest.fixture
def release(tmp_path, monkeypatch):
    """The release in use: a folder with the classification of DOMAINS."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "resources" / "classification" / "cath-20261101"
    folder.mkdir(parents=True)
    assert write_classification(folder / FILE, DOMAINS, NAMES) == ("v4_4_0", 4, 3)
    (folder.parent / "cath").symlink_to(folder.name)
    return folder


def test_classification_is_read_back(release):
    found = Classification(release / FILE)
    assert (found.version, found.domains, found.superfamilies) == ("v4_4_0", 4, 3)
    assert found.superfamily("1ABC_A", 100, 190, 210) == "3.40.50.300"
    assert found.superfamily("1abc_B", 5, 60, 60) == "1.10.8.10"
    assert found.superfamily("1ABC_b", 5, 60, 60) == NOT_IN_CATH
    assert found.superfamily("MYFOLD", 5, 60, 60) == NOT_IN_CATH
    assert found.superfamily("1ABC_A", 205, 210, 210) == NOT_MAPPED
    assert (found.name_of("1.10.8.10"), found.name_of("3.40.50.720"), found.name_of("9")) == ("DNA helicase", "", "")


def test_few_lines_of_another_kind_are_passed_over(tmp_path):
    lines = [f"1abcA{number:02} v4 1.10.8.10 {number}-{number}:A" for number in range(1, 100)]
    version, domains, _ = write_classification(tmp_path / FILE, [*lines, *lines, "1abcA00 v4 1.10.8.10 ?"], NAMES)
    assert (version, domains) == ("v4", 198)


@pytest.mark.parametrize(
    ("domains", "names", "what"),
    [
        ([], NAMES, "domains .*but the list is empty"),
        (["# nothing"], NAMES, "domains .*but the list is empty"),
        (["<html>"] * 50, NAMES, "50 of 50 lines are not domains"),
        ([*DOMAINS, "rubbish"], NAMES, "1 of 5 lines are not domains .* line 6"),
        (DOMAINS, [], "names .*but the list is empty"),
        (DOMAINS, ["<html>"], "1 of 1 lines are not names"),
        (DOMAINS, DOMAINS, "are not names"),
        (DOMAINS, NAMES[:4], "2 of 3 superfamilies are not in the list of names"),
    ],
)
def test_lists_that_are_other_ones_are_refused(tmp_path, domains, names, what):
    with pytest.raises(UserError, match=what):
        write_classification(tmp_path / FILE, domains, names)


def test_damaged_file_is_an_error_that_names_the_command(release):
    assert open_classification(None) is None
    assert open_classification(release.parent / "cath-20200101") is None
    (release / FILE).write_bytes(b"rubbish" * 1000)
    with pytest.raises(UserError, match="proteofold fetch classification"):
        open_classification(release)


# Runs

HITS = {
    "P1": [span_hit(1, 80, "1ABC_A", template_start=1, template_end=80, template_length=210, score=200.0)]
    + [span_hit(101, 180, "2DEF_A", template_start=1, template_end=80, template_length=90, rank=2)],
    "P2": [span_hit(1, 60, "1ABC_B", template_start=1, template_end=60, template_length=60)]
    + [span_hit(101, 140, "MYFOLD", rank=2)],
    "P3": [span_hit(1, 40, "2DEF_A", template_start=251, template_end=290, template_length=300)],
}


def make_run(tmp_path, **settings):
    runs = FolderOfRuns(tmp_path)
    run = runs.plan(proteins={name: letters * 200 for name, letters in zip(HITS, "MKV", strict=True)}, **settings)
    for name, hits in HITS.items():
        runs.finish(run, name, hits)
    return run


@pytest.fixture
def run(tmp_path, release):
    """A merged run of three proteins that uses the release."""
    run = make_run(tmp_path, classification=chosen_classification())
    merge_run(run.folder.path)
    return run


def domains_of(run):
    with open(run.folder.path / "domains.csv", encoding="utf-8", newline="") as handle:
        return {
            (row["query_id"], row["number"]): (row["superfamily"], row["superfamily_name"])
            for row in csv.DictReader(handle)
        }


def test_domains_have_the_superfamily_of_their_template(run):
    assert domains_of(run) == {
        ("P1", "1"): ("1.10.8.10", "DNA helicase"),
        ("P1", "2"): ("3.40.50.720", ""),
        ("P2", "1"): ("1.10.8.10", "DNA helicase"),
        ("P2", "2"): ("", ""),
        ("P3", "1"): ("", ""),
    }


def test_superfamilies_and_folds_are_counted(run):
    found = json.loads((run.folder.path / "proteome_summary.json").read_text())
    assert found["classification"] == {
        "version": "v4_4_0",
        "superfamilies": 2,
        "folds": 2,
        "domains_classified": 3,
        "domains_not_in_cath": 1,
        "domains_not_mapped": 1,
    }
    assert found["superfamilies"] == [
        {"superfamily": "1.10.8.10", "name": "DNA helicase", "proteins": 2, "domains": 2},
        {"superfamily": "3.40.50.720", "name": "", "proteins": 1, "domains": 1},
    ]
    assert found["folds"] == [
        {"fold": "1.10.8", "name": "Helicase", "proteins": 2, "domains": 2},
        {"fold": "3.40.50", "name": "Rossmann fold", "proteins": 1, "domains": 1},
    ]
    with open(run.folder.path / "proteome_summary.csv", encoding="utf-8", newline="") as handle:
        rows = [row for row in csv.reader(handle) if row[0] in ("superfamily", "fold")]
    assert [(*row[:3], row[4]) for row in rows] == [
        ("superfamily", "1.10.8.10", "2", "2"),
        ("superfamily", "3.40.50.720", "1", "1"),
        ("fold", "1.10.8", "2", "2"),
        ("fold", "3.40.50", "1", "1"),
    ]


def show(run):
    assert CliRunner().invoke(cli, ["store", "import", str(run.folder.path)]).exit_code == 0
    return CliRunner().invoke(cli, ["show", "demo"]).output


def test_run_is_shown_with_its_number_of_superfamilies(run):
    assert "2 in 3 domains, 2 domains without (CATH v4_4_0)" in show(run)


def test_protein_is_shown_with_the_superfamilies_of_its_domains(run):
    assert CliRunner().invoke(cli, ["store", "import", str(run.folder.path)]).exit_code == 0
    (row,) = json.loads(CliRunner().invoke(cli, ["protein", "P1", "--json"]).output)
    assert [(domain["superfamily"], domain["superfamily_name"]) for domain in row["verdict"]["domains"]] == [
        ("1.10.8.10", "DNA helicase"),
        ("3.40.50.720", ""),
    ]
    shown = CliRunner().invoke(cli, ["protein", "P1"]).output
    assert "superfamily" in shown and "1.10.8.10" in shown
    assert "superfamily" not in CliRunner().invoke(cli, ["protein", "P3"]).output
    assert max(map(len, shown.splitlines())) <= 80


def test_without_a_classification_runs_are_whole_and_report_its_absence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert chosen_classification() is None
    run = make_run(tmp_path)
    merge_run(run.folder.path)
    assert set(domains_of(run).values()) == {("", "")}
    found = json.loads((run.folder.path / "proteome_summary.json").read_text())
    assert (found["classification"], found["superfamilies"], found["folds"]) == (None, [], [])
    assert "proteofold fetch classification" in show(run)


def test_release_that_was_removed_since_is_none(run, release):
    (release / FILE).unlink()
    merge_run(run.folder.path)
    assert set(domains_of(run).values()) == {("", "")}


def test_tables_of_a_run_are_made_again_for_another_release(tmp_path):
    def digest(**settings):
        return make_run(tmp_path, **settings).members_digest

    without = digest(classification=None)
    assert digest() == without  # planned before there were classifications
    releases = [f"resources/classification/cath-{date}" for date in (20261101, 20271101)]
    assert len({without, *(digest(classification=release) for release in releases)}) == 3


def test_run_stays_with_the_release_that_was_in_use_when_it_was_planned(run, release):
    assert run.settings["classification"] == "resources/classification/cath-20261101"
    (release.parent / "cath").unlink()
    (release.parent / "cath").symlink_to("cath-20271101")
    assert load_run(run.folder.path).classification.version == "v4_4_0"


def test_classification_is_found_from_another_folder(run, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load_run(run.folder.path).classification.version == "v4_4_0"
