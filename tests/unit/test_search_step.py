"""One protein's search: what is written when it goes well, and that nothing is when it does not."""

import csv
import gzip
import shlex
import sys
from pathlib import Path

import pytest

from proteofold import search_step
from proteofold.errors import UserError
from proteofold.failures import last_words
from proteofold.fasta import format_fasta, protein_stem
from proteofold.process import read_usage
from proteofold.psipred import Prediction, format_horiz
from proteofold.search_step import batch_member, main

THIOREDOXIN = (
    "MVKQIESKTAFQEALDAAGDKLVVVDFSATWCGPCKMIKPFFHSLSEKYSNVIFLEVDVDDCQDVASECEVKCMPTFQFFKKGQKVGEFSGANKEKLEATINELV"
)


@pytest.fixture
def batch(tmp_path):
    """Function that writes the FASTA and the predictions of a batch: id -> sequence; returns both paths."""

    def write(**proteins):
        fasta, horiz = tmp_path / "0001-ab.fas", tmp_path / "0001-ab.horiz"
        fasta.write_text("".join(format_fasta(query_id, sequence) for query_id, sequence in proteins.items()))
        predictions = [Prediction(sequence, "C" * len(sequence), "5" * len(sequence)) for sequence in proteins.values()]
        horiz.write_text("".join(map(format_horiz, predictions)))
        return fasta, horiz

    return write


@pytest.fixture
def search(tmp_path, batch, monkeypatch):
    """Function that searches for one protein of a batch as the rule does; returns exit code and results folder."""
    scratch = tmp_path / "scratch ' folder"
    scratch.mkdir()
    monkeypatch.setattr(search_step.tempfile, "tempdir", str(scratch))

    def run(query_id="sp|P10599|THIO", sequence=THIOREDOXIN, library="db", keep=(), **others):
        fasta, horiz = batch(**{query_id: sequence}, **others)
        results = tmp_path / "my results"
        protein = protein_stem(query_id)
        words = ["--protein", protein, "--fasta", fasta, "--horiz", horiz, "--library", library, "--mode", "lean"]
        words += ["--longest-template", "153", "--result-key", "key", "--out", results / f"{protein}.out"]
        for name in ("hits", "log", "usage"):
            words += [f"--{name}", results / f"{protein}.{name}"]
        for kind in keep:
            words += [f"--keep-{kind}", results / f"{protein}.{kind}"]
        code = main(list(map(str, words)))
        assert list(scratch.iterdir()) == []  # the intermediate files are gone
        return code, results

    return run


