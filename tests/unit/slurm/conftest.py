"""Stand-ins for Slurm's commands: programs that answer from files, may be silent, and note how they were called."""

import os
import shlex
import sys

import pytest

from proteofold.slurm.jobs import FOLDER_VARIABLE, HEAD_VARIABLE, PYTHON_VARIABLE, JobFolder, comment_of

_PROGRAM = """#!/bin/sh
echo "$0 $*" >> {calls}
script=$(cat)
[ -z "$script" ] || printf '%s\\n' "$script" > {scripts}
[ ! -f {folder}/{name}.sleep ] || exec sleep 60
if [ -f {folder}/{name}.errors ] && [ -s {folder}/{name}.errors ]; then
    head -n 1 {folder}/{name}.errors >&2
    sed -i 1d {folder}/{name}.errors
    exit 1
fi
[ ! -f {folder}/{name}.answer ] || cat {folder}/{name}.answer
"""


class StandIn:
    """Answers of Slurm's commands: ``answer`` what they print, ``fail`` the errors of their next calls."""

    log = "results/shared/searches/lib/logs/P1.search.log"
    outputs = ("results/shared/searches/lib/P1.hhr.gz", "results/shared/searches/lib/P1.tsv")
    head = "client-1-2"

    def __init__(self, folder, run_folder):
        self.folder, self.run_folder = folder, run_folder
        self.calls_file = folder / "calls"
        self.script_file = folder / "script"
        self.job_folder = JobFolder(run_folder / "slurm")
        for name in ("squeue", "sbatch", "scancel", "sacct", "sinfo"):
            program = folder / name
            values = {"folder": folder, "calls": self.calls_file, "scripts": self.script_file}
            quoted = {key: shlex.quote(str(value)) for key, value in values.items()}
            program.write_text(_PROGRAM.format(name=name, **quoted))
            program.chmod(0o755)

    def answer(self, name, text):
        """What a command prints from now on."""
        (self.folder / f"{name}.answer").write_text(text)

    def fail(self, name, *messages):
        """The errors of a command's next calls."""
        (self.folder / f"{name}.errors").write_text("".join(f"{message}\n" for message in messages))

    def hang(self, name):
        """Have a command never answer."""
        (self.folder / f"{name}.sleep").touch()

    def jobs(self, *jobs):
        """Have squeue list jobs: (id, state), or with name, node and comment."""
        lines = []
        for job_id, state, *rest in jobs:
            name, node, comment = [*rest, *("lib:P1", "worker1", comment_of("demo", self.head))[len(rest) :]]
            lines.append(f"{job_id}|{state}|{node}|{name}|{comment}|{os.getcwd()}\n")
        self.answer("squeue", "".join(lines))

    def age_answer(self, seconds=60):
        """Make the last answer of Slurm older than it is."""
        states = self.job_folder.states
        if states.exists():
            then = states.stat().st_mtime - seconds
            os.utime(states, (then, then))

    def calls(self, name):
        """How a command was called: a list of argument lists."""
        if not self.calls_file.exists():
            return []
        lines = [shlex.split(line) for line in self.calls_file.read_text().splitlines()]
        return [words[1:] for words in lines if words[0].endswith(f"/{name}")]


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Stand-ins on the PATH, and a run folder ``results/demo`` in a working directory of its own."""
    programs, work = tmp_path / "programs", tmp_path / "work dir"
    run_folder = work / "results/demo"
    programs.mkdir()
    (run_folder / "slurm").mkdir(parents=True)
    monkeypatch.chdir(work)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv(FOLDER_VARIABLE, str(run_folder / "slurm"))
    monkeypatch.setenv(PYTHON_VARIABLE, sys.executable)
    monkeypatch.setenv(HEAD_VARIABLE, StandIn.head)
    stand_in = StandIn(programs, run_folder)
    stand_in.answer("sinfo", "n1|idle|0/2/0/2|3500|0|0.1|(null)|\nn2|idle|0/4/0/4|7400|0|0.1|(null)|\n")
    return stand_in
