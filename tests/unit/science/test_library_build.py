"""A library is built whole or not at all, and a template that HH-suite cannot take is named with its file."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from proteofold.cli.main import cli
from proteofold.formats.a3m import format_a3m
from proteofold.formats.hhr import read_hhr
from proteofold.science import hhsuite
from proteofold.science.library_build import is_built
from proteofold.science.prediction import predict_structures

UBIQUITIN = "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG"
CRAMBIN = "TTCCPSIVARSNFNVCRLPGTPEALCATYTGCIIIPGATCPGDYAN"


@pytest.fixture
def source(tmp_path):
    """A folder with two templates."""
    folder = tmp_path / "my 'templates"
    folder.mkdir()
    (folder / "1UBQ_A.a3m").write_text(f">1UBQ_A Ubiquitin\n{UBIQUITIN}\n")
    (folder / "more.fasta").write_text(f">1CRN_A Crambin\n{CRAMBIN}\n")
    return folder


@pytest.fixture
def build(source, tmp_path, in_rule):
    """Function that builds the library of the folder as the rule does; returns the message if that failed."""
    prefix = tmp_path / "libraries" / "my" / "db"

    def run(prefix=prefix):
        outcome = CliRunner().invoke(cli, ["build-library", str(source), str(prefix)])
        assert outcome.exit_code in (0, 1) and "Traceback" not in outcome.output
        return outcome.stderr.strip().splitlines()[-1] if outcome.exit_code else ""

    run.prefix, run.source = prefix, source
    run.command = [sys.executable, "-m", "proteofold", "build-library", str(source), str(prefix)]
    return run


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """Function that puts a script before a program of HH-suite; ``$real`` in it is the program."""
    folder = tmp_path / "tools"
    folder.mkdir()
    path = os.environ["PATH"]

    def put(name, *lines):
        script = ["#!/bin/bash", f"real={shlex.quote(hhsuite.find_program(name))}", *lines]
        (folder / name).write_text("\n".join(script))
        (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{path}")

    put.remove = lambda name: (folder / name).unlink()
    return put


@pytest.mark.hhsuite
def test_library_is_built_whole(build):
    assert build() == ""
    library = hhsuite.read_library(build.prefix)
    assert (library.templates, library.columns) == (2, 76 + 46)
    assert {path.name for path in build.prefix.parent.iterdir()} == {
        Path(path).name for path in hhsuite.library_files(build.prefix)
    }


def entries_of(prefix, part):
    """name -> text of the entries of a part of a library."""
    data = Path(f"{prefix}_{part}.ffdata").read_bytes()
    lines = (line.split("\t") for line in Path(f"{prefix}_{part}.ffindex").read_text().splitlines())
    return {name: data[int(at) : int(at) + int(length) - 1].decode() for name, at, length in lines}


@pytest.mark.hhsuite
def test_templates_without_secondary_structure_get_a_predicted_one(source, build, tiny_networks):
    known = f">ss_dssp\n{'H' * 46}\n>1CRN_A Crambin\n{CRAMBIN}\n"
    (source / "more.fasta").unlink()
    (source / "1CRN_A.a3m").write_text(known)
    outcome = CliRunner().invoke(
        cli, ["build-library", str(source), str(build.prefix), "--predict", str(tiny_networks)]
    )
    assert outcome.exit_code == 0, outcome.output
    (prediction,) = predict_structures([UBIQUITIN], tiny_networks)
    expected = f">ss_pred\n{prediction.states}\n>ss_conf\n{prediction.confidence}\n>1UBQ_A Ubiquitin\n{UBIQUITIN}\n"
    assert entries_of(build.prefix, "a3m") == {"1UBQ_A": expected, "1CRN_A": known}
    profiles = entries_of(build.prefix, "hhm")
    assert ">ss_pred" in profiles["1UBQ_A"] and "NAME  1UBQ_A Ubiquitin" in profiles["1UBQ_A"]
    assert ">ss_pred" not in profiles["1CRN_A"]


@pytest.mark.hhsuite
def test_search_scores_the_predicted_structure_of_templates(build, tiny_networks, tmp_path):
    CliRunner().invoke(cli, ["build-library", str(build.source), str(build.prefix), "--predict", str(tiny_networks)])
    (prediction,) = predict_structures([UBIQUITIN], tiny_networks)
    query = tmp_path / "query.a3m"
    query.write_text(format_a3m("q", UBIQUITIN, prediction))
    command = hhsuite.search_command("lean", query, build.prefix, tmp_path / "q.hhr", query_length=76, maxres=200)
    subprocess.run(command, check=True, capture_output=True)
    best = read_hhr(tmp_path / "q.hhr").hits[0]
    assert (best.template, best.ss_agreement) == ("1UBQ_A", 100.0) and best.ss_score > 0


@pytest.mark.hhsuite
def test_library_is_that_of_hhsuites_own_way_of_building(build, tmp_path):
    assert build() == ""
    own = tmp_path / "own"
    alignments = hhsuite.library_files(build.prefix, ["a3m"])
    command = ["ffindex_apply", *alignments, "-d", f"{own}.ffdata", "-i", f"{own}.ffindex", "--"]
    subprocess.run([*command, "hhmake", "-i", "stdin", "-o", "stdout", "-v", "0"], check=True, capture_output=True)
    assert Path(f"{own}.ffindex").read_bytes() == Path(f"{build.prefix}_hhm.ffindex").read_bytes()
    ours = Path(f"{build.prefix}_hhm.ffdata").read_bytes()
    dated = (lines.split(b"\n") for lines in (Path(f"{own}.ffdata").read_bytes(), ours))
    theirs, ours = ([line for line in lines if not line.startswith((b"DATE", b"COM"))] for lines in dated)
    assert ours == theirs


@pytest.mark.hhsuite
@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("kill -9 $$", "hhmake was killed (SIGKILL)"),
        ("kill -SEGV $$", "hhmake crashed (SIGSEGV)"),
        ("exit 3", "hhmake ended with exit code 3"),
        ("exit 0", "hhmake"),
        ("echo 'HHsearch 1.5'; exit 0", "does not end as a profile"),
        ('"$real" "$@" < {folder}/in | head -c 900; exit 0', "does not end as a profile"),
    ],
)
def test_failed_hhmake_fails_the_build_and_the_next_one_is_whole(build, tool, tmp_path, does, reason):
    lines = [
        "cat > {folder}/in",
        "if grep -q 1UBQ_A {folder}/in; then " + does + "; fi",
        'exec $real "$@" < {folder}/in',
    ]
    tool("hhmake", *(line.replace("{folder}", str(tmp_path)) for line in lines))
    message = build()
    assert "1UBQ_A" in message
    assert reason in message
    if "killed" in reason:  # which says nothing of the template
        assert "Start again" in message and "Correct or remove" not in message
    assert not is_built(build.prefix) and not Path(f"{build.prefix}_hhm.ffindex").exists()
    tool.remove("hhmake")
    assert build() == ""
    assert hhsuite.read_library(build.prefix).templates == 2


@pytest.mark.hhsuite
@pytest.mark.parametrize("does", ["kill -9 $$", "exit 3", "exit 0", 'timeout -s KILL 0.01 "$real" "$@"'])
def test_failed_cstranslate_fails_the_build_and_the_next_one_is_whole(build, tool, does):
    tool("cstranslate", does)
    assert build() != ""
    assert not is_built(build.prefix)
    tool.remove("cstranslate")
    assert build() == ""
    assert hhsuite.read_library(build.prefix).templates == 2


@pytest.mark.hhsuite
def test_template_that_hhmake_refuses_is_named_with_its_file_and_hhmakes_words(build, source):
    states = "H" * 30 + "P" * 16 + "C" * 30  # P is a letter of mkdssp 4 that HH-suite does not know
    (source / "1UBQ_A.a3m").write_text(f">ss_dssp\n{states}\n>1UBQ_A Ubiquitin\n{UBIQUITIN}\n")
    message = build()
    assert f"{source}/1UBQ_A.a3m: template 1UBQ_A: hhmake: " in message
    assert "do not all have the same number of columns" in message
    assert "\n" not in message and "1CRN_A" not in message


@pytest.mark.hhsuite
@pytest.mark.parametrize(
    "template_id",
    [
        "cath-4_2_0-1a15A00-1-67-abcdefghi",
        "gi|123456789|ref|NP_066289.3|",
        "a/path/like/id/of/some/length",
        "sp|P0CG47|UBB_HUMAN",
        "x" * 31,
        "x" * 32,
        "y" * 600,
        "caf\u00e9" * 20,
        "1abc.A.1",
    ],
)
def test_long_and_odd_template_ids_stand_in_full_in_the_hits(build, source, tmp_path, template_id):
    (source / "1UBQ_A.a3m").write_text(f">{template_id} some domain\n{UBIQUITIN}\n")
    (source / "more.fasta").write_text(f">{template_id.replace('P0CG47', 'Q1')}2 other\n{CRAMBIN}\n")
    assert build() == ""
    assert hhsuite.read_library(build.prefix).templates == 2
    (tmp_path / "q.a3m").write_text(f">q\n{UBIQUITIN}\n")
    options = {"query_length": 76, "maxres": 500}
    command = hhsuite.search_command("lean", tmp_path / "q.a3m", build.prefix, tmp_path / "q.hhr", **options)
    subprocess.run(command, check=True, capture_output=True)
    best = read_hhr(tmp_path / "q.hhr").hits[0]
    assert (best.template, best.description) == (template_id, "some domain")


def beside(prefix):
    return {path.name for path in prefix.parent.parent.iterdir()}


@pytest.mark.hhsuite
@pytest.mark.parametrize("left", ["build that was killed", "library without its last file", "empty folder"])
def test_rest_of_another_build_is_cleared_away(build, left):
    folder = build.prefix.parent
    if left == "build that was killed":
        aside = folder.with_name(f".{folder.name}.building")
        (aside / "db_unpacked").mkdir(parents=True)
        (aside / "db_hhm.ffdata").write_text("half")
    else:
        folder.mkdir(parents=True)
    if left == "library without its last file":
        for path in hhsuite.library_files(build.prefix)[:-1]:
            Path(path).write_text("half")
    assert build() == ""
    assert hhsuite.read_library(build.prefix).templates == 2
    assert beside(build.prefix) == {folder.name, f".{folder.name}.lock"}


@pytest.mark.hhsuite
def test_library_that_is_there_is_left_alone(build, source):
    assert build() == ""
    before = {path: path.stat().st_mtime_ns for path in build.prefix.parent.iterdir()}
    (source / "more.fasta").unlink()
    assert build() == ""
    assert {path: path.stat().st_mtime_ns for path in build.prefix.parent.iterdir()} == before


@pytest.mark.parametrize("name", ["notes.txt", "db2_hhm.ffdata", "sub"])
def test_folder_that_holds_anything_else_is_left_as_it_is(build, name):
    folder = build.prefix.parent
    folder.mkdir(parents=True)
    (folder / name).mkdir() if name == "sub" else (folder / name).write_text("mine")
    message = build()
    assert name in message and str(folder) in message
    assert [path.name for path in folder.iterdir()] == [name]


def test_library_is_not_built_into_the_working_folder(build, tmp_path, monkeypatch):
    (tmp_path / "mine.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    assert "mine.txt" in build("db")
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.hhsuite
def test_library_is_built_into_a_folder_of_the_working_folder(build, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert build("mine/db") == ""
    assert hhsuite.read_library("mine/db").templates == 2


def wait_for(condition):
    deadline = time.monotonic() + 30
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited half a minute"
        time.sleep(0.05)
    return found


@pytest.mark.hhsuite
def test_second_builder_waits_for_the_first_and_builds_nothing(build, tool, tmp_path):
    log = tmp_path / "hhmake.log"
    tool("hhmake", f"echo >> '{log}'", f"while [ ! -e '{tmp_path}/go on' ]; do sleep 0.05; done", 'exec $real "$@"')
    builders = [subprocess.Popen(build.command), subprocess.Popen(build.command)]
    wait_for(log.exists)
    time.sleep(1)
    (tmp_path / "go on").touch()
    assert [builder.wait(60) for builder in builders] == [0, 0]
    assert len(log.read_text()) == 2  # hhmake was started once a template
    assert hhsuite.read_library(build.prefix).templates == 2


@pytest.mark.hhsuite
def test_killed_builder_takes_its_tool_along_and_the_next_one_builds(build, tool, tmp_path):
    log = tmp_path / "hhmake.log"
    tool("hhmake", f"echo $$ > '{log}'", "exec sleep 60")
    with subprocess.Popen(build.command) as builder:
        hhmake = int(wait_for(lambda: log.exists() and log.read_text()))
        builder.send_signal(signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{hhmake}/cmdline").exists() or not Path(f"/proc/{hhmake}/cmdline").read_bytes())
    assert not is_built(build.prefix)
    tool.remove("hhmake")
    assert build() == ""
    assert hhsuite.read_library(build.prefix).templates == 2
    assert beside(build.prefix) == {"my", ".my.lock"}


@pytest.mark.hhsuite
def test_built_library_has_every_template(small_library):
    library = hhsuite.read_library(small_library)
    assert (library.templates, library.longest) == (6, 153)
    assert library.columns == 105 + 108 + 85 + 46 + 141 + 153


@pytest.mark.hhsuite
def test_alignments_are_in_the_order_of_their_names(build, source):
    (source / "more.fasta").write_text(f">b|2\n{CRAMBIN}\n>a\n{CRAMBIN}A\n")
    assert build() == ""
    lines = Path(f"{build.prefix}_a3m.ffindex").read_text().splitlines()
    assert [line.split("\t")[0][:3] for line in lines] == ["1UB", "a", "b_2"]
    assert f">b|2\n{CRAMBIN}\n".encode() in Path(f"{build.prefix}_a3m.ffdata").read_bytes()


def test_failed_build_ends_with_a_message_not_a_traceback(build, source, tool):
    for path in source.iterdir():
        path.unlink()
    assert "holds no" in build()
    (source / "x.fa").write_text(f">T1\n{CRAMBIN}\n")
    tool("ffindex_build", "exit 1")
    assert "ffindex_build ended with exit code 1" in build()
    assert beside(build.prefix) == {".my.lock"}
