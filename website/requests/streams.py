"""Sending what a thread writes, as it writes it: a zip of a proteome needs no memory and no temporary file."""

import asyncio
import sys
from collections import Counter

from proteofold.system.errors import UserError
from proteofold.system.words import counted
from website.requests.threads import SENDERS, start_sending

# A reader holds a thread and a megabyte until the end, so each has a few, and has to take a piece in a minute.
MOST_OF_A_CLIENT = 4
PATIENCE_S = 60

_PIECE = 256 * 1024
_WAITING = 4

_under_way = Counter()  # downloads by client


class BusyError(UserError):
    """Too many downloads at the same time; ``status`` is that of the answer, ``seconds`` after which to ask again."""

    def __init__(self, message, status):
        super().__init__(message)
        self.status, self.seconds = status, PATIENCE_S


class _GoneError(Exception):
    """The reader of a download has left."""


async def _left(receive):
    """Wait until whoever asked has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


class _Pipe:
    """What the writing thread is given: its pieces wait in a queue, and it waits while the queue is full."""

    def __init__(self, loop):
        self._loop, self.queue, self.gone = loop, asyncio.Queue(_WAITING), False
        self._buffer = bytearray()

    def write(self, data):
        """Take bytes; BrokenPipeError when the reader is gone."""
        self._buffer += data
        if len(self._buffer) >= _PIECE:
            self.flush()
        return len(data)

    def flush(self):
        """Hand over what was written so far."""
        if self._buffer:
            self._put(bytes(self._buffer))
            self._buffer.clear()

    def close(self):
        """Hand over the rest, and that it was the rest."""
        self.flush()
        self._put(None)

    def _put(self, piece):
        if self.gone:
            raise BrokenPipeError("the reader is gone")
        asyncio.run_coroutine_threadsafe(self.queue.put(piece), self._loop).result()


def _leave(client, writing):
    """Count a download no more; that its reader was gone when it was cut is no news."""
    writing.exception()
    _under_way[client] -= 1
    if not _under_way[client]:
        del _under_way[client]


class Streamed:
    """An answer of 200 that ``write(stream)`` writes in a thread.

    An error before the first piece is raised where the answer is made; one after it cuts the connection, so that
    a part is not mistaken for the whole.
    """

    def __init__(self, write, file_name, media_type):
        self._write, self._pipe, self._writing, self._first, self._leaving = write, None, None, None, None
        self.headers = {
            "content-type": media_type,
            "content-disposition": f'attachment; filename="{file_name}"',
            "cache-control": "no-store",
        }

    async def begin(self, client, receive=None, most=MOST_OF_A_CLIENT):
        """Start writing, and wait for the first piece; returns self.

        ``client`` is who is counted, ``receive`` that of the request, which returns when the reader leaves. Raises
        BusyError if they have ``most`` downloads, all threads are busy, or the reader leaves meanwhile.
        """
        if _under_way[client] >= most:
            raise BusyError(f"You have {counted(most, 'download')} under way. Wait until one has ended.", 429)
        if _under_way.total() >= SENDERS:
            raise BusyError("Too many downloads are under way on this site. Try again in a minute.", 503)
        self._pipe = _Pipe(asyncio.get_running_loop())

        def write():
            self._write(self._pipe)
            self._pipe.close()

        self._writing = start_sending(write)
        _under_way[client] += 1
        self._writing.add_done_callback(lambda writing: _leave(client, writing))
        # uvicorn takes all that is sent to a reader who is gone
        self._leaving = asyncio.ensure_future(_left(receive)) if receive else None
        try:
            self._first = await self._next()
        except BaseException as error:
            self._end()
            if isinstance(error, _GoneError):
                raise BusyError("The reader of this download has left.", 503) from None
            raise
        return self

    async def _next(self):
        """The next piece, None at the end; what the thread raised, or _GoneError when the reader has left."""
        leaving = self._leaving
        piece = asyncio.ensure_future(self._pipe.queue.get())
        ends = [piece, self._writing, *([leaving] if leaving else [])]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if leaving and leaving.done():
            piece.cancel()
            raise _GoneError
        if piece.done():
            return piece.result()
        if self._writing.exception() is None:
            return await piece
        piece.cancel()
        return self._writing.result()

    async def asgi_send(self, send):
        """As Datasette sends its answers."""
        headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            piece = self._first
            while piece is not None:
                async with asyncio.timeout(PATIENCE_S):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece = await self._next()
            await send({"type": "http.response.body", "body": b""})
        except _GoneError:
            pass
        except TimeoutError:
            # nothing more is sent, so the server cuts the connection
            print("A download was cut: its reader took nothing of it for a minute.", file=sys.stderr)
        finally:
            self._end()

    def _end(self):
        """Wait no more for the reader to leave, and let the thread know that no one reads."""
        if self._leaving:
            self._leaving.cancel()
        self._pipe.gone = True
        while not self._pipe.queue.empty():
            self._pipe.queue.get_nowait()
