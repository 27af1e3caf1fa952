"""A proteome of UniProt as a FASTA file."""

import os
import re
import shutil
from pathlib import Path

from proteofold.fetch import place, single
from proteofold.fetch.download import Patience
from proteofold.fetch.sources import Source
from proteofold.formats.fasta import FastaError, read_fasta
from proteofold.system.errors import UserError

_ID = re.compile(r"UP\d{9,11}", re.ASCII)
_LARGEST = 100 << 30  # bytes; all of UniProt has less


def checked_id(proteome_id):
    """A proteome's id in capitals; UserError for what is none."""
    if not _ID.fullmatch(proteome_id.upper()):
        raise UserError(
            f"{proteome_id!r} is not the id of a proteome: expected UP and nine digits, such as UP000005640 (human). "
            "https://www.uniprot.org/proteomes lists them.",
            topic="download",
        )
    return proteome_id.upper()


def fetch_proteome(url, proteome_id, path, meter, patience=None):
    """Fetch a proteome into a gzip file; ``url`` may hold {id}. Returns proteins, residues, release and fetched.

    A file that is there is counted and left alone. The file appears when all of it is read and is FASTA.
    """
    path, patience = Path(path), patience or Patience()
    if path.exists():
        proteins, residues = _count(path)
        return {"proteins": proteins, "residues": residues, "release": None, "fetched": False}
    url = url.replace("{id}", proteome_id)
    part = path.with_name(f".{path.name}.part")
    with place.alone_in(part):
        try:
            stream = single.download(Source(url, None), part, meter, patience, _LARGEST)
            fetched = part / single.FETCHED
            proteins, residues = _check(fetched, url, proteome_id, stream.headers.get("X-Total-Results"))
            single.pack(fetched)
            place.sync(fetched)
            os.replace(fetched, path)
        finally:
            shutil.rmtree(part)
    release = stream.headers.get("X-UniProt-Release")
    return {"proteins": proteins, "residues": residues, "release": release, "fetched": True}


def _check(part, url, proteome_id, announced):
    """Proteins and residues of what came; UserError unless it is all that was asked for."""
    try:
        proteins, residues = _count(part)
    except FastaError as error:
        raise UserError(
            f"{url}: what came is not whole or not FASTA ({error.what}). Try again later.", topic="download"
        ) from None
    if not proteins:
        raise UserError(
            f"{url}: no proteins came. Is there a proteome {proteome_id} at uniprot.org/proteomes?", topic="download"
        )
    if announced not in (None, str(proteins)):
        raise UserError(
            f"{url}: {announced} proteins were announced, {proteins} came. Try again later.", topic="download"
        )
    return proteins, residues


def _count(path):
    """Proteins and residues of a FASTA file; FastaError also where a protein has no sequence."""
    proteins = residues = 0
    for record in read_fasta(path):
        if not record.sequence:
            raise FastaError(path, record.line, f"{record.id} has no sequence")
        proteins, residues = proteins + 1, residues + len(record.sequence)
    return proteins, residues
