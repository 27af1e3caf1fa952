"""A proteome is written when all of it came and is FASTA."""

import gzip
import re

import pytest
from fetch_server import QUICK, breaks_after, chunked, chunked_and_breaks, says

from proteofold.fetch.proteome import checked_id, fetch_proteome
from proteofold.formats.fasta import read_fasta
from proteofold.system.errors import UserError

TEXT = "".join(f">sp|P{number:05}|X_HUMAN A protein\nMKV{'LIV' * (number % 30)}\n" for number in range(300)).encode()
PATH = "/stream?format=fasta&query=UP000005640"


@pytest.fixture
def fetch(server, said, tmp_path):
    """Function that fetches UP000005640 into p.fasta.gz."""
    server.files[PATH] = gzip.compress(TEXT)
    fetch_into = tmp_path / "new" / "p.fasta.gz"

    def run(path=fetch_into):
        url = server.url("/stream?format=fasta&query={id}")
        return fetch_proteome(url, "UP000005640", path, said, QUICK)

    run.path = fetch_into
    return run


def test_proteome_is_fetched_and_counted(fetch, server):
    server.headers = {"X-Total-Results": "300", "X-UniProt-Release": "2026_03"}
    found = fetch()
    residues = sum(len(record.sequence) for record in read_fasta(fetch.path))
    assert found == {"proteins": 300, "residues": residues, "release": "2026_03", "fetched": True}
    assert gzip.decompress(fetch.path.read_bytes()) == TEXT
    assert [path.name for path in fetch.path.parent.iterdir()] == ["p.fasta.gz"]


@pytest.mark.parametrize("fault", [breaks_after(500), chunked, chunked_and_breaks, says(429), says(503)])
def test_answer_that_breaks_off_is_asked_for_again(fetch, server, fault):
    server.faults = [fault]
    assert fetch()["proteins"] == 300
    assert gzip.decompress(fetch.path.read_bytes()) == TEXT


def test_answer_that_breaks_off_each_time_is_reported(fetch, server):
    server.faults = [chunked_and_breaks] * 20
    with pytest.raises(UserError, match="broke off 8 times"):
        fetch()
    assert list(fetch.path.parent.iterdir()) == []


def test_plain_fasta_is_packed(fetch, server):
    server.files[PATH] = TEXT
    assert fetch()["proteins"] == 300
    assert gzip.decompress(fetch.path.read_bytes()) == TEXT


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "no proteins came. Is there a proteome UP000005640"),
        (gzip.compress(b""), "no proteins came"),
        (b"<html>Sorry</html>", "not whole or not FASTA .not FASTA"),
        (gzip.compress(TEXT)[:-100], "not whole or not FASTA .cannot be read"),
        (TEXT + b">sp|P1|CUT", "P1|CUT has no sequence"),
    ],
)
def test_what_is_no_whole_fasta_is_not_kept(fetch, server, content, what):
    server.files[PATH] = content
    with pytest.raises(UserError, match=what):
        fetch()
    assert list(fetch.path.parent.iterdir()) == []


def test_fewer_proteins_than_announced_are_reported(fetch, server):
    server.headers = {"X-Total-Results": "301"}
    with pytest.raises(UserError, match="301 proteins were announced, 300 came"):
        fetch()
    assert not fetch.path.exists()


def test_file_that_is_there_is_counted_and_left_alone(fetch, server, tmp_path):
    (tmp_path / "mine.fa").write_text(">A\nMKV\n")
    found = fetch(tmp_path / "mine.fa")
    assert (found["proteins"], found["residues"], found["fetched"]) == (1, 3, False)
    assert server.asked == []


def test_ids_are_checked():
    assert checked_id("up000005640") == "UP000005640"
    for wrong in ("9606", "UP5640", "UP000005640&format=tsv", "../UP000005640", "UP00000564٠"):
        with pytest.raises(UserError, match=re.escape(repr(wrong))):
            checked_id(wrong)
