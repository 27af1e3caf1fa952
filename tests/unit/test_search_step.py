"""One protein's search: what is written when it goes well, and that nothing is when it does not."""

import csv
import gzip
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import damage
import pytest

from proteofold import hhsuite
from proteofold.alignments import ALIGNED_HITS, read_alignments
from proteofold.errors import UserError
from proteofold.failures import last_words
from proteofold.fasta import format_fasta, protein_stem
from proteofold.hits import read_hhr
from proteofold.process import read_usage
from proteofold.psipred import Prediction, format_horiz
from proteofold.search_step import batch_member, main, read_options

THIOREDOXIN = (
    "MVKQIESKTAFQEALDAAGDKLVVVDFSATWCGPCKMIKPFFHSLSEKYSNVIFLEVDVDDCQDVASECEVKCMPTFQFFKKGQKVGEFSGANKEKLEATINELV"
)


START = Path(__file__).parents[2] / "workflow" / "scripts" / "search_templates.py"


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
def search(tmp_path, batch):
    """Function that searches for one protein of a batch as the rule does; returns exit code and results folder."""

    def run(query_id="sp|P10599|THIO", sequence=THIOREDOXIN, library="db", mode="lean", keep=(), shards=1, **others):
        fasta, horiz = batch(**{query_id: sequence}, **others)
        results = tmp_path / "my results"
        protein = protein_stem(query_id)
        words = ["--protein", protein, "--fasta", fasta, "--horiz", horiz, "--library", library, "--mode", mode]
        words += [
            "--shards",
            shards,
            "--longest-template",
            "153",
            "--result-key",
            "key",
            "--out",
            results / f"{protein}.out",
        ]
        for name in ("hits", "alignments", "log", "usage"):
            words += [f"--{name}", results / f"{protein}.{name}"]
        for kind in keep:
            words += [f"--keep-{kind}", results / f"{protein}.{kind}"]
        open_files = os.listdir("/proc/self/fd")
        code = main(list(map(str, words)))
        assert os.listdir("/proc/self/fd") == open_files  # the intermediate files are gone
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
@pytest.mark.parametrize("mode", hhsuite.SEARCH_MODES)
def test_every_mode_finds_the_same_significant_hit(search, small_library, mode):
    code, results = search(library=small_library, mode=mode, keep=("hhr",))
    assert code == 0, (results / "P10599.log").read_text()
    found = rows(results / "P10599.hits")[0]
    assert found[2] == "1ERU_A" and float(found[5]) < 1e-10
    hits = read_hhr(results / "P10599.hhr").hits
    assert len(hits) == len(rows(results / "P10599.hits"))
    aligned = read_alignments((results / "P10599.alignments").read_bytes())
    assert [row.template for row in aligned] == [hit.template for hit in hits[:ALIGNED_HITS]]
    made = {path.suffix: path.stat().st_mtime_ns for path in results.iterdir()}
    assert made.pop(".log") and max(made, key=made.get) == ".out"  # who sees it knows that the others are there


@pytest.mark.hhsuite
def test_hybrid_searches_again_where_the_fast_search_finds_nothing(search, small_library):
    code, results = search("q", "X" * 40, library=small_library, mode="hybrid", keep=("hhr",))
    assert code == 0, (results / "q.log").read_text()
    log = (results / "q.log").read_text()
    assert ["hhblits" in line for line in log.splitlines() if line.startswith("$ ")] == [True, False]
    assert "hhsearch" in (results / "q.hhr").read_text()  # what is kept is of the search that counts


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
        ([], "summary", "q.hhr: no line starts with 'Query'"),
        (["open(options['-o'], 'w')"], "summary", "q.hhr: no line starts with 'Query'"),
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


@pytest.fixture
def words(tmp_path, batch):
    """The command line of a search for a protein ``a``, results in the folder ``results``."""
    fasta, horiz = batch(a="MKV")
    options = {"protein": "a", "fasta": fasta, "horiz": horiz, "library": "db", "mode": "lean", "result-key": "k"}
    options |= {"longest-template": 9}
    options |= {name: tmp_path / "results" / f"a.{name}" for name in ("out", "hits", "alignments", "usage", "log")}
    return [str(word) for name, value in options.items() for word in (f"--{name}", value)]


def test_prediction_of_an_earlier_sequence_is_not_searched(words, tmp_path):
    (tmp_path / "0001-ab.fas").write_text(">a\nMKI\n")
    assert main(words) == 1
    assert {path.name for path in (tmp_path / "results").iterdir()} == {"a.log"}
    step, reason = last_words(tmp_path / "results" / "a.log", "")
    assert step == "a3m" and "the prediction is for another sequence" in reason


