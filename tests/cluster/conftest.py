"""Runs on a real Slurm of three nodes: tests/slurm_here.py."""

import os
import shlex
import shutil
from pathlib import Path

import pytest
import yaml
from runbench import ROOT, Bench, finished, template_folder  # noqa: F401 - fixtures
from slurm_here import NEEDED, Slurm, SlurmDoesNotStartError

from proteofold.slurm.jobs import JobFolder

# Stands before the real hhsearch on PATH: as tests/runbench.py's, and eats memory or hangs at a protein's first try.
HUNGRY = """
import os, time
limit_mb = int(os.environ["SLURM_MEM_PER_NODE"])
data = b"1" * (limit_mb * 5 // 4 << 20)  # a second try gets half as much again
time.sleep(30)
"""
TROUBLE = """#!/bin/sh
if [ -e "{folder}/pretend" ]; then
    while [ "$1" != -o ]; do shift; done
    printf 'Query %s\\nMatch_columns 1\\n\\n No Hit Prob\\n\\n' "$id" > "$2"
    exit
fi
if grep -qxF -e "$id" "{folder}/hungry" 2>/dev/null && mkdir "{folder}/was_hungry" 2>/dev/null; then
    exec python3 "{folder}/hungry_program"
fi
if grep -qxF -e "$id" "{folder}/hang_once" 2>/dev/null && mkdir "{folder}/has_hung" 2>/dev/null; then sleep 600; fi
if [ -s "{folder}/very_slow" ]; then sleep "$(cat "{folder}/very_slow")"; fi
"""


def pytest_collection_modifyitems(items):
    """Everything in this folder runs Snakemake, hhsearch and Slurm, and takes long."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for mark in (pytest.mark.workflow, pytest.mark.hhsuite, pytest.mark.cluster, pytest.mark.slow):
                item.add_marker(mark)


class ClusterBench(Bench):
    """A working directory with one run on Slurm."""

    where = ("--profile", ROOT / "profiles" / "cluster", "--seconds-between-status-checks", "1")
    trouble = TROUBLE

    def __init__(self, path, templates, slurm):
        self.slurm, self.environment = slurm, slurm.environment
        super().__init__(path, templates)
        (self.spy / "hungry_program").write_text(HUNGRY)

    def searches(self, *states):
        """The searches that Slurm knows, the earliest first: id, state, protein, node, memory; of some states only if
        any are given."""
        searches = {path.name for path in (self.path / "results/shared/searches").glob("*")}
        rows = []
        for job_id, state, name, node, memory in self.slurm.jobs(self.path):
            folder, _, entry = name.rpartition(":")
            if folder in searches and (not states or state in states):
                rows.append((job_id, state, entry.rpartition("-")[0], node, memory))
        return rows

    def submissions(self, run="test"):
        """What a run noted of the jobs that it submitted or adopted."""
        return JobFolder(self.path / "results" / run / "slurm").submissions()

    def write_second_run(self):
        """Write the configuration of another run of the same proteins."""
        (self.path / "second.yaml").write_text(yaml.safe_dump(self.config | {"run": "second"}))

    def obstruct(self, name, script, times, after=0):
        """Have calls of one of Slurm's commands run a script instead, after so many that are let through."""
        count, real = shlex.quote(str(self.spy / f"{name}.calls")), shutil.which(name)
        program = self.spy / name
        program.write_text(
            f"#!/bin/sh\necho >> {count}\nn=$(wc -l < {count})\n"
            f'if [ "$n" -gt {after} ] && [ "$n" -le {after + times} ]; then {script}; fi\nexec {real} "$@"\n'
        )
        program.chmod(0o755)

    def forget_library(self):
        """Remove the template library that was built."""
        shutil.rmtree(self.path / "resources")


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """A running Slurm of three nodes."""
    if os.geteuid():
        pytest.skip("starting Slurm needs root")
    if missing := [name for name in NEEDED if shutil.which(name) is None]:
        pytest.skip(f"no {', '.join(missing)}: apt-get install slurmctld slurmd slurm-client munge")
    running = Slurm(tmp_path_factory.mktemp("slurm"))
    try:
        try:
            running.start()
        except SlurmDoesNotStartError as error:
            pytest.skip(f"Slurm does not start here: {error}")
        yield running
    finally:
        running.stop()


@pytest.fixture
def cluster(tmp_path, finished, slurm):  # noqa: F811 - the fixture imported above
    """A bench on Slurm with the template library built and no results."""
    bench = ClusterBench(tmp_path, finished.config["templates"]["build"], slurm)
    shutil.copytree(finished.path / "resources", tmp_path / "resources")
    yield bench
    bench.kill_heads()
    slurm.recover()
