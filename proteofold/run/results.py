"""The results of single proteins: when one counts as done, what its ``.out`` holds, and what happens to a damaged one.

A protein is done when its ``.out`` is there: it is written last, and whole. Whoever reads one checks it, because files
can be cut by a power failure or overwritten manually. What is damaged is removed, and the next start makes it again.
"""

import csv
import hashlib
import re
from dataclasses import dataclass

from proteofold.formats.hhr import is_of_query, parse_hhr
from proteofold.formats.packed_hhr import unpack
from proteofold.run.failures import DAMAGED, ERROR_MARK
from proteofold.run.layout import digits_of
from proteofold.science.summary import SUMMARY_COLUMNS, format_summary
from proteofold.system.errors import UserError
from proteofold.system.files import existing_names, write_aside

# The last line of an .out: entry and search, checksums of its row and of its .hhr.gz.
_OWNER = re.compile(r"(.*) row:([0-9a-f]{64}) hhr:([0-9a-f]{64})\n")

# Fewer than these are asked for one by one; of more, folders are read.
_WORTH_READING_FOLDERS = 500


class DamagedError(UserError):
    """A result that is cut short, overwritten, or of another protein or search. Remove it with ``remove``."""


@dataclass(frozen=True, slots=True)
class Out:
    """What an ``.out`` holds: the row of the summary as text, and the checksum of the ``.hhr.gz`` it was made from."""

    row: list
    hhr_sha256: str


def done(search, entries):
    """Those of these entries whose result is there. This is the one definition of done: the ``.out`` exists."""
    entries = set(entries)
    if len(entries) < _WORTH_READING_FOLDERS:
        return {entry for entry in entries if search.out(entry).exists()}
    names = {digits: existing_names(search.out_folder / digits) for digits in set(map(digits_of, entries))}
    return {entry for entry in entries if f"{entry}.out" in names[digits_of(entry)]}


def sha256(data):
    """The SHA-256 of bytes, as hex digits."""
    return hashlib.sha256(data).hexdigest()


def write_out(path, entry, search_name, summary, hhr_sha256):
    """Write the ``.out`` of an entry: header and row of the summary, and a line that says what they belong to."""
    table = format_summary(summary)
    write_aside(path, f"{table}# {entry} {search_name} row:{sha256(table.encode())} hhr:{hhr_sha256}\n")


def read_out(search, entry):
    """The Out of an entry. DamagedError if it is not whole, or not of this entry and search; FileNotFoundError."""
    path = search.out(entry)
    table, _, last = path.read_bytes().rpartition(b"# ")
    owner = _OWNER.fullmatch(last.decode(errors="replace"))
    if not owner or owner.group(1, 2) != (f"{entry} {search.name}", sha256(table)):
        raise DamagedError(f"{path}: damaged, or the result of another protein or search")
    header, row = csv.reader(table.decode().splitlines())
    if tuple(header) != SUMMARY_COLUMNS:
        raise DamagedError(f"{path}: other columns than {', '.join(SUMMARY_COLUMNS)}")
    return Out(row, owner[3])


def read_packed_hhr(search, entry, out=None):
    """The bytes of the ``.hhr.gz`` of an entry, compared with its Out where one is given; DamagedError."""
    path = search.hhr(entry)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DamagedError(f"{path}: missing") from None
    if out and sha256(data) != out.hhr_sha256:
        raise DamagedError(f"{path}: damaged: not the file that {search.out(entry).name} was made from")
    return data


def read_hits(search, entry, out=None):
    """All hits of an entry, from its ``.hhr.gz``; DamagedError."""
    return read_search(search, entry, out).hits


def read_search(search, entry, out=None, most=None):
    """The SearchResult in the ``.hhr.gz`` of an entry, ``most`` hits of it where that is given; DamagedError."""
    path = search.hhr(entry)
    try:
        return parse_hhr(unpack(read_packed_hhr(search, entry, out)), path, most)
    except DamagedError:
        raise
    except UserError as error:
        raise DamagedError(f"{path}: damaged: {error}") from None


def remove(search, member, why):
    """Remove the damaged result of a member of a run, so that the next start makes it again; its log keeps the reason.

    Where only the ``.out`` is damaged a whole ``.hhr.gz`` of this protein stays, and no search is needed again.
    """
    entry = member.entry
    keep_hhr = _out_is_damaged(search, entry) and _hhr_is_whole(search, member)
    search.out(entry).unlink(missing_ok=True)
    if not keep_hhr:
        search.hhr(entry).unlink(missing_ok=True)
    write_aside(search.log("summary", entry), f"{why}\n{ERROR_MARK}{DAMAGED}\n")


def is_whole(search, entry):
    """Whether the result of an entry is there, and nothing of it damaged."""
    try:
        read_search(search, entry, read_out(search, entry))
    except (DamagedError, OSError):
        return False
    return True


def _out_is_damaged(search, entry):
    try:
        read_out(search, entry)
    except (DamagedError, FileNotFoundError):
        return True
    return False


def _hhr_is_whole(search, member):
    try:
        return is_of_query(read_search(search, member.entry), member.query_id)
    except DamagedError:
        return False
