"""A finished run of the human proteome, started again: tables and report rebuilt, then nothing to do."""

import contextlib

from made_runs import finish, predicted_run, searched_hhrs
from measure import SNAKEMAKE, measure, table

from proteofold.run.manifest import load_run

HITS = 50


def run(folder, options):
    """The library is built, then the results of all proteins are made; three more starts."""
    predicted_run(folder, "made", options.rerun_proteins)
    measure([*SNAKEMAKE, "--configfile", "made.yaml", "--cores", "1", "--until", "build_template_library"], cwd=folder)
    with contextlib.chdir(folder):
        made = load_run("results/made")
        (folder / "searched").mkdir()
        finish(made, made.by_entry, HITS, searched_hhrs(folder / "searched", HITS))
    merging, nothing = _start(folder), _start(folder)
    report = folder / "report.zip"
    measure([*SNAKEMAKE, "--configfile", "made.yaml", "--report", report], cwd=folder)
    rows = [
        [what, f"{used.cpu_s:.0f}", f"{used.wall_s:.0f}", f"{used.max_rss_mb:.0f}"]
        for what, used in (
            ("start with only tables and report to make", merging),
            ("start with nothing to do", nothing),
        )
    ]
    words = (
        f"{options.rerun_proteins:,} made proteins, {HITS} hits each. The report: {report.stat().st_size / 1e6:.1f} MB."
    )
    return f"{table(['', 'CPU s', 'wall s', 'peak memory, MB'], rows)}\n\n{words}"


def _start(folder):
    return measure([*SNAKEMAKE, "--configfile", "made.yaml", "--cores", "1"], cwd=folder)
