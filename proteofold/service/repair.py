"""Repairing the store: replacing a wrong sequence under a known id, deleting a protein; with a trace of who and why."""

import time

from proteofold.formats.fasta import read_fasta
from proteofold.run.inputs import Checked, Sequences
from proteofold.run.states import timestamp
from proteofold.service.events import record_event
from proteofold.service.runs import WrongStateError
from proteofold.store.database import transaction
from proteofold.store.proteins import parse_header
from proteofold.store.queries import NotFoundError
from proteofold.system.errors import UserError


def replace_proteins(store, platform, fasta, by, why):
    """Give ids of the store the sequences and descriptions of a FASTA file; returns the ids that changed.

    ``by`` is who does it, ``why`` the reason; both are kept as security events. Results of finished runs stay: each
    keeps the checksum of the sequence that it was made of. All records are replaced or none: raises UserError for an
    invalid record, NotFoundError for an id that the store lacks, WrongStateError for a protein that a run waits for.
    """
    why = _reason(why)
    checker, changes = Sequences(Checked()), []
    for record in read_fasta(fasta):
        query = checker.query(fasta, record, f"line {record.line}")
        if query is None:
            raise UserError(f"{fasta.name}, {checker.checked.errors.pop()} Nothing was replaced.")
        length, md5 = _there(store, platform, record.id)
        changes.append((record, query, length, md5))
    now = timestamp(time.time())
    with transaction(store):
        for record, query, _, _ in changes:
            header = parse_header(record.id, record.description)
            store.execute(
                "update proteins set sequence = ?, length = ?, md5 = ?, description = ?, gene = ?, organism = ?,"
                " added_at = ?, source = ? where query_id = ?",
                (query.sequence, len(query.sequence), query.md5, header.description, header.gene, header.organism)
                + (now, f"{fasta.name}, replaced by {by}", record.id),
            )
    for record, query, length, md5 in changes:
        what = f"{record.id}: {length} residues, MD5 {md5}, by {len(query.sequence)}, MD5 {query.md5}"
        record_event(platform, "protein replaced", by, None, f"{what}: {why}")
    return [record.id for record, *_ in changes]


def delete_protein(store, platform, query_id, by, why):
    """Delete a protein that no run has; ``by`` and ``why`` are kept as a security event.

    Raises NotFoundError, or WrongStateError for a protein that has results or that a run waits for.
    """
    why = _reason(why)
    length, md5 = _there(store, platform, query_id)
    query = "select run_id from protein_results where query_id = ? order by run_id limit 4"
    if runs := [run_id for (run_id,) in store.execute(query, (query_id,))]:
        shown = ", ".join(runs[:3]) + (" and others" if len(runs) > 3 else "")
        raise WrongStateError(f"{query_id} is in runs: {shown}. Delete them first, or replace the protein.")
    with transaction(store):
        store.execute("delete from proteins where query_id = ?", (query_id,))
    record_event(platform, "protein deleted", by, None, f"{query_id}: {length} residues, MD5 {md5}: {why}")


def _reason(why):
    if not why.strip():
        raise UserError("Give the reason: it is recorded with the change.")
    return " ".join(why.split())


def _there(store, platform, query_id):
    """(length, MD5) of a protein; NotFoundError, or WrongStateError if a run that waits or works has it."""
    row = store.execute("select length, md5 from proteins where query_id = ?", (query_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"The store has no protein {query_id!r}.")
    waits = (
        "select run_id from orders join order_proteins using (run_id) where state in ('queued', 'running')"
        " and exists (select 1 from json_each(ids) where value = ?) limit 1"
    )
    if found := platform.execute(waits, (query_id,)).fetchone():
        raise WrongStateError(
            f"Run {found[0]} has {query_id} and is queued or running. Stop it, or wait until it has ended."
        )
    return row
