"""A web server that misbehaves on request, a meter that keeps its messages, and a library to copy."""

import io
import os
import threading

import pytest
from fetch_server import Server

from proteofold.fetch import local_copy
from proteofold.fetch.meter import Meter


@pytest.fixture(autouse=True)
def unsynced(monkeypatch):
    """No test cuts the power, and waiting for the disk would take most of their time."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def server(monkeypatch):
    """A server that is well until its faults are set."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server()
    threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def said():
    """Meter that keeps its messages: ``said.text()``."""
    stream = io.StringIO()
    meter = Meter(stream)
    meter.text = stream.getvalue
    return meter


@pytest.fixture
def library(tmp_path, make_library):
    """Prefix of a library of three blocks of the size that tests copy in."""
    return make_library(tmp_path / "shared" / "pdb70", {f"T{number:04}_A": 100 for number in range(120)})


@pytest.fixture
def local(tmp_path):
    """Where the copy is to be."""
    return tmp_path / "local" / "pdb70"


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 5,000 bytes, so that small files have several."""
    monkeypatch.setattr(local_copy, "_BLOCK", 5_000)
    monkeypatch.setattr(local_copy, "_PIECE", 2_000)
