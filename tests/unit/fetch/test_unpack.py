"""An archive is unpacked while it comes; killed at any moment it continues, damaged it leaves nothing behind."""

import errno
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import time

import pytest
from fetch_server import QUICK, breaks_after, ignores_range, promises, stalls_after, tar_gz, with_member

from proteofold.fetch import tarstream
from proteofold.fetch.sources import Source
from proteofold.fetch.unpack import CHECKPOINT, Unpacker
from proteofold.system.errors import UserError

CHOICE = random.Random(7)
WORDS = [CHOICE.randbytes(9) for _ in range(50_000)]
FILES = {f"data/{name}": b"".join(CHOICE.choices(WORDS, k=count)) for name, count in (("one", 90_000), ("two", 40_000))}
PACKED = tar_gz(FILES)  # about 1 MB


def choose(path, size):
    return path.rpartition("/")[2]


@pytest.fixture
def unpacker(server, said, tmp_path):
    """Function that makes an Unpacker of what the server has at /f, into a folder that lasts."""
    server.files["/f"] = PACKED
    folder = tmp_path / "part"
    folder.mkdir()

    def make(checksum=None, patience=QUICK):
        return Unpacker(Source(server.url("/f"), checksum), folder, choose, said, patience=patience)

    make.folder = folder
    return make


def files(folder):
    return {f"data/{path.name}": path.read_bytes() for path in folder.iterdir() if path.name != CHECKPOINT}


def md5(content):
    return f"md5:{hashlib.md5(content).hexdigest()}"


def test_archive_is_unpacked(unpacker):
    assert unpacker(md5(PACKED)).run() == {"one": len(FILES["data/one"]), "two": len(FILES["data/two"])}
    assert files(unpacker.folder) == FILES


def test_broken_and_stalled_connections_do_not_show(unpacker, server):
    server.faults = [breaks_after(100_000), stalls_after(200_000), breaks_after(3), ignores_range]
    unpacker(md5(PACKED)).run()
    assert files(unpacker.folder) == FILES


def test_another_process_continues_at_the_checkpoint(unpacker, server):
    server.faults = [breaks_after(500_000), *[breaks_after(0)] * 3]
    with pytest.raises(UserError, match="rerun the same command to resume"):
        unpacker(md5(PACKED)).run()
    assert json.loads((unpacker.folder / CHECKPOINT).read_text())["offset"] > 300_000
    with open(unpacker.folder / "one", "ab") as handle:
        handle.write(b"written after the checkpoint")
    server.faults, server.sent = [], 0
    later = unpacker(md5(PACKED))
    later.run()
    assert files(unpacker.folder) == FILES
    assert later.resumed_at > 300_000
    assert server.sent == len(PACKED) - later.resumed_at


def test_checksum_covers_what_came_before_the_checkpoint(unpacker, server):
    server.faults = [breaks_after(500_000), *[breaks_after(0)] * 3]
    wrong = "sha256:" + "0" * 64
    with pytest.raises(UserError, match="gave up"):
        unpacker(wrong).run()
    with pytest.raises(UserError, match=f"its checksum is {hashlib.sha256(PACKED).hexdigest()}, expected 000"):
        unpacker(wrong).run()
    assert list(unpacker.folder.iterdir()) == []


def test_checkpoint_of_another_file_is_not_used(unpacker, server, said):
    server.faults = [breaks_after(500_000), *[breaks_after(0)] * 3]
    with pytest.raises(UserError, match="gave up"):
        unpacker().run()
    server.files["/f"], server.etag, server.faults = tar_gz({"data/three": b"new"}), '"two"', []
    unpacker().run()
    assert files(unpacker.folder) == {"data/three": b"new"}
    assert "bytes now, 1,120,103 before. Starting from the beginning" in said.text()


def test_file_that_changes_between_two_tries_is_fetched_from_the_start(unpacker, server):
    def breaks_and_changes(handler, content, start):
        handler.head(200, len(content))
        handler.body(content[:500_000])
        server.files["/f"], server.etag = tar_gz({"data/three": b"new"}), '"two"'
        handler.hang_up()

    server.faults = [breaks_and_changes]
    unpacker().run()
    assert files(unpacker.folder) == {"data/three": b"new"}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"form": 99}'])
