"""The site on a store, served by the command of bin/serve on one core."""

import contextlib
import http.client
import os
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from measure import ROOT


@dataclass(frozen=True)
class Site:
    """A server at work: its port, its process id."""

    port: int
    pid: int

    def get(self, path):
        """Ask for a path; returns the seconds that the whole answer took."""
        started = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
        if answer.status not in (200, 302):
            raise SystemExit(f"{path}: HTTP {answer.status}")
        return time.perf_counter() - started

    def size(self, path):
        """Size of an answer in kB."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return len(connection.getresponse().read()) / 1000

    def cpu_s(self):
        """CPU time of the server so far, in seconds: unlike other times it hardly hangs on what else a machine does."""
        values = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self, highest=False):
        """Resident memory of the server in MB; the highest since ``forget_highest``."""
        name = "VmHWM" if highest else "VmRSS"
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024

    def forget_highest(self):
        """Have ``memory_mb`` count from zero."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")


@contextlib.contextmanager
def served(store):
    """Serve a store; yields a Site."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    one_core = {min(os.sched_getaffinity(0))}
    server = subprocess.Popen(
        [ROOT / "website" / "serve", store, "--port", str(port)],
        preexec_fn=lambda: os.sched_setaffinity(0, one_core),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    site = Site(port, server.pid)
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                site.get("/-/api/v1/session")
                break
            if time.monotonic() > deadline or server.poll() is not None:
                raise SystemExit("Datasette does not answer")
            time.sleep(0.2)
        yield site
    finally:
        server.terminate()
        server.wait()
