"""Wanted files of an archive are written, whatever the pieces; hostile members are refused."""

import gzip
import json
import random
import tarfile

import pytest
from fetch_server import tar_gz, with_member

from proteofold.fetch.gzipstream import DamagedError
from proteofold.fetch.tarstream import HostileError, TarStream
from proteofold.system.errors import UserError

FILES = {
    "first": b"",
    "folder/second": random.Random(1).randbytes(1300),
    "third": b"x" * 512,
    "unwanted": b"y" * 5000,
    "a" * 180 + "/long": b"long" * 300,
    "last": b"z" * 10_240,
}
WANTED = {"first", "second", "third", "long", "last"}


def choose(path, size):
    name = path.rpartition("/")[2]
    return name if name in WANTED else None


def unpack(packed, folder, step=10_000, choose=choose, **options):
    plain = gzip.decompress(packed)
    stream = TarStream(folder, choose, **options)
    for place in range(0, len(plain), step):
        stream.feed(memoryview(plain)[place : place + step])
    stream.close()
    return stream


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


EXPECTED = {name.rpartition("/")[2]: content for name, content in FILES.items() if name != "unwanted"}


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("step", [1, 511, 513, 100_000])
def test_wanted_files_are_written(tmp_path, form, step):
    files = {name: content for name, content in FILES.items() if form != tarfile.USTAR_FORMAT or len(name) < 100}
    stream = unpack(tar_gz(files, format=form), tmp_path, step)
    assert stream.ended
    assert contents(tmp_path) == {
        name: EXPECTED[name] for name in EXPECTED if name != "long" or len(files) == len(FILES)
    }
    assert stream.written == {name: len(content) for name, content in contents(tmp_path).items()}


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_continues_from_any_byte(tmp_path, form):
    plain = gzip.decompress(tar_gz(FILES, format=form))
    for number, cut in enumerate([*range(0, len(plain), 211), *range(512, len(plain), 1024)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        first = TarStream(folder, choose)
        first.feed(plain[:cut])
        state = json.dumps(first.save())
        first.feed(plain[cut : cut + 700])  # written after the checkpoint, and lost with the process
        first.close()
        second = TarStream(folder, choose, state=json.loads(state))
        second.feed(plain[cut:])
        second.close()
        assert contents(folder) == EXPECTED
        assert second.ended


def test_file_that_lost_bytes_behind_a_checkpoint_is_reported(tmp_path):
    plain = gzip.decompress(tar_gz({"last": b"z" * 10_240}))
    stream = TarStream(tmp_path, choose)
    stream.feed(plain[:5000])
    state = stream.save()
    stream.close()
    (tmp_path / "last").write_bytes(b"z" * 10)
    with pytest.raises(DamagedError, match="shorter than it was left"):
        TarStream(tmp_path, choose, state=state)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_files_of_more_than_8_gb_are_understood(tmp_path, form):
    info = tarfile.TarInfo("unwanted")
    info.size = 9 << 30
    seen = []
    stream = TarStream(tmp_path, lambda path, size: seen.append((path, size)))
    stream.feed(info.tobuf(form))
    assert seen == [("unwanted", 9 << 30)]


def member(name, kind=tarfile.REGTYPE, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    ("info", "what"),
    [
        (member("../last"), "outside its folder: '../last'"),
        (member("a/../../last"), "outside its folder"),
        (member("/etc/last"), "outside its folder"),
        (member("a/" * 60 + "../" * 70 + "last"), "outside its folder"),
        (member("..", tarfile.DIRTYPE), "outside its folder"),
        (member("last", tarfile.SYMTYPE, "/etc/passwd"), "a symbolic link: 'last'"),
        (member("last", tarfile.SYMTYPE, "first"), "a symbolic link"),
        (member("last", tarfile.LNKTYPE, "first"), "a hard link"),
        (member("last", tarfile.CHRTYPE), "a device"),
        (member("last", tarfile.BLKTYPE), "a device"),
        (member("last", tarfile.FIFOTYPE), "a named pipe"),
        (member("last", b"V"), "a member of an unknown kind"),
        (member("unwanted", tarfile.SYMTYPE, "first"), "a symbolic link"),
    ],
)
def test_hostile_members_are_refused(tmp_path, info, what):
    folder = tmp_path / "in"
    folder.mkdir()
    with pytest.raises(HostileError, match=what):
        unpack(with_member(info, before={"first": b"1"}), folder)
    assert contents(folder) == {"first": b"1"}
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_path_in_an_extended_header_is_judged_too(tmp_path):
    info = tarfile.TarInfo("last")
    info.pax_headers = {"path": "../last"}
    with pytest.raises(HostileError, match="outside"):
        unpack(with_member(info), tmp_path)


def test_holes_are_refused(tmp_path):
    info = tarfile.TarInfo("last")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
    with pytest.raises(HostileError, match="holes"):
        unpack(with_member(info), tmp_path)


@pytest.mark.parametrize("said", [{"size": "-5"}, {"size": "1e9"}, {"size": "9" * 30}])
def test_odd_sizes_are_refused(tmp_path, said):
    info = tarfile.TarInfo("last")
    info.pax_headers = said
    with pytest.raises(HostileError, match="bytes"):
        TarStream(tmp_path, choose).feed(info.tobuf(tarfile.PAX_FORMAT))


def test_endless_header_is_refused(tmp_path):
    info = member("././@LongLink", tarfile.GNUTYPE_LONGNAME)
    info.size = 1 << 40
    with pytest.raises(HostileError, match="a header of"):
        TarStream(tmp_path, choose).feed(info.tobuf(tarfile.GNU_FORMAT))


def test_one_name_twice_is_refused(tmp_path):
    with pytest.raises(HostileError, match="last twice"):
        unpack(with_member(member("other/last"), b"2", before={"last": b"1"}), tmp_path)


def test_link_that_may_be_passed_over_is_never_made(tmp_path):
    packed = with_member(member("last", tarfile.SYMTYPE, "first"), before={"first": b"1"})
    assert unpack(packed, tmp_path, passes_over=lambda name, target: name == "last").ended
    assert contents(tmp_path) == {"first": b"1"}


def test_damaged_headers_are_reported(tmp_path):
    with pytest.raises(DamagedError, match="a header in it"):
        TarStream(tmp_path, choose).feed(b"rubbish " * 64)
    plain = bytearray(gzip.decompress(tar_gz({"a" * 120: b"1"}, format=tarfile.PAX_FORMAT)))
    plain[512:520] = b"99999999"
    with pytest.raises(DamagedError, match="an extended header"):
        TarStream(tmp_path, choose).feed(plain)


def test_file_that_is_larger_than_the_disk_is_reported_before_it_is_written(tmp_path):
    info = tarfile.TarInfo("last")
    info.size = 1 << 60
    with pytest.raises(UserError, match="last has 1,152,921,504,606,846,976 bytes, the disk .* has room for"):
        TarStream(tmp_path, choose).feed(info.tobuf(tarfile.GNU_FORMAT))
    assert contents(tmp_path) == {}


def test_what_stands_under_a_name_as_a_link_is_not_written_through(tmp_path):
    """A link in the folder, wherever it comes from, must not lead the file elsewhere."""
    victim, folder = tmp_path / "victim", tmp_path / "in"
    victim.write_bytes(b"mine")
    folder.mkdir()
    (folder / "last").symlink_to(victim)
    unpack(tar_gz({"last": b"theirs"}), folder)
    assert victim.read_bytes() == b"mine"
    assert (folder / "last").read_bytes() == b"theirs"
