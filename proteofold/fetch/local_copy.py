"""A copy of a library's hot files on a local disk: what the searches of a mode read all the time.

The copy is resumable: a journal records the checksum of each copied block. When all are there, the copy is read
back from the disk and compared, which also leaves it in the page cache. The checksums stay with the copy: another node
that takes it over compares what it got with what was read from the library.
"""

import hashlib
import json
import os
import time
from pathlib import Path

from proteofold.fetch import place
from proteofold.fetch.peers import copy_from_peers
from proteofold.science import hhsuite
from proteofold.system.errors import UserError

_BLOCK = 1 << 26
_PIECE = 1 << 22
_JOURNAL = ".journal"


def copy_library(prefix, folder, mode, meter, link_a3m=False, peers=()):
    """Copy what ``mode`` reads of the library ``prefix`` to a folder of its own, and have ``folder`` lead to it.

    With ``link_a3m``, _a3m, of which a search in mode reference reads three entries at most, stays where it is, and
    the copy has links to it. ``peers`` are nodes that may have a copy (see copy_from_peers): the library's own data is
    read only if none has. Returns a record with ``prefix`` (of the copy), ``bytes``, ``seconds``, ``copied`` (False if
    it was there) and ``source``: the library or the peer that gave it.
    """
    # the release that a link leads to now: a switch to another one does not mix their files
    prefix = Path(os.path.realpath(os.path.dirname(prefix) or os.curdir), os.path.basename(prefix))
    link = Path(folder)
    place.refuse_real_folder(link)
    if prefix.parent == link.resolve():
        raise UserError(f"{folder} is the folder of the library itself: name another one to copy to.", topic="download")
    parts = hhsuite.PARTS_READ[mode]
    library = hhsuite.read_library(prefix, parts)
    copied = tuple(part for part in parts if not (link_a3m and part == "a3m"))
    kind = "-".join(copied) + ("-link" if copied != parts else "")
    whole = link.with_name(f"{link.name}-{library.key}-{kind}")
    part = link.with_name(f".{whole.name}.part")
    files = {Path(name).name: Path(name) for name in hhsuite.library_files(prefix, copied)}
    record, begin = place.read_record(whole), time.monotonic()
    fresh = record is None
    if fresh:
        with place.alone_in(part):
            there = sum(path.stat().st_size for path in part.iterdir() if path.name in files)
            sizes = {name: source.stat().st_size for name, source in files.items()}
            place.require_room(part, sum(sizes.values()) - there, "the copy")
            try:
                source, checksums = _take_over(peers, whole.name, sizes, part, meter)
                if source is None:
                    source, checksums = str(prefix), _copy_files(files, part, meter)
            except OSError as error:
                raise place.disk_error(error, part) from None
            if copied != parts:
                _link_files(hhsuite.library_files(prefix, ["a3m"]), part)
            copy = hhsuite.read_library(part / prefix.name, parts)
            if copy.key != library.key:
                raise UserError(f"{prefix} changed while it was copied: start again.", topic="download")
            record = {"source": source, "parts": parts, "copied": copied, "bytes": sizes, "key": library.key}
            record |= {"block": _BLOCK, "checksums": checksums}
            names = {os.path.basename(name) for name in hhsuite.library_files(prefix, parts)}
            place.finish(part, whole, names, record)
    place.switch(link, whole)
    return {
        "prefix": str(link / prefix.name),
        "bytes": sum(record["bytes"].values()),
        "seconds": time.monotonic() - begin,
        "copied": fresh,
        "source": record["source"],
    }


def _take_over(peers, name, sizes, part, meter):
    """Copy what a peer has in the folder ``name``: the peer and the checksums of the files' blocks, or (None, None)."""

    def is_good():
        try:
            good = _is_as_recorded(part, sizes, meter)
        except (UserError, KeyError, TypeError, OSError):
            good = False
        if not good:
            place.clear(part)
        return good

    # the record is not known beforehand: its size counts as nothing
    peer = copy_from_peers(peers, name, {place.RECORD: 0, **sizes}, part, is_good, meter)
    return (peer, place.read_record(part)["checksums"]) if peer else (None, None)


