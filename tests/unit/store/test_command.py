"""The commands of the store, as a user or a script calls them."""

import contextlib
import glob
import json
import re
import sqlite3

import pytest
from click.testing import CliRunner
from runfolders import span_hit

from proteofold.cli.main import cli
from proteofold.cli.output import print_table
from proteofold.run.merge import merge_run
from proteofold.store.run_files import PROTEIN_FILES


@pytest.fixture
def call(results, monkeypatch):
    """Function: run ``proteofold <words>`` on the store; returns click's result."""
    monkeypatch.chdir(results.path.parent)  # a developer's own runs are in results/ of the checkout

    def run(*words, **options):
        return CliRunner().invoke(cli, [*words, "--store", str(results.path / "proteofold.db")], **options)

    return run


@pytest.fixture
def demo(results, call, make):
    """A run of three proteins in the store, one of them failed."""
    run = results.plan(proteins=["sp|P69905|HBA_HUMAN", "007", "bad"])
    results.finish(run, "P69905", [make.hit(), make.hit(2, "2XYZ_B", 0.5, 20.0)])
    results.finish(run, "007", [])
    results.fail(run, "bad", "no memory")
    (run.folder.path / "failed.csv").write_text("")
    assert call("store", "import", str(run.folder.path)).output == "demo: FAILED, 2 of 3 proteins, 1 failed\n"
    return run


def test_runs_are_listed(demo, call):
    assert "demo   FAILED   2026-09-21 14:14" in call("runs").output
    (row,) = json.loads(call("runs", "--json").output)
    assert (row["run_id"], row["total"], row["succeeded"], row["failed"]) == ("demo", 3, 2, 1)


def test_run_is_shown_with_failures_and_best_hits(demo, call):
    shown = call("show", "demo")
    assert shown.exit_code == 0
    for expected in ("3 (2 done, 1 failed)", "no memory", "1ABC_A", "1e-20"):
        assert expected in shown.output
    answer = json.loads(call("show", "demo", "--json").output)
    assert answer["phases"] == {"done": 2, "failed": 1}
    assert answer["failures"][0]["reason"] == "no memory"
    assert answer["settings"]["mode"] == "lean"


def test_tables_fit_a_terminal_of_80_columns(demo, call):
    for words in (["runs"], ["show", "demo"], ["protein", "P69905"]):
        assert max(map(len, call(*words).output.splitlines())) <= 80


def test_evalue_of_zero_is_shown_as_a_bound(capsys):
    print_table(("E-value", "score"), [[0.0, 0.0]])
    assert capsys.readouterr().out.splitlines()[-1].split("   ") == ["< 1e-300", "  0.0"]


def test_long_descriptions_leave_room_for_the_other_columns(results, call, make):
    run = results.plan(proteins=["P1"])
    hit = make.hit()._replace(description="long " * 60)
    results.finish(run, "P1", [hit])
    call("store", "import", str(run.folder.path))
    (line,) = [line for line in call("protein", "P1").output.splitlines() if "long" in line]
    assert line.split()[:5] == ["1", "1ABC_A", "99.5", "1e-20", "55.6"]  # 50 of the template's 90 residues
    assert line.rstrip().endswith("…")


@pytest.mark.parametrize("name", ["P69905", "sp|P69905|HBA_HUMAN"])
def test_protein_is_found_by_id_and_accession(demo, call, name):
    assert "2XYZ_B" in call("protein", name).output
    (row,) = json.loads(call("protein", name, "--json").output)
    assert [hit["template"] for hit in row["hits"]] == ["1ABC_A", "2XYZ_B"]
    assert row["results"][0]["best_hit"] == "1ABC_A"


@pytest.fixture
def receptor(results, call):
    """A merged run of one protein with two domains, in the store."""
    run = results.plan(proteins={"sp|P00533|EGFR": "MKVLI" * 242})
    results.finish(run, "P00533", [span_hit(695, 1022, "1M17_A", 950.0), span_hit(25, 646, "1IVO_A", 900.0, rank=2)])
    merge_run(run.folder.path)
    call("store", "import", str(run.folder.path))
    return run


SENTENCE = "Two confident domains (25–646: 1IVO_A; 695–1022: 1M17_A) cover 78% of the protein."


