"""HH-suite: template libraries, the search command and what a search costs.

A template library is six files ``<prefix>_{a3m,hhm,cs219}.ff{data,index}``: alignments, profiles, and profiles as
one letter a column, each an ffindex pair. An index line is ``name<TAB>offset<TAB>length``.
"""

import hashlib
import os
import shutil
import subprocess
from typing import NamedTuple

from proteofold.system.errors import UserError

PARTS = ("a3m", "hhm", "cs219")

# Programs and options of each kind of search, beside -i, -d, -o, -cpu and -maxres. `lean` leaves out what no
# reported value needs: realignment and the merging of the best hits into the query (-e -1), and with it every use of
# _a3m. `fast` searches only what hhblits' prefilter lets pass; -alphaa 0 -alphab 0 switch off a correction of E-values
# that hhsearch does not make. docs/decisions.md has the measured agreement.
SEARCHES = {
    "reference": ("hhsearch", ()),
    "lean": ("hhsearch", ("-e", "-1", "-norealign")),
    "fast": (
        "hhblits",
        ("-n", "1", "-alphaa", "0", "-alphab", "0", "-premerge", "0", "-norealign", "-min_prefilter_hits", "2000"),
    ),
}

# The searches of each mode: the next one is made when the one before found nothing with E < FALLBACK_EVALUE.
SEARCH_MODES = {"reference": ("reference",), "lean": ("lean",), "fast": ("fast",), "hybrid": ("fast", "lean")}
FALLBACK_EVALUE = 1e-3

# Alignments with one template that hhsearch and hhblits report at most, by default.
ALTERNATIVES = 4

# The parts of a library that each mode reads. hhsearch does not read _cs219.ffdata, but does not start without it.
PARTS_READ = {mode: PARTS if mode == "reference" else ("hhm", "cs219") for mode in SEARCH_MODES}

# Hits that hhsearch lists at most; before that it realigns as many without options and drops those that become too
# short, so that others move up. A search in shards (shards.py) ends with so many candidates.
LISTED = {"lean": 500, "reference": 1002}

# A search in shards: kB of each template of the library for its names, place and score.
_NAMED_KB = 0.6

# Templates that may pass the prefilter for giant queries, each of whose hits takes much memory. For others hhblits lets
# 20,000 pass; at most 2,580 of 91,501 were seen to. Memory is asked for so many, and for templates of such a length:
# a search with more, or with a longer one among them, is tried again with more memory.
PREFILTERED, GIANT, PREFILTERED_LENGTH = 4_000, 5_000, 1_500

# Rows that hhblits writes at most, about: it keeps the 1,000 most different ones of each part of the query.
ALIGNED_ROWS = 5_000

DEBIAN_BINARIES = "/usr/libexec/hhsuite"
DEBIAN_DATA = "/usr/share/hhsuite/data"


class Library(NamedTuple):
    """A template library: where it is, how many templates and columns, its longest template, and its identity."""

    prefix: str
    templates: int
    columns: int
    longest: int
    key: str


def library_files(prefix, parts=PARTS):
    """The files of a template library, data and index of each part."""
    return [f"{prefix}_{part}.ff{kind}" for part in parts for kind in ("data", "index")]


def read_library(prefix, parts=PARTS):
    """Describe a library from its index files, and check it; UserError lists everything that is missing or wrong.

    ``parts`` names those that must be there, hhm and cs219 among them.
    """
    import glob  # these here, because no search needs them and each would pay for them

    from proteofold.science import library_check

    missing = [name for name in library_files(prefix, parts) if not os.path.isfile(name)]
    if missing:
        found = sorted(glob.glob(f"{glob.escape(str(prefix))}*_hhm.ffdata"))
        near = [path.removesuffix("_hhm.ffdata") for path in found]
        hint = f" Is the prefix {near[0]}?" if near and str(prefix) not in near else ""
        raise UserError(
            f"template library {prefix}: missing {', '.join(missing)}. 'templates:' is the path of the files "
            f"without _hhm.ffdata and so on.{hint}",
            topic="template-library",
        )
    problems, entries = [], {}
    # _a3m is parsed by every search that finds it
    parsed = [part for part in PARTS if part in parts or all(map(os.path.isfile, library_files(prefix, [part])))]
    for part in parsed:
        entries[part] = library_check.read_index(prefix, part, problems)
    names = {part: {entry.name for entry in entries[part]} for part in parts}
    for part in parts:
        library_check.check_part(prefix, part, entries[part], problems, entries["cs219"])
        if odd := names[part] and names["hhm"] and sorted(names[part] ^ names["hhm"]):
            examples = ", ".join(map(library_check.shown, odd[:3]))
            problems.append(f"{len(odd)} templates are not in both _{part} and _hhm, e.g. {examples}")
    if problems:
        raise UserError(
            f"template library {prefix}: " + "; ".join(problems) + ". Fetch or build it again.",
            topic="template-library",
        )
    lengths = [entry.length - 1 for entry in entries["cs219"]]  # one letter a column and a closing zero byte
    return Library(str(prefix), len(lengths), sum(lengths), max(lengths), library_key(prefix))


