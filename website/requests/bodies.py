"""Reading what was sent: to its end or not at all, and never more than a limit."""

import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl

from datasette.utils import MultiParams

from website.requests.threads import at_length

MOST_FIELDS = 50


class BodyError(Exception):
    """What was sent cannot be taken; the message says why, ``status`` is that of the answer."""

    def __init__(self, message, status=400):
        super().__init__(message)
        self.status = status


async def chunks(request, limit):
    """The body as it arrives; BodyError if it is cut or larger than ``limit`` bytes."""
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    size, more = 0, True
    while more:
        message = await request.receive()
        if message["type"] != "http.request":
            raise BodyError("the connection was closed before all data had arrived")
        chunk, more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        yield chunk


def _too_large(limit):
    return BodyError(f"more than {in_words(limit)} were sent", 413)


def in_words(limit):
    """A limit, for people."""
    return f"{limit // 1024**2} MB" if limit >= 1024**2 else f"{limit // 1024} kB"


async def whole(request, limit):
    """The body, in memory."""
    return b"".join([chunk async for chunk in chunks(request, limit)])


def decode_json(data):
    """The object that a body of JSON holds; ValueError, in words, for anything else."""
    try:
        content = json.loads(data)
        # half a surrogate pair is JSON, but no text that can be stored
        json.dumps(content, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the body is not JSON in UTF-8 ({type(error).__name__})") from None
    if not isinstance(content, dict):
        raise ValueError("the body is not a JSON object")
    return content


def decode_fields(data):
    """The fields of a form that was sent without files; ValueError if there are too many."""
    try:
        return MultiParams(
            parse_qsl(data.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
        )
    except ValueError:
        raise ValueError(f"the form has more than {MOST_FIELDS} fields") from None


@contextmanager
def scratch_file():
    """A path for a file that no other user can read; it is gone afterwards."""
    handle, name = tempfile.mkstemp(prefix="proteofold-", suffix=".upload")
    os.close(handle)
    try:
        yield Path(name)
    finally:
        os.unlink(name)


async def receive(request, path, limit):
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
