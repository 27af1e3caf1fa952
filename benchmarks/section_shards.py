"""A giant protein against 90,000 templates: one search, and in shards that fit a worker of 3,500 MB."""

import gzip
import random

from made_library import demo_chains, made_query, predicted, small_and_large_library
from measure import PYTHON, ROOT, measure_private, table

from proteofold.science import hhsuite
from proteofold.science.search import SEARCH_STEP_MB

WORKER_MB = 3500
PART = 700  # residues of the query with a relative of a template in most of them
RESULTS = ("out", "hits", "alignments")


def run(folder, options):
    """The protein's whole job in both ways, in mode lean: CPU, private memory, and whether the results are equal.

    A protein that would fit the worker is searched in two shards all the same.
    """
    dice = random.Random(7)
    chains = demo_chains()
    _, library = small_and_large_library(folder, dice)
    length = options.giant
    sequence = "".join(made_query(dice, chains, PART) for _ in range(length // PART + 1))[:length]
    predicted(folder, "giant", [("giant", sequence)])
    shards = max(2, hhsuite.fewest_shards(length, library, "lean", WORKER_MB - SEARCH_STEP_MB))
    rows, found = [], []
    for count in (1, shards):
        used, private_mb = measure_private(_command(folder, library, count))
        asked = hhsuite.search_mem_mb(length, library, "lean", shards=count) + SEARCH_STEP_MB
        rows.append([count, f"{used.cpu_s:.0f}", f"{private_mb:,.0f}", f"{asked:,}", f"{asked / private_mb:.2f}"])
        out, *packed = _results(folder, count)
        found.append([out.read_bytes(), *(gzip.decompress(path.read_bytes()) for path in packed)])
        print(f"{count} shards: {used.cpu_s:.0f} CPU s, {private_mb:,.0f} MB", flush=True)
    head = ["shards", "CPU s", "private memory, MB", "asked, MB", "asked / used"]
    hits = found[0][1].count(b"\n")
    same = "equal" if found[0] == found[1] else "NOT equal"
    words = f"{length:,} residues, {library.templates:,} templates. Summary, {hits} hits and alignments: **{same}**."
    return f"{table(head, rows)}\n\n{words}"


def _command(folder, library, shards):
    """The job of the rule search_templates."""
    out, hits, alignments = _results(folder, shards)
    options = {
        "protein": "giant",
        "fasta": folder / "giant.fasta",
        "horiz": folder / "giant.horiz",
        "library": library.prefix,
        "longest-template": library.longest,
        "mode": "lean",
        "result-key": "made",
        "out": out,
        "hits": hits,
        "alignments": alignments,
        "usage": folder / f"{shards}.tsv",
        "log": folder / f"{shards}.log",
        "shards": shards,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return [PYTHON, "-I", "-S", ROOT / "workflow" / "scripts" / "search_templates.py", *words]


def _results(folder, shards):
    return [folder / f"{shards}.{name}" for name in RESULTS]
