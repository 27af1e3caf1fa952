"""A giant protein against 90,000 templates: one search, and in shards that fit a worker of 3,500 MB."""

import random

from made_library import demo_chains, made_query, predicted, small_and_large_library
from measure import PROTEOFOLD, LeftOutError, measure_private, table

from proteofold.formats.a3m import format_a3m
from proteofold.formats.hhr import read_hhr
from proteofold.formats.packed_hhr import read_alignments
from proteofold.science import hhsuite
from proteofold.science.search import SEARCH_STEP_MB

WORKER_MB = 3500
PART = 700  # residues of the query with a relative of a template in most of them


def run(folder, options):
    """The protein's whole job in both ways, in mode lean: CPU, private memory, and whether the results are equal.

    A protein that would fit the worker is searched in two shards all the same.
    """
    dice = random.Random(7)
    chains = demo_chains()
    _, library = small_and_large_library(folder, dice)
    length = options.giant
    sequence = "".join(made_query(dice, chains, PART) for _ in range(length // PART + 1))[:length]
    ((_, _, prediction),) = predicted(folder, "giant", [("giant", sequence)])
    a3m = folder / "giant.a3m"
    a3m.write_text(format_a3m("giant", sequence, prediction))
    beside_mb = SEARCH_STEP_MB + hhsuite.alignment_mb(a3m.stat().st_size)
    shards = max(2, hhsuite.fewest_shards(length, library, "lean", WORKER_MB - beside_mb))
    needed = {count: hhsuite.search_mem_mb(length, library, "lean", shards=count) for count in (1, shards)}
    if needed[shards] >= needed[1]:
        raise LeftOutError("shards of so small a library take no less memory.")
    rows, found = [], []
    for count in needed:
        asked = needed[count] + beside_mb
        hhr = folder / f"{count}.hhr.gz"
        command = [PROTEOFOLD, "search", a3m, hhr, "--library", library.prefix, "--mode", "lean"]
        used, private_mb = measure_private([*command, "--memory-mb", asked])
        rows.append([count, f"{used.cpu_s:.0f}", f"{private_mb:,.0f}", f"{asked:,}", f"{asked / private_mb:.2f}"])
        found.append((read_hhr(hhr).hits, read_alignments(hhr.read_bytes())))
        print(f"{count} shards: {used.cpu_s:.0f} CPU s, {private_mb:,.0f} MB", flush=True)
    head = ["shards", "CPU s", "private memory, MB", "asked, MB", "asked / used"]
    same = "equal" if found[0] == found[1] else "NOT equal"
    hits, _ = found[0]
    words = f"{length:,} residues, {library.templates:,} templates. {len(hits)} hits and their alignments: **{same}**."
    return f"{table(head, rows)}\n\n{words}"
