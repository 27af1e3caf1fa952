"""A web server on this machine that misbehaves on request, and archives to fetch from it."""

import gzip
import hashlib
import io
import socket
import tarfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from proteofold.fetch.download import Patience
from proteofold.science import hhsuite

QUICK = Patience(stall_s=1, tries=4, first_wait_s=0.01, checkpoint_s=0)


class Server(ThreadingHTTPServer):
    """Serves ``files`` (path to bytes). ``faults`` are taken by the requests in order, one each; then all is well.

    A fault is a function of the handler, the bytes and the first byte asked for; it answers in place of the server.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.faults, self.asked = {}, [], []
        self.etag, self.modified, self.headers = '"one"', "Sun, 13 Mar 2022 10:00:00 GMT", {}
        self.sent = 0
        self.pause_s = 0  # after each 64 KB

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, request, client_address):
        """Clients that are killed are no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        content = server.files.get(self.path)
        if content is None:
            return self.send_error(404)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        fault = server.faults.pop(0) if server.faults else answer
        fault(self, content, start)

    def head(self, status, length, start=0, total=None):
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        for name, value in {"ETag": self.server.etag, "Last-Modified": self.server.modified}.items():
            if value:
                self.send_header(name, value)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def body(self, content):
        for place in range(0, len(content), 1 << 16):
            piece = content[place : place + (1 << 16)]
            self.wfile.write(piece)
            self.server.sent += len(piece)
            if self.server.pause_s:
                time.sleep(self.server.pause_s)

    def hang_up(self):
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_):
        """Tests print nothing."""


def answer(handler, content, start):
    """As a good server does."""
    if start >= len(content) > 0:
        handler.send_response(416)
        handler.send_header("Content-Range", f"bytes */{len(content)}")
        handler.send_header("Content-Length", "0")
        return handler.end_headers()
    status = 206 if start else 200
    handler.head(status, len(content) - start, start, len(content))
    return handler.body(content[start:])


def breaks_after(count):
    """The connection ends after so many bytes."""

    def fault(handler, content, start):
        handler.head(206 if start else 200, len(content) - start, start, len(content))
        handler.body(content[start : start + count])
        handler.hang_up()

    return fault


def stalls_after(count):
    """Nothing more comes after so many bytes, and the connection stays open."""

    def fault(handler, content, start):
        handler.head(206 if start else 200, len(content) - start, start, len(content))
        handler.body(content[start : start + count])
        handler.wfile.flush()
        time.sleep(3)
        handler.close_connection = True

    return fault


def drips(handler, content, start):
    """A byte now and then, so that no single wait is long."""
    handler.head(206 if start else 200, len(content) - start, start, len(content))
    for place in range(start, start + 15):
        handler.body(content[place : place + 1])
        time.sleep(0.2)
    handler.close_connection = True


def ignores_range(handler, content, start):
    """All of it, whatever was asked for."""
    handler.head(200, len(content))
    handler.body(content)


def sends_another_part(handler, content, start):
    """Content-Range names bytes that were not requested."""
    handler.head(206, len(content) - 1, 1, len(content))
    handler.body(content[1:])


def promises(extra):
    """The length that it announces is wrong by so many bytes."""

    def fault(handler, content, start):
        total = len(content) + extra
        handler.head(206 if start else 200, total - start, start, total)
        handler.body(content[start : min(total, len(content))])
        handler.hang_up()

    return fault


def says(status, **headers):
    """An error instead of the file."""

    def fault(handler, content, start):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return fault


def chunked(handler, content, start):
    """Without a length, as answers are sent that are made when asked for."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    for name, value in handler.server.headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    for place in range(0, len(content), 1000):
        piece = content[place : place + 1000]
        handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    handler.wfile.write(b"0\r\n\r\n")


def chunked_and_breaks(handler, content, start):
    """Without a length, and ends before the end."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    half = content[: len(content) // 2]
    handler.wfile.write(f"{len(half):x}\r\n".encode() + half + b"\r\n")
    handler.hang_up()


def tar_gz(files, level=6, **options):
    """A .tar.gz of names and contents, in memory."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=level, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w|", **options) as archive,
    ):
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def with_member(info, content=b"", before=None):
    """A .tar.gz with one member as it is given, behind the files ``before``."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, data in (before or {}).items():
            plain = tarfile.TarInfo(name)
            plain.size = len(data)
            archive.addfile(plain, io.BytesIO(data))
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def library_content(prefix):
    """Names and contents of a library's files, as PDB70's archives have them."""
    names = map(Path, hhsuite.library_files(prefix))
    files = {f"pdb70_{path.name.rpartition('_')[2]}": path.read_bytes() for path in names}
    lines = [f"{hashlib.md5(content).hexdigest()}  {name}\n" for name, content in files.items()]
    extra = {"pdb70_clu.tsv": b"1ABC_A\t1ABC_B\n", "pdb_filter.dat": b"1ABC\n"}
    return {"md5sum": "".join(lines).encode(), **files, **extra}
