"""A platform in a folder of its own: four proteins uploaded, real runner, real Snakemake and hhsearch."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml
from runbench import Bench

from proteofold.service.accounts import User
from proteofold.service.database import open_platform, platform_path
from proteofold.service.runs import NewRun, order_of, order_run
from proteofold.service.uploads import add_upload
from proteofold.store import open_store

ALICE = User("alice", False)


def wait_until(condition, what, seconds=600):
    """Wait until a condition holds, and return what it gave; fails the test if that takes too long."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)
    return found


class Platform(Bench):
    """A working folder with a platform: four proteins uploaded, the small library on offer.

    While a file ``hold`` lies in the spy's folder, searches wait.
    """

    trouble = 'while [ -e "{folder}/hold" ]; do sleep 0.2; done\n'

    def __init__(self, path, templates):
        super().__init__(path, templates)
        self.write_inputs()
        self.store_path = path / "results" / "proteofold.db"
        self.store = open_store(self.store_path)
        self.platform = open_platform(platform_path(self.store_path))
        (path / "config").mkdir()
        choices = {"templates": {"six": {"build": str(templates)}}}
        (path / "config" / "platform.yaml").write_text(yaml.safe_dump(choices))
        add_upload(lambda: open_store(self.store_path), path / "proteins.fasta", "proteins.fasta", ALICE)
        self.runners = []
        (self.spy / "searched").write_text("")

    def order(self, run_id="test", ids=None, author="alice"):
        """Order a run of all proteins, or some."""
        new_run = NewRun(run_id, list(ids or self.records), author, "six", "lean", "demo")
        order_run(self.store, self.platform, new_run)

    def start_runner(self, *options):
        """Start ``proteofold runner`` as a service."""
        environment = {**os.environ, "PATH": f"{self.spy}{os.pathsep}{os.environ['PATH']}"}
        command = [sys.executable, "-P", "-m", "proteofold", "runner", "--store", str(self.store_path), "--cores", "2"]
        with open(self.path / "runner.log", "ab") as log:
            runner = subprocess.Popen(
                [*command, *options], cwd=self.path, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self.runners.append(runner)
        return runner

    def order_of(self, run_id="test"):
        return order_of(self.platform, run_id)

    def row(self, run_id="test"):
        """status, author, total, succeeded, failed of a run in the store."""
        query = "select status, author, total, succeeded, failed from runs where run_id = ?"
        return self.store.execute(query, (run_id,)).fetchone()

    def wait_for_end(self, run_id="test"):
        """Wait until an order is carried out; returns it."""
        wait_until(lambda: self.order_of(run_id)["state"] == "ended", f"end of {run_id}")
        return self.order_of(run_id)

    def living_heads(self):
        """Process ids of the living heads that work here."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if b"snakemake" in words and os.readlink(f"/proc/{pid}/cwd") == str(self.path):
                    found.append(int(pid))
        return found

    def close(self):
        """End what is still there."""
        for runner in self.runners:
            with contextlib.suppress(ProcessLookupError):
                runner.kill()
            runner.wait()
        for pid in self.living_heads():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        self.store.close()
        self.platform.close()
