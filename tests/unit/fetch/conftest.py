"""A web server that misbehaves as it is told, and a meter that remembers."""

import io
import os
import threading

import pytest
from fetch_server import Server

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
    """Meter that keeps what it is told to say: ``said.text()``."""
    stream = io.StringIO()
    meter = Meter(stream)
    meter.text = stream.getvalue
    return meter
