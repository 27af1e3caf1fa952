"""Reading what was sent: to its end or not at all, and never more than a limit."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

from proteofold_site.platform.threads import at_length

JSON_BYTES = 16 * 1024**2
FORM_BYTES = 16 * 1024**2
UPLOAD_BYTES = 1024**3
# what a stranger may send
SMALL_BYTES = 64 * 1024


class BodyError(Exception):
    """What was sent cannot be taken; the message says why, ``status`` is that of the answer."""

    def __init__(self, message, status=400):
        super().__init__(message)
        self.status = status


async def chunks(request, limit):
    """The body as it arrives; BodyError if it is cut or larger than ``limit`` bytes."""
    told = request.headers.get("content-length", "")
    if told.isascii() and told.isdigit() and int(told) > limit:
        raise _too_large(limit)
    size, more = 0, True
    while more:
        message = await request.receive()
        if message["type"] != "http.request":
            raise BodyError("the connection broke before everything had arrived")
        chunk, more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        yield chunk


def _too_large(limit):
    return BodyError(f"more than {limit // 1024**2} MB were sent", 413)


async def whole(request, limit):
    """The body, in memory."""
    return b"".join([chunk async for chunk in chunks(request, limit)])


@contextmanager
def scratch_file():
    """A path for a file that nobody else can read; it is gone afterwards."""
    handle, name = tempfile.mkstemp(prefix="proteofold-", suffix=".upload")
    os.close(handle)
    try:
        yield Path(name)
    finally:
        os.unlink(name)


async def receive(request, path, limit=UPLOAD_BYTES):
    """Write the body to ``path``."""
    with open(path, "wb") as file:
        async for chunk in chunks(request, limit):
            file.write(chunk)


async def keep(uploaded, path):
    """Copy a file of a form to ``path``."""

    def copy():
        with open(path, "wb") as file:
            while chunk := uploaded._file.read(1024**2):
                file.write(chunk)

    await at_length(copy)
