"""Structures are fetched a few at a time, kept by their code, and are the mmCIF files that were asked for."""

import gzip
import threading

import pytest
from fetch_server import QUICK, answer, breaks_after, chunked_and_breaks, says
from structures import chain_rows, cif, components

from proteofold.fetch import structures
from proteofold.fetch.structures import fetch_structures
from proteofold.formats.mmcif import read_chain
from proteofold.system.errors import UserError


def entry(code, letters="MKVLSAERGW" * 20):
    """The packed mmCIF file of an entry."""
    return gzip.compress(cif(chain_rows(letters), components(letters), code).encode(), mtime=0)


@pytest.fixture
def folder(tmp_path):
    """Where the structures are kept; it is not there yet."""
    return tmp_path / "resources" / "structures"


@pytest.fixture
def fetch(server, said, folder):
    """Function that fetches the entries of templates from a server that has three."""
    server.files |= {f"/{code}.cif.gz": entry(code.upper()) for code in ("1abc", "2def", "3ghi")}

    def run(*templates):
        return fetch_structures(server.url("/{id}.cif.gz"), templates, said, folder, QUICK)

    return run


def kept(folder):
    return sorted(path.name for path in folder.iterdir())


def test_entry_of_each_template_is_fetched_once(fetch, server, folder):
    found = fetch("1ABC_A", "1ABC_B", "2DEF_A")
    assert found == {"fetched": 2, "present": 0, "failed": {}, "others": []}
    assert kept(folder) == ["1abc.cif.gz", "2def.cif.gz"]
    assert len(server.asked) == 2
    assert len(read_chain(folder / "1abc.cif.gz", "A")) == 200


def test_what_is_there_is_not_fetched_again(fetch, server):
    fetch("1ABC_A", "2DEF_A")
    found = fetch("1ABC_A", "2DEF_A", "3GHI_A")
    assert (found["fetched"], found["present"]) == (1, 2)
    assert len(server.asked) == 3


def test_copy_of_the_pdb_is_there(fetch, server, folder):
    (folder / "ab").mkdir(parents=True)
    (folder / "ab" / "1abc.cif.gz").write_bytes(entry("1ABC"))
    assert fetch("1ABC_A")["present"] == 1
    assert server.asked == []


@pytest.mark.parametrize("fault", [breaks_after(1000), chunked_and_breaks, says(429), says(503, Retry_After="0")])
def test_connection_that_breaks_is_tried_again(fetch, server, folder, fault):
    server.faults = [fault]
    assert fetch("1ABC_A")["fetched"] == 1
    assert (folder / "1abc.cif.gz").read_bytes() == entry("1ABC")


def test_same_command_continues_after_a_server_that_gave_up(fetch, server, folder):
    server.faults = [breaks_after(1000)] + [says(503)] * 10
    with pytest.raises(UserError, match="gave up"):
        fetch("1ABC_A")
    assert not (folder / "1abc.cif.gz").exists()
    server.faults, server.sent = [], 0
    fetch("1ABC_A")
    assert server.sent == len(entry("1ABC")) - 1000
    assert kept(folder) == ["1abc.cif.gz"]


def test_few_files_are_fetched_at_the_same_time(fetch, server, folder):
    codes = [f"{number}xyz" for number in range(1, 10)]
    server.files |= {f"/{code}.cif.gz": entry(code) for code in codes}
    lock, now, most = threading.Lock(), [0], [0]

    def counts(handler, content, start):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        threading.Event().wait(0.05)
        with lock:
            now[0] -= 1
        answer(handler, content, start)

    server.faults = [counts] * len(codes)
    assert fetch(*(f"{code}_A" for code in codes))["fetched"] == 9
    assert 1 < most[0] <= 4


def test_entries_that_the_server_does_not_have_are_reported_and_the_others_fetched(fetch, folder):
    found = fetch("9ZZZ_A", "1ABC_A")
    assert found["fetched"] == 1
    assert list(found["failed"]) == ["9zzz"] and "404" in found["failed"]["9zzz"]
    assert kept(folder) == ["1abc.cif.gz"]


def test_templates_that_are_no_chains_of_the_pdb_are_never_asked_for(fetch, server, folder):
    found = fetch("d1abca_", "../../1ABC_A", "1ABC_A")
    assert (found["fetched"], found["others"]) == (1, ["d1abca_", "../../1ABC_A"])
    assert len(server.asked) == 1


def test_plain_mmcif_is_packed(fetch, server, folder):
    server.files["/1abc.cif.gz"] = gzip.decompress(entry("1ABC"))
    fetch("1ABC_A")
    assert gzip.decompress((folder / "1abc.cif.gz").read_bytes()) == gzip.decompress(entry("1ABC"))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "no coordinates"),
        (b"<html>Sorry</html>", "not the mmCIF file of 1ABC"),
        (entry("2DEF"), "not the mmCIF file of 1ABC"),
        (entry("1ABC")[:-100], "damaged or cut short"),
        (entry("1ABC")[:500] + b"\0" * 50 + entry("1ABC")[550:], "damaged or cut short"),
        (gzip.compress(b"data_1ABC\n#\n_entry.id 1ABC\n"), "no coordinates"),
        (gzip.compress(b"data_1ABC\n" + b"#" * 3_000_000), "more than 2,000,000 bytes unpacked"),
    ],
)
def test_what_is_not_the_entry_is_not_kept(fetch, server, folder, monkeypatch, content, what):
    monkeypatch.setattr(structures, "_LARGEST_UNPACKED", 2_000_000)
    server.files["/1abc.cif.gz"] = content
    found = fetch("1ABC_A", "2DEF_A")
    assert found["fetched"] == 1 and what in found["failed"]["1abc"]
    assert kept(folder) == ["2def.cif.gz"]


def test_file_that_is_too_large_is_not_fetched(fetch, server, folder, monkeypatch):
    monkeypatch.setattr(structures, "_LARGEST", 500)
    assert "more than 500 bytes" in fetch("1ABC_A")["failed"]["1abc"]
    assert kept(folder) == []


def test_server_that_cannot_be_reached_ends_the_fetch(said, folder, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    codes = [f"{number}abc_A" for number in range(1, 10)]
    with pytest.raises(UserError, match="no connection to 127.0.0.1"):
        fetch_structures("http://127.0.0.1:1/{id}", codes, said, folder, QUICK)
