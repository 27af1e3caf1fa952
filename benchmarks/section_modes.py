"""The search modes against `reference`: CPU, and whether they report the same."""

import math
import os
import random
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from made_library import WITHOUT_RELATIVES, demo_chains, made_query, mutated, predicted, small_and_large_library
from measure import table

from proteofold.formats.a3m import format_a3m
from proteofold.formats.fasta import read_fasta
from proteofold.formats.hhr import read_hhr
from proteofold.science import hhsuite
from proteofold.science.summary import SIGNIFICANT_EVALUE, Summary, summarise

MANY_LENGTH = 300  # residues of the queries of the large library
STATISTICS = ("score_mean", "score_std", "score_gmean")
STRONG = 0.1  # a best hit below this E-value must be the same in `hybrid`


def run(folder, options):
    """Queries against a library of 2,000 templates in all modes, others against one of 90,000 in `reference`, `fast`.

    The proteins of --fasta are searched in the large library, too, in the modes that `hybrid` needs: costs of real
    lengths. No more of its queries are begun when --large-minutes are over.
    """
    dice = random.Random(5)
    chains = demo_chains()
    library, large = small_and_large_library(folder, dice)
    made = [(f"Q{number:03d}", made_query(dice, chains, 60 + 6 * number)) for number in range(options.queries)]
    many = [(f"L{number:03d}", made_query(dice, chains, MANY_LENGTH)) for number in range(options.queries)]
    found = {"made": _searched(options, library, predicted(folder, "made", made), tuple(hhsuite.SEARCH_MODES))}
    end = time.monotonic() + 60 * options.large_minutes
    many = predicted(folder, "many", many)
    found[f"{MANY_LENGTH} residues"] = _searched(options, large, many, ("reference", "fast"), end)
    if options.fasta:
        given = [(record.id, _given(dice, chains, record.sequence)) for record in read_fasta(options.fasta)]
        given = predicted(folder, "given", given[: options.queries])
        found["of --fasta"] = _searched(options, large, given, ("reference", "hybrid"), end)
    head = ["templates, queries", "mode", "queries", "CPU s a query", "`reference` / mode", "statistics equal"]
    head += ["best hit equal", f"— where its E < {STRONG}", "hits of E < 1e-5 found"]
    rows = [_row(name, mode, of_part) for name, of_part in found.items() for mode in hhsuite.SEARCH_MODES]
    return table(head, [row for row in rows if row])


class Found(NamedTuple):
    """CPU seconds of a query's searches in a mode, its summary, and its templates of E < 1e-5 with their values."""

    cpu_s: float
    summary: Summary
    significant: set


def _searched(options, library, queries, modes, end=math.inf):
    """(templates, what is found in each mode) of each query that is begun before ``end``, at least one for each job."""

    def one(number):
        if number >= options.jobs and time.monotonic() > end:
            return None
        found = _in_modes(queries[number], library, modes)
        seconds = ", ".join(f"{mode} {of_mode.cpu_s:.2f} s" for mode, of_mode in found.items())
        print(f"{library.templates:,} templates, query {number + 1} of {len(queries)}: {seconds}", flush=True)
        return library.templates, found

    with ThreadPoolExecutor(options.jobs) as pool:
        return list(filter(None, pool.map(one, range(len(queries)))))


def _row(name, mode, found):
    """How a mode does beside `reference`, on the queries that were searched in both."""
    pairs = [(modes["reference"], modes[mode]) for _, modes in found if mode in modes]
    if not pairs:
        return None
    strong = [(a, b) for a, b in pairs if a.summary.best_evalue < STRONG]
    cpu_s = sum(b.cpu_s for _, b in pairs)
    return [
        f"{found[0][0]:,}, {name}",
        mode,
        len(pairs),
        f"{cpu_s / len(pairs):.2f}",
        f"**{sum(a.cpu_s for a, _ in pairs) / cpu_s:.2f}**",
        sum(_same(a.summary, b.summary, STATISTICS) for a, b in pairs),
        sum(_same_best(a.summary, b.summary) for a, b in pairs),
        f"{sum(_same_best(a.summary, b.summary) for a, b in strong)} of {len(strong)}",
        f"{sum(len(a.significant & b.significant) for a, b in pairs)} of {sum(len(a.significant) for a, _ in pairs)}",
    ]


def _in_modes(query, library, asked):
    """What is found in the modes asked for, and in those of one search that these have made; each is made once."""
    made = {}
    for mode in asked:
        for search in _searches(mode, made):
            if search not in made:
                made[search] = _search(search, query, library)
    modes = {}
    for mode, searches in hhsuite.SEARCH_MODES.items():
        if mode in asked or (len(searches) == 1 and searches[0] in made):
            searches = list(_searches(mode, made))
            _, found = made[searches[-1]]
            strong = {(hit.template, hit.evalue, hit.score) for hit in found if hit.evalue < SIGNIFICANT_EVALUE}
            modes[mode] = Found(sum(made[search][0] for search in searches), summarise("q", found), strong)
    return modes


def _searches(mode, made):
    """The searches of a mode, until one that is in ``made`` by then has found enough."""
    for search in hhsuite.SEARCH_MODES[mode]:
        yield search
        if any(hit.evalue < hhsuite.FALLBACK_EVALUE for hit in made[search][1]):
            return


def _search(search, query, library):
    """CPU seconds and hits of one search of a query, started as the pipeline does."""
    query_id, sequence, prediction = query
    columns = hhsuite.maxres(len(sequence), library.longest)
    with tempfile.TemporaryDirectory(prefix="proteofold-bench-") as folder:
        a3m, hhr = Path(folder, "query.a3m"), Path(folder, "query.hhr")
        a3m.write_text(format_a3m(query_id, sequence, prediction))
        command = hhsuite.search_command(search, a3m, library.prefix, hhr, query_length=len(sequence), maxres=columns)
        process = os.posix_spawn(command[0], [*command, "-v", "0"], os.environ)
        _, status, used = os.wait4(process, 0)
        if status:
            raise SystemExit(f"{' '.join(command)} ended with status {status}")
        return used.ru_utime + used.ru_stime, read_hhr(hhr).hits


def _same(a, b, names):
    """Whether two summaries hold the same values; nan is nan."""
    return all(repr(getattr(a, name)) == repr(getattr(b, name)) for name in names)


def _same_best(a, b):
    return _same(a, b, ("best_evalue", "best_score"))


def _given(dice, chains, sequence):
    """A real protein; in as many as have a relative in PDB70 a stretch is one of a template of this library."""
    if dice.random() < WITHOUT_RELATIVES:
        return sequence
    inner = mutated(dice, dice.choice(chains))[: len(sequence)]
    before = dice.randint(0, len(sequence) - len(inner))
    return sequence[:before] + inner + sequence[before + len(inner) :]
