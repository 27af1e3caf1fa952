"""The search modes against `reference`: CPU, and whether they report the same."""

import os
import random
import subprocess
from pathlib import Path

from made_runs import demo_library, repeated_library
from measure import PROTEOFOLD, ROOT, measure, table

from proteofold import hhsuite, hits
from proteofold.a3m import format_a3m
from proteofold.fasta import read_fasta
from proteofold.psipred import read_horiz

TEMPLATES, MANY = 2_000, 90_000
MANY_LENGTH = 300  # residues of the queries of the large library
MANY_QUERIES = 3
STATISTICS = ("score_mean", "score_std", "score_gmean")
STRONG = 0.1  # a best hit below this E-value must be the same in `hybrid`

_RESIDUES = "AAAAAAACCDDDDDEEEEEEEFFFFGGGGGGGHHHIIIIKKKKKKLLLLLLLLLLMMNNNNPPPPPPQQQQQRRRRRRSSSSSSSSTTTTTVVVVVVWYYY"


def run(folder, options):
    """Queries against a library of 2,000 templates in all modes; some against one of 90,000, the same repeated."""
    dice = random.Random(5)
    chains = _chains()
    relatives = [(f"M{number:04d}", _mutated(dice, dice.choice(chains))) for number in range(TEMPLATES - len(chains))]
    library = hhsuite.read_library(demo_library(folder, relatives))
    large = hhsuite.read_library(repeated_library(library.prefix, folder / "large", MANY))
    made = [(f"Q{number:03d}", _query(dice, chains, 60 + 6 * number)) for number in range(options.queries)]
    queries = _predicted(folder, "made", made)
    few = [(f"L{number}", _query(dice, chains, MANY_LENGTH)) for number in range(MANY_QUERIES)]
    parts = [("made queries", library, queries), ("made queries", large, _predicted(folder, "few", few))]
    if options.fasta:
        given = [(record.id, record.sequence) for record in read_fasta(options.fasta)][: options.queries]
        parts.insert(1, ("queries of --fasta", library, _predicted(folder, "given", given)))
    rows = []
    for name, searched, of_part in parts:
        rows += _compared(folder, name, searched, of_part)
    head = ["", "mode", "CPU s a query", "`reference` / mode", "statistics equal", "best hit equal"]
    head += [f"best hit equal where its E < {STRONG}", "hits of E < 1e-5 found"]
    return table(head, rows)


def _compared(folder, name, library, queries):
    """A row for each mode."""
    reference, rows = None, []
    for mode in hhsuite.SEARCH_MODES:
        found = [_search(folder, mode, query, library) for query in queries]
        cpu_s = sum(seconds for seconds, _ in found) / len(queries)
        results = [(hits.summarise("q", of_query), _significant(of_query)) for _, of_query in found]
        reference = reference or (cpu_s, results)
        pairs = list(zip(reference[1], results, strict=True))
        strong = [(a, b) for (a, _), (b, _) in pairs if a.best_evalue < STRONG]
        wanted = sum(len(a) for (_, a), _ in pairs)
        rows.append(
            [
                f"{len(queries)} {name}, {library.templates:,} templates",
                mode,
                f"{cpu_s:.2f}",
                f"**{reference[0] / cpu_s:.1f}**",
                f"{sum(_same(a, b, STATISTICS) for (a, _), (b, _) in pairs)}",
                f"{sum(_same_best(a, b) for (a, _), (b, _) in pairs)}",
                f"{sum(_same_best(a, b) for a, b in strong)} of {len(strong)}",
                f"{sum(len(a & b) for (_, a), (_, b) in pairs)} of {wanted}",
            ]
        )
    return rows


def _search(folder, mode, query, library):
    """CPU seconds and hits of a query, searched as the pipeline does."""
    query_id, sequence, prediction = query
    a3m, hhr = folder / "q.a3m", folder / "q.hhr"
    a3m.write_text(format_a3m(query_id, sequence, prediction))
    seconds, found = 0.0, []
    for search in hhsuite.SEARCH_MODES[mode]:
        columns = hhsuite.maxres(len(sequence), library.longest)
        command = hhsuite.search_command(search, a3m, library.prefix, hhr, query_length=len(sequence), maxres=columns)
        before = os.times()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = os.times()
        seconds += after.children_user + after.children_system - before.children_user - before.children_system
        _, found = hits.read_hhr(hhr)
        if any(hit.evalue < hhsuite.FALLBACK_EVALUE for hit in found):
            break
    return seconds, found


def _significant(found):
    return {hit.template for hit in found if hit.evalue < hits.SIGNIFICANT_EVALUE}


def _same(a, b, names):
    """Whether two summaries hold the same values; nan is nan."""
    return all(repr(getattr(a, name)) == repr(getattr(b, name)) for name in names)


def _same_best(a, b):
    return _same(a, b, ("best_evalue", "best_score"))


def _chains():
    """The sequences of the demo's templates."""
    found = []
    for path in sorted((ROOT / "config" / "demo" / "templates").glob("*.a3m")):
        first = path.read_text().split(">")[1]
        found.append("".join(first.splitlines()[1:]).replace("-", "").upper())
    return found


def _mutated(dice, chain):
    """A relative: between a tenth and two thirds of the residues are others."""
    part = dice.uniform(0.1, 0.67)
    return "".join(dice.choice(_RESIDUES) if dice.random() < part else residue for residue in chain)


def _query(dice, chains, length):
    """Three of four have a relative among the templates, with other residues around it."""
    inner = _mutated(dice, dice.choice(chains))[:length] if dice.random() < 0.75 else ""
    before = dice.randint(0, length - len(inner))
    around = "".join(dice.choices(_RESIDUES, k=length - len(inner)))
    return around[:before] + inner + around[before:]


def _predicted(folder, name, named):
    """(id, sequence, prediction) of queries."""
    fasta, horiz = folder / f"{name}.fasta", folder / f"{name}.horiz"
    fasta.write_text("".join(f">{query_id}\n{sequence}\n" for query_id, sequence in named))
    measure([PROTEOFOLD, "s4pred", fasta], output=horiz)
    return [(*one, prediction) for one, prediction in zip(named, read_horiz(Path(horiz)), strict=True)]
