"""More than a proteome: cutting 400,000 proteins into parts, planning one of them, and the joint tables."""

import contextlib

import yaml
from made_runs import finish, predict, searched_hhrs
from measure import PROTEOFOLD, SNAKEMAKE, measure, table, write_proteins

from proteofold.run.config import load_config
from proteofold.run.inputs import read_queries
from proteofold.run.manifest import write_run
from proteofold.run.planning import plan_run

SIZE = 40_000
HITS = 10  # of each protein; more take more time and disk, not more memory


def run(folder, options):
    """A dry run of the first part, then made results for all proteins, and the merge of the whole configuration."""
    proteins = options.parts_proteins
    write_proteins(folder / "made.fasta", proteins)
    config = {"run": "large", "proteins": ["made.fasta"], "templates": "demo"}
    (folder / "large.yaml").write_text(yaml.safe_dump(config))
    size = min(SIZE, -(-proteins // 2))
    cut = measure([PROTEOFOLD, "parts", "large.yaml", "--size", size], cwd=folder)
    parts = sorted(folder.glob("parts/*.yaml"))
    dry_run = [*SNAKEMAKE, "--configfile", parts[0], "--cores", "1", "--dry-run", "--quiet"]
    planned = measure(dry_run, cwd=folder)
    with contextlib.chdir(folder):
        made = plan_run(load_config("large.yaml")).run
        write_run(made)
        predict(made, read_queries(["made.fasta"])[0])
        finish(made, made.by_entry, HITS, searched_hhrs(folder / "searched", HITS))
    merged = measure([PROTEOFOLD, "merge", "--configfile", "large.yaml"], cwd=folder)
    rows = [
        [f"`proteofold parts --size {size}`", *_figures(cut)],
        [f"plan of one of {len(parts)} parts (dry run)", *_figures(planned)],
        ["`proteofold merge` of the whole, hits of all blocks collected", *_figures(merged)],
    ]
    return table([f"{proteins:,} made proteins, {HITS} hits each", "CPU s", "wall s", "peak memory, MB"], rows)


def _figures(used):
    return f"{used.cpu_s:.1f}", f"{used.wall_s:.1f}", f"{used.max_rss_mb:,.0f}"
