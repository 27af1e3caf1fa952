"""The bytes behind an address, over as many connections as it takes."""

import http.client
import socket
import ssl
import time
import urllib.error
import urllib.request
from typing import NamedTuple
from urllib.parse import urlsplit

from proteofold import __version__
from proteofold.system.errors import UserError

_CHUNK = 1 << 18
_LEAST_RATE = 1024  # bytes a second, over stall_s: a server that drips is as good as one that stands still
_LONGEST_WAIT_S = 60
_TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}

# A server that has answered is worth waiting for. Until then most likely the network is down, or the address is wrong.
_TRIES_WITHOUT_ANSWER = 3

_ABSENT = {404, 410}
_UNSATISFIABLE = 416  # the server has nothing at this offset


class Patience(NamedTuple):
    """Seconds without data that count as a stall; tries in a row that bring nothing before giving up; seconds before
    the second try, doubled each time; seconds between checkpoints."""

    stall_s: float = 60
    tries: int = 15
    first_wait_s: float = 1
    checkpoint_s: float = 20


class Identity(NamedTuple):
    """What a server says of a file; each may be None."""

    etag: str | None
    modified: str | None
    length: int | None

    def may_be(self, other):
        """Whether both can be the same file: nothing that both report differs."""
        return all(mine == its for mine, its in zip(self, other, strict=True) if mine is not None and its is not None)


class StartAgainError(Exception):
    """What was fetched so far cannot be continued; the text says why."""


class AbsentError(UserError):
    """The server has no such file."""

    topic = "download"


class _Broken(Exception):
    """This connection is of no use any more, the next may be."""

    wait_s = 0


