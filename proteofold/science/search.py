"""One search of a template library by hhsearch or hhblits in one of the search modes, and what is kept of it."""

import re
import tempfile
import time
from pathlib import Path

from proteofold.formats.a3m import is_annotation
from proteofold.formats.fasta import read_fasta, sequence_md5
from proteofold.formats.hhr import read_hhr
from proteofold.formats.packed_hhr import pack_hhr, unpack
from proteofold.science import hhsuite
from proteofold.science.hhsuite_log import search_problem
from proteofold.science.shards import search_in_shards
from proteofold.system.disks import blaming_full_disk
from proteofold.system.errors import UserError, replaced
from proteofold.system.files import write_aside
from proteofold.system.memory import RAISED, slurm_memory_mb
from proteofold.system.process import format_usage, run_tool, usage_of_tools, write_lost_usage

# Memory of this process beside hhsearch: Python, the hits of one query and its .hhr.
SEARCH_STEP_MB = 60

# What the names of the folders begin with that searches work in, beside the .a3m.
SCRATCH = ".search-"

# Of an alignment, a row of the template: the number of its last residue.
_TEMPLATE_ROW = re.compile(rb"^T .* (\d+) \(\d+\)$", re.MULTILINE)


def search_templates(
    a3m,
    hhr,
    library,
    mode,
    *,
    threads=1,
    memory_mb=None,
    attempt=1,
    usage=None,
    run="",
    alternatives=hhsuite.ALTERNATIVES,
    library_key=None,
    query_id=None,
    md5=None,
):
    """Search a template library with an ``.a3m`` and write the packed ``.hhr.gz``, and what it took to ``usage``.

    ``library`` is the prefix of an HH-suite database. With ``memory_mb`` the library is searched in shards where one
    search would take more; an ``attempt`` above 1 follows one that was killed, and takes more shards where it gets no
    more memory. ``alternatives`` is the number of alignments with one template that are reported at most. With
    ``library_key`` the search fails if the library is another one by its end: hhsuite.library_key. It fails at once if
    the ``.a3m`` is not of the query with this id, or the MD5 of its sequence is not ``md5``, where these are given.
    Returns False if the result was there already. UserError says why a search failed.
    """
    if is_whole(hhr):
        write_lost_usage(usage, run)
        return False
    started = time.monotonic()
    query = _query(a3m)
    query_length = sum(letter.isupper() or letter == "-" for letter in query.sequence)
    if query_id not in (None, query.id) or md5 not in (None, sequence_md5(query.sequence)):
        raise UserError(f"{a3m}: damaged, or not of this query, but of {query.id}")
    described = hhsuite.describe_library(library)
    shards = 1
    if memory_mb := min(filter(None, (memory_mb, slurm_memory_mb())), default=None):
        relatives_mb = hhsuite.alignment_mb(Path(a3m).stat().st_size)
        most_mb = memory_mb / RAISED ** (attempt - 1) - SEARCH_STEP_MB - relatives_mb
        shards = hhsuite.fewest_shards(query_length, described, mode, most_mb)
    options = {
        "query_length": query_length,
        "maxres": hhsuite.maxres(query_length, described.longest),
        "threads": threads,
        "alternatives": alternatives,
    }
    folder = Path(a3m).parent
    with tempfile.TemporaryDirectory(dir=folder, prefix=SCRATCH) as scratch, blaming_full_disk(scratch):
        written = Path(scratch, "query.hhr")
        for search in hhsuite.SEARCH_MODES[mode]:
            if shards > 1 and search != "fast":
                search_in_shards(search, a3m, written, library, Path(scratch, "shards"), count=shards, **options)
            else:
                run_tool(hhsuite.search_command(search, a3m, library, written, **options), search_problem)
            result = read_hhr(written)
            if result.table_rows > len(result.hits):
                raise UserError(f"{search} search lists {result.table_rows} hits but aligns {len(result.hits)}")
            found = written.read_bytes()
            if not _has_its_end(found, result.hits):
                raise UserError(f"the .hhr of the {search} search is cut short")
            if any(hit.evalue < hhsuite.FALLBACK_EVALUE for hit in result.hits):
                break
        packed = pack_hhr(found)
    if library_key and hhsuite.library_key(library) != library_key:
        raise replaced(f"the library {library} was")
    if usage:
        version = hhsuite.hhsuite_version()
        write_aside(usage, format_usage(usage_of_tools(started, run, version)))
    # last: the step is done when it is there
    write_aside(hhr, packed)
    return True


def _has_its_end(hhr, hits):
    """Whether an ``.hhr`` as HH-suite writes it has the whole alignment of its last hit.

    HH-suite does not notice that a disk takes no more. One that lacks more than that aligns too few hits, or is none.
    """
    rows = _TEMPLATE_ROW.findall(hhr, hhr.rindex(b"\nNo ")) if hits else []
    return hhr.endswith(b"\n\n") and [hit.template_end for hit in hits[-1:]] == [int(row) for row in rows[-1:]]


def is_whole(hhr):
    """Whether an ``.hhr.gz`` is there and not damaged."""
    try:
        unpack(Path(hhr).read_bytes())
    except (FileNotFoundError, UserError):
        return False
    return True


def _query(a3m):
    """The record of the query: the first one that is no annotation."""
    for record in read_fasta(a3m, comment="#"):
        if not is_annotation(record.id):
            return record
    raise UserError(f"{a3m}: no query: every record is annotation (ss_pred, ss_conf).")
