"""A library is built whole or not at all, and a template that HH-suite cannot take is named with its file."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from proteofold import hhsuite
from proteofold.hits import read_hhr
from proteofold.library_build import is_built, main

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
def build(source, tmp_path):
    """Function that builds the library of the folder as the rules do; returns the message of the step that failed."""
    prefix = tmp_path / "library" / "db"

    def run():
        steps = (["collect", source, prefix], ["profiles", source, prefix], ["translate", prefix])
        return next((message for step in steps if (message := main(list(map(str, step))))), "")

    run.prefix = prefix
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
    assert not is_built(build.prefix) and not Path(f"{build.prefix}_hhm.ffindex").exists()
    tool.remove("hhmake")
    assert build() == ""
    assert hhsuite.read_library(build.prefix).templates == 2


@pytest.mark.hhsuite
@pytest.mark.parametrize("does", ["kill -9 $$", "exit 3", "exit 0", 'timeout -s KILL 0.2 "$real" "$@"'])
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


@pytest.mark.hhsuite
def test_rest_of_a_killed_build_is_cleared_away(build):
    build.prefix.parent.mkdir()
    for path in hhsuite.library_files(f"{build.prefix}_unfinished"):
        Path(path).write_text("of a build that was killed")
    assert build() == ""
    assert not list(build.prefix.parent.glob("*unfinished*"))


@pytest.mark.hhsuite
def test_built_library_has_every_template(small_library):
    library = hhsuite.read_library(small_library)
    assert (library.templates, library.longest) == (6, 153)
    assert library.columns == 105 + 108 + 85 + 46 + 141 + 153


def test_failed_build_ends_with_a_message_not_a_traceback(tmp_path, monkeypatch):
    assert "holds no" in main(["collect", str(tmp_path), str(tmp_path / "lib")])
    (tmp_path / "x.fa").write_text(">T1\nMKV\n")
    monkeypatch.setattr(hhsuite, "find_program", lambda name: "false")
    assert "returned non-zero exit status 1" in main(["collect", str(tmp_path), str(tmp_path / "lib")])
