"""The S4PRED weights come into place when they are whole, and networks."""

import hashlib

import pytest
from fetch_server import QUICK, breaks_after, tar_gz

from proteofold.fetch.official_weights import fetch_weights
from proteofold.fetch.sources import Source
from proteofold.science.weights import WEIGHT_FILES, weights_digest
from proteofold.system.errors import UserError


@pytest.fixture
def content(tiny_networks):
    """Names and contents of the archive's files."""
    return {f"weights/{name}": (tiny_networks / name).read_bytes() for name in WEIGHT_FILES}


@pytest.fixture
def fetch(server, said, tmp_path):
    """Function that fetches /w.tar.gz into s4pred."""

    def run(checksum=None):
        return fetch_weights(Source(server.url("/w.tar.gz"), checksum), said, tmp_path / "s4pred", QUICK)

    return run


def test_weights_are_fetched_checked_and_left_alone_afterwards(fetch, server, content, tiny_networks, tmp_path):
    server.files["/w.tar.gz"] = packed = tar_gz(content | {"weights/README": b"text", "._weights_1.pt": b"finder"})
    server.faults = [breaks_after(len(packed) // 3), breaks_after(10)]
    assert fetch(f"md5:{hashlib.md5(packed).hexdigest()}")["fetched"]
    whole = tmp_path / "s4pred" / "weights"
    assert weights_digest(whole) == weights_digest(tiny_networks)
    assert sorted(path.name for path in whole.iterdir()) == ["fetched.json", *WEIGHT_FILES]
    assert [path.name for path in whole.parent.iterdir()] == ["weights"]
    asked = len(server.asked)
    assert not fetch()["fetched"]
    assert len(server.asked) == asked


def test_weights_of_another_checksum_are_not_used(fetch, server, content, tmp_path):
    server.files["/w.tar.gz"] = tar_gz(content)
    with pytest.raises(UserError, match="its checksum is [0-9a-f]{32}, expected e04ad7d"):
        fetch("md5:e04ad7d10b61551f7e07a86b65bb88dc")
    assert not (tmp_path / "s4pred" / "weights").exists()


def test_archive_that_lacks_a_file_is_reported(fetch, server, content, tmp_path):
    del content["weights/weights_3.pt"]
    server.files["/w.tar.gz"] = tar_gz(content)
    with pytest.raises(UserError, match="lacks weights_3.pt.*What was unpacked is removed"):
        fetch()
    assert not (tmp_path / "s4pred" / "weights").exists()


def test_files_that_are_no_networks_are_not_used(fetch, server, content, tmp_path):
    server.files["/w.tar.gz"] = tar_gz(content | {"weights/weights_2.pt": b"PK\3\4 rubbish"})
    with pytest.raises(UserError, match="weights_2.pt.*What was unpacked is removed"):
        fetch()
    assert not (tmp_path / "s4pred" / "weights").exists()


def test_weights_put_there_manually_are_left_alone(fetch, server, tmp_path):
    whole = tmp_path / "s4pred" / "weights"
    whole.mkdir(parents=True)
    for name in WEIGHT_FILES:
        (whole / name).write_bytes(b"mine")
    assert not fetch()["fetched"]
    (whole / "weights_5.pt").unlink()
    with pytest.raises(UserError, match="lacks weights_5.pt"):
        fetch()
    assert server.asked == []
