"""Single files: fetched into a folder that keeps what came, so that a later process continues there."""

import gzip
import hashlib
import json
import os
import shutil

from proteofold.fetch import place
from proteofold.fetch.download import Identity, StartAgainError, Stream
from proteofold.fetch.gzipstream import DamagedError
from proteofold.system.errors import UserError
from proteofold.system.files import write_aside

FETCHED = "fetched"  # the file, in the folder
_REACHED = "reached.json"  # what the server says of the file whose first bytes are there

_STARTS = 8
_PIECE = 1 << 20
_LONGEST_LINE = 1 << 16


def download(source, part, meter, patience, largest):
    """Fetch the file of a Source into the folder ``part``, which the caller holds, as FETCHED; returns the Stream.

    Answers that are made when asked for start again when they break; others continue, also after a process that was
    killed. The checksum is compared where the Source has one.

    Raises DamagedError if the file has more than ``largest`` bytes or another checksum: the folder is then empty. Other
    errors are UserErrors that leave what was fetched.
    """
    for _ in range(_STARTS):
        offset, identity = _reached(source, part)
        stream = Stream(source.url, offset, identity, patience, meter.say)
        try:
            _transfer(source, stream, part, meter, largest)
            _compare(source, part)
            return stream
        except DamagedError:
            place.clear(part)
            raise
        except OSError as error:
            raise place.disk_error(error, part) from None
        except StartAgainError as reason:
            meter.say(f"{reason} Starting from the beginning.")
            place.clear(part)
    raise UserError(f"{source.url}: broke off {_STARTS} times: try again later.", topic="download")


def unpacked_pieces(path, largest):
    """Yield the bytes of a file, gzip or not, unpacked; DamagedError if it is damaged or has more than ``largest``."""
    opened, size = gzip.open if _is_gzip(path) else open, 0
    try:
        with opened(path, "rb") as handle:
            while piece := handle.read(_PIECE):
                size += len(piece)
                if size > largest:
                    raise DamagedError(f"it has more than {largest:,} bytes unpacked.")
                yield piece
    except (gzip.BadGzipFile, EOFError, gzip.zlib.error) as error:
        raise DamagedError(f"it is damaged or cut short ({error}).") from None


def unpacked_lines(path, largest):
    """Yield the lines of a text file, gzip or not; DamagedError if it is damaged, too large or has a very long line."""
    rest = b""
    for piece in unpacked_pieces(path, largest):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace").rstrip("\r")
        if len(rest) > _LONGEST_LINE:
            raise DamagedError(f"it has a line of more than {_LONGEST_LINE:,} bytes.")
    if rest:
        yield rest.decode(errors="replace")


def pack(path):
    """Make a gzip file of what is none."""
    if _is_gzip(path):
        return
    packed = path.with_suffix(".packed")
    with open(path, "rb") as handle, gzip.open(packed, "wb") as target:
        shutil.copyfileobj(handle, target)
    os.replace(packed, path)


def _is_gzip(path):
    with open(path, "rb") as handle:
        return handle.read(2) == b"\x1f\x8b"


def _reached(source, part):
    """How many bytes of the file are there, and the Identity of the file on the server; 0 and None to begin."""
    try:
        state = json.loads((part / _REACHED).read_text(encoding="utf-8"))
        size = (part / FETCHED).stat().st_size
        if state["url"] == source.url and size:
            return size, Identity(*state["identity"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass
    place.clear(part)
    return 0, None


def _transfer(source, stream, part, meter, largest):
    offset, begun = stream.offset, False
    with open(part / FETCHED, "ab") as handle:
        for chunk in stream.chunks():
            if stream.offset > largest or (stream.length or 0) > largest:
                raise DamagedError(f"{source.url}: more than {largest:,} bytes. Is this the right file?")
            if not begun:
                meter.begin("fetching", stream.length, offset)
                place.require_room(part, (stream.length or 0) - offset, source.url)
                if stream.length is not None:  # without a length nothing can be continued
                    write_aside(part / _REACHED, json.dumps({"url": source.url, "identity": stream.identity}))
                begun = True
            handle.write(chunk)
            meter.add(len(chunk))


def _compare(source, part):
    if not source.checksum:
        return
    kind, _, expected = source.checksum.partition(":")
    with open(part / FETCHED, "rb") as handle:
        found = hashlib.file_digest(handle, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()
    if found != expected:
        raise DamagedError(
            f"{source.url}: its checksum is {kind}:{found}, expected {source.checksum}. Nothing is kept."
        )
