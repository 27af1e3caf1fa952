"""A run from FASTA to merged tables."""

import contextlib
import csv
import gzip
import io
import itertools
import json
import re

import pytest

from proteofold.run.manifest import load_run


def test_run_reports_the_expected_relative_of_each_protein(finished):
    best = dict(csv.reader(finished.rows("best_hits.csv")))
    assert {query.split("|")[1]: hit for query, hit in best.items()} == {
        "P69905": "4HHB_A",
        "P02144": "1MBN_A",
        "P61626": "1LZ1_A",
        "P99999": "1HRC_A",
    }


def test_rows_stand_in_the_order_of_the_input(finished):
    assert [row.split(",")[0] for row in finished.rows("merge_results.csv")] == list(finished.records)


def test_default_profile_holds_in_any_working_folder(finished):
    assert "profiles/default for setting default command line arguments" in finished.printed


def test_progress_is_reported_in_proteins_and_not_in_job_texts(finished):
    assert "4 of 4 proteins done" in finished.printed
    assert "jobid" not in finished.printed


def test_hits_table_holds_every_reported_hit_with_coordinates(finished):
    with gzip.open(finished.results / "hits.csv.gz", "rt") as handle:
        rows = list(csv.DictReader(handle))
    globins = [row for row in rows if "P69905" in row["query_id"]]
    assert {"4HHB_A", "1MBN_A"} <= {row["template"] for row in globins}
    assert all(1 <= int(row["query_start"]) <= int(row["query_end"]) <= 142 for row in globins)


def test_a3m_is_temporary_unless_kept(finished, fresh):
    assert not (finished.results / "a3m").exists()
    fresh.config["keep"] = ["a3m"]
    fresh.snakemake()
    (kept,) = fresh.results.glob("a3m/*/P69905-*.a3m")
    assert kept.read_text().startswith(">ss_pred\n")
    fresh.snakemake()
    assert fresh.searched() == []


def test_longest_protein_is_searched_first_and_each_summarised_before_the_next_search(fresh):
    fresh.snakemake("--cores", "1")
    run = fresh.run
    assert fresh.searched() == sorted(fresh.records, key=lambda query_id: -len(fresh.records[query_id]))
    made = sorted((run.search.hhr(entry).stat().st_mtime_ns, entry) for entry in run.by_entry)
    for (_, entry), (next_found, _) in itertools.pairwise(made):
        assert run.search.out(entry).stat().st_mtime_ns < next_found


def test_any_file_of_the_chain_can_be_asked_for_by_name(fresh, finished):
    run = finished.run
    entry = run.members["P02144"].entry
    wanted = run.search.hhr(entry).relative_to(finished.path)
    fresh.snakemake("--", str(wanted))
    assert fresh.searched() == ["sp|P02144|MYG_HUMAN"]
    assert (fresh.path / wanted).read_bytes() == (finished.path / wanted).read_bytes()
    assert not (fresh.path / run.search.out(entry).relative_to(finished.path)).exists()


def test_run_of_which_only_a_part_was_requested_is_unfinished_until_the_rest_is_made(fresh, finished):
    hhr = finished.hhr("P02144").relative_to(finished.path)
    for request in (("--until", "predict_secondary_structure"), ("--", str(hhr))):
        assert "0 of 4 proteins done" in fresh.snakemake(*request)
        assert _in_store(fresh) == ("INTERRUPTED", {"waiting": 4})
    assert "4 of 4 proteins done" in fresh.snakemake()
    assert len(fresh.searched()) == 3
    assert _in_store(fresh) == ("SUCCESS", {"done": 4})
    fresh.out("P02144").unlink()
    assert "4 of 4 proteins done" in fresh.snakemake("--until", "collect_block")
    assert _in_store(fresh) == ("INTERRUPTED", {"done": 4})  # tables are older than what is there
    fresh.snakemake("--until", "merge_results")
    assert _in_store(fresh) == ("INTERRUPTED", {"done": 4})  # and so is the report


