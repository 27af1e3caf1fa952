"""Uploads: the proteins of a FASTA file. A record that is invalid fails by itself, the others are added.

An id is never both failed and added: if one of its records fails, all records of this id do.

The file is checked and staged in a temporary table, which no other process waits for; then one transaction takes it
over. It is one because readers must see all of an upload or nothing, whatever is killed meanwhile.
"""

import contextlib
import gzip
import tempfile
import time
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from proteofold.formats.fasta import READ_ERRORS, FastaError, read_error, read_fasta
from proteofold.run.inputs import Checked, Sequences
from proteofold.run.states import timestamp
from proteofold.store.database import transaction
from proteofold.store.proteins import parse_header
from proteofold.system.errors import UserError

MOST_REPORTED = 1000  # ids of each outcome

# The human proteome takes 30 MB; a record of the longest known protein 50 kB.
MOST_UNPACKED_BYTES = 1 << 30
MOST_RECORDS = 2_000_000
MOST_RECORD_BYTES = 2 << 20
# of a sequence: what has more than 250,000 bytes is shown on no page; the longest header of UniProt has 500
MOST_LETTERS, MOST_HEADER_LETTERS = 60_000, 2_000

_PIECE = 1 << 20
_MARK = b"\xef\xbb\xbf"  # as Windows begins a text
_ROWS_AT_ONCE = 1000
_SECONDS_BETWEEN_WORDS = 0.2
_READ_PART = 0.7  # of the time that an upload takes, so much is reading
_SHOWN_RESIDUES, _SHOWN_BEFORE = 200, 20
_LONGEST_NAME = 200
_BEGINS_FORMULA = "=+-@\uff1d\uff0b\uff0d\uff20"  # the last four are those of East Asian keyboards


class Outcome(NamedTuple):
    """Result of a record: ``outcome`` is added, present or failed; ``reason`` shows why it failed, else ''."""

    id: str
    outcome: str
    reason: str


@dataclass(slots=True)
class Upload:
    """The outcome of each record of an upload.

    ``described`` counts those of ``present`` whose description was new. ``rows`` are Outcomes in the order of the
    file, the first MOST_REPORTED of each kind. ``ids`` are all that were added or present, each once.
    ``source`` is what the proteins that were added show as theirs.
    """

    source: str
    added: int = 0
    present: int = 0
    failed: int = 0
    described: int = 0
    rows: list = field(default_factory=list)
    ids: list = field(default_factory=list)


def add_upload(open_store, path, name, user, on_progress=None, most_stored=None):
    """Add the proteins of a FASTA file, plain or gzip, that was received whole; returns an Upload.

    ``open_store`` gives a connection to the store, which is closed here. ``path`` is the file, ``name`` how its sender
    calls it, ``user`` the User who sent it. ``on_progress(part, records)`` is called now and then with the part of
    the work that is done (0 to 1) and the records so far. Nothing that is there is replaced; an id that stands for
    another sequence fails, and so do all records of an id of which one fails. ``most_stored`` is how many proteins of
    the store may be of this user, None for any number.
    Raises UserError, with nothing stored, for a file that is not FASTA, is damaged or too large.
    """
    shown, report = shown_name(name), on_progress or (lambda part, records: None)
    upload = Upload(source=f"{shown}{_uploaded_by(user)}")
    with _measured(path, shown) as (plain, size), contextlib.closing(open_store()) as conn:
        conn.execute("pragma temp_store = file")
        conn.execute(_STAGED)
        conn.execute(_REFUSED)
        refused = _stage(conn, plain, shown, size, upload, report)
        with transaction(conn):
            _take_over(conn, upload)
            _check_stored(conn, upload, shown, user, most_stored)
        upload.rows, upload.ids = _outcomes(conn, refused), _ids(conn)
    report(1.0, upload.added + upload.present + upload.failed)
    return upload


def _uploaded_by(user):
    return f", uploaded by {user.name}"


def _check_stored(conn, upload, shown, user, most):
    """Raise UserError if more proteins of the store than ``most`` are of a user."""
    if most is None or not upload.added:
        return
    query = "select count(*) from proteins where substr(source, -length(:by)) = :by"
    (count,) = conn.execute(query, {"by": _uploaded_by(user)}).fetchone()
    if count > most:
        raise UserError(
            f"{shown}: the store would have {count:,} proteins of yours, and a user may have {most:,}. Nothing was "
            "stored. Ask the administrator for more."
        )


