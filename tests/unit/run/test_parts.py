"""Cutting a run into parts: every protein is in one of them, in the order of the input."""

import shlex

import pytest
import yaml
from click.testing import CliRunner
from runfolders import FolderOfRuns

from proteofold.cli.main import cli
from proteofold.run.config import config_problems, with_defaults
from proteofold.run.merge import merge_run
from proteofold.run.parts import failures_of_parts, write_parts
from proteofold.system.errors import UserError
from proteofold.system.paths import DEMO


def config_of(tmp_path, count, **changes):
    """The configuration of a run of so many proteins, p0, p1, …"""
    fasta = tmp_path / "proteins.fasta"
    fasta.write_text("".join(f">p{number}\nMKV{'A' * number}\n" for number in range(count)))
    return with_defaults({"run": "big", "proteins": [str(fasta)], "templates": "demo"} | changes)


def ids_of(paths):
    """The ids of each part, as its configuration names them."""
    parts = [yaml.safe_load(path.read_text()) for path in paths]
    return [open(part["ids"], encoding="utf-8").read().split() for part in parts]


def test_each_protein_is_in_one_part_in_the_order_of_the_input(tmp_path):
    paths = write_parts(config_of(tmp_path, 7), 3, tmp_path / "parts")
    assert ids_of(paths) == [["p0", "p1", "p2"], ["p3", "p4", "p5"], ["p6"]]
    assert sorted(paths) == paths


def test_parts_differ_from_the_whole_in_name_and_ids_only(tmp_path):
    config = config_of(tmp_path, 12, search={"mode": "fast"})
    for path in write_parts(config, 1, tmp_path / "parts"):
        part = yaml.safe_load(path.read_text())
        assert config_problems(part) == []
        assert {key for key in config if config[key] != part[key]} == {"run", "ids"}


def test_ids_of_the_configuration_are_respected(tmp_path):
    (tmp_path / "some.txt").write_text("p4\np1\n")
    paths = write_parts(config_of(tmp_path, 6, ids=str(tmp_path / "some.txt")), 5, tmp_path / "parts")
    assert ids_of(paths) == [["p1", "p4"]]


def test_parts_of_an_earlier_call_do_not_stay(tmp_path):
    folder = tmp_path / "parts"
    write_parts(config_of(tmp_path, 12), 1, folder)
    (folder / "other.part1.yaml").write_text("")
    paths = write_parts(config_of(tmp_path, 12), 6, folder)
    assert sorted(folder.glob("big.*.yaml")) == paths and len(paths) == 2
    assert len(list(folder.glob("big.*.ids"))) == 2 and (folder / "other.part1.yaml").exists()


def test_problems_of_the_inputs_are_reported_and_nothing_is_written(tmp_path):
    (tmp_path / "my.yaml").write_text("run: big\nproteins: [missing.fasta]\n")
    outcome = CliRunner().invoke(cli, ["parts", str(tmp_path / "my.yaml"), "--folder", str(tmp_path / "parts")])
    assert outcome.exit_code == 1 and "missing.fasta" in outcome.output
    assert not (tmp_path / "parts").exists()


def test_run_whose_parts_would_have_too_long_names_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UserError, match="longer names"):
        write_parts(config_of(tmp_path, 4, run="x" * 60), 2, tmp_path / "parts")
    assert not (tmp_path / "parts").exists()


def test_commands_that_are_shown_can_be_copied_into_a_shell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config_of(tmp_path, 3)
    (tmp_path / "my run.yaml").write_text("run: big\nproteins: [proteins.fasta]\ntemplates: demo\n")
    outcome = CliRunner().invoke(cli, ["parts", "my run.yaml", "--folder", "my $parts"])
    assert outcome.exit_code == 0, outcome.output
    loop, merge = (shlex.split(line) for line in outcome.output.splitlines()[-2:])
    assert "my $parts/big.part*.yaml;" in loop and merge[-1] == "my run.yaml"


def test_merge_takes_a_run_folder_or_a_configuration(tmp_path):
    for arguments in (["merge"], ["merge", str(tmp_path), "--configfile", str(DEMO / "config.yaml")]):
        assert CliRunner().invoke(cli, arguments).exit_code == 2


def test_failures_of_parts_count_for_the_same_search_and_unstarted_proteins_only(tmp_path):
    runs = FolderOfRuns(tmp_path)
    whole = runs.plan("big", ("P1", "P2", "P3"))
    runs.predict(whole, whole.members["P2"].batch)
    runs.fail(whole, "P2", "of the search")
    for name, search in (("big.part1", whole.search.name), ("big.part2", "other.lean.01234567")):
        part = runs.plan(name, ("P1", "P2"), search=search)
        rows = "P1,a3m,no alignment,log\nP2,a3m,no alignment,log\n"
        (part.folder.path / "failed.csv").write_text(f"query_id,step,reason,log\n{rows}")
    runs.plan("big.partly", ("P3",))
    # of somebody else, or damaged
    (part.folder.path.parent / "big.part3").write_text("")
    damaged = runs.plan("big.part4", ("P1",), search=whole.search.name).folder.path / "failed.csv"
    damaged.write_text("query_id,step,reason,log\n\nP3,a3m\n")
    assert failures_of_parts(whole) == {
        "P1": ("P1", "a3m", "no alignment", "log"),
        "P2": ("P2", "a3m", "no alignment", "log"),
    }
    merge_run(whole.folder.path)
    failed = (whole.folder.path / "failed.csv").read_text().splitlines()[1:]
    assert [row.split(",")[2] for row in failed[:2]] == ["no alignment", "of the search"]
    assert "not started" in failed[2]
