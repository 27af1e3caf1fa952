"""What a protein costs beside hhsearch and S4PRED, and a rerun with nothing to do."""

import os

import yaml
from measure import SNAKEMAKE, measure, table, write_proteins

from proteofold.process import read_usage

SEARCHED, FINISHED = 200, 1000

# In place of hhsearch: a search that costs nothing, so that a run of a thousand proteins can be finished.
STUB = """#!/bin/sh
while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; shift; done
[ -z "$out" ] || printf 'Query stub\\nMatch_columns 1\\n\\n No Hit Prob\\n' > "$out"
"""


def run(folder, options):
    """Real searches against the demo library on one core; then a finished run, started once more."""
    start(folder, "library", 1)  # builds the template library, which is not part of the measurement
    whole = start(folder, "searched", SEARCHED)
    search = cpu_of(folder, "searched", "search_templates")
    prediction = cpu_of(folder, "searched", "predict_secondary_structure")
    beside = whole.cpu_s - search - prediction

    stub = folder / "bin" / "hhsearch"
    stub.parent.mkdir()
    stub.write_text(STUB)
    stub.chmod(0o755)
    environment = {**os.environ, "PATH": f"{stub.parent}{os.pathsep}{os.environ['PATH']}"}
    start(folder, "finished", FINISHED, environment)
    again = start(folder, "finished", FINISHED, environment)
    rows = [
        ["hhsearch, CPU s a protein", f"{search / SEARCHED:.2f}"],
        ["S4PRED processes, start included, CPU s a protein", f"{prediction / SEARCHED:.2f}"],
        ["everything else, CPU s a protein", f"**{beside / SEARCHED:.3f}**"],
        ["everything else / hhsearch", f"{beside / search:.2f}"],
        [f"rerun with nothing to do at {FINISHED:,} proteins", f"**{again.wall_s:.1f} s**, {again.cpu_s:.1f} CPU s"],
    ]
    return table([f"{SEARCHED} made proteins, demo library, one core", ""], rows)


def start(folder, name, proteins, environment=None):
    """Run the workflow on made proteins; returns what the whole command used."""
    write_proteins(folder / f"{name}.fasta", proteins)
    config = {"run": name, "proteins": [f"{name}.fasta"], "templates": "demo"}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(config))
    return measure([*SNAKEMAKE, "--configfile", f"{name}.yaml", "--cores", "1"], cwd=folder, env=environment)


def cpu_of(folder, name, rule):
    """CPU seconds that a rule's jobs noted."""
    tables = (folder / "results" / name / "benchmarks" / rule).iterdir()
    return sum(float(row["cpu_s"]) for path in tables for row in read_usage(path))