def library_key(prefix):
    """What identifies a library: a checksum of its indexes, not of the gigabytes they index."""
    key = hashlib.sha256()
    for part in ("cs219", "hhm"):
        with open(f"{prefix}_{part}.ffindex", "rb") as handle:
            key.update(handle.read())
    return key.hexdigest()[:16]


def describe_library(prefix):
    """The size of a library that was checked before: its _cs219 index alone is read."""
    entries = columns = longest = 0
    index = f"{prefix}_cs219.ffindex"
    if not os.path.isfile(index):
        raise UserError(
            f"library {prefix}: missing {index}. Give the path of its files without _cs219.ffindex and so on.",
            topic="template-library",
        )
    with open(index, "rb") as handle:
        for line in handle:
            # an entry is one letter a column and a closing zero byte
            length = int(line.rsplit(b"\t", 1)[1]) - 1
            entries, columns, longest = entries + 1, columns + length, max(longest, length)
    return Library(str(prefix), entries, columns, longest, "")


def read_database(prefix):
    """Describe a sequence database for query alignments, from its _cs219 index; UserError if it is none.

    It may hold tens of millions of entries (UniRef30), so that only what is cheap is checked: that all files are there
    and that the index is one. An entry that hhblits cannot read makes the alignment fail.
    """
    missing = [name for name in library_files(prefix) if not os.path.isfile(name)]
    if missing:
        raise UserError(
            f"sequence database {prefix}: missing {', '.join(missing)}. 'msa: database:' is the path of the files "
            "without _cs219.ffdata and so on.",
            topic="template-library",
        )
    index = f"{prefix}_cs219.ffindex"
    try:
        described = describe_library(prefix)
    except (ValueError, IndexError):
        described = None
    if not described or not described.templates:
        raise UserError(
            f"sequence database {prefix}: {index} is empty or not an index of HH-suite. Fetch it again.",
            topic="template-library",
        )
    return described._replace(key=database_key(prefix))


