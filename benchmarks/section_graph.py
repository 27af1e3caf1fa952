"""From FASTA to the plan of jobs: a dry run at 5,000, 20,000 and 41,339 proteins."""

import math

import yaml
from measure import SNAKEMAKE, measure, table, write_proteins

SIZES = (5_000, 20_000, 41_339)


def run(folder, options):
    """Seconds, memory, and the exponent of growth between the smallest and the largest."""
    rows, seconds = [], []
    for size in SIZES:
        write_proteins(folder / f"{size}.fasta", size)
        config = {"run": f"graph-{size}", "proteins": [f"{size}.fasta"], "templates": "demo"}
        (folder / f"{size}.yaml").write_text(yaml.safe_dump(config))
        command = [*SNAKEMAKE, "--configfile", f"{size}.yaml", "--cores", "1", "--dry-run", "--quiet"]
        used = measure(command, cwd=folder)
        seconds.append(used.cpu_s)
        rows.append([f"{size:,}", f"{used.cpu_s:.1f}", f"{used.wall_s:.1f}", f"{used.max_rss_mb:.0f}"])
    exponent = math.log(seconds[-1] / seconds[0]) / math.log(SIZES[-1] / SIZES[0])
    header = ["proteins", "CPU s", "wall s", "peak memory, MB"]
    return table(header, rows) + f"\n\nExponent of growth: **{exponent:.2f}** (1 is linear)."