def test_damaged_checkpoint_begins_anew(unpacker, text):
    (unpacker.folder / CHECKPOINT).write_text(text)
    (unpacker.folder / "one").write_bytes(b"old")
    assert unpacker().run()
    assert files(unpacker.folder) == FILES


def test_file_that_lost_bytes_begins_anew(unpacker, server, said):
    server.faults = [breaks_after(500_000), *[breaks_after(0)] * 3]
    with pytest.raises(UserError):
        unpacker().run()
    (unpacker.folder / "one").write_bytes(b"")
    unpacker().run()
    assert "shorter than it was left. Starting from the beginning" in said.text()
    assert files(unpacker.folder) == FILES


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda packed: packed[:300_000] + bytes(100) + packed[300_100:], "damaged"),
        (lambda packed: packed[:-1], "ends early"),
        (lambda packed: packed[: len(packed) // 2], "ends early"),
        (lambda packed: b"<html>not found</html>", "no .tar.gz"),
        (lambda packed: b"", "ends early"),
    ],
)
def test_damaged_archive_is_reported_and_removed(unpacker, server, damage, what):
    server.files["/f"] = damage(PACKED)
    with pytest.raises(UserError, match=f"{what}.*--url"):
        unpacker().run()
    assert list(unpacker.folder.iterdir()) == []


def test_length_that_is_too_small_is_an_archive_that_ends_early(unpacker, server):
    server.faults = [promises(-1000)]
    with pytest.raises(UserError, match="the archive ends early"):
        unpacker().run()


def test_length_that_is_too_large_begins_anew_and_ends(unpacker, server):
    server.faults = [promises(+1000)]
    unpacker().run()
    assert files(unpacker.folder) == FILES


def test_hostile_archive_leaves_nothing(unpacker, server):
    info = tarfile.TarInfo("../three")
    server.files["/f"] = with_member(info, b"x", before=FILES)
    with pytest.raises(UserError, match="outside its folder.*Nothing of it is kept"):
        unpacker().run()
    assert list(unpacker.folder.iterdir()) == []
    assert not (unpacker.folder.parent / "three").exists()


def test_full_disk_is_reported_and_the_checkpoint_kept(unpacker, monkeypatch):
    class Full(tarstream.TarStream):
        def feed(self, piece):
            if sum(self.written.values()) > 600_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            super().feed(piece)

    monkeypatch.setattr("proteofold.fetch.unpack.TarStream", Full)
    with pytest.raises(
        UserError, match="No space left on device. Once that is repaired, rerun the same command to resume"
    ):
        unpacker().run()
    monkeypatch.undo()
    later = unpacker()
    later.run()
    assert later.resumed_at > 0
    assert files(unpacker.folder) == FILES


def test_killed_again_and_again_it_ends_in_the_same_state(unpacker, server):
    """kill -9 of a real process, each time a little later; what was fetched before is not asked for again."""

    def reached():
        try:
            return json.loads((unpacker.folder / CHECKPOINT).read_text())["offset"]
        except FileNotFoundError:
            return 0

    server.faults = [stalls_after(200_000)] * 20
    code = (
        "import sys; from proteofold.fetch.unpack import Unpacker; from proteofold.fetch.sources import Source;"
        "from proteofold.fetch.download import Patience; from proteofold.fetch.meter import Meter;"
        "u = Unpacker(Source(sys.argv[1], sys.argv[2]), sys.argv[3], lambda path, size: path.rpartition('/')[2],"
        "Meter(), patience=Patience(checkpoint_s=0)); u.run(); print(u.resumed_at)"
    )
    command = [sys.executable, "-c", code, server.url("/f"), md5(PACKED), str(unpacker.folder)]
    offsets = []
    for _ in range(4):
        before = reached()
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        deadline = time.monotonic() + 30
        while reached() == before and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        offsets.append(reached())
    assert offsets == sorted(set(offsets))
    assert offsets[0] > 0 and offsets[-1] < len(PACKED)
    server.faults = []
    last = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    assert int(last.stdout) == offsets[-1]
    assert server.asked[-1] == f"bytes={offsets[-1]}-"
    found = files(unpacker.folder)
    # the checkpoint that a kill has cut is removed when the folder gets its name
    assert {name: content for name, content in found.items() if "/." not in name} == FILES