def _is_as_recorded(part, sizes, meter):
    """Whether the files of a peer match its record and have these sizes."""
    record = place.read_record(part)
    checksums = record["checksums"]
    return (
        (record["bytes"], record["block"]) == (sizes, _BLOCK)
        and all((part / name).stat().st_size == size for name, size in sizes.items())
        and all(len(checksums[name]) == -(-size // _BLOCK) for name, size in sizes.items())
        and all(_has_blocks(part / name, checksums[name], meter) for name in sizes)
    )


def warm(prefix, mode, meter):
    """Read the hot files of a library once, in order, so that they are in the page cache; bytes read.

    That is what every search of the mode reads: _a3m, of which mode reference reads three entries, is left out.
    """
    parts = [part for part in hhsuite.PARTS_READ[mode] if part != "a3m"]
    names = hhsuite.library_files(prefix, parts)
    total = 0
    try:
        meter.begin("reading", sum(os.path.getsize(name) for name in names))
        for name in names:
            with open(name, "rb", buffering=0) as handle:
                while piece := handle.read(_PIECE):
                    total += len(piece)
                    meter.add(len(piece))
    except OSError as error:
        raise UserError(f"{error.filename or prefix}: cannot be read ({error.strerror}).", topic="download") from None
    return total


def _copy_files(files, part, meter):
    """Copy from the library itself; the checksums of each file's blocks."""
    journal = _Journal(part / _JOURNAL)
    for name, source in files.items():
        before, target = source.stat(), part / name
        there = target.stat().st_size if target.exists() else 0
        done = journal.begin(name, [before.st_size, before.st_mtime_ns], there)
        meter.begin(f"copying {name}", before.st_size, done)
        _copy_file(source, target, before.st_size, done, lambda digest, name=name: journal.add(name, digest), meter)
        after = source.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise UserError(f"{source} changed while it was copied: start again.", topic="download")
    checksums = {name: journal.blocks(name) for name in files}
    for name in files:
        _check_file(part / name, checksums[name], meter)
    return checksums


def _copy_file(source, target, size, done, note, meter):
    """Copy what comes after ``done`` bytes; ``note`` is given the checksum of each block that is on the disk."""
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT, 0o644)
    with open(source, "rb", buffering=0) as reader, open(descriptor, "r+b", buffering=0) as writer:
        writer.truncate(done)
        reader.seek(done)
        writer.seek(done)
        while done < size:
            digest, end = hashlib.blake2b(digest_size=16), min(done + _BLOCK, size)
            while done < end:
                piece = reader.read(min(_PIECE, end - done))
                if not piece:
                    raise UserError(
                        f"{source} ends at byte {done:,}, before it had {size:,}: start again.", topic="download"
                    )
                writer.write(piece)
                digest.update(piece)
                done += len(piece)
                meter.add(len(piece))
            os.fsync(writer.fileno())
            note(digest.hexdigest())
        # what is compared later shall come from the disk
        os.posix_fadvise(writer.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _check_file(path, blocks, meter):
    if not _has_blocks(path, blocks, meter):
        place.clear(path.parent)
        raise UserError(
            f"{path} is not what was copied: the disk or its controller fails? Start again.", topic="download"
        )


def _has_blocks(path, blocks, meter):
    """Whether the blocks of a file have these checksums."""
    meter.begin(f"checking {path.name}", path.stat().st_size)
    with open(path, "rb", buffering=0) as handle:
        for expected in blocks:
            digest, left = hashlib.blake2b(digest_size=16), _BLOCK
            while left and (piece := handle.read(min(_PIECE, left))):
                digest.update(piece)
                left -= len(piece)
                meter.add(len(piece))
            if digest.hexdigest() != expected:
                return False
    return True


def _link_files(sources, part):
    for source in map(Path, sources):
        link = part / source.name
        link.unlink(missing_ok=True)
        link.symlink_to(source.resolve())


class _Journal:
    """What was copied: a line for each file that was begun and for each block of it."""

    def __init__(self, path):
        self._path, self._stamps, self._blocks = path, {}, {}
        try:
            self._read(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            pass
        except (ValueError, KeyError):  # cut short when the power went: nothing is known of what was copied
            path.unlink()
            self._stamps, self._blocks = {}, {}

    def _read(self, text):
        for line in text.splitlines():
            name, value = json.loads(line)
            if isinstance(value, list):
                self._stamps[name], self._blocks[name] = value, []
            else:
                self._blocks[name].append(value)

    def begin(self, name, stamp, there):
        """Copy a file of this size and time, of whose copy so many bytes are there; the bytes that are known to be
        good. Blocks of another file of the name, or of a copy that was cut, are forgotten."""
        good = min(len(self._blocks.get(name, ())) * _BLOCK, stamp[0])
        if self._stamps.get(name) == stamp and good <= there:
            return good
        self._stamps[name], self._blocks[name] = stamp, []
        self._write(name, stamp)
        return 0

    def blocks(self, name):
        """Checksums of the blocks of a file that are copied."""
        return self._blocks[name]

    def add(self, name, digest):
        """Another block of a file is copied and on the disk."""
        self._blocks[name].append(digest)
        self._write(name, digest)

    def _write(self, name, value):
        with open(self._path, "a", encoding="utf-8") as handle:
            handle.write(json.dumps([name, value]) + "\n")