def test_protein_is_shown_with_its_domains_and_what_they_cover(receptor, call):
    printed = call("protein", "P00533").output
    assert SENTENCE in printed
    assert re.search(r"^ *1 +25 +646 +1IVO_A .*\n *2 +695 +1022 +1M17_A ", printed, re.MULTILINE)
    (row,) = json.loads(call("protein", "P00533", "--json").output)
    verdict = row["verdict"]
    assert (verdict["class"], verdict["sentence"], verdict["domain_residues"]) == ("covered", SENTENCE, 950)
    assert [domain["template"] for domain in verdict["domains"]] == ["1IVO_A", "1M17_A"]


def test_protein_is_shown_without_verdict_where_the_folder_of_its_run_is_elsewhere(receptor, call, tmp_path):
    receptor.folder.path.rename(tmp_path / "elsewhere")
    shown = call("protein", "P00533")
    assert shown.exit_code == 0 and "domain" not in shown.output
    assert json.loads(call("protein", "P00533", "--json").output)[0]["verdict"] is None


def test_run_that_was_never_merged_has_no_coverage_classes(demo, call):
    assert json.loads(call("show", "demo", "--json").output)["coverage_classes"] == {}  # never merged


def test_merged_run_is_shown_with_the_coverage_classes_of_its_proteins(receptor, call):
    assert "1 covered, 0 partly, 0 dark" in call("show", "demo").output
    assert json.loads(call("show", "demo", "--json").output)["coverage_classes"] == {
        "covered": 1,
        "partly": 0,
        "dark": 0,
    }


@pytest.mark.parametrize("words", [["show", "x"], ["protein", "'; drop table runs; --"], ["export", "x"]])
def test_what_is_not_there_is_exit_code_3(demo, call, words):
    result = call(*words)
    assert result.exit_code == 3
    assert "in the store" in result.output
    assert call("runs").exit_code == 0


def test_absent_store_is_exit_code_1(call):
    result = call("runs")
    assert result.exit_code == 1
    assert "store import" in result.output


def test_records_of_a_list_are_printed_and_absent_ones_reported(demo, call, tmp_path):
    (tmp_path / "ids").write_text("007\n\nP69905\nnobody\n007\n")
    result = call("proteins", "--ids", str(tmp_path / "ids"), "--fasta")
    assert result.exit_code == 3
    assert result.stdout == ">007\nMKV\n>sp|P69905|HBA_HUMAN\nMKV\n"
    assert result.stderr == "not in the store: nobody\n"
    result = call("proteins", "--ids", "-", "--json", input="007\n")
    assert result.exit_code == 0
    assert [row["query_id"] for row in json.loads(result.stdout)] == ["007"]


def test_fasta_keeps_the_description_it_was_added_with(call, tmp_path):
    path = tmp_path / "p.fasta"
    path.write_text(">sp|P1|A_B alpha chain OS=Homo sapiens GN=F5\nMKV\n")
    assert call("add", str(path)).output == "1 added, 0 present, 0 failed\n"
    assert call("proteins", "--ids", "-", "--fasta", input="P1\n").stdout == path.read_text()


def test_refused_records_are_reported_and_exit_code_1(call, tmp_path):
    path = tmp_path / "p.fasta"
    path.write_text(">a\nMKV\n>a\nMKVA\n")
    result = call("add", str(path))
    assert result.exit_code == 1
    assert result.stdout == "1 added, 0 present, 1 failed\n"
    assert "another sequence" in result.stderr
    answer = json.loads(call("add", str(path), "--json").stdout)
    assert (answer["added"], answer["present"], answer["failed"][0]["id"]) == (0, 1, "a")


@pytest.mark.parametrize("words", [["export"], ["store", "export"]])
def test_export_reports_its_files(demo, call, tmp_path, words):
    result = call(*words, "demo", "--format", "jsonl", "--to", str(tmp_path / "out"), "--json")
    answer = {path.rpartition("/")[2] for path in json.loads(result.output)}
    assert answer == {path.name for path in (tmp_path / "out").iterdir()}
    assert "hits.jsonl" in answer