@pytest.fixture
def hhsearch(tmp_path, monkeypatch):
    """Function that puts a Python script in the place of hhsearch; its options are in the dict ``options``."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")

    def put(*lines):
        script = ["import os, pathlib, sys", "options = dict(zip(sys.argv[1::2], sys.argv[2::2]))", *lines]
        (folder / "hhsearch").write_text(
            f'#!/bin/sh\nexec {sys.executable} -c {shlex.quote(chr(10).join(script))} "$@"\n'
        )
        (folder / "hhsearch").chmod(0o755)

    return put


def writes(path, cut=None):
    return f"pathlib.Path(options['-o']).write_text(pathlib.Path({str(path)!r}).read_text()[:{cut}])"


def rows(path):
    return list(csv.reader(gzip.decompress(path.read_bytes()).decode().splitlines()))


@pytest.mark.hhsuite
def test_protein_is_searched_with_the_real_hhsearch(search, small_library):
    code, results = search(library=small_library, keep=("a3m", "hhr"), other="MKVLAAGIVGAG")
    assert code == 0, (results / "P10599.log").read_text()
    header, row = (results / "P10599.out").read_text().splitlines()
    assert row.startswith("sp|P10599|THIO,1ERU_A,")
    hits = rows(results / "P10599.hits")
    assert [hit[0] for hit in hits] == ["sp|P10599|THIO"] * len(hits)
    assert hits[0][2:4] == ["1ERU_A", "Thioredoxin {Homo sapiens}"]
    (usage,) = read_usage(results / "P10599.usage")
    assert usage["result_key"] == "key" and float(usage["cpu_s"]) > 0
    assert (results / "P10599.a3m").read_text().startswith(f">ss_pred\n{'C' * 105}\n>ss_conf\n{'5' * 105}\n>sp|P10599|")
    assert (results / "P10599.hhr").read_text().startswith("Query         sp|P10599|THIO")


@pytest.mark.hhsuite
@pytest.mark.parametrize("query_id", ["$(id)", "a;rm", "日本", '"q"', "x" * 500, ">a", "%s%n", "é" * 500])
def test_odd_ids_go_through_the_real_hhsearch(search, small_library, query_id):
    code, results = search(query_id, library=small_library)
    stem = protein_stem(query_id)
    assert code == 0, (results / f"{stem}.log").read_text()
    assert next(csv.reader((results / f"{stem}.out").read_text().splitlines()[1:]))[:2] == [query_id, "1ERU_A"]


@pytest.mark.hhsuite
@pytest.mark.parametrize("sequence", ["M", "MK", "X" * 40, "BJOUXZ" * 5])
def test_odd_sequences_go_through_the_real_hhsearch(search, small_library, sequence):
    code, results = search("q", sequence, library=small_library)
    assert code == 0, (results / "q.log").read_text()
    assert (results / "q.out").read_text().splitlines()[1].endswith(",nan,nan,nan")


def test_query_without_hits_is_a_result(search, hhsearch, data):
    hhsearch(writes(data / "hhsearch3_no_hits.hhr"))
    code, results = search("q")
    assert code == 0
    assert (results / "q.out").read_text().splitlines()[1] == "q,,nan,nan,nan,nan,nan"
    assert rows(results / "q.hits") == []


def test_command_is_in_the_log_and_on_the_right_query(search, hhsearch, data):
    hhsearch("print(open(options['-i']).read())", writes(data / "hhsearch3.hhr"))
    code, results = search("q", "MKV")
    log = (results / "q.log").read_text()
    assert code == 0
    assert ">ss_pred\nCCC\n>ss_conf\n555\n>q\nMKV\n" in log
    assert [line for line in log.splitlines() if line.startswith(("STEP", "DONE"))] == [
        "STEP a3m",
        "STEP search",
        "STEP summary",
        "DONE",
    ]


@pytest.mark.parametrize(("length", "maxres"), [(3, 253), (400, 500)])
def test_neither_query_nor_template_is_cut(search, hhsearch, data, length, maxres):
    hhsearch("print('maxres', options['-maxres'])", writes(data / "hhsearch3.hhr"))
    _, results = search("q", "M" * length)
    assert f"maxres {maxres}\n" in (results / "q.log").read_text()


@pytest.mark.parametrize(
    ("lines", "step", "reason"),
    [
        (["os.kill(os.getpid(), 9)"], "search", "hhsearch was killed (SIGKILL): most likely for want of memory"),
        (["os.abort()"], "search", "hhsearch crashed (SIGABRT)"),
        (
            ["print('- ERROR: no space left')", "sys.exit(1)"],
            "search",
            "hhsearch ended with exit code 1: - ERROR: no sp",
        ),
        ([], "summary", "No such file or directory"),
        (["open(options['-o'], 'w')"], "summary", "no line starts with 'Query'"),
    ],
)
def test_failed_search_leaves_a_reason_and_no_result(search, hhsearch, lines, step, reason):
    hhsearch(*lines)
    code, results = search("q", keep=("a3m", "hhr"))
    assert code == 1
    assert {path.name for path in results.iterdir()} == {"q.log", "q.a3m"}
    words = last_words(results / "q.log", "")
    assert words[0] == step
    assert reason in words[1]


@pytest.mark.parametrize("end", ["No 3", "No 1", "\nProbab"])
def test_truncated_hhr_is_no_result(search, hhsearch, data, end):
    text = (data / "hhsearch3.hhr").read_text()
    hhsearch(writes(data / "hhsearch3.hhr", text.index(end)))
    code, results = search("q")
    assert code == 1
    assert not (results / "q.out").exists()
    assert last_words(results / "q.log", "")[0] == "summary"


def test_attempt_after_a_failure_begins_anew(search, hhsearch, data):
    hhsearch("os.abort()")
    assert search("q")[0] == 1
    hhsearch(writes(data / "hhsearch3.hhr"))
    code, results = search("q")
    assert code == 0
    assert "ERROR" not in (results / "q.log").read_text()


def test_protein_is_found_in_its_batch_by_its_place(batch):
    fasta, horiz = batch(**{"sp|P1|A": "MKV", "b": "MKVL", "a;b": "M"})
    for protein, sequence in [("P1", "MKV"), ("b", "MKVL"), (protein_stem("a;b"), "M")]:
        record, prediction = batch_member(fasta, horiz, protein)
        assert record.sequence == prediction.sequence == sequence
    with pytest.raises(UserError, match="does not hold c"):
        batch_member(fasta, horiz, "c")


def test_batch_and_predictions_that_do_not_belong_together_are_told(batch, search, hhsearch, tmp_path):
    fasta, horiz = batch(a="MKV", b="MKVL")
    horiz.write_text(format_horiz(Prediction("MKV", "CCC", "555")))
    with pytest.raises(UserError, match="has 1 predictions for the 2 proteins"):
        batch_member(fasta, horiz, "a")


def test_prediction_of_an_earlier_sequence_is_not_searched(batch, tmp_path):
    fasta, horiz = batch(a="MKV")
    fasta.write_text(">a\nMKI\n")
    words = [
        "--protein",
        "a",
        "--fasta",
        fasta,
        "--horiz",
        horiz,
        "--library",
        "db",
        "--mode",
        "lean",
        "--result-key",
        "k",
    ]
    words += ["--longest-template", 9, "--out", tmp_path / "o", "--hits", tmp_path / "h", "--usage", tmp_path / "u"]
    assert main([*map(str, words), "--log", str(tmp_path / "job.log")]) == 1
    assert last_words(tmp_path / "job.log", "")[0] == "a3m"
    assert "the prediction is for another sequence" in last_words(tmp_path / "job.log", "")[1]
    assert not Path(tmp_path / "o").exists()
