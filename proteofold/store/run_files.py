"""What is exported from the files of a run: its tables; alignments, sequence, hits and domains of one protein."""

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from proteofold.formats.a3m import format_a3m, read_relatives
from proteofold.formats.fasta import format_fasta
from proteofold.formats.hhr import HIT_COLUMNS
from proteofold.formats.packed_hhr import unpack
from proteofold.run.manifest import load_run
from proteofold.run.merge import MERGED
from proteofold.run.predictions import read_prediction
from proteofold.run.results import DamagedError, read_hits, read_out, read_packed_hhr
from proteofold.run.verdicts import DOMAIN_TABLE_COLUMNS, judged, read_verdict, superfamilies_of, table_rows
from proteofold.store.queries import NotFoundError
from proteofold.system.errors import UserError
from proteofold.system.files import open_unlinked, replacing, write_aside


def find_member(folder, query_id):
    """(run, member) of a protein, by the folder of a run; NotFoundError if there is no such run or protein."""
    try:
        run = load_run(folder)
    except (UserError, OSError):
        raise NotFoundError(f"There is no run in {folder}.") from None
    member = next((member for member in run.members.values() if member.query_id == query_id), None)
    if member is None:
        raise NotFoundError(f"Run {run.name!r} has no protein {query_id!r}.")
    return run, member


def verdict_in_files(folders, query_id):
    """The Verdict on a protein, from the first of some folders of a run that has its result; None if none has."""
    for folder in folders:
        try:
            return read_verdict(*find_member(folder, query_id))
        except (UserError, OSError):
            continue
    return None


def protein_file(folder, query_id, name):
    """A file of PROTEIN_FILES of a protein of a run as bytes; NotFoundError where there is none."""
    run, member = find_member(folder, query_id)
    try:
        text = PROTEIN_FILES[name].read(run, member)
    except FileNotFoundError:
        raise NotFoundError(f"Run {run.name!r} has no result of {query_id!r}.") from None
    except (DamagedError, OSError):
        raise NotFoundError(f"The result of {query_id!r} is damaged. Rerun {run.name!r}.") from None
    return text if isinstance(text, bytes) else text.encode()


def export_protein(folder, query_id, to):
    """Write all files of PROTEIN_FILES of a protein of a run into the folder ``to``; returns the paths."""
    _, member = find_member(folder, query_id)
    texts = {f"{member.protein}.{name}": protein_file(folder, query_id, name) for name in PROTEIN_FILES}
    for name, text in texts.items():
        write_aside(Path(to) / name, text)
    return [Path(to) / name for name in texts]


def table_file(folder, name):
    """The path of a merged table of a run, by its folder; NotFoundError if there is none of this name, or not yet."""
    path = Path(folder) / name
    if name not in MERGED or not path.is_file() or path.is_symlink():
        raise NotFoundError(f"Run {Path(folder).name!r} has no table {name[:80]!r}, or was not merged yet.")
    return path


def export_table(folder, name, to):
    """Copy a merged table of a run into the folder ``to``; returns the path."""
    path = Path(to) / name
    with replacing(path) as aside:
        shutil.copyfile(table_file(folder, name), aside)
    return path


def a3m_of(run, member):
    """What was searched with: the kept file, or one made again of what it was made of; NotFoundError without that."""
    kept = run.a3m(member.entry)
    if kept.is_file():
        with open_unlinked(kept) as handle:
            return handle.read()
    prediction = _prediction(run, member)
    relatives, alignment = (), run.alignment(member)
    if alignment:
        try:
            relatives = read_relatives(alignment, prediction.sequence)
        except UserError as error:
            raise NotFoundError(f"The query alignment of {member.query_id} cannot be read: {error}") from None
    return format_a3m(member.query_id, prediction.sequence, prediction, relatives)


def _prediction(run, member):
    prediction = read_prediction(run, member)
    if prediction is None:
        raise NotFoundError(f"Run {run.name!r} has no predicted secondary structure of {member.query_id!r}.")
    return prediction


def _hhr(run, member):
    return unpack(read_packed_hhr(run.search, member.entry, read_out(run.search, member.entry)))


def _fasta(run, member):
    header = f"{member.query_id} {member.description}".rstrip()
    return format_fasta(header, _prediction(run, member).sequence)


def _hits(run, member):
    return read_hits(run.search, member.entry, read_out(run.search, member.entry))


def _hits_csv(run, member):
    return _csv(HIT_COLUMNS, ([member.query_id, *hit] for hit in _hits(run, member)))


def _hits_json(run, member):
    return _json([{"query_id": member.query_id} | hit._asdict() for hit in _hits(run, member)])


def _domains_csv(run, member):
    rows = judged(run, member, _hits(run, member)).domain_rows(member.query_id)
    return _csv(DOMAIN_TABLE_COLUMNS, table_rows(run, rows, superfamilies_of(run, rows)))


def _domains_json(run, member):
    return _json({"query_id": member.query_id} | read_verdict(run, member).described())


def _csv(columns, rows):
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([columns, *rows])
    return buffer.getvalue()


def _json(value):
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


class ProteinFile(NamedTuple):
    """A file that is made of a protein of a run: ``read(run, member)`` gives its text or bytes."""

    read: Callable
    media_type: str
    about: str


# By the ending of their names.
PROTEIN_FILES = {
    "hhr": ProteinFile(_hhr, "text/plain", "hits and alignments, as HH-suite writes them"),
    "a3m": ProteinFile(a3m_of, "text/plain", "what was searched with: sequence and predicted secondary structure"),
    "fasta": ProteinFile(_fasta, "text/plain", "the sequence"),
    "hits.csv": ProteinFile(_hits_csv, "text/csv", "all hits, with the columns of hits.csv.gz"),
    "hits.json": ProteinFile(_hits_json, "application/json", "the same as JSON"),
    "domains.csv": ProteinFile(_domains_csv, "text/csv", "the domains, with the columns of domains.csv"),
    "domains.json": ProteinFile(_domains_json, "application/json", "domains, coverage, class and verdict"),
}
