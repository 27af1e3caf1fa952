"""One protein that fails takes no other down, and never vanishes."""

import csv

from runbench import Bench

from proteofold.science.hhsuite import find_program

HBA, MYG, LYS, CYC = "sp|P69905|HBA_HUMAN", "sp|P02144|MYG_HUMAN", "sp|P61626|LYSC_HUMAN", "sp|P99999|CYC_HUMAN"


def failed(bench):
    """The rows of failed.csv."""
    return list(csv.DictReader((bench.results / "failed.csv").read_text().splitlines()))


def test_others_are_delivered_and_the_failed_one_has_step_reason_and_log(fresh, finished):
    fresh.mark("fail", MYG)
    printed = fresh.snakemake(expect=1)
    (row,) = failed(fresh)
    assert (row["query_id"], row["step"]) == (MYG, "search")
    assert row["reason"] == "hhsearch ended with exit code 3: ERROR: made to fail"
    assert "made to fail" in (fresh.path / row["log"]).read_text()
    assert [line.split(",")[0] for line in fresh.rows("merge_results.csv")] == [HBA, LYS, CYC]
    assert "FAILED search_templates P02144-" in printed

    fresh.mark("fail")
    fresh.snakemake()
    assert fresh.searched() == [MYG]
    assert fresh.tables() == finished.tables()


def test_killed_search_is_reported_as_killed(fresh):
    fresh.mark("die", LYS)
    fresh.snakemake(expect=1)
    (row,) = failed(fresh)
    assert row["query_id"] == LYS and "killed (SIGKILL)" in row["reason"]


def test_failed_protein_taken_off_the_list_leaves_failed_csv(fresh):
    fresh.mark("fail", MYG)
    fresh.snakemake(expect=1)
    del fresh.records[MYG]
    fresh.snakemake()
    assert failed(fresh) == [] and fresh.searched() == []


def test_protein_that_failed_and_was_computed_by_another_run_is_merged(fresh, finished):
    fresh.mark("fail", MYG)
    fresh.snakemake(expect=1)
    fresh.mark("fail")
    fresh.config["run"] = "other"
    fresh.snakemake()
    assert fresh.searched() == [MYG]
    fresh.config["run"] = "test"
    fresh.snakemake()
    assert fresh.searched() == [] and fresh.tables() == finished.tables()


def test_old_result_is_not_delivered_for_a_changed_sequence_that_fails(done):
    done.records[MYG] = done.records[MYG][:-1]
    done.mark("fail", MYG)
    done.snakemake(expect=1)
    assert [row["query_id"] for row in failed(done)] == [MYG]
    assert MYG not in done.tables()["merge_results.csv"].decode()


def test_result_of_other_settings_is_not_delivered_beside_new_ones(done):
    done.config["search"] = {"mode": "reference"}
    done.mark("fail", HBA, MYG, LYS)
    done.snakemake(expect=1)
    assert [line.split(",")[0] for line in done.rows("merge_results.csv")] == [CYC]
    assert len(failed(done)) == 3


def test_failed_prediction_fails_its_proteins_with_the_reason(fresh, finished):
    (fresh.path / "weights").mkdir()
    fresh.config["s4pred"] = {"weights": "weights"}
    printed = fresh.snakemake(expect=1)
    assert "weights lacks weights_1.pt" in printed


def test_problems_of_the_input_are_all_reported_before_anything_runs(fresh):
    fresh.records = {"one": "ACDEF", "two": "ACD-EF", "three": ""}
    fresh.config["ids"] = "ids.txt"
    (fresh.path / "ids.txt").write_text("one\nfour\n")
    printed = fresh.snakemake(expect=1)
    for expected in ("line 3: two: '-' at position 4", "line 5: three: no sequence", "ids.txt, line 2: four"):
        assert expected in printed
    assert not fresh.results.exists()


def test_unknown_configuration_key_is_named_with_the_nearest_known_one(fresh):
    fresh.config["temlpates"] = "demo"
    assert "unknown key 'temlpates': did you mean 'templates'?" in fresh.snakemake(expect=1)


def test_key_that_is_given_twice_is_named_with_its_line(fresh, monkeypatch):
    fresh.write_inputs()
    with open(fresh.path / "my.yaml", "a") as config:
        config.write("run: other\n")
    monkeypatch.setattr(fresh, "write_inputs", lambda: None)
    line = len((fresh.path / "my.yaml").read_text().splitlines())
    assert f"my.yaml, line {line}: 'run' is given twice" in fresh.snakemake(expect=1)


def test_killed_hhmake_fails_the_run_by_name_and_the_same_command_builds_again(tmp_path, template_folder):
    bench = Bench(tmp_path, template_folder)
    bench.records = dict([*bench.records.items()][:1])
    hhmake, seen = bench.spy / "hhmake", bench.spy / "alignment"
    hhmake.write_text(
        f'#!/bin/bash\ncat > "{seen}"\nif grep -q "^>1MBN_A" "{seen}"; then kill -9 $$; fi\n'
        f'exec {find_program("hhmake")} "$@" < "{seen}"\n'
    )
    hhmake.chmod(0o755)
    printed = bench.snakemake(expect=1)
    ((_, step, reason, log),) = csv.reader(bench.rows("failed.csv"))
    assert step == "template_library" and (tmp_path / log).is_file()
    assert f"{template_folder}/1MBN_A.a3m" in reason and "hhmake was killed (SIGKILL)" in reason
    assert reason in printed
    hhmake.unlink()
    bench.snakemake()
    assert len(bench.rows("merge_results.csv")) == 1 and bench.rows("failed.csv") == []


def test_ids_of_which_hhsearch_keeps_a_part_have_results_that_are_kept(fresh):
    sequences = list(fresh.records.values())
    fresh.records = dict(zip(("IFN-γ", "β-globin", "日本", "@x"), sequences, strict=True))
    fresh.snakemake()
    assert fresh.rows("failed.csv") == []
    for member in fresh.run.members.values():
        fresh.run.search.out(member.entry).write_text("damaged")
    (fresh.results / "merge_results.csv").unlink()
    fresh.snakemake(expect=1)
    fresh.snakemake()
    assert fresh.searched() == [] and len(fresh.rows("merge_results.csv")) == 4
