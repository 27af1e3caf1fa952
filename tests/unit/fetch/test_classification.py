"""The classification is fetched, checked, and in use when it is whole."""

import gzip

import pytest
from fetch_server import QUICK, breaks_after, chunked, says

from proteofold.fetch.classification import fetch_classification
from proteofold.fetch.sources import Source
from proteofold.science.classification import open_classification
from proteofold.system.errors import UserError

DOMAINS = "".join(f"1abc{chain}00 v4_4_0 1.10.8.{number} 1-100:{chain}\n" for number, chain in enumerate("ABCDEFG", 1))
NAMES = "1 Mainly Alpha\n" + "".join(f"1.10.8.{number} Name {number}\n" for number in range(1, 8))


@pytest.fixture
def folder(tmp_path):
    """Where the releases lie; it is not there yet."""
    return tmp_path / "resources" / "classification"


@pytest.fixture
def fetch(server, said, folder):
    """Function that fetches the two lists."""
    server.files |= {"/all.gz": gzip.compress(DOMAINS.encode()), "/names.gz": gzip.compress(NAMES.encode())}

    def run(checksum=None):
        sources = Source(server.url("/all.gz"), checksum), Source(server.url("/names.gz"), None)
        return fetch_classification(*sources, said, folder, QUICK)

    return run


def kept(folder):
    return sorted(path.name for path in folder.iterdir())


def test_lists_become_a_release_in_use(fetch, folder):
    record = fetch()
    assert (record["fetched"], record["domains"], record["superfamilies"]) == (True, 7, 7)
    assert kept(folder) == ["cath", "cath-20220313"]
    assert kept(folder / "cath") == ["cath.db", "fetched.json"]
    found = open_classification(folder / "cath")
    assert found.superfamily("1ABC_C", 1, 90, 100) == "1.10.8.3"
    assert found.name_of("1.10.8.3") == "Name 3"


def test_release_that_is_there_is_not_fetched_again(fetch, server):
    fetch()
    server.sent = 0
    assert fetch()["fetched"] is False
    assert len(server.asked) == 4  # the date of the list, both lists, the date again


def test_newer_release_comes_beside_the_old_one(fetch, server, folder):
    fetch()
    server.modified, server.etag = "Tue, 03 Nov 2026 10:00:00 GMT", '"two"'
    server.files["/all.gz"] = gzip.compress(DOMAINS.replace("v4_4_0", "v4_5_0").encode())
    assert fetch()["version"] == "v4_5_0"
    assert kept(folder) == ["cath", "cath-20220313", "cath-20261103"]
    assert open_classification(folder / "cath").version == "v4_5_0"


@pytest.mark.parametrize("faults", [[breaks_after(20)], [chunked, chunked], [says(503), says(429)]])
def test_connection_that_breaks_is_tried_again(fetch, server, faults):
    server.faults = [says(503), *faults]
    assert fetch()["domains"] == 7


def test_plain_lists_are_read(fetch, server):
    server.files |= {"/all.gz": DOMAINS.encode(), "/names.gz": NAMES.replace("\n", "\r\n").encode()}
    assert fetch()["domains"] == 7


@pytest.mark.parametrize(
    ("path", "content", "what"),
    [
        ("/all.gz", b"", "the list is empty"),
        ("/all.gz", b"<html>Sorry</html>", "lines are not domains"),
        ("/all.gz", gzip.compress(DOMAINS.encode())[:-9], "damaged or cut short"),
        ("/all.gz", gzip.compress(NAMES.encode()), "lines are not domains"),
        ("/all.gz", gzip.compress(b"x" * 3_000_000), "a line of more than 65,536 bytes"),
        ("/names.gz", gzip.compress(NAMES.encode())[:-9], "damaged or cut short"),
        ("/names.gz", gzip.compress(b"1 Mainly Alpha\n1.10.8.1 Name\n"), "different releases"),
        ("/names.gz", gzip.compress(b"\xff\xfe\x00" * 10), "lines are not names"),
    ],
)
def test_what_is_not_the_lists_of_one_release_is_not_kept(fetch, server, folder, path, content, what):
    server.files[path] = content
    with pytest.raises(UserError, match=what):
        fetch()
    assert kept(folder) == [".cath-20220313.part"] and kept(folder / ".cath-20220313.part") == []
    server.files |= {"/all.gz": gzip.compress(DOMAINS.encode()), "/names.gz": gzip.compress(NAMES.encode())}
    assert fetch()["fetched"] is True


def test_release_in_use_stays_when_a_newer_one_is_damaged(fetch, server, folder):
    fetch()
    server.modified, server.etag = "Tue, 03 Nov 2026 10:00:00 GMT", '"two"'
    server.files["/names.gz"] = b"rubbish"
    with pytest.raises(UserError):
        fetch()
    assert open_classification(folder / "cath").domains == 7


def test_file_of_another_checksum_is_refused(fetch):
    with pytest.raises(UserError, match="its checksum is md5:"):
        fetch(f"md5:{'0' * 32}")


def test_folder_in_the_way_is_not_touched(fetch, folder):
    (folder / "cath").mkdir(parents=True)
    with pytest.raises(UserError, match="is in the way"):
        fetch()