def test_command_line_is_read(words):
    options = read_options(words)
    assert (options.result_key, options.longest_template, options.threads, options.keep_hhr) == ("k", "9", "1", "")
    assert read_options([*words, "--threads", "2", "--keep-hhr", "--x"]).keep_hhr == "--x"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda words: words[2:], r"missing: \['protein'\], unknown: \[\]"),
        (lambda words: [*words, "--fats", "x"], r"missing: \[\], unknown: \['fats'\]"),
        (lambda words: [*words, "--threads"], "expected pairs of --name value"),
        (lambda words: words[1:], "missing: .* unknown: "),
    ],
)
def test_odd_command_line_is_refused(words, change, what):
    with pytest.raises(SystemExit, match=what):
        read_options(change(words))


def test_started_search_imports_nothing_slow(words, hhsearch, data, tmp_path):
    """Each protein pays for each import; docs/decisions.md has the prices."""
    hhsearch(writes(data / "hhsearch3.hhr"))
    started = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "importtime", START, *words],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in started.stderr.splitlines()}
    assert {"proteofold.search_step", "re", "ctypes"} <= imported
    slow = {
        "argparse",
        "dataclasses",
        "hashlib",
        "inspect",
        "numpy",
        "pathlib",
        "runpy",
        "shutil",
        "site",
        "subprocess",
    }
    assert imported.isdisjoint(slow | {"tempfile", "threading", "traceback", "typing"})
    assert (tmp_path / "results" / "a.out").exists()


def test_killed_search_leaves_nothing_but_its_log(words, hhsearch, tmp_path):
    hhsearch("import time", "print('query', open(options['-i']).read(), flush=True)", "time.sleep(60)")
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    environment = {**os.environ, "TMPDIR": str(scratch)}
    job = subprocess.Popen([sys.executable, "-I", "-S", START, *words], cwd=scratch, env=environment)
    log = tmp_path / "results" / "a.log"
    deadline = time.monotonic() + 20
    while not (log.exists() and ">ss_pred" in log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert ">ss_pred" in log.read_text()
    assert list(scratch.iterdir()) == []
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["a.log"]


@pytest.mark.hhsuite
@pytest.mark.parametrize("mode", hhsuite.SEARCH_MODES)
@pytest.mark.parametrize("kind", damage.INSIDE_PROFILE)
def test_search_that_could_not_read_a_template_has_failed(search, small_library, tmp_path, mode, kind):
    library = damage.copy_of(small_library, tmp_path / "damaged" / "db")
    damage.change_content(library, "hhm", damage.INSIDE_PROFILE[kind])
    code, results = search(library=library, mode=mode)
    assert code == 1
    assert {path.name for path in results.iterdir()} == {"P10599.log"}
    step, reason = last_words(results / "P10599.log", "")
    assert step == "search" and damage.DAMAGED in reason and ":" not in reason.partition(": ")[2]


@pytest.mark.hhsuite
@pytest.mark.parametrize("mode", ["lean", "reference"])
def test_shard_that_could_not_read_a_template_has_failed(search, small_library, tmp_path, mode):
    library = damage.copy_of(small_library, tmp_path / "damaged" / "db")
    damage.change_content(library, "hhm", damage.INSIDE_PROFILE["letters inside"])
    code, results = search(library=library, mode=mode, shards=2)
    assert code == 1
    step, reason = last_words(results / "P10599.log", "")
    assert step == "search" and damage.DAMAGED in reason


@pytest.mark.hhsuite
@pytest.mark.parametrize("mode", ["lean", "reference", "fast"])
def test_search_that_could_not_find_a_template_has_failed(search, small_library, tmp_path, mode):
    """Whatever has become of the library since it was checked."""
    library = damage.copy_of(small_library, tmp_path / "damaged" / "db")
    for part in ("hhm", "a3m"):
        damage.change_lines(library, part, damage.LINES["reversed"])
    code, results = search(library=library, mode=mode)
    assert code == 1
    assert last_words(results / "P10599.log", "")[1].startswith(
        ("hhsearch: Could not fetch", "hhblits: Could not fetch")
    )


@pytest.mark.hhsuite
def test_equal_failures_have_equal_reasons_in_the_words_of_hhsearch(search, small_library, tmp_path):
    library = damage.copy_of(small_library, tmp_path / "damaged" / "db")
    damage.change_content(library, "hhm", damage.CONTENT["zeros"])
    reasons = set()
    for query in ("a", "b"):
        code, results = search(query, library=library)
        assert code == 1
        reasons.add(last_words(results / f"{query}.log", "")[1])
    assert reasons == {f"hhsearch: Unrecognized HMM file format in '{damage.DAMAGED}'"}
