"""One protein's search: what is written when it succeeds, and that nothing is when it does not."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import damage
import pytest
from click.testing import CliRunner

from proteofold.cli.main import cli
from proteofold.formats.a3m import format_a3m
from proteofold.formats.fasta import protein_stem
from proteofold.formats.hhr import is_of_query, read_hhr
from proteofold.formats.packed_hhr import read_alignments
from proteofold.formats.psipred import Prediction
from proteofold.run.failures import last_words
from proteofold.science import hhsuite
from proteofold.science.domains import DomainThresholds, choose_domains
from proteofold.system.process import read_usage

THIOREDOXIN = (
    "MVKQIESKTAFQEALDAAGDKLVVVDFSATWCGPCKMIKPFFHSLSEKYSNVIFLEVDVDDCQDVASECEVKCMPTFQFFKKGQKVGEFSGANKEKLEATINELV"
)


@pytest.fixture
def write_query(tmp_path):
    """Function that writes the .a3m of a query; returns its path."""

    def write(query_id, sequence):
        folder = tmp_path / "my queries"
        folder.mkdir(exist_ok=True)
        path = folder / f"{protein_stem(query_id)}.a3m"
        path.write_text(format_a3m(query_id, sequence, Prediction(sequence, "C" * len(sequence), "5" * len(sequence))))
        return path

    return write


@pytest.fixture
def search(tmp_path, write_query, capfd, in_rule):
    """Function that searches for one protein as the rule does, with more options of the command.

    Returns the exit code, and the folder with results and the step's log.
    """

    def run(*options, query_id="sp|P10599|THIO", sequence=THIOREDOXIN, library=None, mode="lean"):
        a3m, results = write_query(query_id, sequence), tmp_path / "my results"
        results.mkdir(exist_ok=True)
        stem = protein_stem(query_id)
        words = ["search", a3m, results / f"{stem}.hhr.gz", "--library", library or run.library, "--mode", mode]
        words += ["--usage", results / f"{stem}.tsv", "--run", "my run", *options]
        capfd.readouterr()
        outcome = CliRunner().invoke(cli, list(map(str, words)))
        # tools write to the descriptor and the command to the runner's stream, in this order
        (results / f"{stem}.log").write_text(outcome.stderr)
        assert outcome.stdout == "" and [path.name for path in a3m.parent.glob(".*")] == []
        return outcome.exit_code, results

    return run


@pytest.fixture
def stand_in(tmp_path, monkeypatch, search, make_library):
    """Function that puts a Python script in the place of hhsearch; its options are in the dict ``options``.

    The library that ``search`` takes without another is one of no meaning.
    """
    search.library = make_library(tmp_path / "db", {"A": 153, "B": 10})
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


def names(results):
    return {path.name for path in results.iterdir()}


def reason(results, stem="P10599"):
    """Why a search failed; nothing but its log is there then."""
    assert names(results) == {f"{stem}.log"}
    return last_words(results / f"{stem}.log")


@pytest.mark.hhsuite
@pytest.mark.parametrize("mode", hhsuite.SEARCH_MODES)
def test_every_mode_finds_the_same_significant_hit(search, small_library, mode):
    code, results = search(library=small_library, mode=mode)
    assert code == 0, (results / "P10599.log").read_text()
    assert names(results) == {"P10599.hhr.gz", "P10599.tsv", "P10599.log"}
    result = read_hhr(results / "P10599.hhr.gz")
    assert (result.query, result.query_length) == ("sp|P10599|THIO", 105)
    best = result.hits[0]
    assert (best.template, best.description) == ("1ERU_A", "Thioredoxin {Homo sapiens}") and best.evalue < 1e-10
    aligned = read_alignments((results / "P10599.hhr.gz").read_bytes())
    assert [row.template for row in aligned] == [hit.template for hit in result.hits]
    usage = read_usage(results / "P10599.tsv")
    assert usage.cpu_s > 0 and usage.max_rss_mb > 10
    assert (usage.run, usage.hhsuite) == ("my run", hhsuite.hhsuite_version())


@pytest.mark.hhsuite
def test_hybrid_searches_again_where_the_fast_search_finds_nothing(search, small_library):
    code, results = search(query_id="q", sequence="X" * 40, library=small_library, mode="hybrid")
    log = (results / "q.log").read_text()
    assert code == 0, log
    assert ["hhblits" in line for line in log.splitlines() if line.startswith("$ ")] == [True, False]
    whole = search(query_id="lean", sequence="X" * 40, library=small_library)[1] / "lean.hhr.gz"
    # what is kept is of the search that counts
    assert read_hhr(results / "q.hhr.gz").hits == read_hhr(whole).hits


@pytest.mark.hhsuite
def test_hybrid_searches_once_where_the_fast_search_finds_something(search, small_library):
    code, results = search(library=small_library, mode="hybrid")
    assert code == 0
    assert (results / "P10599.log").read_text().count("\n$ ") == 0


@pytest.mark.hhsuite
def test_search_whose_result_is_there_does_nothing(search, small_library):
    _, results = search(library=small_library)
    before = {name: (results / name).stat().st_mtime_ns for name in ("P10599.hhr.gz", "P10599.tsv")}
    code, results = search(library="nowhere")
    assert code == 0 and "hhsearch" not in (results / "P10599.log").read_text()
    assert {name: (results / name).stat().st_mtime_ns for name in before} == before


@pytest.mark.hhsuite
def test_usage_that_was_lost_is_written_without_numbers(search, small_library):
    _, results = search(library=small_library)
    (results / "P10599.tsv").unlink()
    assert search(library=small_library)[0] == 0
    assert str(read_usage(results / "P10599.tsv").cpu_s) == "nan"


@pytest.mark.hhsuite
@pytest.mark.parametrize("kept", [0, 1, 100, -1], ids=["empty", "one byte", "cut", "cut at the end"])
def test_result_that_is_cut_is_made_again(search, small_library, kept):
    _, results = search(library=small_library)
    path = results / "P10599.hhr.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:kept])
    assert search(library=small_library)[0] == 0
    assert path.read_bytes() == whole


@pytest.mark.hhsuite
@pytest.mark.parametrize(
    "query_id",
    ["$(id)", "a;rm", "日本", '"q"', "x" * 500, ">a", "%s%n", "é" * 500] + ["IFN-γ", "β-globin", "@x", "@äx", "a中b"],
)
def test_odd_ids_go_through_the_real_hhsearch(search, small_library, query_id):
    code, results = search(query_id=query_id, library=small_library)
    stem = protein_stem(query_id)
    assert code == 0, (results / f"{stem}.log").read_text()
    found = read_hhr(results / f"{stem}.hhr.gz")
    assert found.hits[0].template == "1ERU_A"
    assert is_of_query(found, query_id)
    assert not is_of_query(found, "P10599") and not is_of_query(found, f"{query_id}2")


@pytest.mark.hhsuite
@pytest.mark.parametrize("sequence", ["M", "MK", "X" * 40, "BJOUXZ" * 5])
def test_odd_sequences_go_through_the_real_hhsearch(search, small_library, sequence):
    code, results = search(query_id="q", sequence=sequence, library=small_library)
    assert code == 0, (results / "q.log").read_text()
    assert all(hit.evalue > 1e-3 for hit in read_hhr(results / "q.hhr.gz").hits)


def test_query_without_hits_is_a_result(search, stand_in, data):
    stand_in(writes(data / "hhsearch3_no_hits.hhr"))
    code, results = search(query_id="q")
    assert code == 0
    assert read_hhr(results / "q.hhr.gz").hits == []


def test_command_and_output_are_in_the_log(search, stand_in, data):
    stand_in("print(open(options['-i']).read())", writes(data / "hhsearch3.hhr"))
    code, results = search(query_id="q", sequence="MKV")
    assert code == 0
    log = (results / "q.log").read_text()
    assert log.startswith("$ ") and " -maxres " in log.splitlines()[0]
    assert ">ss_pred\nCCC\n>ss_conf\n555\n>q\nMKV\n" in log


@pytest.mark.parametrize(("length", "maxres"), [(3, 253), (400, 500)])
def test_neither_query_nor_template_is_cut(search, stand_in, data, length, maxres):
    stand_in("print('maxres', options['-maxres'])", writes(data / "hhsearch3.hhr"))
    _, results = search(query_id="q", sequence="M" * length)
    assert f"maxres {maxres}\n" in (results / "q.log").read_text()


def test_query_of_an_alignment_is_as_long_as_its_first_record(search, stand_in, data, tmp_path):
    stand_in("print('maxres', options['-maxres'])", writes(data / "hhsearch3.hhr"))
    (tmp_path / "my.a3m").write_text(f"#A3M\n>ss_pred\nCCC\n>q\n{'MK-' * 100}\n>h\n{'MKv-K' * 100}\n")
    words = ["search", tmp_path / "my.a3m", tmp_path / "my.hhr.gz", "--library", search.library]
    outcome = CliRunner().invoke(cli, list(map(str, words)))
    assert outcome.exit_code == 0
    assert "maxres 400\n" in outcome.stderr


def test_alignment_without_a_query_is_no_query(search, stand_in, tmp_path):
    (tmp_path / "my.a3m").write_text(">ss_pred\nCCC\n")
    words = ["search", tmp_path / "my.a3m", tmp_path / "my.hhr.gz", "--library", search.library]
    outcome = CliRunner().invoke(cli, list(map(str, words)))
    assert outcome.exit_code == 1 and "my.a3m: no query" in outcome.stderr


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["os.kill(os.getpid(), 9)"], "hhsearch was killed (SIGKILL): most likely out of memory"),
        (["os.abort()"], "hhsearch crashed (SIGABRT)"),
        (["print('- ERROR: no space left')", "sys.exit(1)"], "hhsearch ended with exit code 1: - ERROR: no space left"),
        ([], "query.hhr: cannot be read"),
        (["open(options['-o'], 'w')"], "query.hhr: no line starts with 'Query'"),
    ],
)
def test_failed_search_leaves_a_reason_and_no_result(search, stand_in, lines, why):
    stand_in(*lines)
    code, results = search()
    assert code == 1
    assert why in reason(results)


@pytest.mark.parametrize("end", ["No 3", "No 1", "\nProbab"])
def test_truncated_hhr_is_no_result(search, stand_in, data, end):
    text = (data / "hhsearch3.hhr").read_text()
    stand_in(writes(data / "hhsearch3.hhr", text.index(end)))
    code, results = search()
    assert code == 1 and reason(results)


def test_hhr_that_is_cut_in_its_last_alignment_is_no_result(search, stand_in, data):
    text = (data / "hhsearch3.hhr").read_text()
    lines = [at for at in range(text.rindex("No 10"), len(text) - 1) if text[at - 1] == "\n" and text[at] != "\n"]
    for end in lines:  # the shortest have no line of values
        stand_in(writes(data / "hhsearch3.hhr", end))
        code, results = search()
        assert code == 1 and reason(results)
    stand_in(writes(data / "hhsearch3_no_hits.hhr", -1))
    assert search()[0] == 1


def test_attempt_after_a_failure_begins_anew(search, stand_in, data):
    stand_in("os.abort()")
    assert search()[0] == 1
    stand_in(writes(data / "hhsearch3.hhr"))
    assert search()[0] == 0


def test_library_that_was_replaced_is_no_longer_searched_for_the_run(search, small_library):
    search.library = small_library
    assert search("--library-key", "0123456789abcdef")[0] == 1
    code, results = search("--library-key", hhsuite.read_library(small_library).key)
    assert code == 0


def test_missing_library_is_named(search, tmp_path):
    code, results = search(library=tmp_path / "nowhere")
    assert code == 1 and f"{tmp_path}/nowhere_cs219.ffindex" in reason(results)


def test_killed_search_leaves_no_result_and_no_process(search, stand_in, write_query, tmp_path):
    stand_in("import time", "print('pid', os.getpid(), flush=True)", "time.sleep(60)")
    a3m, scratch = write_query("q", "MKV"), tmp_path / "tmp"
    scratch.mkdir()
    words = ["search", a3m, tmp_path / "q.hhr.gz", "--library", search.library, "--usage", tmp_path / "q.tsv"]
    command = [sys.executable, "-m", "proteofold", *map(str, words)]
    environment = {**os.environ, "TMPDIR": str(scratch)}
    with subprocess.Popen(command, cwd=scratch, env=environment, stderr=subprocess.PIPE, text=True) as job:
        tool = next(int(line.split()[1]) for line in job.stderr if line.startswith("pid "))
        job.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while Path(f"/proc/{tool}/cmdline").exists() and Path(f"/proc/{tool}/cmdline").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert list(scratch.iterdir()) == [] and not (tmp_path / "q.hhr.gz").exists() and not (tmp_path / "q.tsv").exists()


@pytest.fixture(scope="session")
def large_library(small_library, tmp_path_factory):
    """Templates enough that a search in shards takes less memory; their text lies there once."""
    prefix = tmp_path_factory.mktemp("large") / "db"
    for part in hhsuite.PARTS:
        lines = Path(f"{small_library}_{part}.ffindex").read_text().splitlines()
        named = sorted(line.replace("\t", f".{time:04d}x\t", 1) for line in lines for time in range(1200))
        Path(f"{prefix}_{part}.ffindex").write_text("".join(f"{line}\n" for line in named))
        Path(f"{prefix}_{part}.ffdata").symlink_to(f"{small_library}_{part}.ffdata")
    return str(prefix)


def searches(results, stem="P10599"):
    """How many times a program of HH-suite was started."""
    return sum(line.startswith("$ ") for line in (results / f"{stem}.log").read_text().splitlines())


@pytest.mark.hhsuite
def test_search_that_needs_more_memory_than_it_has_is_made_in_shards_with_the_same_result(
    search, large_library, monkeypatch
):
    monkeypatch.delenv("SLURM_MEM_PER_NODE", raising=False)
    _, results = search("--memory-mb", "4000", library=large_library)
    assert searches(results) == 1
    path = results / "P10599.hhr.gz"
    whole = path.read_bytes()
    assert len(read_alignments(whole)) >= 400
    path.unlink()
    assert search("--memory-mb", "1", library=large_library)[0] == 0
    assert searches(results) == 3  # two shards, and the candidates of both
    assert path.read_bytes() == whole
    path.unlink()
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "1")  # less than was asked for
    assert search("--memory-mb", "4000", library=large_library)[0] == 0
    assert searches(results) == 3
    assert path.read_bytes() == whole


@pytest.mark.hhsuite
def test_attempt_after_a_killed_one_takes_shards_where_it_gets_no_more_memory(search, large_library, monkeypatch):
    monkeypatch.delenv("SLURM_MEM_PER_NODE", raising=False)
    library = hhsuite.describe_library(large_library)
    enough = hhsuite.search_mem_mb(len(THIOREDOXIN), library, "lean") + 70
    _, results = search("--memory-mb", enough, library=large_library)
    assert searches(results) == 1
    (results / "P10599.hhr.gz").unlink()
    assert search("--memory-mb", enough, "--attempt", "2", library=large_library)[0] == 0
    assert searches(results) == 3


@pytest.mark.hhsuite
@pytest.mark.parametrize("mode", hhsuite.SEARCH_MODES)
@pytest.mark.parametrize("kind", damage.INSIDE_PROFILE)
def test_search_that_could_not_read_a_template_has_failed(search, small_library, tmp_path, mode, kind):
    library = damage.copy_of(small_library, tmp_path / "damaged" / "db")
    damage.change_content(library, "hhm", damage.INSIDE_PROFILE[kind])
    code, results = search(library=library, mode=mode)
    assert code == 1
    why = reason(results)
    assert damage.DAMAGED in why and ":" not in why.partition(": ")[2]


@pytest.mark.hhsuite
@pytest.mark.parametrize("mode", ["lean", "reference"])
def test_shard_that_could_not_read_a_template_has_failed(search, large_library, tmp_path, mode):
    library = damage.copy_of(large_library, tmp_path / "damaged" / "db")
    # all of its names have the same text
    named = (damage.DAMAGED + ".0000x").encode()
    damage.change_lines(library, "hhm", lambda lines: [line.replace(named, damage.DAMAGED.encode()) for line in lines])
    damage.change_content(library, "hhm", damage.INSIDE_PROFILE["letters inside"])
    damage.change_lines(
        library, "hhm", lambda lines: [line.replace(damage.DAMAGED.encode() + b"\t", named + b"\t") for line in lines]
    )
    code, results = search("--memory-mb", "1", library=library, mode=mode)
    assert code == 1
    assert damage.DAMAGED in reason(results)


@pytest.mark.hhsuite
@pytest.mark.parametrize("mode", ["lean", "reference", "fast"])
def test_search_that_could_not_find_a_template_has_failed(search, small_library, tmp_path, mode):
    """Whatever has become of the library since it was checked."""
    library = damage.copy_of(small_library, tmp_path / "damaged" / "db")
    for part in ("hhm", "a3m"):
        damage.change_lines(library, part, damage.LINES["reversed"])
    code, results = search(library=library, mode=mode)
    assert code == 1
    assert reason(results).startswith(("hhsearch: Could not fetch", "hhblits: Could not fetch"))


@pytest.mark.hhsuite
def test_equal_failures_have_equal_reasons_in_the_words_of_hhsearch(search, small_library, tmp_path):
    library = damage.copy_of(small_library, tmp_path / "damaged" / "db")
    damage.change_content(library, "hhm", damage.CONTENT["zeros"])
    reasons = set()
    for query_id in ("a", "b"):
        code, results = search(query_id=query_id, library=library)
        assert code == 1
        reasons.add(last_words(results / f"{query_id}.log"))
    assert reasons == {f"hhsearch: Unrecognized HMM file format in '{damage.DAMAGED}'"}


@pytest.mark.hhsuite
@pytest.mark.parametrize("mode", hhsuite.SEARCH_MODES)
def test_more_alternatives_find_each_repeat_of_a_protein(search, small_library, mode):
    repeats = {}
    for options in ((), ("--alternatives", 10)):
        code, results = search(
            *options, query_id=f"repeats{len(options)}", sequence=THIOREDOXIN * 6, mode=mode, library=small_library
        )
        assert code == 0
        hits = read_hhr(results / f"repeats{len(options)}.hhr.gz").hits
        assert max(hits, key=lambda hit: hit.score).template == "1ERU_A"
        repeats[options] = len(choose_domains(hits, DomainThresholds()))
        of_best = [hit for hit in hits if hit.template == "1ERU_A"]
        assert len(of_best) <= (10 if options else 4)
    assert repeats[()] < 6 and repeats["--alternatives", 10] == 6
