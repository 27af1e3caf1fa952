"""The command proteofold: what it prints, its exit codes, and that user errors come without a traceback."""

import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import runfolders
import yaml
from click.testing import CliRunner

from proteofold import __version__
from proteofold.cli.main import cli
from proteofold.formats.packed_hhr import pack_hhr
from proteofold.formats.psipred import HEADER, read_horiz
from proteofold.run import inputs
from proteofold.run.alignments import alignment_digest
from proteofold.run.planning import METHODS, entry_of
from proteofold.science.batches import damaged_files
from proteofold.science.weights import weights_digest
from proteofold.system.process import read_usage


@pytest.fixture
def call():
    """Function that runs the command with these words."""

    def run(*words):
        outcome = CliRunner().invoke(cli, [str(word) for word in words])
        assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
        return outcome

    return run


@pytest.fixture
def write(tmp_path):
    """Function that writes a text file."""

    def file(name, text):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return file


def test_help_names_every_command(call):
    outcome = call("-h")
    assert outcome.exit_code == 0
    assert all(
        name in outcome.output for name in ("batch", "s4pred", "a3m", "search", "summarise", "merge", "build-library")
    )
    assert all(name in outcome.output for name in ("check", "clean"))
    for command in cli.list_commands(None):
        assert call(command, "--help").exit_code == 0
    assert call("--version").output == f"proteofold, version {__version__}\n"


@pytest.mark.parametrize(("wrong", "meant"), [("searchx", "search"), ("cleanx", "clean"), ("fetch pdb7", "pdb70")])
def test_misspelt_command_names_the_similar_one(call, wrong, meant):
    outcome = call(*wrong.split())
    assert outcome.exit_code == 2
    assert f"'{meant}'" in outcome.stderr


@pytest.mark.parametrize("command", ["check", "plan"])
def test_configuration_without_its_option_is_told_the_option(call, command):
    outcome = call(command, "my.yaml")
    assert outcome.exit_code == 2 and "--configfile" in outcome.stderr.splitlines()[-1]
    assert "--configfile" not in call("show", "a", "b").stderr


def test_summary_of_a_hhr_is_printed(call, data):
    outcome = call("summarise", data / "hhblits3.hhr")
    assert outcome.stdout == (
        "query_id,best_hit,best_evalue,best_score,score_mean,score_std,score_gmean\n"
        "sp|P0CG47|UBB_HUMAN,1UBQ_A,3.2e-47,270.43,204.56,65.87,193.66\n"
    )
    assert (outcome.exit_code, outcome.stderr) == (0, "")


def test_query_without_a_name_is_summarised(call, write, data):
    text = (data / "hhsearch3.hhr").read_text()
    outcome = call("summarise", write("nameless.hhr", text.replace("sp|P69905|HBA_HUMAN", "", 1)))
    assert outcome.exit_code == 0
    assert outcome.stdout.splitlines()[1].startswith(",4HHB_A,")


def test_hhr_that_lacks_alignments_is_cut_short(call, write, data):
    text = (data / "hhsearch3.hhr").read_text()
    outcome = call("summarise", write("cut.hhr", text[: text.index("No 4")]))
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert "cut.hhr lists 10 hits and aligns 3" in outcome.stderr


@pytest.mark.parametrize("wrap", [lambda text: b"\xef\xbb\xbf" + text, gzip.compress], ids=["byte order mark", "gzip"])
def test_hhr_with_a_byte_order_mark_or_packed_is_summarised(call, tmp_path, data, wrap):
    text = (data / "hhsearch3.hhr").read_bytes()
    (tmp_path / "x.hhr").write_bytes(wrap(text))
    outcome = call("summarise", tmp_path / "x.hhr")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert outcome.stdout == call("summarise", data / "hhsearch3.hhr").stdout


def test_packed_hhr_has_the_summary_of_the_whole_one(call, tmp_path, data):
    (tmp_path / "x.hhr.gz").write_bytes(pack_hhr((data / "hhblits3.hhr").read_bytes()))
    assert call("summarise", tmp_path / "x.hhr.gz").stdout == call("summarise", data / "hhblits3.hhr").stdout


def test_damaged_gzip_of_a_hhr_is_reported(call, tmp_path, data):
    (tmp_path / "x.hhr").write_bytes(gzip.compress((data / "hhsearch3.hhr").read_bytes())[:-20])
    outcome = call("summarise", tmp_path / "x.hhr")
    assert outcome.exit_code == 1 and "x.hhr: cannot be read" in outcome.stderr