def database_key(prefix):
    """What identifies a sequence database: a checksum of its _cs219 index."""
    with open(f"{prefix}_cs219.ffindex", "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:16]


def maxres(query_length, library_longest):
    """A ``-maxres`` that cuts nothing; HH-suite reads at most maxres - 2 columns of a query or template."""
    return max(query_length, library_longest) + 100


def search_command(
    search, query, library_prefix, output, *, query_length, maxres, threads=1, alternatives=ALTERNATIVES
):
    """The command line of one of SEARCHES as a list. ``query`` is an ``.a3m``, ``output`` the ``.hhr``.

    ``alternatives`` is the number of alignments with one template that are reported at most.
    """
    program, options = SEARCHES[search]
    if alternatives != ALTERNATIVES:
        options = (*options, "-alt", alternatives)
    if search == "fast" and query_length > GIANT:
        options = (*options, "-maxfilt", PREFILTERED)
    command = [find_program(program), "-i", query, "-d", library_prefix, "-o", output, "-cpu", threads]
    return [str(word) for word in [*command, "-maxres", maxres, *options]]


def alignment_command(query, database, output, *, iterations, maxres, threads=1):
    """The command line of hhblits that aligns the sequence in ``query`` with its relatives, as a list."""
    command = [find_program("hhblits"), "-i", query, "-d", database, "-oa3m", output, "-o", os.devnull]
    return [str(word) for word in [*command, "-n", iterations, "-cpu", threads, "-maxres", maxres]]


def alignment_mb(size):
    """Memory in MB for an alignment of ``size`` bytes in a search: 3.5 to 5.5 bytes a byte, measured.

    With 300 and 1,000 columns, 10,000 to 40,000 rows.
    """
    return round(6 * size / 2**20)


def alignment_mem_mb(query_length, database, threads=1):
    """Private memory in MB of aligning a query with its relatives in a sequence database.

    A search of hhblits that realigns its hits, the names and places of all entries (ffindex keeps 48 bytes of each in
    three indexes), and the rows found.
    """
    indexes = 3 * 48 * database.templates / 2**20
    found = alignment_mb(ALIGNED_ROWS * query_length)
    searched = database._replace(templates=min(database.templates, PREFILTERED))
    return round(1.1 * (_mem_mb(query_length, searched, "reference", threads) + indexes + found))


def search_mem_mb(query_length, library, mode, threads=1, shards=1):
    """Private memory in MB of the search of a mode that needs most, as measured for HH-suite 3.3.0.

    With ``shards`` it is that of hhsearch in so many parts of the library, one at a time (shards.py); hhblits
    always searches all. docs/decisions.md explains how close the model is.
    """
    needed = []
    for search in SEARCH_MODES[mode]:
        if shards > 1 and search != "fast":
            shard = library._replace(templates=-(-library.templates // shards))
            candidates = library._replace(templates=min(library.templates, 2 * LISTED[search]))
            steps = _mem_mb(query_length, shard, "lean", threads), _mem_mb(query_length, candidates, search, threads)
            needed.append(max(steps) + _NAMED_KB * library.templates / 1024)
        else:
            needed.append(_mem_mb(query_length, library, search, threads))
    return round(1.1 * max(needed))


def fewest_shards(query_length, library, mode, most_mb):
    """In how many shards the library is searched where a search may take ``most_mb``; 1, at once, if that fits.

    Where no number of shards is enough, it is one from which on more hardly help: the query and its path through the
    longest template take their memory in each, and so do the candidates that are searched in the end.
    """

    def needed(shards):
        return search_mem_mb(query_length, library, mode, shards=shards)

    if needed(1) <= most_mb or SEARCH_MODES[mode] == ("fast",):
        return 1
    most = -(-library.templates // (2 * min(LISTED.values())))
    reached_mb = most_mb if needed(most) <= most_mb else 1.1 * needed(most)
    return next((shards for shards in range(1, most) if needed(shards) <= reached_mb), most)


def _mem_mb(query_length, library, search, threads):
    """Either the context pseudocounts of the query decide, or what the scan holds at its end.

    That is fixed buffers, the backtrace of the longest template, and a hit with its buffers for every template scored.
    """
    pseudocounts = 45 + 0.0305 * query_length
    longest_maxres = maxres(query_length, library.longest)
    scored, longest = library.templates, library.longest
    if search == "fast":
        scored, longest = min(scored, PREFILTERED), min(longest, PREFILTERED_LENGTH)
    scan = (
        14.5
        + 0.00508 * longest_maxres
        + 76 * (threads - 1) * longest_maxres / 20001
        + threads * 12 * query_length * longest / 2**20
        + scored * min(6.5 + 0.006 * query_length, 12 + 0.002 * query_length) / 1024
    )
    return scan + 0.0305 * query_length if search == "reference" else max(pseudocounts, scan)


def find_program(name):
    """Path of an HH-suite program. Debian keeps one build for each kind of processor, outside PATH.

    What Debian has on PATH is a shell script that starts one of them and waits. A build is started without it: the
    end of a job would kill the script alone and leave the search behind.
    """
    found = shutil.which(name)
    if found and os.path.dirname(os.path.realpath(found)) != os.path.realpath(DEBIAN_BINARIES):
        return found
    flags = _processor_flags()
    for build in ("avx2", "avx", "sse4.1", "ssse3", "sse3", "plain"):
        path = f"{DEBIAN_BINARIES}/{name}-{build}"
        if (build == "plain" or build.replace(".", "_") in flags) and os.access(path, os.X_OK):
            return path
    if found:
        return found
    raise UserError(
        f"HH-suite's {name} is not installed: run bin/setup, or 'apt-get install hhsuite hhsuite-data', or "
        "start Snakemake with --software-deployment-method conda.",
        topic="hh-suite",
    )


def _processor_flags():
    """What the first processor can do, in the words of /proc/cpuinfo; empty where there is no such file."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.startswith("flags"):
                    return set(line.partition(":")[2].split())
    except OSError:
        pass
    return set()


def context_data(name):
    """Path of one of HH-suite's data files (``cs219.lib``, ``context_data.lib``)."""
    beside_programs = os.path.dirname(os.path.dirname(find_program("hhmake")))
    for folder in (os.path.join(os.environ.get("HHLIB", beside_programs), "data"), DEBIAN_DATA):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return path
    raise UserError(
        f"HH-suite's {name} is not found: install hhsuite-data, or set HHLIB to HH-suite's folder.", topic="hh-suite"
    )


def hhsuite_version():
    """Version of hhsearch as it names itself, or '' where it cannot be asked."""
    try:
        text = subprocess.run(["hhsearch", "-h"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""
    words = text.partition("HHsearch ")[2].split(maxsplit=1)
    return words[0] if words else ""