def _in_store(bench):
    with contextlib.closing(bench.store()) as conn:
        (status,) = conn.execute("select status from runs where run_id = 'test'").fetchone()
        return status, dict(conn.execute("select phase, count(*) from protein_results group by phase"))


def test_a3m_that_was_requested_by_name_is_kept(done):
    wanted = done.run.a3m(done.run.members["P02144"].entry)
    done.snakemake("--", str(wanted.relative_to(done.path)))
    assert wanted.read_text().startswith(">ss_pred\n")


def test_files_that_are_not_of_the_run_are_refused_in_a_sentence(done):
    out, hhr = done.out("P02144").relative_to(done.path), done.hhr("P02144").relative_to(done.path)
    batch = done.run.predictions.path.relative_to(done.path)
    for foreign, kind in (
        (hhr.with_name("FOO-abababab.hhr.gz"), "protein"),
        (hhr.parents[1] / "00" / hhr.name, "protein"),
        (out.with_name("P12345-01234567.out"), "protein"),
        (out.parents[1] / "00" / out.name, "protein"),
        (batch / "horiz" / "0123456789abcdef.horiz", "batch"),
        (batch / "fas" / "0123456789abcdef.fas", "batch"),
        (done.results.relative_to(done.path) / "blocks" / "0123456789abcdef.csv.gz", "block"),
    ):
        printed = done.snakemake("--", str(foreign), expect=1)
        sentence = f"Error: {foreign.name.split('.')[0]} names no {kind} of run test."
        assert printed.splitlines()[-2:] == [sentence, "Help: docs/errors.md#requested-file"]
        assert not any(word in printed for word in ("KeyError", "Traceback", "Wildcards", "common.smk"))
    assert "common.smk" in done.snakemake("--verbose", "--", str(foreign), expect=1)


def test_equal_searches_are_equal_bytes(finished, fresh):
    fresh.config["run"] = "again"
    fresh.snakemake()
    hhrs = {path.name: path.read_bytes() for path in fresh.path.glob("results/shared/searches/*/hhr/*/*")}
    assert hhrs == {path.name: path.read_bytes() for path in finished.path.glob("results/shared/searches/*/hhr/*/*")}


def test_reference_mode_reports_the_same_values_as_lean(finished, fresh):
    fresh.config["search"] = {"mode": "reference"}
    fresh.snakemake()
    assert fresh.tables()["merge_results.csv"] == finished.tables()["merge_results.csv"]


@pytest.mark.parametrize("mode", ["fast", "hybrid"])
def test_prefiltered_modes_report_the_same_values_for_proteins_with_relatives(finished, fresh, mode):
    fresh.config["search"] = {"mode": mode}
    fresh.snakemake()
    assert fresh.tables()["merge_results.csv"] == finished.tables()["merge_results.csv"]
    assert fresh.searched() == []  # hhsearch had nothing left to find


def test_hybrid_searches_all_templates_for_a_protein_without_relatives(fresh):
    fresh.records = {"alone": "MARYRCCRSQSRSRYYRQRQRSRRRRRRSCQTRRRAMRCCRPRYRPRCRRH"}
    fresh.config["search"] = {"mode": "hybrid"}
    fresh.snakemake()
    assert fresh.searched() == ["alone"]
    assert fresh.rows("merge_results.csv")[0].endswith(",nan,nan,nan,0,0.0000")


def test_quiet_dry_run_of_the_documentation_prints_how_many_jobs_are_due(fresh):
    printed = fresh.snakemake("--dry-run", "--quiet", "rules")
    assert re.search(r"^search_templates +4$", printed, re.MULTILINE)


def test_dry_run_writes_nothing(fresh):
    fresh.snakemake("--dry-run")
    assert not fresh.results.exists()


@pytest.mark.slow
def test_query_of_34350_residues_is_not_cut(fresh):
    fresh.records = {"titin": "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSG" * 687}
    fresh.snakemake()
    assert b"Match_columns 34350\n" in gzip.decompress(fresh.hhr("titin").read_bytes())
    run = fresh.run
    assert "WARNING" not in run.search.log("search", run.members["titin"].entry).read_text()


