"""What a protein costs beside hhsearch and S4PRED, and a rerun with nothing to do."""

import os
import statistics

import yaml
from measure import PROTEOFOLD, PYTHON, SNAKEMAKE, measure, table, write_proteins
from stub_search import write_stub

from proteofold.run.manifest import load_run
from proteofold.system.process import read_usage

SEARCHED, FINISHED = 200, 1000
STEPS = 30  # searches repeated manually


def run(folder, options):
    """Real searches against the demo library on one core; then a finished run, started once more."""
    start(folder, "library", 1)  # builds the template library, which is not part of the measurement
    whole = start(folder, "searched", SEARCHED)
    run = load_run(folder / "results" / "searched")
    search = cpu_of(map(run.search.usage, run.by_entry))
    prediction = cpu_of(run.predictions.usage(batch) for batch in {member.batch for member in run.members.values()})
    beside = (whole.cpu_s - search - prediction) / SEARCHED
    step = search_step_s(folder, run)
    merge = tables_s(folder, "searched") / SEARCHED

    environment = os.environ | write_stub(folder)
    start(folder, "finished", FINISHED, environment)
    again = start(folder, "finished", FINISHED, environment)
    rows = [
        ["hhsearch, CPU s a protein", f"{search / SEARCHED:.2f}"],
        ["S4PRED processes, start included, CPU s a protein", f"{prediction / SEARCHED:.2f}"],
        ["everything else, CPU s a protein", f"**{beside:.3f}**"],
        ["— of it the search command around hhsearch", f"{step:.3f}"],
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


def cpu_of(usages):
    """CPU seconds that jobs noted."""
    return sum(read_usage(path).cpu_s for path in usages)


def search_step_s(folder, run):
    """CPU seconds of the command that searches, without its hhsearch, the median of some proteins."""
    beside = []
    for member in list(run.members.values())[:STEPS]:
        a3m, hhr, usage = (folder / f"step.{kind}" for kind in ("a3m", "hhr.gz", "usage"))
        for path in (a3m, hhr, usage):
            path.unlink(missing_ok=True)
        batch = [run.predictions.fasta(member.batch), run.predictions.horiz(member.batch)]
        measure([PROTEOFOLD, "a3m", *batch, a3m, "--id", member.query_id, "--md5", member.md5])
        options = ["--library", folder / run.library.prefix, "--mode", run.settings["mode"], "--usage", usage]
        used = measure([PROTEOFOLD, "search", a3m, hhr, *options])
        beside.append(used.cpu_s - read_usage(usage).cpu_s)
    return statistics.median(beside)


def tables_s(folder, name):
    """CPU seconds of merging a finished run and drawing its report."""
    commands = ([PYTHON, "-m", "proteofold", "merge"], [PYTHON, "-m", "proteofold", "report"])
    return sum(measure([*command, folder / "results" / name]).cpu_s for command in commands)
