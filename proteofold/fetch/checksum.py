"""MD5 and SHA-256 of a stream whose reader may be killed and continue another day.

hashlib does not give out how far a sum is. OpenSSL's library does: its MD5_CTX and SHA256_CTX are plain memory without
pointers.
"""

import base64
import ctypes

from proteofold.system.errors import UserError

_LIBRARIES = ("libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.so")
_CONTEXT_BYTES = 256  # MD5_CTX takes 92, SHA256_CTX 112
_KINDS = {"md5": ("MD5", 16), "sha256": ("SHA256", 32)}


class Checksum:
    """A running checksum of ``expected`` kind (``md5:...`` or ``sha256:...``); ``state`` is what ``save`` gave."""

    def __init__(self, expected, state=None):
        kind, _, self.expected = expected.partition(":")
        name, self._size = _KINDS[kind]
        library = _library()
        self._context = ctypes.create_string_buffer(base64.b64decode(state) if state else b"", _CONTEXT_BYTES)
        self._update, self._final = getattr(library, f"{name}_Update"), getattr(library, f"{name}_Final")
        self._update.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
        self._final.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
        if state is None:
            getattr(library, f"{name}_Init")(self._context)

    def update(self, data, start, count):
        """Add ``count`` bytes of ``data`` (bytes) from ``start`` on."""
        self._update(self._context, ctypes.cast(data, ctypes.c_void_p).value + start, count)

    def save(self):
        """How far the sum is, as text."""
        return base64.b64encode(self._context.raw).decode()

    def hexdigest(self):
        """The sum of what was added, in hex digits; what is added later still counts."""
        context, digest = ctypes.create_string_buffer(self._context.raw), ctypes.create_string_buffer(self._size)
        self._final(digest, context)
        return digest.raw.hex()


def _library():
    for name in _LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise UserError(
        "OpenSSL's libcrypto, which computes the checksum, is not installed: install libssl3 (Debian, Ubuntu) or "
        "openssl-libs (AlmaLinux, RHEL), or leave the checksum out with --checksum none.",
        topic="hh-suite",
    )