@pytest.mark.parametrize(
    "query_id",
    ["sp|../../etc/x|y", "a;rm", "$(touch${IFS}hit)", "`id`", "--help", "'\"", "ünïcødé|蛋白", "*", "x" * 300],
)
def test_hostile_ids_run_through_and_stay_whole(fresh, query_id):
    fresh.records = {query_id: fresh.records["sp|P99999|CYC_HUMAN"]}
    fresh.snakemake()
    header, row = csv.reader(io.StringIO(fresh.tables()["merge_results.csv"].decode()))
    assert row[:2] == [query_id, "1HRC_A"]
    (out,) = fresh.path.glob("results/shared/searches/*/out-*/*/*.out")
    assert out.name.isascii() and not out.name.startswith((".", "-"))
    assert sorted(path.name for path in fresh.path.iterdir()) == [
        ".snakemake",
        "my.yaml",
        "proteins.fasta",
        "resources",
        "results",
        "spy",
    ]


def test_library_is_built_from_a_folder_of_fasta_with_blanks_in_its_name(fresh):
    folder = fresh.path / "my templates"
    folder.mkdir()
    cytochrome = fresh.records["sp|P99999|CYC_HUMAN"]
    (folder / "two in one.fasta").write_text(f">9ABC_A Cytochrome\n{cytochrome}\n>9ABC_B other\n{'ACDEFGHIK' * 5}\n")
    fresh.config["templates"] = {"build": "my templates"}
    fresh.records = {"sp|P99999|CYC_HUMAN": cytochrome}
    fresh.snakemake()
    assert fresh.rows("best_hits.csv") == ["sp|P99999|CYC_HUMAN,9ABC_A"]


def test_library_is_built_with_predicted_structures_if_asked_for(fresh):
    cytochrome = fresh.records["sp|P99999|CYC_HUMAN"]
    (fresh.path / "mine").mkdir()
    (fresh.path / "mine" / "9ABC_A.fasta").write_text(f">9ABC_A Cytochrome\n{cytochrome}\n")
    fresh.config["templates"] = {"build": "mine", "predict": "demo"}
    fresh.records = {"sp|P99999|CYC_HUMAN": cytochrome}
    fresh.snakemake()
    with gzip.open(fresh.results / "hits.csv.gz", "rt") as handle:
        hit = next(csv.DictReader(handle))
    assert (hit["template"], hit["ss_agreement"]) == ("9ABC_A", "100.0") and float(hit["ss_score"]) > 0


def test_run_reports_how_well_it_used_the_machine(finished):
    answer = json.loads((finished.results / "efficiency.json").read_text())
    assert answer["jobs"] == 4 + len(finished.predictions())
    assert 0 < answer["bound_s"] < answer["wall_s"] < 300
    assert answer["kinds"][0]["cores"] == 2
    with contextlib.closing(finished.store()) as conn:
        (stored,) = conn.execute("select efficiency from runs").fetchone()
    assert stored == pytest.approx(answer["bound_s"] / answer["wall_s"])
    assert "no schedule of these" in (finished.results / "report" / "overview.html").read_text()


def test_job_that_starts_snakemake_on_a_node_asks_for_its_memory_too(fresh):
    submit, script = fresh.path / "submit.sh", fresh.path / "script"
    submit.write_text(f'#!/bin/sh\ncp "$1" "{script}"\nexit 1\n')
    submit.chmod(0o755)
    fresh.where = ("--executor", "cluster-generic", "--cluster-generic-submit-cmd", submit, "--jobs", "1")
    fresh.snakemake("--until", "predict_secondary_structure", expect=1)
    run = load_run(fresh.path / "results" / "test")
    (batch,) = {member.batch for member in run.members.values()}
    line = next(line for line in script.read_text().splitlines() if line.startswith("# properties = "))
    asked = json.loads(line.partition(" = ")[2])["resources"]["mem_mb"]
    assert asked == run.batch_mem_mb(batch) + 300