def test_export_of_domains_copies_the_merged_table(demo, call, results, tmp_path):
    refused = call("export", "demo", "--format", "gff3", "--to", str(tmp_path / "out"))
    assert refused.exit_code == 3 and "not merged" in refused.output
    merge_run(results.path / "demo")
    assert call("export", "demo", "--format", "gff3", "--to", str(tmp_path / "out")).exit_code == 0
    assert (tmp_path / "out" / "domains.gff3").read_text().startswith("##gff-version 3\n")


def test_export_of_a_protein_writes_its_files(demo, call, tmp_path):
    result = call("export", "demo", "--protein", "P69905", "--to", str(tmp_path / "out"), "--json")
    assert result.exit_code == 0, result.output
    assert {path.rpartition("/")[2] for path in json.loads(result.output)} == {
        f"P69905.{name}" for name in PROTEIN_FILES
    }
    assert call("export", "demo", "--protein", "nobody").exit_code == 3


def test_import_of_several_runs_reports_each(results, call):
    folders = []
    for run_id in ("one", "two"):
        run = results.plan(run_id)
        for protein in run.members:
            results.finish(run, protein)
        folders.append(str(run.folder.path))
    answer = json.loads(call("store", "import", *folders, "--json").output)
    assert [(row["run_id"], row["status"], row["succeeded"]) for row in answer] == [
        ("one", "SUCCESS", 3),
        ("two", "SUCCESS", 3),
    ]


def test_import_of_all_folders_passes_over_what_the_runs_share(demo, call, results):
    imported = call("store", "import", *glob.glob(f"{results.path}/*/"))
    assert (imported.exit_code, imported.stdout) == (0, "demo: FAILED, 2 of 3 proteins, 1 failed\n")


def test_damaged_result_is_exit_code_1_and_named(demo, call):
    out = demo.search.out(demo.members["007"].entry)
    out.write_text("")
    imported = call("store", "import", str(demo.folder.path))
    assert (imported.exit_code, imported.stdout) == (1, "demo: FAILED, 1 of 3 proteins, 2 failed\n")
    assert str(out) in imported.stderr
    assert call("store", "import", str(demo.folder.path)).exit_code == 0


def test_results_that_another_run_has_computed_since_are_reported_until_they_are_merged(demo, call, results):
    merge_run(demo.folder.path)
    assert "rerun to merge" not in call("show", "demo").output + call("runs").output
    results.finish(demo, "bad", computed_in="another")
    for command in (["show", "demo"], ["runs"]):
        assert "1 result new, rerun to merge" in call(*command).output
    assert json.loads(call("runs", "--json").output)[0]["new_results"] == 1
    assert json.loads(call("show", "demo", "--json").output)["new_results"] == 1
    merge_run(demo.folder.path)
    call("store", "import", str(demo.folder.path))
    shown = call("show", "demo")
    assert "rerun to merge" not in shown.output + call("runs").output
    assert "1 computed in another" in shown.output


def test_every_command_has_help_with_an_example():
    for words in (["runs"], ["show"], ["protein"], ["proteins"], ["add"], ["export"], ["store", "import"]):
        text = CliRunner().invoke(cli, [*words, "--help"]).output
        assert f"  proteofold {' '.join(words)}" in text
        assert "--json" in text


def test_damaged_store_is_reported_and_rebuilt_as_reported(demo, call, results):
    path, before = results.path / "proteofold.db", call("show", "demo").output
    with contextlib.closing(sqlite3.connect(path)) as conn:
        conn.execute("pragma wal_checkpoint(truncate)")
        (page,) = conn.execute("select rootpage from sqlite_master where name = 'protein_results'").fetchone()
        (size,) = conn.execute("pragma page_size").fetchone()
    data = bytearray(path.read_bytes())
    data[(page - 1) * size : page * size] = b"\xa5" * size
    path.write_bytes(data)
    answer = call("show", "demo")
    assert (answer.exit_code, type(answer.exception)) == (1, SystemExit)
    assert f"{path}: not a store, or damaged" in answer.output
    for file in results.path.glob("proteofold.db*"):
        if not file.name.endswith(".lock"):
            file.rename(results.path.parent / file.name)
    (folders,) = re.findall(r"proteofold store import results/(\S+)", answer.output)
    assert call("store", "import", *glob.glob(f"{results.path}/{folders}")).exit_code == 0
    assert call("show", "demo").output == before