def test_hhr_that_lists_fewer_hits_than_it_aligns_is_whole(call, write, data):
    text = (data / "hhsearch3.hhr").read_text()
    head, mark, blocks = text.partition("\nNo 1")
    rows = head.rstrip().splitlines()
    outcome = call("summarise", write("x.hhr", "\n".join(rows[:-4]) + "\n\n" + mark.lstrip() + blocks))
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert outcome.stdout == call("summarise", data / "hhsearch3.hhr").stdout


def test_template_name_that_is_not_utf_8_is_kept(call, tmp_path, data):
    text = (data / "hhsearch3.hhr").read_bytes()
    (tmp_path / "x.hhr").write_bytes(text.replace(b">4HHB_A", b">tm\xe9").replace(b">4HHB_B", b">tm\xe8"))
    assert call("summarise", tmp_path / "x.hhr").stdout.splitlines()[1].split(",")[1] == "tm\\xe9"


def test_file_that_is_no_hhr_is_an_error_without_traceback(call, write):
    outcome = call("summarise", write("x.hhr", "nonsense"))
    assert outcome.exit_code == 1
    assert outcome.stderr.startswith("Error: ") and "x.hhr: no line starts with 'Query'" in outcome.stderr
    assert outcome.stdout == ""


def test_missing_file_and_folder_are_errors_of_use(call, tmp_path):
    for path in (tmp_path / "none", tmp_path):
        outcome = call("summarise", path)
        assert outcome.exit_code == 2
        assert "Traceback" not in outcome.output


@pytest.mark.parametrize("content", [b"", b"x", b"\x1f\x8b\x08", "cut", "lacks hits"])
def test_damaged_hhr_is_removed_on_demand_only(call, tmp_path, data, content):
    text = (data / "hhsearch3.hhr").read_bytes()
    content = {"cut": pack_hhr(text)[:-9], "lacks hits": text[: text.index(b"No 4")]}.get(content, content)
    hhr, out = tmp_path / "x.hhr.gz", tmp_path / "x.out"
    hhr.write_bytes(content)
    outcome = call("summarise", hhr, out)
    assert outcome.exit_code == 1 and str(hhr) in outcome.stderr and hhr.exists() and not out.exists()
    outcome = call("summarise", hhr, out, "--remove-damaged")
    assert outcome.exit_code == 1 and not hhr.exists() and not out.exists()
    assert outcome.stderr.splitlines()[-1] == f"Error: {hhr}: damaged, removed; rerun"


def test_summary_is_written_with_what_it_belongs_to_and_only_once(call, tmp_path, data):
    out = tmp_path / "x.out"
    words = ["summarise", data / "hhblits3.hhr", out, "--entry", "P1-0a1b2c3d", "--search", "few.lean.01"]
    assert (call(*words).exit_code, call(*words).stdout) == (0, "")
    *table, last = out.read_text().splitlines()
    assert "".join(f"{line}\n" for line in table) == call("summarise", data / "hhblits3.hhr").stdout
    assert last.split()[:3] == ["#", "P1-0a1b2c3d", "few.lean.01"]
    out.write_text("of somebody")
    assert call(*words).exit_code == 0 and out.read_text() == "of somebody"


def test_result_of_another_query_is_not_summarised(call, tmp_path, data):
    hhr = shutil.copy(data / "hhblits3.hhr", tmp_path)
    words = ["summarise", hhr, tmp_path / "x.out", "--id", "sp|P1|A", "--entry", "P1-0a1b2c3d"]
    outcome = call(*words)
    assert outcome.exit_code == 1 and "another query: sp|P0CG47|UBB_HUMAN" in outcome.stderr
    assert call(*words, "--remove-damaged").exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_summary_has_the_id_it_is_given(call, data):
    row = call("summarise", data / "hhblits3.hhr", "--id", "an id, longer").stdout.splitlines()[1]
    assert row.startswith('"an id, longer",1UBQ_A,')


FASTA = ">sp|P1|A first\nMKV\nLA\n>b\nMKVL\n"


