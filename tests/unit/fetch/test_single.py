"""A single file is fetched over as many connections and processes as it takes, and is whole and the right one then."""

import gzip
import hashlib
import random

import pytest
from fetch_server import QUICK, breaks_after, chunked_and_breaks, ignores_range, says

from proteofold.fetch import single
from proteofold.fetch.download import AbsentError
from proteofold.fetch.gzipstream import DamagedError
from proteofold.fetch.sources import Source
from proteofold.system.errors import UserError

CONTENT = random.Random(7).randbytes(300_000)
LARGEST = 1 << 20


@pytest.fixture
def part(tmp_path):
    """The folder that a file is fetched into."""
    (tmp_path / "part").mkdir()
    return tmp_path / "part"


@pytest.fixture
def fetch(server, said, part):
    """Function that fetches /file into the folder."""
    server.files["/file"] = CONTENT

    def run(path="/file", checksum=None, largest=LARGEST):
        return single.download(Source(server.url(path), checksum), part, said, QUICK, largest)

    return run


def test_file_is_fetched(fetch, part):
    fetch()
    assert (part / single.FETCHED).read_bytes() == CONTENT


@pytest.mark.parametrize("fault", [breaks_after(100_000), chunked_and_breaks, ignores_range, says(503)])
def test_connection_that_breaks_is_continued_or_begun_again(fetch, server, part, fault):
    server.faults = [fault, fault]
    fetch()
    assert (part / single.FETCHED).read_bytes() == CONTENT


def test_another_process_continues_where_one_was_stopped(fetch, server, part):
    server.faults = [breaks_after(100_000)] + [says(503)] * 10
    with pytest.raises(UserError, match="gave up"):
        fetch()
    server.faults, server.sent = [], 0
    fetch()
    assert (part / single.FETCHED).read_bytes() == CONTENT
    assert server.sent == len(CONTENT) - 100_000


def test_file_that_changed_since_is_begun_again(fetch, server, part):
    server.faults = [breaks_after(100_000)] + [says(503)] * 10
    with pytest.raises(UserError, match="gave up"):
        fetch()
    server.faults, server.etag, server.files["/file"] = [], '"two"', CONTENT[::-1]
    fetch()
    assert (part / single.FETCHED).read_bytes() == CONTENT[::-1]


def test_rest_of_another_address_is_not_continued(fetch, server, part):
    server.faults = [breaks_after(100_000)] + [says(503)] * 10
    with pytest.raises(UserError, match="gave up"):
        fetch()
    server.faults, server.files["/other"] = [], CONTENT[::-1]
    fetch("/other")
    assert (part / single.FETCHED).read_bytes() == CONTENT[::-1]


def test_checksum_is_compared(fetch, part):
    fetch(checksum=f"sha256:{hashlib.sha256(CONTENT).hexdigest()}")
    with pytest.raises(DamagedError, match="its checksum is md5:"):
        fetch(checksum=f"md5:{'0' * 32}")
    assert list(part.iterdir()) == []


@pytest.mark.parametrize("fault", [[], [chunked_and_breaks]])
def test_file_that_is_too_large_is_not_kept(fetch, server, part, fault):
    server.faults = fault
    with pytest.raises(DamagedError, match="more than 1,000 bytes"):
        fetch(largest=1000)
    assert list(part.iterdir()) == []


def test_file_that_the_server_does_not_have_is_an_error_of_its_own(fetch):
    with pytest.raises(AbsentError, match="404"):
        fetch("/nothing")


def test_what_is_no_gzip_is_packed(tmp_path):
    (tmp_path / "file").write_bytes(b"plain")
    single.pack(tmp_path / "file")
    packed = (tmp_path / "file").read_bytes()
    assert gzip.decompress(packed) == b"plain"
    single.pack(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == packed


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (gzip.compress(CONTENT)[:-30], "damaged or cut short"),
        (gzip.compress(b"x" * 1000)[:-5] + b"12345", "damaged or cut short"),
        (gzip.compress(b"x" * 1000) + b"rubbish", "damaged or cut short"),
        (gzip.compress(bytes(2_000_000)), "more than 1,048,576 bytes unpacked"),
        (bytes(2_000_000), "more than 1,048,576 bytes unpacked"),
    ],
)
def test_damaged_and_oversized_files_are_not_unpacked(tmp_path, content, what):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(DamagedError, match=what):
        list(single.unpacked_pieces(tmp_path / "file", LARGEST))
