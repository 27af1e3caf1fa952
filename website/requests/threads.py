"""Work that would hold up the site, in threads of its own: Datasette's few SQL threads stay free for readers."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial

# a look at accounts, tokens and orders: milliseconds
_QUICK = ThreadPoolExecutor(8, "platform")
# reading an upload, looking at the cluster: seconds
_LONG = ThreadPoolExecutor(8, "platform-long")
# bodies of JSON and forms, of which the largest take a second
_DECODING = ThreadPoolExecutor(2, "platform-decoding")
# planning a run takes a core, a proteome some seconds of it
_PLANNING = ThreadPoolExecutor(2, "platform-planning")
# packing a zip: such a thread waits for its reader, who may be slow
SENDERS = 64
_SENDING = ThreadPoolExecutor(SENDERS, "platform-sending")
# checking a password takes a third of a second of a core: a flood of sign-ins must not keep others waiting
_SIGNING_IN = ThreadPoolExecutor(1, "platform-sign-in")


async def quickly(function, *values, **named):
    """What ``function`` returns, called in a thread; for what takes milliseconds."""
    return await asyncio.get_running_loop().run_in_executor(_QUICK, partial(function, *values, **named))


async def at_length(function, *values, **named):
    """What ``function`` returns, called in a thread; for what takes seconds."""
    return await asyncio.get_running_loop().run_in_executor(_LONG, partial(function, *values, **named))


async def decoding(function, *values):
    """What ``function`` returns, called in one of the two threads that read what was sent."""
    return await asyncio.get_running_loop().run_in_executor(_DECODING, partial(function, *values))


async def planning(function, *values):
    """What ``function`` returns, called in one of the two threads that plan runs."""
    return await asyncio.get_running_loop().run_in_executor(_PLANNING, partial(function, *values))


async def signing_in(function, *values):
    """What ``function`` returns, called in the one thread that checks passwords."""
    return await asyncio.get_running_loop().run_in_executor(_SIGNING_IN, partial(function, *values))


def start_sending(function, *values):
    """Begin ``function``, which writes to a reader, in a thread; its future."""
    return asyncio.get_running_loop().run_in_executor(_SENDING, partial(function, *values))
