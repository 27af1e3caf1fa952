"""What is kept of a ``.hhr`` file, and the alignments in it for the pages.

What is kept is a ``.hhr`` of HH-suite's own format, compressed, without when and where the search was made.
"""

import re
import zlib
from itertools import pairwise
from typing import NamedTuple

from proteofold.system.errors import UserError

# Of so many hits, and of all confident ones, everything is kept.
ALIGNED_HITS = 50
CONFIDENT_EVALUE, CONFIDENT_PROBABILITY = 1e-3, 95.0

# 2.5 times as fast as level 6 and a tenth larger; every protein pays for it
_LEVEL = 4
_GZIP = 31  # zlib's window bits for a gzip member: its header has no time and no name
_ELSEWHERE = (b"Date", b"Command")  # when, and with which paths: equal searches shall be equal bytes
_BLOCK_START = re.compile(rb"^No +\d+\s*$", re.MULTILINE)
_VALUES = re.compile(rb"^Probab=(\S+)\s+E-value=(\S+)", re.MULTILINE)
_SEQUENCE = re.compile(rb"[QT] (?!Consensus ).*\d+ \S+ +\d+ \(\d+\)\s*$")

_TABLE_HEAD = b" No Hit"
_BLOCK = re.compile(r"No +(\d+)\s*")
_RESIDUES = re.compile(r"([QT]) (.*?) +(\d+) (\S+) +(\d+) +\((\d+)\)\s*")
_CONSENSUS = "Consensus"
_ANNOTATIONS = {
    "Q ss_pred": "query_ss_pred",
    "Q ss_conf": "query_ss_conf",
    "T ss_dssp": "template_ss_dssp",
    "T ss_pred": "template_ss_pred",
    "Confidence": "confidence",
}


class Alignment(NamedTuple):
    """The alignment of one hit: numbers, and rows of text of one length, gaps as '-'.

    Positions count residues from 1, ends included. Rows that the file does not have are None; ``match`` and the rows
    of secondary structure have blanks where there is no value.
    """

    rank: int
    template: str
    query_start: int
    query_end: int
    query_length: int
    template_start: int
    template_end: int
    template_length: int
    query_ss_pred: str | None
    query_ss_conf: str | None
    query_sequence: str | None
    query_consensus: str | None
    match: str | None
    template_consensus: str | None
    template_sequence: str | None
    template_ss_dssp: str | None
    template_ss_pred: str | None
    confidence: str | None


_ROWS = Alignment._fields[8:]


def pack_hhr(hhr):
    """The bytes that are kept of the bytes of a ``.hhr``, as one gzip member.

    Of hits beyond the first ALIGNED_HITS that are not confident only the aligned residues of query and template stay;
    the list of hits and the values of each hit are complete. Raises UserError if there is no list of hits.
    """
    head, table_head, rest = hhr.partition(b"\n" + _TABLE_HEAD)
    if not table_head:
        raise UserError("no list of hits, not even an empty one: not a .hhr file of HH-suite, or cut short")
    lines = [line for line in head.split(b"\n") if not line.startswith(_ELSEWHERE)]
    table, blank, blocks = rest.partition(b"\n\n")
    starts = [match.start() for match in _BLOCK_START.finditer(blocks)]
    kept = [blocks[: starts[0]] if starts else blocks]
    for rank, (start, end) in enumerate(pairwise([*starts, len(blocks)]), 1):
        block = blocks[start:end]
        kept.append(block if rank <= ALIGNED_HITS or _is_confident(block) else _residues_only(block))
    text = b"\n".join(lines) + table_head + table + blank + b"".join(kept)
    return pack(text, _LEVEL)


def _is_confident(block):
    values = _VALUES.search(block)
    return bool(values) and (float(values[1]) >= CONFIDENT_PROBABILITY or float(values[2]) < CONFIDENT_EVALUE)


def _residues_only(block):
    """A block without consensus, secondary structure, match and confidence."""
    lines = block.split(b"\n")
    # the rank, the template and the line of values come first
    kept = lines[:3] + [line for line in lines[3:] if not line.strip() or _SEQUENCE.match(line)]
    return re.sub(rb"\n{3,}", b"\n\n", b"\n".join(kept))


def pack(data, level=6):
    """Bytes as one gzip member, without time and name: equal bytes give equal members."""
    return zlib.compress(data, level=level, wbits=_GZIP)


