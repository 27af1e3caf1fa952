"""What a protein costs beside hhsearch and S4PRED, and a rerun with nothing to do."""

import os
import statistics

import yaml
from measure import PYTHON, ROOT, SNAKEMAKE, measure, table, write_proteins

from proteofold.process import read_usage
from proteofold.runs import load_run

SEARCHED, FINISHED = 200, 1000
STEPS = 30  # searches repeated by hand

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
    beside = (whole.cpu_s - search - prediction) / SEARCHED
    step = search_step_s(folder, "searched")
    merge = tables_s(folder, "searched") / SEARCHED

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
        ["everything else, CPU s a protein", f"**{beside:.3f}**"],
        ["— of it the search step around hhsearch", f"{step:.3f}"],
        ["— of it merging and the report", f"{merge:.3f}"],
        ["— of it Snakemake, its shells and the store", f"{beside - step - merge:.3f}"],
        ["everything else / hhsearch", f"{beside * SEARCHED / search:.2f}"],
        [f"rerun with nothing to do at {FINISHED:,} proteins", f"**{again.wall_s:.1f} s**, {again.cpu_s:.1f} CPU s"],
    ]
    return table([f"{SEARCHED} made proteins, demo library, one core", ""], rows)


def start(folder, name, proteins, environment=None):
    """Run the workflow on made proteins, others for each run; returns what the whole command used."""
    write_proteins(folder / f"{name}.fasta", proteins, seed=proteins)
    config = {"run": name, "proteins": [f"{name}.fasta"], "templates": "demo"}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(config))
    return measure([*SNAKEMAKE, "--configfile", f"{name}.yaml", "--cores", "1"], cwd=folder, env=environment)


def cpu_of(folder, name, rule):
    """CPU seconds that a rule's jobs noted."""
    tables = (folder / "results" / name / "benchmarks" / rule).iterdir()
    return sum(float(row["cpu_s"]) for path in tables for row in read_usage(path))


def search_step_s(folder, name):
    """CPU seconds of the rule search_templates' process without its hhsearch, the median of some proteins."""
    run = load_run(folder / "results" / name)
    library = run.library
    beside = []
    for member in list(run.members.values())[:STEPS]:
        files = {kind: folder / f"step.{kind}" for kind in ("out", "hits", "alignments", "usage", "log")}
        options = {
            **{"protein": member.protein, "mode": run.settings["mode"], "result-key": run.result_key(member)},
            **{"fasta": run.folder.batch_fasta(member.batch), "horiz": run.folder.horiz(member.batch)},
            **{"library": folder / library.prefix, "longest-template": library.longest, **files},
        }
        words = [PYTHON, "-I", "-S", ROOT / "workflow" / "scripts" / "search_templates.py"]
        words += [word for option, value in options.items() for word in (f"--{option}", value)]
        process = os.posix_spawn(PYTHON, list(map(str, words)), os.environ)
        _, status, used = os.wait4(process, 0)
        if status:
            raise SystemExit(f"the search step failed:\n{files['log'].read_text()}")
        (usage,) = read_usage(files["usage"])
        beside.append(used.ru_utime + used.ru_stime - float(usage["cpu_s"]))
    return statistics.median(beside)


def tables_s(folder, name):
    """CPU seconds of merging a finished run and drawing its report."""
    commands = ([PYTHON, "-m", "proteofold", "merge"], [PYTHON, "-m", "proteofold.report"])
    return sum(measure([*command, folder / "results" / name]).cpu_s for command in commands)