def test_prediction_is_printed_as_hformat(call, write, tiny_networks):
    outcome = call("s4pred", "--weights", tiny_networks, write("p.fasta", FASTA))
    assert outcome.exit_code == 0
    assert outcome.stdout.startswith(f"{HEADER}\n\nConf: ")
    predictions = read_horiz(write("p.horiz", outcome.stdout))
    assert [prediction.sequence for prediction in predictions] == ["MKVLA", "MKVL"]


def test_prediction_continues_to_the_a3m(call, write, tiny_networks):
    fasta = write("p.fasta", FASTA)
    horiz = write("p.horiz", call("s4pred", "--weights", tiny_networks, fasta).stdout)
    outcome = call("a3m", fasta, horiz, "--id", "sp|P1|A")
    lines = outcome.stdout.splitlines()
    assert lines[0::2] == [">ss_pred", ">ss_conf", ">sp|P1|A"]
    assert (len(lines[1]), len(lines[3]), lines[5]) == (5, 5, "MKVLA")


def test_weights_that_were_replaced_predict_nothing_for_the_run(call, write, tiny_networks, tmp_path):
    fasta, horiz = write("p.fasta", FASTA), tmp_path / "p.horiz"
    outcome = call("s4pred", fasta, horiz, "--weights", tiny_networks, "--weights-key", "0" * 64)
    assert outcome.exit_code == 1 and "rerun the same command" in outcome.stderr.lower() and not horiz.exists()
    key = weights_digest(str(tiny_networks))
    assert call("s4pred", fasta, horiz, "--weights", tiny_networks, "--weights-key", key).exit_code == 0


def test_alignment_that_was_replaced_is_not_used_for_the_run(call, write, tiny_networks, tmp_path):
    fasta, horiz = write("p.fasta", ">sp|P1|A\nMKVLA\n"), tmp_path / "p.horiz"
    call("s4pred", fasta, horiz, "--weights", tiny_networks)
    alignment = write("P1.a3m", ">sp|P1|A\nMKVLA\n>other\nMKILA\n")
    (query,), _ = inputs.read_queries([fasta])
    entry = entry_of(query, alignment_digest(tmp_path, "P1"))
    words = ("a3m", fasta, horiz, "--alignment", alignment, "--entry", entry)
    assert "MKILA" in call(*words).stdout
    write("P1.a3m", ">sp|P1|A\nMKVLA\n>other\nMRILA\n")
    outcome = call(*words)
    assert (outcome.exit_code, outcome.stdout) == (1, "") and "P1.a3m" in outcome.stderr


@pytest.mark.parametrize("written", ["mkvlagdn", "MKVLagdn", "MKVLAGDN*", "mkvl\nagdn*", "MKVL AGDN"])
def test_single_steps_handle_sequences_as_a_run_does(call, write, tiny_networks, written):
    def steps(sequence):
        fasta = write("p.fasta", f">a\n{sequence}\n")
        predicted = call("s4pred", "--weights", tiny_networks, fasta)
        joined = call("a3m", fasta, write("p.horiz", predicted.stdout))
        assert (predicted.exit_code, joined.exit_code) == (0, 0)
        return predicted.stdout, joined.stdout

    assert steps(written) == steps("MKVLAGDN")


def test_correction_by_a_single_step_is_reported_beside_the_result(call, write, tiny_networks):
    outcome = call("s4pred", "--weights", tiny_networks, write("p.fasta", ">a\nmkv*\n"))
    assert "note: " in outcome.stderr and "lower-case" in outcome.stderr and "'*'" in outcome.stderr
    assert "note" not in outcome.stdout


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "holds no FASTA record"),
        ("MKV\n", "line 1: not FASTA"),
        (">a\n\n>b\nMK\n", "line 1: a: no sequence"),
        (">b\nMK\n>a\nM1K\n", "line 3: a: '1' at position 2"),
        (">b\nMK\n>a\nM*K\n", "line 3: a: '*' at position 2"),
        (">b\nMK\n>ss_pred\nMK\n", "line 3: ss_pred: "),
    ],
)
def test_bad_fasta_is_reported_before_the_networks_are_loaded(call, write, text, what):
    outcome = call("s4pred", "--weights", "nowhere", write("p.fasta", text))
    assert outcome.exit_code == 1
    assert what in outcome.stderr and "p.fasta" in outcome.stderr


