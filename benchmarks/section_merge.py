"""Merging 41,339 finished proteins into the run's tables and the summary of the proteome, in less than 500 MB."""

from made_runs import make_run, searched_hhrs
from measure import PROTEOFOLD, measure, table

PROTEINS, HITS = 41_339, 50


def run(folder, options):
    """A made run folder with 50 hits a protein: its blocks are collected first, as the workflow does."""
    made = make_run(folder / "results" / "made", folder / "made.fasta", PROTEINS, HITS, searched_hhrs(folder, HITS))
    command = [PROTEOFOLD, "merge", made.folder.path]
    blocks = [measure([*command, "--block", name]) for name in made.blocks]
    merged = measure(command)
    rows = [
        ["collecting the hits of blocks", *_sum(blocks)],
        ["merging", *_sum([merged])],
        ["together", *_sum([*blocks, merged])],
    ]
    return table([f"{PROTEINS:,} proteins, {HITS} hits each", "CPU s", "wall s", "peak memory, MB"], rows)


def _sum(used):
    cpu_s, wall_s = sum(one.cpu_s for one in used), sum(one.wall_s for one in used)
    return f"{cpu_s:.1f}", f"{wall_s:.1f}", f"{max(one.max_rss_mb for one in used):.0f}"
