"""README.md and the tutorial, followed literally: every console block is run, or states why it is not."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys

import pytest
from runbench import ROOT
from webbench import CHROMIUM

DOCUMENTS = ("README.md", "docs/tutorial.md")
BLOCK = re.compile(r"^(?:<!-- not run: ([^\n]+) -->\n)?```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
# One command of a block, with its here-document; then what it prints.
COMMAND = re.compile(r"^\$ (.*<<'END'\n(?:.*\n)*?END|.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def blocks(document):
    """The console blocks of a document: the reason why one is not run, or an empty text; and its text."""
    return BLOCK.findall((ROOT / document).read_text())


def pattern_of(line):
    """A line of documented output as a pattern: numbers and times may differ, … stands for anything."""
    parts = (re.sub(r"\d[\d.,]*", r"[\\d.,]+", re.escape(part)) for part in line.strip().split("…"))
    return re.sub(r"(?:\\ )+", r"\\s+", ".*".join(parts))


def missing_lines(documented, printed):
    """The first documented line that was not printed, in order; None if all were."""
    rest = printed
    for line in documented.splitlines():
        if line.strip(" …"):
            found = re.search(pattern_of(line), rest)
            if not found:
                return line
            rest = rest[found.end() :]
    return None


@pytest.mark.parametrize("document", DOCUMENTS)
def test_blocks_that_are_not_run_give_the_reason(document):
    found = blocks(document)
    assert len(found) == (ROOT / document).read_text().count("```console")
    assert all(len(reason.split()) > 3 for reason, _ in found if reason)
    assert sum(not reason for reason, _ in found) >= 2


def test_output_is_compared_loosely_but_compared():
    assert (
        missing_lines("20 of 20 proteins done\n…\n4HHB_A   1.5e-3\n", "1 of 20 proteins done\nx\n4HHB_A 2.0e-84")
        is None
    )
    assert missing_lines("20 of 20 proteins done\n", "20 of 20 proteins failed\n") == "20 of 20 proteins done"


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory):
    """Function that runs a command line as on a machine where bin/demo has run; returns what it printed."""
    folder, programs = tmp_path_factory.mktemp("proteofold"), tmp_path_factory.mktemp("programs")
    for name in ("config", "workflow", "profiles"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/activate").write_text("")
    for name, words in {
        "proteofold": "-m proteofold",
        "snakemake": "-m snakemake --snakefile workflow/Snakefile",
    }.items():
        (programs / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P {words} "$@"\n')
        (programs / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}

    def run(command):
        outcome = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert outcome.returncode == 0, f"{command}\n{outcome.stdout}"
        return outcome.stdout

    run.folder = folder
    run("snakemake --configfile config/demo/config.yaml --cores 2")  # what bin/demo runs
    return run


@pytest.mark.slow
@pytest.mark.workflow
@pytest.mark.hhsuite
@pytest.mark.parametrize("document", ["docs/tutorial.md", "README.md"])  # README.md runs the proteins of the tutorial
def test_every_block_does_what_is_printed(newcomer, document):
    if document == "README.md" and not (newcomer.folder / "my.yaml").exists():
        (newcomer.folder / "my_proteins.fasta").write_text(">ubiquitin\nMQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQ\n")
        (newcomer.folder / "my.yaml").write_text("run: my-proteome\nproteins: [my_proteins.fasta]\n")
    for reason, text in blocks(document):
        for command, documented in COMMAND.findall(text) if not reason else ():
            printed = newcomer(command)
            assert missing_lines(documented, printed) is None, f"{command}\n{printed}"


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.workflow
@pytest.mark.hhsuite
@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed (Debian: apt-get install chromium)")
def test_pictures_of_the_documents_can_be_taken_again(newcomer, tmp_path):
    specification = importlib.util.spec_from_file_location("pictures", ROOT / "docs" / "tools" / "pictures.py")
    pictures = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(pictures)
    pictures.take_pictures(newcomer.folder / "results", tmp_path)
    committed = {path.name for path in (ROOT / "docs" / "pictures").glob("*.png")}
    assert {path.name for path in tmp_path.glob("*.png")} == committed
    assert all(5_000 < path.stat().st_size < 150_000 for path in tmp_path.glob("*.png"))