def test_problems_of_a_typed_step_are_lines_and_those_of_a_rule_are_one(call, write, monkeypatch):
    fasta = write("p.fasta", ">a\nM1K\n>b\n\n")
    typed = call("s4pred", fasta).stderr.splitlines()
    assert [line.partition("p.fasta, ")[2].partition(":")[0] for line in typed[:2]] == ["line 1", "line 3"]
    assert typed[2:] == ["Help: docs/errors.md#inputs"]
    monkeypatch.setenv("PROTEOFOLD_METHODS", METHODS)
    (line,) = call("s4pred", fasta).stderr.splitlines()
    assert line.startswith("Error: ") and "line 1" in line and "line 3" in line


def test_step_reports_that_its_output_is_there_already(call, write):
    there = write("there.horiz", "")
    outcome = call("s4pred", write("p.fasta", FASTA), there)
    assert outcome.exit_code == 0
    assert (outcome.stdout, str(there) in outcome.stderr) == ("", True)


def test_missing_weights_are_reported(call, write):
    outcome = call("s4pred", "--weights", "nowhere", write("p.fasta", FASTA))
    assert outcome.exit_code == 1
    assert "S4PRED weights: nowhere lacks weights_1.pt" in outcome.stderr


def test_prediction_is_written_with_its_usage_and_only_once(call, write, tiny_networks, tmp_path):
    fasta, horiz, usage = write("p.fasta", FASTA), tmp_path / "p.horiz", tmp_path / "p.tsv"
    words = ["s4pred", "--weights", tiny_networks, fasta, horiz, "--usage", usage, "--run", "my run"]
    assert (call(*words).exit_code, call(*words).stdout) == (0, "")
    assert len(read_horiz(horiz)) == 2
    assert read_usage(usage).run == "my run" and read_usage(usage).cpu_s > 0
    horiz.write_text("of somebody")
    usage.unlink()
    assert call(*words).exit_code == 0 and horiz.read_text() == "of somebody"
    assert str(read_usage(usage).cpu_s) == "nan"  # a rule's output must be there; what it took is lost


def test_failed_prediction_writes_nothing(call, write, tmp_path):
    outcome = call("s4pred", "--weights", "nowhere", write("p.fasta", FASTA), tmp_path / "p.horiz")
    assert outcome.exit_code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["p.fasta"]


@pytest.mark.parametrize("damage", [lambda text: "", lambda text: text[:-3], lambda text: text.replace("M", "W", 1)])
def test_damaged_batch_is_not_predicted(call, batched, tiny_networks, damage):
    run, batch, _ = batched
    fasta, horiz = run.predictions.fasta(batch), run.predictions.horiz(batch)
    horiz.unlink()
    fasta.write_text(damage(fasta.read_text()))
    outcome = call("s4pred", "--weights", tiny_networks, fasta, horiz, "--check-name")
    assert outcome.exit_code == 1 and not horiz.exists()
    assert str(fasta) in outcome.stderr.splitlines()[-1]


@pytest.fixture
def batched(tmp_path):
    """A run of three proteins in one batch that is predicted; returns it, the batch's name, and its FASTA input."""
    sequences = {"sp|P1|A": "MKVLAAGIV", "b": "MKVL", "c": "MKWWY"}
    run = runfolders.FolderOfRuns(tmp_path).plan(proteins=sequences)
    (batch,) = {member.batch for member in run.members.values()}
    runfolders.FolderOfRuns.predict(run, batch)
    fasta = tmp_path / "p.fasta"
    fasta.write_text("".join(f">{query_id} x\n{sequence}\n" for query_id, sequence in sequences.items()))
    return run, batch, fasta


def test_batch_is_written_from_the_sequences_of_the_run_and_only_once(call, batched):
    run, batch, fasta = batched
    written = run.predictions.fasta(batch)
    expected = written.read_bytes()
    written.unlink()
    words = ["batch", run.folder.path, batch, written, fasta]
    assert (call(*words).exit_code, written.read_bytes()) == (0, expected)
    written.write_text("of somebody")
    assert (call(*words).exit_code, written.read_text()) == (0, "of somebody")


def test_batch_that_the_run_does_not_have_is_named(call, batched, tmp_path):
    run, _, fasta = batched
    outcome = call("batch", run.folder.path, "0123", tmp_path / "b.fas", fasta)
    assert outcome.exit_code == 1 and "no batch 0123" in outcome.stderr


