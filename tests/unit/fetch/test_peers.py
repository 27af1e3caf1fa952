"""A node takes its copy of a library from another node's rsync, and only if what comes is the library."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from proteofold.fetch import peers
from proteofold.fetch.local_copy import copy_library
from proteofold.science import hhsuite

pytestmark = [
    pytest.mark.usefixtures("small_blocks"),
    pytest.mark.skipif(not shutil.which("rsync"), reason="rsync is not installed"),
]


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """Ask again at once, and not for long."""
    monkeypatch.setattr(peers, "_SECONDS_BETWEEN_ROUNDS", 0.05)
    monkeypatch.setattr(peers, "_SECONDS_OF_PATIENCE", 40)


@contextlib.contextmanager
def daemon(folder, more=""):
    """rsync's daemon, as the deployment has it on each node; gives its address and its log."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings, log = folder.parent / f"{port}.conf", folder.parent / f"{port}.log"
    settings.write_text(
        f"address = 127.0.0.1\nport = {port}\nuse chroot = no\nlog file = {log}\n[templates]\npath = {folder}\n"
        f"max connections = 1\nlock file = {folder.parent}/{port}.lock\n{more}"
        # started by root it would otherwise become nobody, who may not enter the folders of tests
        + ("uid = root\ngid = root\n" if os.geteuid() == 0 else "")
    )
    process = subprocess.Popen(["rsync", "--daemon", "--no-detach", f"--config={settings}"])
    try:
        for _ in range(200):
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield f"rsync://127.0.0.1:{port}/templates", log
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def peer(library, tmp_path, said):
    """The folder of a node that has a copy."""
    copy_library(library, tmp_path / "peer" / "pdb70", "lean", said)
    return tmp_path / "peer"


def copied_file(folder, name="pdb70_hhm.ffdata"):
    (whole,) = (path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())
    return whole / name


def hot_files(prefix):
    return {Path(name).name: Path(name).read_bytes() for name in hhsuite.library_files(prefix, ("hhm", "cs219"))}


def test_copy_comes_from_a_peer_without_reading_the_data_of_the_library(library, local, peer, said):
    # of the same length, so that only reading it shows a difference
    data = Path(f"{library}_hhm.ffdata")
    expected = hot_files(library)
    data.write_bytes(data.read_bytes().replace(b" " * 100, b"x" * 100))
    with daemon(peer) as (address, _):
        done = copy_library(library, local, "lean", said, peers=[address])
    assert done["source"] == address
    assert hot_files(done["prefix"]) == expected
    record = json.loads((local / "fetched.json").read_text())
    assert record["checksums"] == json.loads(copied_file(peer, "fetched.json").read_text())["checksums"]


def test_what_came_from_a_peer_is_handed_on(library, local, peer, said, tmp_path):
    with daemon(peer) as (address, _):
        copy_library(library, local, "lean", said, peers=[address])
    with daemon(local.parent) as (address, _):
        done = copy_library(library, tmp_path / "third" / "pdb70", "lean", said, peers=[address])
    assert done["source"] == address


def test_peers_that_have_no_copy_or_are_away_leave_the_library(library, local, peer, said, tmp_path):
    with daemon(peer) as (gone, _):
        pass
    empty = tmp_path / "empty"
    empty.mkdir()
    with daemon(empty) as (address, _):
        unknown = address.replace("templates", "nothing")
        done = copy_library(library, local, "lean", said, peers=[gone, address, unknown])
    assert done["source"] == library
    assert hot_files(done["prefix"]) == hot_files(library)


@pytest.mark.parametrize("harm", ["a bit", "cut", "no checksums", "damaged record", "link"])
def test_damaged_copy_of_a_peer_is_refused(library, local, peer, said, harm):
    target = copied_file(peer)
    record = copied_file(peer, "fetched.json")
    if harm == "a bit":
        with open(target, "r+b") as handle:
            handle.seek(9_000)
            handle.write(b"\1")
    elif harm == "cut":
        os.truncate(target, 9_000)
    elif harm == "no checksums":
        record.write_text(json.dumps({**json.loads(record.read_text()), "checksums": {}}))
    elif harm == "damaged record":
        record.write_text("{")
    else:
        target.unlink()
        target.symlink_to("/etc/passwd")
    with daemon(peer) as (address, log):
        done = copy_library(library, local, "lean", said, peers=[address])
        assert log.read_text().count("rsync on") == 1, "it was asked again"
    assert f"{address} gave files that are not what the library has" in said.text()
    assert done["source"] == library
    assert hot_files(done["prefix"]) == hot_files(library)


