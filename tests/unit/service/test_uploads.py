"""Uploads: an outcome for each id, invalid records fail by themselves, and nothing that takes the machine's memory."""

import contextlib
import gzip
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proteofold.service import uploads
from proteofold.service.accounts import User
from proteofold.service.uploads import Outcome, add_upload
from proteofold.store import open_store, transaction
from proteofold.system.errors import UserError


def counts(done):
    return done.added, done.present, done.failed


def held(store_path):
    with contextlib.closing(open_store(store_path)) as conn:
        return dict(conn.execute("select query_id, sequence from proteins").fetchall())


def test_each_record_is_reported_as_added_present_or_failed_in_the_order_of_the_file(upload, store_path):
    assert counts(upload(">a\nMKV\n>b\nMKL\n")) == (2, 0, 0)
    done = upload(">c\nMKI\n>b\nmkl*\n>bad\nMK1\n>a\nMKW\n>c\nMKI\n>d\nMKI\n")
    assert counts(done) == (2, 2, 2)
    assert [(row.id, row.outcome) for row in done.rows] == [
        ("c", "added"),
        ("b", "present"),
        ("bad", "failed"),
        ("a", "failed"),
        ("c", "present"),
        ("d", "added"),
    ]
    assert "'1' at position 3" in done.rows[2].reason and done.rows[2].reason.startswith("line 5")
    assert held(store_path) == {"a": "MKV", "b": "MKL", "c": "MKI", "d": "MKI"}


@pytest.mark.parametrize(
    "content, reasons",
    [
        (">c\nMKI\n>e\nMKV\n>c\nMKA\n", ("line 1: the record of the same id in line 5", "line 5: the record of")),
        (">c\nMK1\n>e\nMKV\n>c\nMKA\n", ("line 1", "line 5: the record of the same id in line 1")),
        (">b\nMKL\n>e\nMKV\n>b\nMKA\n", ("line 1: the record of the same id in line 5", "line 5: this id has")),
    ],
)
def test_an_id_is_never_both_failed_and_added(upload, store_path, content, reasons):
    upload(">b\nMKL\n")
    done = upload(content)
    assert counts(done) == (1, 0, 2) and done.ids == ["e"]
    failed = [row.reason for row in done.rows if row.outcome == "failed"]
    assert all(why.startswith(expected) for why, expected in zip(failed, reasons, strict=True)), failed
    assert held(store_path) == {"b": "MKL", "e": "MKV"}


def test_conflict_shows_both_sequences_from_where_they_differ(upload):
    first = "A" * 300 + "C" * 300
    upload(f">a\n{first}\n", name="../secret/one.fasta")
    (row,) = upload(f">a\n{first[:300]}D{first[301:]}\n").rows
    assert "600 residues" in row.reason and "from one.fasta, uploaded by alice" in row.reason
    assert "differ from position 301 on" in row.reason
    shown = "A" * 20 + "C" * 180
    assert f"in the store: {shown}...; here: {'A' * 20}D{'C' * 179}..." in row.reason
    (row,) = upload(f">a\n{first[:300]}\n").rows
    assert "differ from position 301 on" in row.reason and f"here: {'A' * 20}." in row.reason


def test_upload_is_plain_or_zipped_with_any_line_ends_and_finds_descriptions(upload, store):
    text = "\ufeff>sp|P1|A_HUMAN Thing OS=Homo sapiens GN=AB\r\nMK\r\nV\r\n"
    done = upload(gzip.compress(text.encode()))
    assert counts(done) == (1, 0, 0)
    query = "select accession, entry_name, gene, description, source from proteins where query_id like 'sp|P1|%'"
    assert store.execute(query).fetchone() == ("P1", "A_HUMAN", "AB", "Thing", "my.fasta, uploaded by alice")
    assert counts(upload(">old\rMKV\r>older\rMKI\r")) == (2, 0, 0)
    assert store.execute("select count(*) from proteins_fts where proteins_fts match 'thing'").fetchone() == (1,)


def test_description_and_sequence_that_were_missing_are_filled_in(upload, store):
    with transaction(store):
        store.execute("update proteins set sequence = null where query_id = 'P1'")
    done = upload(">P1\nMKV\n>P2 second GN=XY\nMKL\n")
    assert counts(done) == (0, 2, 0) and done.described == 2
    rows = store.execute("select sequence, description, gene from proteins where query_id in ('P1', 'P2')").fetchall()
    assert rows == [("MKV", "first", None), ("MKL", "second", "XY")]


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "is empty"),
        (b"\n\n", "holds no FASTA record"),
        (b"MKV\n", "must start with '>'"),
        (b"{}", "must start with '>'"),
        (">a\nMKV\n>b\nMKL\n".encode("utf-16"), "UTF-16"),
        (b">a\nMKV\n>\nMKL\n", "line 3: a header without an id"),
        (gzip.compress(b">a\nMKV\n" * 5000)[:-20], "cannot be read"),
        (b"\x1f\x8bnot gzip at all", "cannot be read"),
        (gzip.compress(b""), "is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "must start with '>'"),
    ],
)
def test_what_is_no_fasta_stores_nothing_and_is_reported(upload, store_path, content, words):
    with pytest.raises(UserError, match="my.fasta") as error:
        upload(content)
    assert words in str(error.value)
    assert held(store_path) == {}


