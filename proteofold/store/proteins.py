"""Proteins of the store: from FASTA files with full headers, and from the batches of runs."""

import os
import re
import time
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from proteofold.formats.fasta import FastaError, format_fasta, read_fasta, sequence_md5
from proteofold.run.inputs import Checked, Sequences
from proteofold.run.layout import RESULTS
from proteofold.run.states import timestamp
from proteofold.science.batches import read_batch
from proteofold.store.database import transaction
from proteofold.store.results import RunFiles, run_id_of

ROWS_AT_ONCE = 1000

_UNIPROT = re.compile(r"(?:sp|tr)\|([A-Za-z0-9]+(?:-[0-9]+)?)\|(\S+)")
_UNIPROT_FIELD = re.compile(r"(?:^|\s)(OS|OX|GN|PE|SV)=")
_ORGANISM_AT_END = re.compile(r"\s*\[([^][]+)\]$")  # as NCBI writes it

_COLUMNS = (
    *("number", "query_id", "accession", "entry_name", "description", "gene", "organism"),
    *("length", "sequence", "md5", "added_at", "source"),
)

_ADD = (
    f"insert into proteins ({', '.join(_COLUMNS)}) values"
    f" ((select ifnull(max(number), 0) + 1 from proteins), {', '.join('?' * (len(_COLUMNS) - 1))})"
    " on conflict (query_id) do nothing"
)

# A run decides which sequence an id stands for now; each of its results keeps the MD5 it was made of.
_TAKE_OVER = """
    on conflict (query_id) do update set sequence = excluded.sequence, length = excluded.length, md5 = excluded.md5,
    added_at = excluded.added_at, source = excluded.source
    where proteins.md5 <> excluded.md5 or (proteins.sequence is null and excluded.sequence is not null)
"""

# Rows of one statement: once a statement the search index writes itself out, and SQLite keeps a copy of each page
# that it touches. With one row a statement that takes four fifths of the time.
_MEMBERS_AT_ONCE = 1000


class Header(NamedTuple):
    """What an id and the rest of its FASTA header contain; None where they do not."""

    accession: str | None
    entry_name: str | None
    description: str | None
    gene: str | None
    organism: str | None


def parse_header(query_id, rest=""):
    """Read a header of UniProt (OS=, GN=), or a plain one, with NCBI's organism in brackets at its end."""
    known = _UNIPROT.fullmatch(query_id)
    accession, entry_name = known.groups() if known else (None, None)
    description, *tagged = _UNIPROT_FIELD.split(rest)
    tags = dict(zip(tagged[::2], tagged[1::2], strict=True))
    organism = tags.get("OS")
    if not tags and (at_end := _ORGANISM_AT_END.search(description)):
        organism, description = at_end[1], description[: at_end.start()]
    words = (description, tags.get("GN"), organism)
    return Header(accession, entry_name, *((text or "").strip() or None for text in words))


def format_header(row):
    """The rest of a FASTA header of a row of ``proteins``, as UniProt writes it; what parse_header read."""
    tags = [f"{tag}={row[name]}" for tag, name in (("OS", "organism"), ("GN", "gene")) if row[name]]
    return " ".join(filter(None, (row["description"], *tags)))


def format_protein(row):
    """The FASTA text of a row of ``proteins`` that has a sequence."""
    return format_fasta(f"{row['query_id']} {format_header(row)}".rstrip(), row["sequence"])


@dataclass(slots=True)
class Added:
    """Result of the records of a FASTA file.

    ``described`` counts those of ``present`` whose description was new; ``failed`` holds (id, reason).
    """

    added: int = 0
    present: int = 0
    described: int = 0
    failed: list = field(default_factory=list)


def add_fasta(conn, path):
    """Add the proteins of a FASTA file with their descriptions; returns Added. Nothing that is there is replaced.

    Raises FastaError where the file stops being FASTA; records before that place are added.
    """
    done, now = Added(), timestamp(time.time())
    checker = Sequences(Checked())
    records = _until_damage(path)
    while batch := list(islice(records, ROWS_AT_ONCE)):
        damage = batch.pop() if isinstance(batch[-1], FastaError) else None
        with transaction(conn):
            for record in batch:
                _add_record(conn, path, record, checker, now, done)
        if damage:
            raise damage
    return done


def _until_damage(path):
    """The records of a FASTA file; where it is damaged the error comes as the last of them."""
    try:
        yield from read_fasta(path)
    except FastaError as error:
        yield error


def _add_record(conn, path, record, checker, now, done):
    query = checker.query(path, record, f"line {record.line}")
    if query is None:
        done.failed.append((record.id, checker.checked.errors.pop()))
        return
    header = parse_header(record.id, record.description)
    row = (
        *(record.id, header.accession, header.entry_name, header.description, header.gene, header.organism),
        # its name only: readers of the site are not to know the folders of this machine
        *(len(query.sequence), query.sequence, query.md5, now, Path(path).name),
    )
    if conn.execute(_ADD, row).rowcount:
        done.added += 1
        return
    there = "select length, md5, source, description, sequence from proteins where query_id = ?"
    length, md5, source, description, sequence = conn.execute(there, (record.id,)).fetchone()
    if md5 != query.md5:
        done.failed.append(
            (
                record.id,
                f"line {record.line}: this id has another sequence in the store: {length} residues, MD5 {md5}, "
                f"from {source}; here {len(query.sequence)} residues, MD5 {query.md5}. Rename the record.",
            )
        )
        return
    done.present += 1
    if (header.description and description is None) or sequence is None:
        conn.execute(
            "update proteins set description = ?, gene = ?, organism = ?, sequence = ? where query_id = ?",
            (header.description, header.gene, header.organism, query.sequence, record.id),
        )
        done.described += 1


def add_members(conn, run):
    """Add the members of a run, with the sequences of its batches; an id takes over the run's sequence."""
    for rows in _batches(member_rows(run, (member for _, member in RunFiles(run).by_batch()))):
        with transaction(conn):
            write_members(conn, rows)


def write_members(conn, rows):
    """Write what ``member_rows`` gives; inside a transaction."""
    (number,) = conn.execute("select ifnull(max(number), 0) + 1 from proteins").fetchone()
    numbered = enumerate(rows, number)
    while part := list(islice(numbered, _MEMBERS_AT_ONCE)):
        values = chain.from_iterable((number, *row) for number, row in part)
        conn.execute(_add_members(len(part)), tuple(values))


@cache
def _add_members(count):
    """The statement that adds so many members; its values are those of _COLUMNS, one member after the other."""
    row = f"({', '.join('?' * len(_COLUMNS))})"
    return f"insert into proteins ({', '.join(_COLUMNS)}) values {', '.join([row] * count)} {_TAKE_OVER}"


def member_rows(run, members):
    """Yield what the store is to know of members as proteins; those of a batch together, so that it is read once."""
    for batch, of_batch in groupby(members, key=attrgetter("batch")):
        path = run.predictions.fasta(batch)
        source = str(RESULTS / run_id_of(run) / run.folder.manifest.name)
        made = os.stat(run.folder.manifest).st_mtime
        # by sequence: the batch may have been made for another run, under another id
        sequences = {record.sequence for record in (read_batch(path) if batch and path.exists() else None) or ()}
        sequence_of = {sequence_md5(text): text for text in sequences}
        for member in of_batch:
            header = parse_header(member.query_id, member.description)
            yield (
                *(member.query_id, *header),
                *(member.length, sequence_of.get(member.md5), member.md5, timestamp(made), source),
            )


def _batches(rows):
    rows = iter(rows)
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        yield batch