def shown_name(name):
    """The name that a browser gave a file, fit to be shown and kept: no folders, control characters or formulas."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(letter if letter.isprintable() else "?" for letter in last)
    return shown.lstrip(f"{_BEGINS_FORMULA} ").rstrip()[:_LONGEST_NAME] or "upload"


# --- before anything is parsed: is it a bomb? -------------------------------------------------------


@contextlib.contextmanager
def _measured(path, shown):
    """(path of the plain text, its bytes) of an upload that keeps the limits; unpacked text goes with the block."""
    with contextlib.ExitStack() as stack:
        handle, target = stack.enter_context(open(path, "rb")), None
        if handle.read(2) == b"\x1f\x8b":
            handle = stack.enter_context(gzip.open(path))
            target = stack.enter_context(tempfile.NamedTemporaryFile(prefix="proteofold-upload-"))
        else:
            handle.seek(0)
        try:
            size = _measure(handle, target, shown)
        except READ_ERRORS as error:
            raise UserError(f"{shown}: cannot be read ({read_error(error)}). Nothing was stored.") from None
        if target:
            target.flush()
        yield (target.name if target else path), size


def _measure(handle, target, shown):
    """Bytes of a text, which is copied to ``target`` if there is one; UserError as soon as it passes a limit."""
    size = records = since_header = 0
    before = b"\n"
    while piece := handle.read(_PIECE):
        text = before + (piece if size else piece.removeprefix(_MARK)).replace(b"\r", b"\n")
        size += len(piece)
        records += text.count(b"\n>")
        # what lies between two headers of one piece is shorter than a piece
        last = text.rfind(b"\n>")
        since_header = len(text) - last if last >= 0 else since_header + len(piece)
        if size > MOST_UNPACKED_BYTES or records > MOST_RECORDS:
            raise UserError(
                f"{shown}: more than {MOST_UNPACKED_BYTES >> 20:,} MB of text or {MOST_RECORDS:,} records. Nothing was "
                "stored. Split the file."
            )
        if since_header > MOST_RECORD_BYTES:
            raise UserError(
                f"{shown}: a record of more than {MOST_RECORD_BYTES >> 20} MB, which no protein is. Nothing was stored."
            )
        if target:
            target.write(piece)
        before = text[-1:]
    return size


# --- checking and staging ---------------------------------------------------------------------------

_COLUMNS = (
    *("query_id", "accession", "entry_name", "description", "gene", "organism"),
    *("length", "sequence", "md5"),
)
_NAMES = ", ".join(_COLUMNS)

_STAGED = f"create temp table staged (position integer primary key, line integer, outcome text, {_NAMES})"
_REFUSED = "create temp table refused (query_id text, line integer)"
_STAGE = f"insert into staged (position, line, {_NAMES}) values ({', '.join('?' * (len(_COLUMNS) + 2))})"


def _stage(conn, plain, shown, size, upload, report):
    """Stage the records that will do; returns the first of those that will not, as (position, Outcome), counting all.

    The part reported to ``report`` is approximate: blanks and line ends are not counted.
    """
    checker, refused, read, last_word = Sequences(Checked()), [], 0, time.monotonic()
    records = enumerate(_records(plain, shown), 1)
    number = 0
    while batch := list(islice(records, _ROWS_AT_ONCE)):
        rows, failing = [], []
        for number, record in batch:
            read += len(record.sequence) + len(record.description) + len(record.id)
            query = checker.query(shown, record, f"line {record.line}")
            header = parse_header(record.id, record.description)
            why = checker.checked.errors.pop() if query is None else _too_long(record) or _formula(record, header)
            if why:
                upload.failed += 1
                failing.append((record.id, record.line))
                if len(refused) < MOST_REPORTED:
                    refused.append((number, Outcome(_shortened(record.id), "failed", why)))
                continue
            rows.append((number, record.line, record.id, *header, len(query.sequence), query.sequence, query.md5))
        conn.executemany(_STAGE, rows)
        conn.executemany("insert into refused values (?, ?)", failing)
        if time.monotonic() - last_word > _SECONDS_BETWEEN_WORDS:
            last_word = time.monotonic()
            report(_READ_PART * min(read / size, 1), number)
    if not number:
        why = "holds no FASTA record (no line starts with '>')" if size else "is empty"
        raise UserError(f"{shown}: {why}. Give a FASTA file with at least one protein.")
    conn.execute("create index temp.staged_query_id on staged (query_id)")
    conn.execute("create index temp.refused_query_id on refused (query_id)")
    report(_READ_PART, number)
    return refused


def _too_long(record):
    """Why a record cannot be shown on the site; None if it can."""
    for what, text, most in (
        ("sequence", record.sequence, MOST_LETTERS),
        ("header", record.id + record.description, MOST_HEADER_LETTERS),
    ):
        if len(text) > most:
            return f"line {record.line}: the {what} has {len(text):,} letters; at most {most:,} are accepted."
    return None


def _formula(record, header):
    """Why a record would be calculated with by the spreadsheet that opens a table of it; None if it would not."""
    for what, text in (("id", record.id), *header._asdict().items()):
        if text and text[0] in _BEGINS_FORMULA:
            return (
                f"line {record.line}: the {what.replace('_', ' ')} begins with {text[0]!r}, which spreadsheets "
                "take for a formula. Rename the record."
            )
    return None


def _records(plain, shown):
    try:
        yield from read_fasta(plain)
    except FastaError as error:
        where = f"{shown}, line {error.line}" if error.line else shown
        raise UserError(f"{where}: {error.what}. Nothing was stored.") from None


def _shortened(text):
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 3]}..."


# --- into the store ---------------------------------------------------------------------------------


def _take_over(conn, upload):
    """Add what is staged, inside a transaction, and note the outcome of each record."""
    # all records of an id that has a record that failed, several sequences, or another sequence in the store
    conn.execute(
        "update staged set outcome = 'failed' where query_id in ("
        " select query_id from refused union"
        " select query_id from staged group by query_id having count(distinct md5) > 1 union"
        " select query_id from staged join proteins using (query_id) where staged.md5 <> proteins.md5)"
    )
    new = (
        "update staged set outcome = 'added' where outcome is null and query_id not in (select query_id from proteins)"
        " and position in (select min(position) from staged group by query_id)"
    )
    upload.added = conn.execute(new).rowcount
    # one statement, since the search index writes itself out once a statement
    conn.execute(
        f"insert into proteins (number, {_NAMES}, added_at, source)"
        " select (select ifnull(max(number), 0) from proteins) + row_number() over (order by position),"
        f" {_NAMES}, ?, ? from staged where outcome = 'added' order by position",
        (timestamp(time.time()), upload.source),
    )
    # in the store before, or twice in the file
    conn.execute("update staged set outcome = 'present' where outcome is null")
    outcomes = dict(conn.execute("select outcome, count(*) from staged group by outcome").fetchall())
    upload.present = outcomes.get("present", 0)
    upload.failed += outcomes.get("failed", 0)
    upload.described = conn.execute(
        "update proteins set description = ifnull(proteins.description, new.description),"
        " gene = ifnull(proteins.gene, new.gene), organism = ifnull(proteins.organism, new.organism),"
        " sequence = new.sequence"
        " from (select * from staged where outcome = 'present') as new where new.query_id = proteins.query_id"
        " and (proteins.sequence is null or (proteins.description is null and new.description is not null))"
    ).rowcount


def _outcomes(conn, refused):
    """The Outcomes to report, in the order of the file: some of each kind."""
    rows = list(refused)
    for outcome in ("added", "present"):
        query = "select position, query_id, outcome, '' from staged where outcome = ? order by position limit ?"
        rows += [(row[0], Outcome(*row[1:])) for row in conn.execute(query, (outcome, MOST_REPORTED))]
    conflicts = conn.execute(
        "select staged.position, line, staged.query_id, proteins.sequence, proteins.length, proteins.md5,"
        " proteins.source, staged.sequence, staged.length, staged.md5,"
        " (select min(line) from (select line from refused where refused.query_id = staged.query_id union all"
        " select other.line from staged as other where other.query_id = staged.query_id and other.md5 <> staged.md5))"
        " from staged left join proteins using (query_id) where outcome = 'failed' order by staged.position limit ?",
        (MOST_REPORTED - len(refused),),
    )
    for position, line, query_id, *stored_and_sent, other in conflicts:
        differs = stored_and_sent[2] is not None and stored_and_sent[2] != stored_and_sent[-1]
        reason = _conflict(line, *stored_and_sent) if differs else _several(line, other)
        rows.append((position, Outcome(query_id, "failed", reason)))
    return [outcome for _, outcome in sorted(rows)]


def _ids(conn):
    """The ids that a run can be started with: what they stand for in the store is what the file has."""
    query = "select query_id from staged where outcome <> 'failed' group by query_id order by min(position)"
    return [query_id for (query_id,) in conn.execute(query)]


def _several(line, other):
    """Why a record fails that would have been accepted by itself."""
    return (
        f"line {line}: the record of the same id in line {other} is invalid or has another sequence. No record of this"
        " id was added. Remove or rename one of them."
    )


def _conflict(line, there, there_length, there_md5, source, here, here_length, here_md5):
    """Why an id that stands for another sequence fails: both, from shortly before they differ."""
    reason = (
        f"line {line}: this id has another sequence in the store: {there_length} residues, MD5 {there_md5}, "
        f"from {source}; here {here_length} residues, MD5 {here_md5}."
    )
    if there is not None:
        pairs = enumerate(zip(there, here, strict=False), 1)
        differs = next((place for place, (one, other) in pairs if one != other), min(len(there), len(here)) + 1)
        first = max(differs - 1 - _SHOWN_BEFORE, 0)
        reason += f" They differ from position {differs} on. From position {first + 1}, in the store: "
        reason += f"{_window(there, first)}; here: {_window(here, first)}."
    return f"{reason} Rename the record."


def _window(sequence, first):
    shown = sequence[first : first + _SHOWN_RESIDUES]
    return (shown or "nothing") + ("..." if first + _SHOWN_RESIDUES < len(sequence) else "")