@pytest.mark.parametrize(
    "limit, value, content",
    [
        ("MOST_UNPACKED_BYTES", 1 << 20, b">a\nMKV\n" + b"\n" * (2 << 20)),
        ("MOST_RECORDS", 1000, b">a\nM\n" * 1001),
        ("MOST_RECORD_BYTES", 1 << 20, b">a\nMK\n>b\n" + b"A" * (3 << 20)),
        ("MOST_RECORD_BYTES", 1 << 20, b">" + b"a" * (3 << 20)),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_what_passes_a_limit_stores_nothing(upload, store_path, monkeypatch, limit, value, content, pack):
    monkeypatch.setattr(uploads, limit, value)
    with pytest.raises(UserError, match="Nothing was stored"):
        upload(pack(content))
    assert held(store_path) == {}


@pytest.mark.parametrize("header, letters, most", [("b", 60_001, "60,000"), ("b " + "x" * 2_000, 10, "2,000")])
def test_a_record_too_long_for_the_pages_fails_and_the_others_are_added(upload, store_path, header, letters, most):
    content = f">a\nMKV\n>{header}\n{'A' * letters}\n>c\n{'M' * 60_000}\n"
    done = upload(content.encode())
    assert (done.added, done.failed) == (2, 1)
    assert sorted(held(store_path)) == ["a", "c"]
    (why,) = [row.reason for row in done.rows if row.outcome == "failed"]
    assert "line 3" in why and most in why


def test_zip_bomb_ends_early_with_little_memory(tmp_path):
    """20 MB that would unpack to 20 GB, in a process of its own that may have 300 MB."""
    piece = gzip.compress(b"A" * (64 << 20))
    with open(tmp_path / "bomb.gz", "wb") as bomb:
        bomb.write(gzip.compress(b">a\n"))
        for _ in range(320):
            bomb.write(piece)
    script = (
        "import resource, sys, time\n"
        "from proteofold.store import open_store\n"
        "from proteofold.service.accounts import User\n"
        "from proteofold.service.uploads import add_upload\n"
        "resource.setrlimit(resource.RLIMIT_AS, (300 << 20, 300 << 20))\n"
        "started = time.process_time()\n"
        "try:\n    add_upload(lambda: open_store('s.db'), 'bomb.gz', 'bomb.gz', User('x', False))\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
        "print(time.process_time() - started)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    printed, seconds = done.stdout.splitlines()
    assert printed.startswith("UserError bomb.gz: a record of more than"), done.stdout + done.stderr
    assert float(seconds) < 2
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("s.db")) == ["bomb.gz"]


@pytest.mark.parametrize(
    "given, shown",
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\data\\x.fasta", "x.fasta"),
        ("a\x00b\n.fa", "a?b?.fa"),
        ("", "upload"),
        ("/", "upload"),
        ("x" * 300, "x" * 200),
        ("=cmd|'C calc'!A0.fa", "cmd|'C calc'!A0.fa"),
        (" -@ +\uff1d1.fa", "1.fa"),
        ("=", "upload"),
    ],
)
def test_names_of_files_are_made_fit_to_be_shown(given, shown):
    assert uploads.shown_name(given) == shown


def test_outcomes_that_are_reported_are_bounded_and_counts_are_not(upload, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_REPORTED", 5)
    good = "".join(f">p{number}\nMKV\n" for number in range(2500))
    done = upload(good + ">bad\nM1\n" * 8)
    assert counts(done) == (2500, 0, 8)
    assert [row.outcome for row in done.rows] == ["added"] * 5 + ["failed"] * 5
    assert len(upload(good.replace("MKV", "MKL")).rows) == 5


def test_progress_rises_to_the_end(upload, monkeypatch):
    monkeypatch.setattr(uploads, "_SECONDS_BETWEEN_WORDS", 0)
    progress = []
    upload("".join(f">p{number}\nMKV\n" for number in range(3000)), on_progress=lambda *words: progress.append(words))
    assert progress == sorted(progress) and progress[-1] == (1.0, 3000) and len(progress) >= 4
    assert all(0 <= part <= 1 for part, _ in progress)


def test_upload_that_is_killed_anywhere_is_there_as_a_whole_or_not_at_all(tmp_path, store_path):
    with open(tmp_path / "many.fasta", "w") as handle:
        for number in range(8000):
            handle.write(f">p{number} protein {number}\n{'MKV' * 60}\n")
    open_store(store_path).close()
    script = (
        "import sys\nfrom proteofold.store import open_store\nfrom proteofold.service.accounts import User\n"
        "from proteofold.service.uploads import add_upload\nprint('ready', flush=True)\n"
        "add_upload(lambda: open_store(sys.argv[1]), 'many.fasta', 'x', User('x', False))\n"
    )
    sizes = set()
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", script, store_path], cwd=tmp_path, stdout=subprocess.PIPE, text=True
        )
        process.stdout.readline()
        time.sleep(random.uniform(0.0, 0.6))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        sizes.add(len(held(store_path)))
    assert sizes <= {0, 8000}


def test_uploads_at_the_same_time_add_each_protein_once(tmp_path, store_path):
    text = "".join(f">p{number}\nMKV\n" for number in range(3000))
    (tmp_path / "a.fasta").write_text(text)
    open_store(store_path).close()
    script = (
        "import sys\nfrom proteofold.store import open_store\nfrom proteofold.service.accounts import User\n"
        "from proteofold.service.uploads import add_upload\n"
        "print(add_upload(lambda: open_store(sys.argv[1]), 'a.fasta', 'a', User('x', False)).added)\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", script, store_path], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert sorted(int(process.communicate()[0]) for process in processes) == [0, 3000]


@given(st.binary(max_size=400))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_stored_or_refused_in_words(tmp_path, content):
    path, store = tmp_path / "any", tmp_path / "any.db"
    path.write_bytes(content)
    try:
        done = add_upload(lambda: open_store(store), path, "any", User("x", False))
    except UserError:
        return
    assert all(isinstance(row, Outcome) for row in done.rows)
    assert done.added + done.present + done.failed >= 1