def test_batch_is_written_whatever_else_the_input_holds(call, batched):
    run, batch, fasta = batched
    expected = run.predictions.fasta(batch).read_bytes()
    run.predictions.fasta(batch).unlink()
    shuffled = fasta.read_text().lower().replace(">sp|p1|a", ">sp|P1|A").split(">")
    fasta.write_text(">other\nM1\n" + ">".join(["", *reversed(shuffled[1:])]))
    outcome = call("batch", run.folder.path, batch, run.predictions.fasta(batch), fasta)
    assert outcome.exit_code == 0, outcome.output
    assert run.predictions.fasta(batch).read_bytes() == expected


def test_batch_of_changed_sequences_is_not_written(call, batched):
    run, batch, fasta = batched
    written = run.predictions.fasta(batch)
    written.unlink()
    fasta.write_text(fasta.read_text().replace("MKWWY", "MKWWW"))
    outcome = call("batch", run.folder.path, batch, written, fasta)
    assert outcome.exit_code == 1 and not written.exists()
    assert batch in outcome.stderr and str(fasta) in outcome.stderr


def test_sequence_of_two_ids_is_predicted_once_for_both(call, tmp_path):
    """Each has results of its own; the prediction depends on the sequence alone."""
    sequences = {"a": "MKV", "b": "MKVL", "c": "MKVL"}
    run = runfolders.FolderOfRuns(tmp_path).plan(proteins=sequences)
    (batch,) = {member.batch for member in run.members.values()}
    written, fasta = run.predictions.fasta(batch), tmp_path / "p.fasta"
    written.unlink()
    fasta.write_text("".join(f">{query_id}\n{sequence}\n" for query_id, sequence in sequences.items()))
    outcome = call("batch", run.folder.path, batch, written, fasta)
    assert outcome.exit_code == 0, outcome.output
    assert sorted(written.read_text().splitlines()[1::2]) == ["MKV", "MKVL"]
    runfolders.FolderOfRuns.predict(run, batch)
    for protein in ("b", "c"):
        words = ["--id", protein, "--md5", run.members[protein].md5]
        a3m = call("a3m", written, run.predictions.horiz(batch), *words).stdout
        assert a3m.splitlines()[4:] == [f">{protein}", "MKVL"]


def a3m_words(batched, tmp_path):
    run, batch, _ = batched
    member = run.members["P1"]
    files = [run.predictions.fasta(batch), run.predictions.horiz(batch), tmp_path / "a3m" / "P1.a3m"]
    return ["a3m", *files, "--id", member.query_id, "--md5", member.md5]


def test_query_is_written_only_once(call, batched, tmp_path):
    words = a3m_words(batched, tmp_path)
    assert (call(*words).exit_code, words[3].read_text().splitlines()[4:]) == (0, [">sp|P1|A", "MKVLAAGIV"])
    words[3].write_text("of somebody")
    assert (call(*words).exit_code, words[3].read_text()) == (0, "of somebody")


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text[:-40],
        lambda text: text + text,
        lambda text: text.replace("MKVLAAGIV", "MKVLAAGIW"),
        lambda text: "\0" * len(text),
    ],
    ids=["empty", "half", "cut", "more", "of another sequence", "zeros"],
)
def test_damaged_prediction_gives_no_query_and_is_found(call, batched, tmp_path, damage):
    run, batch, _ = batched
    words = a3m_words(batched, tmp_path)
    _, fasta, horiz, a3m = words[:4]
    assert damaged_files(run.predictions, batch) == []
    horiz.write_text(damage(horiz.read_text()))
    assert call(*words).exit_code == 1 and fasta.exists() and horiz.exists() and not a3m.exists()
    assert damaged_files(run.predictions, batch) == [horiz]


@pytest.mark.parametrize("damage", [lambda text: "", lambda text: text[:-3], lambda text: text.replace("W", "Y", 1)])
def test_damaged_batch_beside_a_prediction_is_found(batched, damage):
    run, batch, _ = batched
    fasta = run.predictions.fasta(batch)
    fasta.write_text(damage(fasta.read_text()))
    assert damaged_files(run.predictions, batch) == [fasta]


HORIZ = f"{HEADER}\n\nConf: 999\nPred: CCC\n  AA: MKV\n              10\n\n"


def test_one_record_needs_no_id(call, write):
    outcome = call("a3m", write("p.fasta", ">sp|P1|A first\nMKV\n"), write("p.horiz", HORIZ))
    assert outcome.stdout == ">ss_pred\nCCC\n>ss_conf\n999\n>sp|P1|A\nMKV\n"


