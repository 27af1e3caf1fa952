"""Unpacking the wanted files of a tar archive that comes in pieces, so that another process can continue in the middle.

Files are written side by side into one folder under names that the caller chooses; folders, owners, modes and times of
the archive are not used, and nothing but plain files is ever made.
"""

import base64
import os
import shutil
import tarfile

from proteofold.fetch.gzipstream import DamagedError
from proteofold.system.errors import UserError

_BLOCK = 512
_LONGEST_EXTENSION = 1 << 20  # bytes of a long name, or of extended (pax) headers
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_EXTENSIONS = (
    tarfile.XHDTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a named pipe",
}


class HostileError(UserError):
    """An archive with a member that has no place in it."""

    topic = "download"


class TarStream:
    """Writes files of a tar archive into ``folder``; ``state`` is what ``save`` gave.

    ``choose`` is called with the path and size of each file of the archive: the name under which it is to be written,
    or None to pass over it. ``passes_over`` is called with name and target of each symbolic link: whether it may be
    skipped silently; any other link, device or path out of the folder raises HostileError.
    """

    def __init__(self, folder, choose, passes_over=lambda name, target: False, state=None):
        self._folder, self._choose, self._passes_over = os.fspath(folder), choose, passes_over
        self._header = b""  # of the next member, as far as it has come
        self._kind, self._extension = None, b""  # type and content of an extended header
        self._left, self._padding = 0, 0  # bytes of the member, and behind it, that are still to come
        self._name, self._size = None, None  # what an extended header says of the next member
        self._file, self._handle = None, None
        self.written = {}  # bytes of each file
        self.ended = False
        if state is not None:
            self._restore(state)

    def feed(self, piece):
        """Go on with these bytes."""
        place, end = 0, len(piece)
        while place < end and not self.ended:
            if self._left:
                count = min(self._left, end - place)
                self._take(piece[place : place + count])
                self._left -= count
                if not self._left:
                    self._finish_member()
            elif self._padding:
                count = min(self._padding, end - place)
                self._padding -= count
            else:
                count = min(_BLOCK - len(self._header), end - place)
                self._header += bytes(piece[place : place + count])
                if len(self._header) == _BLOCK:
                    block, self._header = self._header, b""
                    self._begin_member(block)
            place += count

    def save(self):
        """All that is needed to continue after the bytes fed so far, for JSON; what was written is on the disk then."""
        if self._handle is not None:
            self._handle.flush()
            os.fsync(self._handle.fileno())
        return {
            "header": base64.b64encode(self._header).decode(),
            "extension": base64.b64encode(self._extension).decode(),
            "kind": self._kind,
            "left": self._left,
            "padding": self._padding,
            "name": self._name,
            "size": self._size,
            "file": self._file,
            "written": self.written,
            "ended": self.ended,
        }

    def close(self):
        """Close the file that is being written."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def _restore(self, state):
        self._header, self._extension = base64.b64decode(state["header"]), base64.b64decode(state["extension"])
        self._kind, self._left, self._padding = state["kind"], state["left"], state["padding"]
        self._name, self._size, self.ended = state["name"], state["size"], state["ended"]
        self._file, self.written = state["file"], dict(state["written"])
        for name, size in self.written.items():
            if not os.path.isfile(self._path(name)) or os.path.getsize(self._path(name)) < size:
                raise DamagedError(f"{self._path(name)} is shorter than it was left")
        if self._file is not None:
            self._handle = open(self._path(self._file), "r+b")  # noqa: SIM115 - until the member is whole
            self._handle.truncate(self.written[self._file])
            self._handle.seek(0, os.SEEK_END)

    def _path(self, name):
        return os.path.join(self._folder, name)

    def _take(self, piece):
        if self._kind is not None:
            self._extension += bytes(piece)
        elif self._handle is not None:
            self._handle.write(piece)
            self.written[self._file] += len(piece)

    def _begin_member(self, block):
        if not any(block):
            self.ended = True
            return
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise DamagedError(f"the archive is damaged (a header in it: {error})") from None
        if info.type in _EXTENSIONS:
            if not 0 <= info.size <= _LONGEST_EXTENSION:
                raise HostileError(f"the archive has a header of {info.size} bytes")
            self._kind, self._extension, size = info.type.decode("ascii"), b"", info.size
        else:
            name, size = self._name or info.name, info.size if self._size is None else self._size
            self._name, self._size = None, None
            if size < 0:
                raise HostileError(f"the archive has a file of {size} bytes: {name!r}")
            size = self._begin(info, name, size)
        self._left, self._padding = size, -size % _BLOCK
        if not size:
            self._finish_member()

    def _begin(self, info, name, size):
        """Judge a member and open the file it goes to; the bytes that follow its header."""
        parts = name.rstrip("/").split("/")
        if name.startswith("/") or ".." in parts or "\0" in name:
            raise HostileError(f"the archive has a file outside its folder: {name!r}")
        if info.type == tarfile.DIRTYPE:
            return 0
        if info.type == tarfile.SYMTYPE and self._passes_over(name, info.linkname):
            return 0
        if info.type not in _FILES:
            raise HostileError(f"the archive has {_KINDS.get(info.type, 'a member of an unknown kind')}: {name!r}")
        chosen = self._choose(name, size)
        if chosen is not None:
            if chosen in self.written:
                raise HostileError(f"the archive has {chosen} twice")
            free = shutil.disk_usage(self._folder).free
            if size > free:
                raise UserError(
                    f"{chosen} has {size:,} bytes, the disk of {self._folder} has room for {free:,}: free some, and "
                    "rerun the same command to resume."
                )
            self._file, self.written[chosen] = chosen, 0
            if os.path.lexists(self._path(chosen)):
                os.unlink(self._path(chosen))
            self._handle = open(self._path(chosen), "xb")  # noqa: SIM115 - until the member is whole
        return size

    def _finish_member(self):
        if self._kind is not None:
            self._finish_extension()
        elif self._handle is not None:
            self._handle.flush()
            os.fsync(self._handle.fileno())
            self.close()
            self._file = None

    def _finish_extension(self):
        kind, self._kind = self._kind.encode("ascii"), None
        if kind == tarfile.GNUTYPE_LONGNAME:
            self._name = self._extension.partition(b"\0")[0].decode("utf-8", "surrogateescape")
        elif kind != tarfile.GNUTYPE_LONGLINK:
            said = _pax_headers(self._extension)
            if any(key.startswith("GNU.sparse") for key in said):
                raise HostileError("the archive has a file with holes (GNU sparse), which are not unpacked here")
            if kind == tarfile.XGLTYPE:
                if said.keys() & {"path", "size"}:
                    raise HostileError("the archive names one path or size for all its files")
            else:
                self._name = said.get("path", self._name)
                if "size" in said:
                    self._size = _size(said["size"])
        self._extension = b""


def _pax_headers(data):
    """Keys and values of extended headers, each ``<length> <key>=<value>\\n``."""
    found = {}
    while data.strip(b"\0"):
        length, blank, _ = data.partition(b" ")
        if not blank or not length.isdigit() or len(length) > 7 or not len(length) + 1 < int(length) <= len(data):
            raise DamagedError("the archive is damaged (an extended header in it)")
        record, data = data[len(length) + 1 : int(length)], data[int(length) :]
        key, _, value = record.removesuffix(b"\n").decode("utf-8", "surrogateescape").partition("=")
        found[key] = value
    return found


def _size(text):
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise HostileError(f"the archive has a file of {text!r} bytes")
    return int(text)
