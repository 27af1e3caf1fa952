"""Merging 41,339 finished proteins into the run's tables."""

from measure import PROTEOFOLD, measure, table

from proteofold import hits, runs
from proteofold.files import write_aside
from proteofold.process import Usage, usage_tsv

PROTEINS, HITS = 41_339, 50


def run(folder, options):
    """A made run folder with 50 hits a protein."""
    make_run(folder / "run")
    used = measure([PROTEOFOLD, "merge", folder / "run"])
    rows = [[f"{PROTEINS:,}", HITS, f"{used.cpu_s:.1f}", f"{used.wall_s:.1f}", f"{used.max_rss_mb:.0f}"]]
    return table(["proteins", "hits each", "CPU s", "wall s", "peak memory, MB"], rows)


def make_run(path):
    """Write the files of a finished run."""
    members = [runs.Member(f"tr|Q{n:06d}|Q{n:06d}_MADE", f"Q{n:06d}", 400, "0" * 32, "0001-0") for n in range(PROTEINS)]
    run = runs.Run(runs.RunFolder(path), {member.protein: member for member in members}, {"key": "made"}, {}, [])
    runs.write_plan(run)
    found = [
        hits.Hit(rank, f"{rank:04d}_A", "made", 99.0, 1e-9, 1e-14, 100.0 - rank, 5.0, 90, 1, 90, 3, 92, 120)
        for rank in range(1, HITS + 1)
    ]
    for member in members:
        folder = run.folder
        write_aside(folder.hits(member.protein), hits.hits_csv_gz(member.query_id, found))
        write_aside(folder.out(member.protein), hits.format_summary(hits.summarise(member.query_id, found)))
        usage = Usage(1.0, 1.0, 100.0, "node", run.result_key(member))
        write_aside(folder.usage("search_templates", member.protein), usage_tsv(usage))