@contextlib.contextmanager
def held(address):
    """Be the one node to which a peer hands its copy on."""
    host, port = address.removeprefix("rsync://").split("/")[0].split(":")
    with socket.create_connection((host, int(port))) as taken:
        assert taken.recv(100).startswith(b"@RSYNCD:")
        taken.sendall(b"@RSYNCD: 31.0 md5\ntemplates\n")
        assert taken.recv(100).startswith(b"@RSYNCD: OK")
        yield


def until(condition):
    """Wait until a condition holds; fails the test after half a minute."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_busy_peer_is_asked_again_until_it_is_free(library, local, peer, said):
    with daemon(peer) as (address, log), ThreadPoolExecutor() as pool:
        with held(address):
            copy = pool.submit(copy_library, library, local, "lean", said, peers=[address])
            until(lambda: log.read_text().count("max connections (1) reached") >= 3)
            assert not local.exists()
        assert copy.result(timeout=45)["source"] == address
    assert hot_files(local / "pdb70") == hot_files(library)


def test_free_peer_is_taken_while_another_is_busy(library, local, peer, said, tmp_path):
    copy_library(library, tmp_path / "other" / "pdb70", "lean", said)
    with daemon(peer) as (busy, _), daemon(tmp_path / "other") as (free, _), held(busy):
        done = copy_library(library, local, "lean", said, peers=[busy, free])
    assert done["source"] == free


def test_peer_that_has_no_copy_yet_is_asked_again_while_another_is_busy(library, local, peer, said, tmp_path):
    late = tmp_path / "late"
    late.mkdir()
    with daemon(peer) as (busy, _), daemon(late) as (address, log), held(busy), ThreadPoolExecutor() as pool:
        copy = pool.submit(copy_library, library, local, "lean", said, peers=[busy, address])
        until(lambda: "No such file or directory" in log.read_text())
        copy_library(library, late / "pdb70", "lean", said)
        assert copy.result(timeout=45)["source"] == address


def test_peer_that_refuses_is_asked_once_while_another_is_busy(library, local, peer, said, tmp_path):
    copy_library(library, tmp_path / "other" / "pdb70", "lean", said)
    closed = daemon(tmp_path / "other", more="hosts deny = *\n")
    with daemon(peer) as (busy, busy_log), closed as (refusing, log), ThreadPoolExecutor() as pool:
        with held(busy):
            copy = pool.submit(copy_library, library, local, "lean", said, peers=[busy, refusing])
            until(lambda: busy_log.read_text().count("max connections (1) reached") >= 3)
        assert copy.result(timeout=45)["source"] == busy
        assert log.read_text().count("rsync denied") == 1
    assert f"{refusing}: @ERROR: access denied" in said.text()


@contextlib.contextmanager
def cut_connections(address, limits):
    """What a daemon sends, but only so many bytes of each connection; gives the address and the connections made."""
    host, port, module = address.removeprefix("rsync://").replace("/", ":").split(":")
    made = []

    def pump(source, target, limit):
        with contextlib.suppress(OSError):
            while limit and (data := source.recv(min(limit, 1_000))):
                target.sendall(data)
                limit -= len(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve():
        with contextlib.suppress(OSError):
            while True:
                asking, _ = server.accept()
                limit = limits[min(len(made), len(limits) - 1)]
                made.append(asking)
                answering = socket.create_connection((host, int(port)))
                for pair in ((asking, answering, 1 << 30), (answering, asking, limit)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield f"rsync://127.0.0.1:{server.getsockname()[1]}/{module}", made


def test_copy_that_breaks_off_is_gone_on_with(library, local, peer, said):
    with daemon(peer) as (address, _), cut_connections(address, [8_000, 8_000, 1 << 30]) as (cut, made):
        done = copy_library(library, local, "lean", said, peers=[cut])
    assert done["source"] == cut
    assert len(made) >= 3
    assert hot_files(done["prefix"]) == hot_files(library)


def test_peer_that_always_breaks_off_is_not_asked_for_ever(library, local, peer, said):
    with daemon(peer) as (address, _), cut_connections(address, [8_000]) as (cut, _):
        done = copy_library(library, local, "lean", said, peers=[cut])
    assert said.text().count(f"{cut}: ") == 5
    assert done["source"] == library
    assert hot_files(done["prefix"]) == hot_files(library)


def test_without_rsync_the_library_is_read(library, local, said, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert copy_library(library, local, "lean", said, peers=["rsync://127.0.0.1:1/x"])["source"] == library