@pytest.mark.parametrize(
    ("fasta", "horiz", "words", "what"),
    [
        (">a\nMKV\n>b\nMKV\n", HORIZ * 2, [], "choose one record with --id: a, b"),
        (">a\nMKV\n", HORIZ, ["--id", "c"], "choose one record with --id: a"),
        (">a\nMKV\n>b\nMKV\n", HORIZ, ["--id", "b"], "has 2 records, "),
        (">a\nMKI\n", HORIZ, [], "a: the prediction is for another sequence"),
        (">a\nMKV\n", HORIZ[:50], [], "cut short"),
        (">a\nMKV\n", "x", [], "not PSIPRED HFORMAT"),
    ],
)
def test_files_that_do_not_fit_together_are_reported(call, write, fasta, horiz, words, what):
    outcome = call("a3m", write("p.fasta", fasta), write("p.horiz", horiz), *words)
    assert outcome.exit_code == 1
    assert what in outcome.stderr


@pytest.fixture
def config(tmp_path, make_library, tiny_networks, monkeypatch):
    """Function that writes a configuration with everything in order but the changes."""
    monkeypatch.setattr(inputs.shutil, "which", lambda name: f"/usr/bin/{name}")
    (tmp_path / "p.fasta").write_text(">a\nMKV*\n>b\nMKVL\n")
    good = {
        "proteins": [str(tmp_path / "p.fasta")],
        "templates": make_library(tmp_path / "my lib" / "db", {"A": 10, "B": 20}),
        "s4pred": {"weights": str(tiny_networks)},
    }

    def file(**changes):
        path = tmp_path / "my config.yaml"
        path.write_text(yaml.safe_dump(good | changes))
        return path

    return file


def test_good_inputs_are_ready(call, config, monkeypatch):
    asked = []
    monkeypatch.setattr(inputs, "check_tensors", asked.append)
    outcome = call("check", "--configfile", config())
    assert outcome.exit_code == 0
    assert "note: " in outcome.stdout and "with a '*' at the end, which was dropped: a (line 1)" in outcome.stdout
    assert outcome.stdout.endswith("ready: 2 proteins with 7 residues, 2 templates\n")
    assert len(asked) == 1  # the weights are loaded to see whether they fit


def test_every_problem_is_listed(call, config, monkeypatch):
    monkeypatch.setattr(inputs, "check_tensors", lambda folder: None)
    outcome = call("check", "--configfile", config(templates="nowhere", proteins=["none.fasta"]))
    assert outcome.exit_code == 1
    assert "2 problems in the inputs; nothing was run:\n  - none.fasta: cannot be read" in outcome.stderr
    assert "  - template library nowhere: missing" in outcome.stderr


