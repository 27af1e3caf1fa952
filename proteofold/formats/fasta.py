"""FASTA files as they are met: plain or gzip, any line ends, wrapped or not."""

import errno
import hashlib
import io
import re
import zlib
from collections import namedtuple
from functools import partial

from proteofold.system.errors import UserError

LINE_WIDTH = 60

_PIECE = 1 << 20  # a line is read in pieces, so that a file without line ends is not held before it is judged

_UNIPROT_ID = re.compile(r"(?:sp|tr)\|([A-Za-z0-9]+(?:-[0-9]+)?)\|")
_SAFE_STEM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")

# The first bytes of what is met instead of gzip.
_PACKED = re.compile(rb"(?P<bzip2>BZh[1-9]1AY)|(?P<xz>\xfd7zXZ)|(?P<zip>PK\x03\x04)|(?P<Zstandard>\x28\xb5\x2f\xfd)")

READ_ERRORS = (OSError, EOFError, zlib.error)  # what reading a text file, plain or gzip, may end with


class Record(namedtuple("Record", "id description sequence line")):
    """One FASTA record: the header's first word, the rest of the header, the sequence, the header's line number."""

    __slots__ = ()


class FastaError(UserError):
    """A file that is not FASTA; ``line`` is where (counted from 1, 0 for the whole file)."""

    topic = "inputs"

    def __init__(self, path, line, what):
        where = f"{path}, line {line}" if line else f"{path}"
        super().__init__(f"{where}: {what}")
        self.path, self.line, self.what = path, line, what


def open_text(path, errors="replace"):
    """Open a text file in UTF-8, plain or gzip (recognised by its first bytes); by default other bytes become U+FFFD.

    Raises OSError for UTF-16, as some programs of Windows save text, and for other kinds of compression.
    """
    handle = open(path, "rb")  # noqa: SIM115 - closed with what is returned
    try:
        if handle.peek(2)[:2] == b"\x1f\x8b":
            import gzip  # here, because no search needs it and each would pay for it

            handle.close()
            handle = gzip.open(path, "rb")  # noqa: SIM115
        if packed := _PACKED.match(handle.peek(8)):
            raise OSError(errno.EILSEQ, f"it is a {packed.lastgroup} file: unpack it, or use gzip", path)
        first = handle.peek(2)[:2]
        if first in (b"\xff\xfe", b"\xfe\xff") or (len(first) == 2 and first.count(0) == 1):
            raise OSError(errno.EILSEQ, "it is UTF-16 text: save it as UTF-8", path)
        return io.TextIOWrapper(handle, encoding="utf-8-sig", errors=errors)
    except BaseException:
        handle.close()
        raise


def read_error(error):
    """One of READ_ERRORS in words, without number and path."""
    return getattr(error, "strerror", None) or str(error)


def read_fasta(path, comment=None, nameless=None):
    """Yield the records of a FASTA file in order; lines before them that start with ``comment`` are passed over.

    Blanks inside a sequence are dropped, and what does not print in a description becomes a blank; nothing else is
    changed or judged. Raises FastaError where the text before the first header is not empty, a header has no id, or the
    file cannot be read. With ``nameless`` a record without an id is passed over, and its FastaError goes to that
    function.
    """
    for header, chunks, line in _parts(path, comment):
        words = header.split(maxsplit=1)
        if words:
            description = _printed(words[1]) if len(words) > 1 else ""
            yield Record(words[0], description, "".join("".join(chunks).split()), line)
            continue
        error = FastaError(path, line, "a header without an id: write the id right after '>'")
        if nameless is None:
            raise error
        nameless(error)


def _printed(text):
    """Text without what terminals obey or databases take for its end, and without blanks at its end."""
    if not text.isprintable():  # most are, and quickly known to be
        text = "".join(letter if letter.isprintable() else " " for letter in text)
    return text.rstrip()


def _parts(path, comment):
    """Header, pieces of the sequence and line number of each record."""
    header, chunks, start = None, [], 0
    number, begins = 0, True
    try:
        with open_text(path) as handle:
            for piece in iter(partial(handle.readline, _PIECE), ""):
                number += begins
                if begins and piece.startswith(">"):
                    if header is not None:
                        yield header, chunks, start
                    header, chunks, start = piece[1:], [], number
                elif header is not None:
                    chunks.append(piece)
                elif begins and comment and piece.startswith(comment):
                    pass
                elif piece.strip():
                    raise FastaError(path, number, "not FASTA: the first record must start with '>' and an id")
                begins = piece.endswith("\n")
    except READ_ERRORS as error:
        raise FastaError(path, number, f"cannot be read ({read_error(error)})") from None
    if header is not None:
        yield header, chunks, start


def format_fasta(identifier, sequence, width=LINE_WIDTH):
    """One FASTA record as text; ``width`` None keeps the sequence in one line."""
    width = width or max(len(sequence), 1)
    lines = [sequence[start : start + width] for start in range(0, len(sequence), width)]
    return "\n".join([f">{identifier}", *lines, ""])


def protein_stem(query_id):
    """File-safe stem of a query id: its UniProt accession, itself if it is safe, else cleaned with a checksum.

    Letters, digits and ``. _ -`` only, never starting with a dot or a dash, at most 64 characters.
    """
    uniprot = _UNIPROT_ID.match(query_id)
    stem = uniprot[1] if uniprot else query_id
    if _SAFE_STEM.fullmatch(stem):
        return stem
    cleaned = re.sub(r"[^A-Za-z0-9_]+", "_", query_id).strip("_")[:48] or "protein"
    return f"{cleaned}-{hashlib.sha256(query_id.encode('utf-8', 'replace')).hexdigest()[:12]}"
