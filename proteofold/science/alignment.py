"""Query alignments: a protein aligned with its relatives in a sequence database, by hhblits."""

import gzip
import tempfile
import time
from pathlib import Path

from proteofold.formats.a3m import read_relatives
from proteofold.formats.fasta import format_fasta
from proteofold.science import hhsuite
from proteofold.science.hhsuite_log import search_problem
from proteofold.system.disks import blaming_full_disk
from proteofold.system.errors import UserError, replaced
from proteofold.system.files import write_aside
from proteofold.system.process import format_usage, run_tool, usage_of_tools, write_lost_usage

# Memory of this process beside hhblits.
ALIGN_STEP_MB = 60


def align_query(query_id, sequence, a3m, database, iterations, *, threads=1, usage=None, run="", database_key=None):
    """Align a query with its relatives in a sequence database; writes the ``.a3m.gz``, and what it took to ``usage``.

    ``database`` is the prefix of an HH-suite database, ``iterations`` the number of searches, each with what the one
    before found. Returns False if the alignment was there already. UserError says why hhblits failed, or that with
    ``database_key`` the database is another one by its end: hhsuite.database_key.
    """
    if _is_whole(a3m, sequence):
        write_lost_usage(usage, run)
        return False
    started = time.monotonic()
    maxres = hhsuite.maxres(len(sequence), hhsuite.describe_library(database).longest)
    folder = Path(a3m).parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".align-") as scratch, blaming_full_disk(scratch):
        query, written = Path(scratch, "query.fas"), Path(scratch, "query.a3m")
        query.write_text(format_fasta(query_id, sequence), encoding="utf-8")
        command = hhsuite.alignment_command(
            query, database, written, iterations=iterations, maxres=maxres, threads=threads
        )
        run_tool(command, search_problem)
        if not written.exists():
            raise UserError("hhblits wrote no alignment")
        read_relatives(written, sequence)  # raises if it is not whole
        packed = gzip.compress(written.read_bytes(), mtime=0)
    if database_key and hhsuite.database_key(database) != database_key:
        raise replaced(f"the database {database} was")
    if usage:
        write_aside(usage, format_usage(usage_of_tools(started, run, hhsuite.hhsuite_version())))
    # last: the step is done when it is there
    write_aside(a3m, packed)
    return True


def _is_whole(a3m, sequence):
    """Whether an alignment of this sequence is there and not damaged."""
    try:
        read_relatives(a3m, sequence)
    except UserError:
        return False
    return True
