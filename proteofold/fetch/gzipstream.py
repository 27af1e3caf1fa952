"""Unpacking gzip so that another process can continue in the middle.

Python's zlib objects can neither be saved nor stopped between two blocks, zlib itself can: with Z_BLOCK inflate returns
at the end of a block, and a raw stream continues there from the 32 KB that were unpacked last and the bits that are
left of the last byte (as zlib's own example zran.c does for random access).
"""

import base64
import ctypes
import zlib

from proteofold.system.errors import UserError

_OK, _STREAM_END, _BUFFER_ERROR = 0, 1, -5
_NO_FLUSH, _BLOCK = 0, 5
_RAW = -15
_WINDOW = 1 << 15
_OUTPUT = 1 << 20
_LONGEST_HEADER = 1 << 16
_MAGIC = b"\x1f\x8b\x08"


class _ZStream(ctypes.Structure):
    _fields_ = (
        ("next_in", ctypes.c_void_p),
        ("avail_in", ctypes.c_uint),
        ("total_in", ctypes.c_ulong),
        ("next_out", ctypes.c_void_p),
        ("avail_out", ctypes.c_uint),
        ("total_out", ctypes.c_ulong),
        ("msg", ctypes.c_char_p),
        ("state", ctypes.c_void_p),
        ("zalloc", ctypes.c_void_p),
        ("zfree", ctypes.c_void_p),
        ("opaque", ctypes.c_void_p),
        ("data_type", ctypes.c_int),
        ("adler", ctypes.c_ulong),
        ("reserved", ctypes.c_ulong),
    )


class DamagedError(UserError):
    """Bytes that are not what they should be."""

    topic = "download"


class GzipStream:
    """Unpacks a gzip file of one or several members piece by piece; ``state`` is what ``save`` gave.

    Header, checksum and length of each member are checked. Raises DamagedError.
    """

    def __init__(self, state=None):
        self._zlib = _library()
        self._stream = _ZStream()
        if self._zlib.inflateInit2_(self._at(), _RAW, zlib.ZLIB_RUNTIME_VERSION.encode(), ctypes.sizeof(_ZStream)):
            raise MemoryError("zlib")
        self._output = ctypes.create_string_buffer(_OUTPUT)
        self._phase, self._held, self._crc, self._size, self._last = self._header, b"", 0, 0, 0
        self.finished = False
        if state is not None:
            self._restore(state)

    def __del__(self):
        if getattr(self, "_stream", None) is not None and self._stream.state:
            self._zlib.inflateEnd(self._at())

    def step(self, data, start, to_boundary=False):
        """Go on with ``data`` (bytes) from ``start``: what was unpacked, how many bytes were used, and whether the
        stream now stands where ``save`` may be called, which happens only with ``to_boundary``.

        What was unpacked is a view that holds until the next step. ``finished`` states whether a file may end here.
        """
        return self._phase(data, start, to_boundary)

    def save(self):
        """All that is needed to continue after the bytes used so far, for JSON."""
        window, size = ctypes.create_string_buffer(_WINDOW), ctypes.c_uint(0)
        if self._zlib.inflateGetDictionary(self._at(), window, ctypes.byref(size)):
            raise MemoryError("zlib")
        return {
            "window": base64.b64encode(window.raw[: size.value]).decode(),
            "bits": self._stream.data_type & 7,
            "last_byte": self._last,
            "crc32": self._crc,
            "size": self._size,
        }

    def _restore(self, state):
        bits, window = state["bits"], base64.b64decode(state["window"])
        if bits:
            self._zlib.inflatePrime(self._at(), bits, state["last_byte"] >> (8 - bits))
        if window:
            self._zlib.inflateSetDictionary(self._at(), window, len(window))
        self._phase, self._crc, self._size, self._last = self._data, state["crc32"], state["size"], state["last_byte"]

    def _at(self):
        return ctypes.byref(self._stream)

    def _header(self, data, start, _):
        if self.finished and not self._held and data[start] == 0:
            if data.count(0, start) != len(data) - start:
                raise DamagedError("rubbish behind the end of the archive")
            return b"", len(data) - start, False  # some tools fill up the last block
        self.finished, before = False, len(self._held)
        self._held += data[start:]
        size = _header_size(self._held)
        if size is None:
            if len(self._held) > _LONGEST_HEADER:
                raise DamagedError("the archive's header does not end")
            return b"", len(data) - start, False
        self._held, self._crc, self._size, self._phase = b"", 0, 0, self._data
        return b"", size - before, False

    def _data(self, data, start, to_boundary):
        stream = self._stream
        stream.next_in = ctypes.cast(data, ctypes.c_void_p).value + start
        stream.avail_in = len(data) - start
        stream.next_out, stream.avail_out = ctypes.addressof(self._output), _OUTPUT
        outcome = self._zlib.inflate(self._at(), _BLOCK if to_boundary else _NO_FLUSH)
        used, made = len(data) - start - stream.avail_in, _OUTPUT - stream.avail_out
        if outcome not in (_OK, _STREAM_END, _BUFFER_ERROR):
            what = stream.msg.decode() if stream.msg else f"zlib error {outcome}"
            raise DamagedError(f"the archive is damaged ({what})")
        unpacked = memoryview(self._output).cast("B")[:made]
        self._crc, self._size = zlib.crc32(unpacked, self._crc), (self._size + made) & 0xFFFFFFFF
        if used:
            self._last = data[start + used - 1]
        if outcome == _STREAM_END:
            self._zlib.inflateReset(self._at())
            self._phase = self._trailer
            return unpacked, used, False
        return unpacked, used, bool(to_boundary and stream.data_type & 128 and not stream.data_type & 64)

    def _trailer(self, data, start, _):
        used = min(8 - len(self._held), len(data) - start)
        self._held += data[start : start + used]
        if len(self._held) == 8:
            crc, size = int.from_bytes(self._held[:4], "little"), int.from_bytes(self._held[4:], "little")
            if (crc, size) != (self._crc, self._size):
                raise DamagedError("the archive is damaged (its CRC-32 or length does not fit what was unpacked)")
            self._held, self._phase, self.finished = b"", self._header, True
        return b"", used, False


def _header_size(data):
    """Bytes of the gzip header that data begins with; None if it is longer than data."""
    if data[:3] != _MAGIC[: len(data)]:
        raise DamagedError("this is no .tar.gz archive (a page of the server instead of the file?)")
    if len(data) < 10:
        return None
    flags, place = data[3], 10
    if flags & 4:
        place += 2 + int.from_bytes(data[10:12], "little")
    for flag in (8, 16):  # the name of the file, a comment
        if flags & flag:
            end = data.find(b"\0", place)
            if end < 0:
                return None
            place = end + 1
    place += 2 if flags & 2 else 0
    return place if place <= len(data) else None


def _library():
    try:
        library = ctypes.CDLL("libz.so.1")
    except OSError:
        raise UserError("zlib (libz.so.1) is not installed: install zlib1g (Debian, Ubuntu) or zlib (RHEL).") from None
    library.inflateInit2_.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
    library.inflate.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.inflatePrime.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
    library.inflateSetDictionary.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint]
    library.inflateGetDictionary.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    library.inflateReset.argtypes = [ctypes.c_void_p]
    library.inflateEnd.argtypes = [ctypes.c_void_p]
    return library
