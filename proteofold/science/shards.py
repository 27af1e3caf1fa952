"""A search of the template library in shards, one at a time, for a query whose search takes too much memory.

hhsearch keeps a hit, with its path, for every template until it has scored the last one. The score of a template does
not depend on how many others are searched. So each shard only shows which templates can be in the list of hits;
these candidates are searched once more, together, and that makes the list with its ranks, its cut and its alignments
as one search of the whole library does. docs/decisions.md explains what was compared.
"""

import os

from proteofold.science import hhsuite
from proteofold.science.hhsuite_log import search_problem
from proteofold.system.errors import UserError
from proteofold.system.process import run_tool

# The candidates are searched by hhblits, the only one that can be given the number of templates an E-value is: it is
# P * n * (threshold / n) ** alphaa for n templates searched. Its prefilter counts in bytes: with an offset of 256 every
# template has the highest score there is, and passes. -diff is that of hhsearch.
_AS_HHSEARCH = ("-n", "1", "-alphaa", "1", "-alphab", "0", "-pre_score_offset", "256", "-diff", "100")

# hhblits may stop after so many that are no relatives.
_MOST_CANDIDATES = 2000

# hhsearch's table of scores is wanted and not its list, which it cannot leave out.
_SHORT_LIST = ("-Z", "10", "-B", "10")

_SEARCHED = b"\nSearched_HMMs "


def search_in_shards(search, query, written, library, folder, *, count, **options):
    """Make one of hhsearch's searches, its library in ``count`` shards.

    ``query`` is the path of an ``.a3m``, ``written`` that of the ``.hhr``, ``library`` the prefix of the template
    library; ``folder`` is made for links to its files. ``options`` are those of hhsuite.search_command. Raises
    UserError if a search fails or does not report each template.
    """
    templates = _read_index(f"{library}_cs219.ffindex")
    scores = {}
    shard, table = _linked(library, folder), folder / "scores.tsv"
    index = f"{shard}_cs219.ffindex"
    for number in range(min(count, len(templates))):
        # dealt out in turn, so that each has its part of the long ones
        _write_index(index, templates[number::count])
        command = hhsuite.search_command("lean", query, shard, os.devnull, **options)
        run_tool([*command, "-blasttab", table, *_SHORT_LIST], search_problem)
        _add_scores(scores, table)
    chosen = _candidates(scores, {_hit_name(line) for line in templates}, hhsuite.LISTED[search])
    candidates = [line for line in templates if _hit_name(line) in chosen]
    _write_index(index, candidates)
    counts = ("-pre_evalue_thresh", len(templates), "-min_prefilter_hits", len(candidates))
    command = hhsuite.search_command(search, query, shard, written, **options)
    command = [hhsuite.find_program("hhblits"), *command[1:], *_AS_HHSEARCH, *counts, "-maxfilt", len(candidates)]
    run_tool(command, search_problem)
    _set_templates(written, len(candidates), len(templates))


def _linked(library, folder):
    """The prefix of a library in a new folder that has the files of another one, but for its list of templates."""
    prefix = os.path.join(folder, "shard")
    os.makedirs(folder)
    for file, link in zip(hhsuite.library_files(library), hhsuite.library_files(prefix), strict=True):
        # hhsearch goes through _cs219 and finds the same templates in the others
        if not link.endswith("_cs219.ffindex"):
            os.symlink(os.path.abspath(file), link)
    return prefix


def _read_index(path):
    """The lines of an ffindex as bytes: names are not always text."""
    with open(path, "rb") as lines:
        return list(lines)


def _write_index(path, lines):
    with open(path, "wb") as handle:
        handle.writelines(lines)


def _hit_name(line):
    """What HH-suite calls the template of a line of an index: its name less what looks like an ending."""
    name = line.partition(b"\t")[0]
    return name.rpartition(b".")[0] if b"." in name else name


def _add_scores(scores, table):
    """Add the score of each template of a table, from hhsearch's -blasttab: its first line there is its best.

    The list of hits is in this order, which differs from that of the raw score; scores are rounded to 0.1.
    """
    for line in table.read_bytes().splitlines():
        fields = line.split(b"\t")
        scores.setdefault(fields[1], float(fields[-1]))


def _candidates(scores, names, least):
    """Names of the templates that the first ``least`` hits are of, and of those level with the last of them."""
    if scores.keys() != names:
        scored = len(scores.keys() & names)
        raise UserError(f"hhsearch reported the scores of {scored} of {len(names)} templates: not whole")
    # hhsearch's order: by score, then by name
    ranked = sorted(scores, key=lambda name: (-scores[name], name))
    last = scores[ranked[min(least, len(ranked)) - 1]]
    return {name for name in ranked[:_MOST_CANDIDATES] if scores[name] >= last}


def _set_templates(written, searched, templates):
    """Write into a ``.hhr`` that all templates of the library were searched, as in the shards they were."""
    with open(written, "rb") as handle:
        head, mark, rest = handle.read().partition(_SEARCHED)
    count, end, rest = rest.partition(b"\n")
    if count.strip() != b"%d" % searched:
        count = count.decode(errors="replace").strip() or "none"
        raise UserError(f"hhblits searched {count} of {searched} candidates: not whole")
    with open(written, "wb") as handle:
        handle.write(head + mark + str(templates).encode() + end + rest)