class Stream:
    """Chunks of the file at ``url`` from byte ``offset`` on.

    ``identity`` is that of the bytes before ``offset``; a file that is another one by then raises StartAgainError, as
    does a broken connection to a server that cannot continue. UserError when it is no use to try on. ``report`` is
    called with a sentence for each new try.
    """

    def __init__(self, url, offset=0, identity=None, patience=None, report=lambda sentence: None):
        self.url, self.offset, self.identity = url, offset, identity
        self._patience, self._report = patience or Patience(), report
        self._host, self._answered = urlsplit(url).hostname, False
        self.headers = None
        self._failures, self._got_nothing = 0, True  # tries in a row that brought nothing; so far in this one

    @property
    def length(self):
        """Bytes of the whole file, None if the server does not report it."""
        return self.identity and self.identity.length

    def look(self):
        """Ask for the file and read nothing: its Identity."""
        self._persist(lambda: self._open().close())
        return self.identity

    def chunks(self):
        """Yield the bytes in order; ends when all that the server announced has come."""
        while True:
            response = self._persist(self._open)
            if response is None:
                return
            try:
                with response:
                    yield from self._read(response)
                return
            except (_Broken, OSError, http.client.HTTPException) as error:
                self._failures = self._failures + 1 if self._got_nothing else 1
                self._wait(error)

    def _persist(self, ask):
        """What ``ask`` gives, at the first try that works."""
        while True:
            try:
                return ask()
            except (_Broken, OSError, http.client.HTTPException) as error:
                self._failures += 1
                self._wait(error)

    def _wait(self, error):
        reason = _in_words(error)
        if not self._answered and self._failures >= min(_TRIES_WITHOUT_ANSWER, self._patience.tries):
            raise UserError(
                f"{self.url}: no connection to {self._host} in {self._failures} tries ({reason}). Check the network, "
                "and the variable https_proxy where it needs a proxy; another address may be given with --url.",
                topic="download",
            )
        if self._failures >= self._patience.tries:
            raise UserError(
                f"{self.url}: gave up after {self._failures} tries in a row that brought nothing ({reason}). What was "
                "fetched is kept: rerun the same command to resume. Another address can be given with --url.",
                topic="download",
            )
        if self.offset and self.length is None:
            raise StartAgainError(f"{self.url}: {reason}; this server cannot continue a download.")
        seconds = min(self._patience.first_wait_s * 2 ** (self._failures - 1), _LONGEST_WAIT_S)
        seconds = max(seconds, getattr(error, "wait_s", 0))
        of = f" of {self.length:,}" if self.length is not None else ""
        self._report(f"{self._host}, at byte {self.offset:,}{of}: {reason}; trying again in {seconds:g} s")
        time.sleep(seconds)

    def _open(self):
        """A response that continues at the offset; None if nothing is left."""
        headers = {"User-Agent": f"proteofold/{__version__}", "Accept-Encoding": "identity"}
        if self.offset:
            headers["Range"] = f"bytes={self.offset}-"
        request = urllib.request.Request(self.url, headers=headers)
        try:
            response = urllib.request.urlopen(request, timeout=self._patience.stall_s)
        except urllib.error.HTTPError as error:
            self._answered = True
            with error:
                self._judge_refusal(error)
            return None
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise UserError(
                    f"{self.url}: the server's certificate is not trusted ({error.reason.verify_message}). Install "
                    "ca-certificates, or name a bundle in SSL_CERT_FILE.",
                    topic="download",
                ) from None
            raise
        self._answered = True
        try:
            self._judge_answer(response)
        except BaseException:
            response.close()
            raise
        return response

    def _judge_refusal(self, error):
        """Raise what an HTTP error means; returns if it means that all bytes are there."""
        if error.code == _UNSATISFIABLE and self.offset:
            total = _number((error.headers.get("Content-Range") or "").rpartition("/")[2])
            if self.length is not None and self.offset == self.length and total in (None, self.length):
                return
            if total is not None and total != self.length:
                raise StartAgainError(f"{self.url} has {total:,} bytes now, {self.length or self.offset:,} before.")
            raise _Broken(f"the server has nothing behind byte {self.offset:,}")
        if error.code in _TRY_AGAIN:
            broken = _Broken(f"the server answered {error.code} {error.reason}")
            broken.wait_s = min(_number(error.headers.get("Retry-After")) or 0, 10 * _LONGEST_WAIT_S)
            raise broken
        kind = AbsentError if error.code in _ABSENT else UserError
        raise kind(
            f"{self.url}: the server answered {error.code} {error.reason}. Is the address right? Another one is given "
            f"with --url, or in config/sources.yaml."
        )

    def _judge_answer(self, response):
        """Compare what is offered with what was fetched before, and pass over what is there already."""
        length, start = _number(response.headers.get("Content-Length")), 0
        if response.status == 206:
            unit, _, place = (response.headers.get("Content-Range") or "").partition(" ")
            start = _number(place.partition("-")[0])
            length = _number(place.rpartition("/")[2])
            if unit != "bytes" or start != self.offset:
                raise _Broken("the server sent another part of the file than it was asked for")
        offered = Identity(response.headers.get("ETag"), response.headers.get("Last-Modified"), length)
        if self.identity is not None and not self.identity.may_be(offered):
            raise StartAgainError(f"{self.url} is another file than before; what was fetched of it is of no use.")
        if self.offset and length is None:
            raise StartAgainError(f"{self.url}: this server cannot continue a download.")
        if self.identity is None:
            self.identity = offered
        self.headers = response.headers
        self._skip = self.offset - start
        if self._skip:
            self._report("the server does not continue downloads: reading again what is there already")

    def _read(self, response):
        patience, self._got_nothing = self._patience, True
        begin, in_window = time.monotonic(), 0
        while True:
            chunk = response.read1(_CHUNK)
            if not chunk:
                break
            in_window += len(chunk)
            now = time.monotonic()
            if now - begin > patience.stall_s:
                if in_window < _LEAST_RATE * patience.stall_s:
                    raise _Broken(f"{in_window} bytes in {now - begin:.0f} s")
                begin, in_window = now, 0
            if self._skip:
                passed = min(self._skip, len(chunk))
                self._skip -= passed
                chunk = chunk[passed:]
                if not chunk:
                    continue
            self.offset += len(chunk)
            self._got_nothing = False
            yield chunk
            begin += time.monotonic() - now  # what the taker does with it is not the server's time
        if self._skip or (self.length is not None and self.offset < self.length):
            raise _Broken("the connection ended early")


def _number(text):
    """A count in a header, None where there is none."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 19 else None


def _in_words(error):
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, TimeoutError):
        return "the server is silent"
    if isinstance(reason, http.client.IncompleteRead):
        return "the connection ended early"
    if isinstance(reason, socket.gaierror):
        return f"its name cannot be looked up: {reason.strerror}"
    return getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
