"""A finished run of the human proteome, started again: tables and report made anew, then nothing to do."""

import base64
import json
import os
from itertools import islice
from pathlib import Path

import yaml
from made_runs import finish, searched_alignments
from measure import SNAKEMAKE, measure, table, write_proteins

from proteofold.config import load_config
from proteofold.fasta import format_fasta, read_fasta
from proteofold.planning import plan_run
from proteofold.runs import write_plan

HITS = 50


def run(folder, options):
    """One protein is run; the results of the others are made, with records as Snakemake keeps them; two more starts."""
    fasta, config = folder / "made.fasta", folder / "made.yaml"
    write_proteins(folder / "all.fasta", options.rerun_proteins)
    fasta.write_text("".join(format_fasta(one.id, one.sequence) for one in islice(read_fasta(folder / "all.fasta"), 1)))
    config.write_text(yaml.safe_dump({"run": "made", "proteins": [fasta.name], "templates": "demo"}))
    _start(folder)
    os.replace(folder / "all.fasta", fasta)
    here = Path.cwd()
    os.chdir(folder)
    try:
        _make_results(folder, config)
    finally:
        os.chdir(here)
    merging, nothing = _start(folder), _start(folder)
    report = folder / "report.zip"
    measure([*SNAKEMAKE, "--configfile", config, "--report", report], cwd=folder)
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


def _make_results(folder, config):
    """The results of all proteins but the first, and Snakemake's records of them, after those of the first."""
    planned, _ = plan_run(load_config(config))
    first = next(iter(planned.members.values()))
    write_plan(planned)
    scratch = folder / "searched"
    scratch.mkdir()
    finish(planned, HITS, searched_alignments(scratch, HITS))
    for member in planned.members.values():
        if member != first:
            _record(planned, _files_of(planned, first), _files_of(planned, member), planned.result_key(member))
    for batch in planned.new_batches:
        of_batch = (_prediction_files(planned, first.batch), _prediction_files(planned, batch))
        _record(planned, *of_batch, planned.prediction_key)


def _files_of(run, member):
    paths = (run.folder.out, run.folder.hits, run.folder.alignments)
    return [path(member.protein) for path in paths] + [run.folder.usage("search_templates", member.protein)]


def _prediction_files(run, batch):
    return [run.folder.horiz(batch), run.folder.usage("predict_secondary_structure", batch)]


def _record(run, known, new, key):
    """Write Snakemake's records of files: those it has of a job of the same rule, with another result key."""
    for there, path in zip(known, new, strict=True):
        record = json.loads(_record_of(there).read_text())
        (_,) = record["params"]  # the result key is the only parameter that Snakemake compares
        record |= {"params": [repr(key)], "endtime": path.stat().st_mtime}
        _record_of(path).write_text(json.dumps(record))


def _record_of(path):
    return Path(".snakemake", "metadata", base64.urlsafe_b64encode(str(path).encode()).decode())