def unpack(data):
    """The bytes in a gzip member, such as the text of a packed ``.hhr``; UserError if it is damaged or cut short."""
    unpacker = zlib.decompressobj(wbits=_GZIP)
    try:
        text = unpacker.decompress(data)
    except zlib.error:
        raise UserError("not what gzip wrote") from None
    if not unpacker.eof or unpacker.unused_data:
        raise UserError("cut short, or followed by something else")
    return text


def read_alignments(data, rank=None):
    """The Alignments in the bytes that ``pack_hhr`` gave, by rank; only that of ``rank`` where it is given.

    Raises UserError if the bytes are damaged or cut short.
    """
    # one character a byte: columns are counted in bytes, and a name may be cut within a letter
    text = unpack(data).decode("latin-1")
    lines = text.split("\n")
    starts = [number for number, line in enumerate(lines) if _BLOCK.fullmatch(line)]
    listed = _listed(lines)
    if listed > len(starts):
        raise UserError(f"{listed} hits are listed but {len(starts)} are aligned: cut short")
    blocks = [lines[start:end] for start, end in pairwise([*starts, len(lines)])]
    return [_read_block(block) for block in blocks if rank is None or _rank(block) == rank]


def _listed(lines):
    """How many hits the table has."""
    at = next((number for number, line in enumerate(lines) if line.startswith(_TABLE_HEAD.decode())), None)
    if at is None:
        raise UserError("no list of hits, not even an empty one: cut short")
    return next((count for count, line in enumerate(lines[at + 1 :]) if not line.strip()), len(lines) - at - 1)


def _rank(lines):
    return int(_BLOCK.fullmatch(lines[0])[1])


def _read_block(lines):
    """The Alignment of a block: its rank, its template, a line of values, then pieces of 80 columns."""
    rank = _rank(lines)
    if len(lines) < 3 or not lines[1].startswith(">"):
        raise UserError(f"hit {rank} has no template: cut short")
    template = lines[1][1:].split(maxsplit=1)[:1] or [""]
    rows, spans, length = {}, {}, 0
    for piece in _pieces(lines[3:]):
        columns, found, piece_spans = _read_piece(rank, piece)
        for name, text in found.items():
            # what only some pieces have is blank in the others
            rows[name] = rows.get(name, "").ljust(length) + text[:columns].ljust(columns)
        length += columns
        for side, (start, end, total) in piece_spans.items():
            spans[side] = (spans[side][0] if side in spans else start, end, total)
    if set(spans) != {"Q", "T"}:
        raise UserError(f"hit {rank} is not aligned: cut short")
    filled = (rows[name].ljust(length) if name in rows else None for name in _ROWS)
    return Alignment(
        rank, template[0].encode("latin-1").decode(errors="backslashreplace"), *spans["Q"], *spans["T"], *filled
    )


def _pieces(lines):
    """Lists of the lines of each piece. Blank lines part them, but a match line may be blank, too."""
    piece = []
    for line in lines:
        if line.startswith("Q ") and any(known.startswith("T ") for known in piece):
            yield piece
            piece = []
        if piece or line.startswith("Q "):
            piece.append(line.rstrip("\r"))
    if piece:
        yield piece


def _read_piece(rank, lines):
    """Columns, rows by field of Alignment, and (start, end, length) by side of one piece."""
    residues = [_RESIDUES.fullmatch(line) for line in lines]
    numbered = [match for match in residues if match]
    widths = {len(match[4]) for match in numbered}
    if len(widths) != 1 or {match[1] for match in numbered} != {"Q", "T"}:
        raise UserError(f"the rows of hit {rank} do not match up: cut short or damaged")
    (columns,), left = widths, numbered[0].start(4)
    rows, spans = {}, {}
    for match in numbered:
        side = "query" if match[1] == "Q" else "template"
        rows.setdefault(f"{side}_{'consensus' if match[2] == _CONSENSUS else 'sequence'}", match[4])
        spans.setdefault(match[1], (int(match[3]), int(match[5]), int(match[6])))
    for line in lines:
        name = next((field for label, field in _ANNOTATIONS.items() if line.startswith(label)), None)
        if name and name not in rows and not _RESIDUES.fullmatch(line):
            rows[name] = line[left:]
    last = max(number for number, match in enumerate(residues) if match and match[1] == "Q")
    if last + 1 < len(lines) and not lines[last + 1].startswith("T "):
        rows["match"] = lines[last + 1][left:]
    return columns, rows, spans