@pytest.mark.parametrize("place", ["results", "results/demo", "resources", ".snakemake"])
def test_file_where_a_run_needs_a_folder_is_reported(call, config, tmp_path, monkeypatch, place):
    monkeypatch.setattr(inputs, "check_tensors", lambda folder: None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("")
    outcome = call("check", "--configfile", config())
    assert outcome.exit_code == 1
    assert (
        f"1 problem in the inputs; nothing was run:\n  - {place}: a run needs a folder of this name" in outcome.stderr
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_cannot_be_written_is_reported(call, config, tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "check_tensors", lambda folder: None)
    file = config()
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o500)
    outcome = call("check", "--configfile", file)
    tmp_path.chmod(0o700)
    assert outcome.exit_code == 1
    assert f"  - results/demo: cannot be written. Change the rights of {tmp_path}" in outcome.stderr


def test_mistyped_key_is_reported(call, config):
    outcome = call("check", "--configfile", config(temlpates="demo"))
    assert outcome.exit_code == 1
    assert "unknown key 'temlpates': did you mean 'templates'?" in outcome.stderr


@pytest.mark.parametrize(
    ("changes", "topic"),
    [
        ({"temlpates": "demo"}, "configuration"),
        ({"templates": "nowhere"}, "template-library"),
        ({"s4pred": {"weights": "nowhere"}}, "weights"),
        ({"templates": "nowhere", "s4pred": {"weights": "nowhere"}}, "inputs"),
        ({"templates": "nowhere", "proteins": ["none.fasta"]}, "inputs"),
    ],
)
def test_help_is_the_section_of_all_problems(call, config, monkeypatch, changes, topic):
    monkeypatch.setattr(inputs, "check_tensors", lambda folder: None)
    assert call("check", "--configfile", config(**changes)).stderr.endswith(f"Help: docs/errors.md#{topic}\n")


def test_check_notes_that_this_machine_has_no_gpu(call, config, monkeypatch, tiny_networks):
    monkeypatch.setattr(inputs, "check_tensors", lambda folder: None)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    outcome = call("check", "--configfile", config(s4pred={"weights": str(tiny_networks), "device": "gpu"}))
    assert outcome.exit_code == 0 and "ready: " in outcome.stdout
    assert "note: s4pred: device: gpu, but PyTorch finds no GPU" in outcome.stdout


def test_search_of_a_library_that_is_not_there_names_it(call, write):
    outcome = call("search", write("my.a3m", ">x\nMKV\n"), "my.hhr.gz", "--library", "nowhere/db")
    assert outcome.exit_code == 1
    assert "library nowhere/db: missing nowhere/db_cs219.ffindex" in outcome.stderr


def test_defaults_alone_lack_proteins(call):
    assert "configuration, proteins: []" in call("check").stderr


def test_merge_reports_counts_and_failures_by_its_exit_code(call, tmp_path):
    runs = runfolders.FolderOfRuns(tmp_path)
    run = runs.plan("my run", ("a", "b"))
    runs.finish(run, "a")
    outcome = call("merge", run.folder.path)
    assert outcome.exit_code == 2
    assert outcome.stdout.splitlines()[0] == f"1 of 2 proteins merged into {tmp_path}/results/my run/merge_results.csv"
    assert "1 failed: see" in outcome.stdout and "Help: docs/errors.md#failed-proteins" in outcome.stdout
    outcome = call("merge", runs.plan("complete", ("a",)).folder.path)
    assert (outcome.exit_code, len(outcome.stdout.splitlines())) == (0, 1)


def test_run_that_is_worked_on_is_not_merged(call, tmp_path):
    run = runfolders.FolderOfRuns(tmp_path).plan()
    words = [sys.executable, "-c", "import sys; from proteofold.run.lock import claim_run"]
    words[-1] += "; claim_run(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen([*words, str(run.folder.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as head:
        head.stdout.readline()
        outcome = call("merge", run.folder.path)
        head.stdin.close()
    assert outcome.exit_code == 1 and str(run.folder.path) in outcome.stderr
    assert not (run.folder.path / "merge_results.csv").exists()


@pytest.mark.parametrize("words", [["merge"], ["batch", "0123", "b.fas", "p.fasta"]])
def test_folder_that_is_no_run_is_reported(call, write, tmp_path, words, monkeypatch):
    write("p.fasta", FASTA)
    monkeypatch.chdir(tmp_path)
    outcome = call(words[0], tmp_path, *words[1:])
    assert outcome.exit_code == 1
    assert "is not the folder of a run" in outcome.stderr


def test_library_out_of_order_is_reported_with_file_and_line(call, config, monkeypatch):
    monkeypatch.setattr(inputs, "check_tensors", lambda folder: None)
    path = config()
    index = Path(f"{yaml.safe_load(path.read_text())['templates']}_hhm.ffindex")
    index.write_text("".join(reversed(index.read_text().splitlines(keepends=True))))
    outcome = call("check", "--configfile", path)
    assert outcome.exit_code == 1
    assert "db_hhm.ffindex, line 2: A follows B" in outcome.stderr


def test_step_in_an_image_of_another_version_is_refused(tmp_path):
    (tmp_path / "my.a3m").write_text(">x\nMKV\n")
    words = ["search", str(tmp_path / "my.a3m"), str(tmp_path / "my.hhr.gz"), "--library", str(tmp_path / "db")]
    environment = {"PROTEOFOLD_IN_IMAGE": "/opt/proteofold", "PROTEOFOLD_METHODS": "9.9.9-1.1.1"}
    outcome = CliRunner().invoke(cli, words, env=environment)
    assert outcome.exit_code == 1 and "9.9.9-1.1.1: use an image of the same version" in outcome.output
    outcome = CliRunner().invoke(cli, words, env=environment | {"PROTEOFOLD_METHODS": METHODS})
    assert "same version" not in outcome.output
