"""The commands of docs/usage.md, run as they are written there, on a small run and with the demo's data."""

import os
import re
import shlex
import subprocess
import sys

import pytest
from runbench import ROOT

USAGE = (ROOT / "docs" / "usage.md").read_text()


def commands(section):
    """The command lines of a section of docs/usage.md, those inside sentences included."""
    text = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", USAGE, re.MULTILINE | re.DOTALL)[1]
    return re.findall(r"^\$ (.+)|`((?:proteofold|snakemake) [^`… ]+ [^`…]+)`", text, re.MULTILINE)


@pytest.fixture
def at_the_prompt(done):
    """Function that runs a command line in the folder of a finished run; returns what it printed."""
    programs = done.path / "programs"
    programs.mkdir()
    (programs / "proteofold").write_text(f'#!/bin/sh\nexec {sys.executable} -P -m proteofold "$@"\n')
    snakefile = shlex.quote(str(done.snakefile))
    (programs / "snakemake").write_text(
        f'#!/bin/sh\nexec {sys.executable} -P -m snakemake --snakefile {snakefile} "$@"\n'
    )
    for program in programs.iterdir():
        program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}

    def run(line):
        outcome = subprocess.run(
            ["bash", "-c", line],
            cwd=done.path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert outcome.returncode == 0, f"{line}\n{outcome.stdout}{outcome.stderr}"
        return outcome.stdout

    run.folder = done.path
    return run


def test_finished_run_is_checked_planned_and_cleaned(at_the_prompt):
    sections = ("Your own proteins", "Plan a run", "Runs share results")
    lines = [
        line.replace("/path/to/proteofold", str(ROOT)) for name in sections for line in map("".join, commands(name))
    ]
    assert len(lines) >= 7
    (at_the_prompt.folder / "nodes.yaml").write_text(re.search(r"^(- \{name: .+\n)+", USAGE, re.MULTILINE)[0])
    for line in lines:
        at_the_prompt(line)
    assert (at_the_prompt.folder / "plan.html").exists()


def test_store_answers(at_the_prompt):
    lines = [line.replace("my-proteome", "test") for line in map("".join, commands("The results store"))]
    assert len(lines) >= 6
    (at_the_prompt.folder / "my_list.txt").write_text("P69905\n")
    printed = {line: at_the_prompt(line) for line in lines}
    assert "test" in printed["proteofold runs"]
    assert "4HHB_A" in printed["proteofold protein P69905"]
    assert (at_the_prompt.folder / "some.fasta").read_text().startswith(">sp|P69905")


def test_single_steps_lead_from_fasta_to_summary(at_the_prompt, small_library):
    lines = [line for line, _ in commands("Single steps") if line]
    assert len(lines) >= 4
    protein = (at_the_prompt.folder / "proteins.fasta").read_text().split(">")[1]
    (at_the_prompt.folder / "my.fasta").write_text(f">{protein}")
    for line in lines:
        printed = at_the_prompt(line.replace("official", "demo").replace("/data/pdb70/pdb70", small_library))
    assert "\nsp|P69905|HBA_HUMAN,4HHB_A," in printed
