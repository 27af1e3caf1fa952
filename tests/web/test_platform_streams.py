"""What is sent while it is written: readers may be slow, or leave."""

import asyncio
import contextlib
import time

import pytest

from website.requests.streams import BusyError, Streamed
from website.requests.threads import at_length

READERS = 20


def endless(stream):
    while True:
        stream.write(bytes(1 << 18))


async def leave(message):
    raise ConnectionError("the reader is gone")


def test_slow_readers_hold_up_no_user_else_and_leave_nothing_running_when_they_go():
    async def visit():
        streams = [Streamed(endless, "x.zip", "application/zip") for _ in range(READERS)]
        slow = [await stream.begin(f"reader {number}") for number, stream in enumerate(streams)]
        assert await at_length(lambda: "done") == "done"
        for one in slow:
            with contextlib.suppress(ConnectionError):
                await one.asgi_send(leave)
        ends = await asyncio.gather(*(one._writing for one in slow), return_exceptions=True)
        assert {type(end) for end in ends} == {BrokenPipeError}

    asyncio.run(asyncio.wait_for(visit(), 60))


def test_a_reader_who_leaves_is_noticed_though_the_server_still_takes_what_is_sent():
    async def visit():
        messages = iter([{"type": "http.request"}, {"type": "http.disconnect"}])

        async def receive():
            await asyncio.sleep(0.01)
            return next(messages)

        async def send(message):
            await asyncio.sleep(0)

        stream = await Streamed(endless, "x.zip", "application/zip").begin("reader", receive)
        await stream.asgi_send(send)
        (end,) = await asyncio.gather(stream._writing, return_exceptions=True)
        assert type(end) is BrokenPipeError

    asyncio.run(asyncio.wait_for(visit(), 60))


def test_a_reader_who_leaves_before_the_first_piece_is_noticed():
    async def visit():
        pipes = []

        def silent(stream):
            pipes.append(stream)
            while not stream.gone:
                time.sleep(0.01)

        async def receive():
            await asyncio.sleep(0.01)
            return {"type": "http.disconnect"}

        stream = Streamed(silent, "x.zip", "application/zip")
        with pytest.raises(BusyError, match="has left"):
            await stream.begin("reader", receive)
        (end,) = await asyncio.gather(stream._writing, return_exceptions=True)
        assert type(end) is BrokenPipeError and pipes[0].gone

    asyncio.run(asyncio.wait_for(visit(), 60))


def test_a_client_has_so_many_downloads_of_a_kind_at_once():
    async def visit():
        first = await Streamed(endless, "x.zip", "application/zip").begin("one reader", most=1)
        with pytest.raises(BusyError, match="1 download under way"):
            await Streamed(endless, "x.zip", "application/zip").begin("one reader", most=1)
        with contextlib.suppress(ConnectionError):
            await first.asgi_send(leave)
        await asyncio.gather(first._writing, return_exceptions=True)

    asyncio.run(asyncio.wait_for(visit(), 60))
