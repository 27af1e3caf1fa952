"""Batches: proteins whose secondary structure is predicted together. Immutable, and shared by all runs.

A batch is named by the checksum of its sequences, so that its files can belong to nothing else. A sequence is in it
once, whatever ids it has.
"""

import hashlib

from proteofold.formats.fasta import FastaError, format_fasta, read_fasta
from proteofold.formats.psipred import read_horiz
from proteofold.system.errors import UserError
from proteofold.system.files import existing_names


def cut(items, length_of, most):
    """Yield lists of neighbouring items of at most ``most`` residues together; a longer item is a list by itself.

    So what a giant takes in memory endangers no other protein.
    """
    batch, residues = [], 0
    for item in items:
        length = length_of(item)
        if batch and residues + length > most:
            yield batch
            batch, residues = [], 0
        batch.append(item)
        residues += length
    if batch:
        yield batch


def new_batches(queries, most_residues):
    """Batches of queries that are in none yet: name -> queries, one of each sequence, longest proteins first.

    The longest proteins start the longest searches, and neighbours of one length make full batches.
    """
    parts = cut(_distinct(queries), lambda query: len(query.sequence), most_residues)
    return {batch_name(part): part for part in parts}


def batch_name(members):
    """The name of a batch of queries or records, whatever their order."""
    digest = hashlib.sha256()
    for sequence in sorted(member.sequence for member in members):
        digest.update(f"{sequence}\n".encode())
    return digest.hexdigest()[:16]


def make_batch(queries):
    """The name and the text of the FASTA file of a batch of these queries."""
    members = _distinct(queries)
    return batch_name(members), "".join(format_fasta(query.query_id, query.sequence) for query in members)


def _distinct(queries):
    first = {query.sequence: query for query in reversed(list(queries))}
    # not by id: predictions are in the order of the FASTA file, and runs that share them may have other ids
    return sorted(first.values(), key=lambda query: (-len(query.sequence), query.sequence))


def read_batch(path):
    """The records of a batch's FASTA file; None if its name does not fit what it holds: it is damaged."""
    try:
        records = list(read_fasta(path))
    except FastaError:
        return None
    return records if batch_name(records) == path.stem else None


def damaged_files(predictions, batch):
    """Those of a batch's two files that are there and damaged: the prediction has to fit the sequences."""
    fasta, horiz = predictions.fasta(batch), predictions.horiz(batch)
    records = read_batch(fasta) if fasta.exists() else None
    damaged = [fasta] if fasta.exists() and records is None else []
    if records and horiz.exists():
        try:
            predicted = [prediction.sequence for prediction in read_horiz(horiz)]
        except (UserError, OSError):
            predicted = None
        if predicted != [record.sequence for record in records]:
            damaged.append(horiz)
    return damaged


def existing_batches(predictions):
    """The batches of a PredictionFolder in the order in which proteins choose one: (name, records).

    Those with a prediction come first, each part in the order of the names. A damaged batch is left out.
    """
    predicted = {name.removesuffix(".horiz") for name in existing_names(predictions.horiz_folder)}
    names = {name.removesuffix(".fas") for name in existing_names(predictions.fasta_folder) if name.endswith(".fas")}
    for name in sorted(names, key=lambda name: (name not in predicted, name)):
        if (records := read_batch(predictions.fasta(name))) is not None:
            yield name, records
