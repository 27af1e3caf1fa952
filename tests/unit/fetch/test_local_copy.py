"""A copy of a library's hot files is whole, in use when it is, and gives the same results as the library."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from proteofold.fetch import local_copy
from proteofold.fetch.local_copy import copy_library, warm
from proteofold.science import hhsuite
from proteofold.science.hhsuite import library_files, read_library, search_command
from proteofold.system.errors import UserError

pytestmark = pytest.mark.usefixtures("small_blocks")

SLIM = ("hhm", "cs219")
QUERY = (
    ">ss_pred\n" + "C" * 20 + "H" * 30 + "C" * 24 + "\n>ss_conf\n" + "7" * 74 + "\n"
    ">query\nMVKQIESKTAFQEALDAAGDKLVVVDFSATWCGPCKMIKPFFHSLSEKYSNVIFLEVDVDDCQDVASECEVKCM\n"
)


def same(prefix, copy, parts):
    pairs = zip(library_files(prefix, parts), library_files(copy, parts), strict=True)
    return all(Path(one).read_bytes() == Path(other).read_bytes() for one, other in pairs)


@pytest.mark.parametrize(
    ("mode", "parts"), [("lean", SLIM), ("fast", SLIM), ("hybrid", SLIM), ("reference", hhsuite.PARTS)]
)
def test_what_a_mode_reads_is_copied(library, local, said, mode, parts):
    done = copy_library(library, local, mode, said)
    assert done["copied"]
    assert done["prefix"] == f"{local}/pdb70"
    assert done["bytes"] == sum(os.path.getsize(name) for name in library_files(library, parts))
    assert same(library, done["prefix"], parts)
    names = {os.path.basename(name) for name in library_files(library, parts)}
    assert {path.name for path in local.iterdir()} == {*names, "fetched.json"}
    assert read_library(done["prefix"], parts).key == read_library(library).key


def test_second_time_changes_nothing(library, local, said):
    copy_library(library, local, "lean", said)
    before = {path: path.lstat().st_mtime_ns for path in local.parent.rglob("*")}
    assert not copy_library(library, local, "fast", said)["copied"]
    assert {path: path.lstat().st_mtime_ns for path in local.parent.rglob("*")} == before


def test_other_library_goes_beside_and_is_switched_to(library, local, said, tmp_path, make_library):
    copy_library(library, local, "lean", said)
    first = os.readlink(local)
    newer = make_library(tmp_path / "newer" / "pdb70", {"1ABC_A": 10})
    copy_library(newer, local, "lean", said)
    assert read_library(local / "pdb70", SLIM).templates == 1
    assert read_library(local.parent / first / "pdb70", SLIM).templates == 120


def test_a3m_may_stay_where_it_is(library, local, said):
    done = copy_library(library, local, "reference", said, link_a3m=True)
    assert (local / "pdb70_a3m.ffdata").is_symlink()
    assert done["bytes"] == sum(os.path.getsize(name) for name in library_files(library, SLIM))
    assert same(library, done["prefix"], hhsuite.PARTS)


def test_interrupted_copy_continues(library, local, said, monkeypatch):
    written = []

    def fails_later(self, name, digest):
        written.append(name)
        if len(written) == 4:
            raise KeyboardInterrupt
        real(self, name, digest)

    real = local_copy._Journal.add
    monkeypatch.setattr(local_copy._Journal, "add", fails_later)
    with pytest.raises(KeyboardInterrupt):
        copy_library(library, local, "lean", said)
    assert not local.exists()
    monkeypatch.setattr(
        local_copy._Journal, "add", lambda self, name, digest: (written.append(name), real(self, name, digest))
    )
    copy_library(library, local, "lean", said)
    blocks = sum(-(-os.path.getsize(name) // 5_000) for name in library_files(library, SLIM))
    assert len(written) == blocks + 1
    assert same(library, f"{local}/pdb70", SLIM)


@pytest.mark.parametrize("harm", ["cut", "journal", "journal line", "longer"])
def test_harmed_remains_of_a_copy_are_not_trusted(library, local, said, monkeypatch, harm):
    def stops(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(local_copy, "_check_file", stops)
    with pytest.raises(KeyboardInterrupt):
        copy_library(library, local, "lean", said)
    monkeypatch.undo()
    monkeypatch.setattr(local_copy, "_BLOCK", 5_000)
    (part,) = local.parent.iterdir()
    target, journal = part / "pdb70_hhm.ffdata", part / ".journal"
    if harm == "cut":
        os.truncate(target, 7_000)
    elif harm == "longer":
        target.write_bytes(target.read_bytes() + b"more")
    elif harm == "journal":
        journal.write_bytes(b"\0" * 100)
    else:
        journal.write_text(journal.read_text()[:-10])
    copy_library(library, local, "lean", said)
    assert same(library, f"{local}/pdb70", SLIM)


def test_bytes_that_changed_on_the_disk_are_found(library, local, said, monkeypatch):
    real = local_copy._check_file

    def flips_a_bit(path, blocks, meter):
        if path.name == "pdb70_hhm.ffdata":
            with open(path, "r+b") as handle:
                handle.seek(9_000)
                handle.write(b"\1")
        real(path, blocks, meter)

    monkeypatch.setattr(local_copy, "_check_file", flips_a_bit)
    with pytest.raises(UserError, match="pdb70_hhm.ffdata is not what was copied"):
        copy_library(library, local, "lean", said)
    assert not local.exists()
    monkeypatch.setattr(local_copy, "_check_file", real)
    assert copy_library(library, local, "lean", said)["copied"]


def test_full_disk_is_reported_and_what_was_copied_kept(library, local, said, monkeypatch):
    written, real = [], local_copy._Journal.add

    def fills_the_disk(self, name, digest):
        written.append(name)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, name, digest)

    monkeypatch.setattr(local_copy._Journal, "add", fills_the_disk)
    with pytest.raises(
        UserError, match="No space left on device. Once that is repaired, rerun the same command to resume"
    ):
        copy_library(library, local, "lean", said)
    copy_library(library, local, "lean", said)
    assert same(library, f"{local}/pdb70", SLIM)


def test_source_that_changes_meanwhile_is_reported(library, local, said, monkeypatch):
    real = local_copy._copy_file

    def touches(source, *rest):
        real(source, *rest)
        os.utime(source, (1, 1))

    monkeypatch.setattr(local_copy, "_copy_file", touches)
    with pytest.raises(UserError, match="changed while it was copied: start again"):
        copy_library(library, local, "lean", said)
    assert not local.exists()


def test_copy_onto_itself_is_refused(library, said):
    folder = os.path.dirname(library)
    with pytest.raises(UserError, match="is in the way"):
        copy_library(library, folder, "lean", said)
    os.symlink(folder, f"{folder}-link")
    with pytest.raises(UserError, match="is the folder of the library itself"):
        copy_library(library, f"{folder}-link", "lean", said)


def test_broken_library_is_not_copied(library, local, said):
    os.truncate(f"{library}_hhm.ffdata", 100)
    with pytest.raises(UserError, match="ends beyond its data file"):
        copy_library(library, local, "lean", said)


def test_warm_reads_what_every_search_reads(library, said):
    assert warm(library, "lean", said) == sum(os.path.getsize(name) for name in library_files(library, SLIM))
    assert warm(library, "reference", said) == warm(library, "lean", said)
    with pytest.raises(UserError, match="nothing_hhm.ffdata: cannot be read"):
        warm("nothing", "lean", said)


KILLED = """
import os, signal, sys
from proteofold.fetch import local_copy
from proteofold.fetch.meter import Meter
class Journal(local_copy._Journal):
    def add(self, name, digest):
        super().add(name, digest)
        os.kill(os.getpid(), signal.SIGKILL)
local_copy._Journal, local_copy._BLOCK, local_copy._PIECE = Journal, 5_000, 2_000
local_copy.copy_library(sys.argv[1], sys.argv[2], "lean", Meter())
"""


def test_killed_while_copying_it_continues(library, local, said):
    """kill -9 of a real process after each block: what is in the journal is not copied again."""
    journal = local.parent / f".{local.name}-{read_library(library).key}-hhm-cs219.part" / ".journal"
    for blocks in (1, 2, 3):
        killed = subprocess.run([sys.executable, "-c", KILLED, library, local], stderr=subprocess.DEVNULL, check=False)
        assert killed.returncode == -signal.SIGKILL and not local.exists()
        assert len(journal.read_text().splitlines()) == 1 + blocks
    copy_library(library, local, "lean", said)
    assert same(library, f"{local}/pdb70", SLIM)


def hits(search, prefix, folder):
    """What a search prints of its hits: all but the lines that name the date, the command and the files."""
    query, output = folder / "q.a3m", folder / "q.hhr"
    query.write_text(QUERY)
    command = search_command(search, query, prefix, output, query_length=74, maxres=2000)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = output.read_text().splitlines()
    return [line for line in lines if not line.startswith(("Date", "Command"))]


@pytest.mark.hhsuite
@pytest.mark.parametrize(
    ("mode", "search", "linked"),
    [
        ("lean", "lean", False),
        ("fast", "fast", False),
        ("reference", "reference", False),
        ("reference", "reference", True),
    ],
)
def test_real_searches_of_the_copy_give_identical_results(small_library, tmp_path, said, mode, search, linked):
    copy = copy_library(small_library, tmp_path / "local", mode, said, link_a3m=linked)["prefix"]
    expected = hits(search, small_library, tmp_path)
    assert any("1ERU_A" in line for line in expected)
    assert hits(search, copy, tmp_path) == expected
    assert mode == "reference" or not list((tmp_path / "local").glob("*_a3m*"))


@pytest.mark.hhsuite
def test_hhsearch_does_not_start_without_cs219(small_library, tmp_path, said):
    """Why _cs219 is copied for the mode lean, which reads no letter of it."""
    copy = copy_library(small_library, tmp_path / "local", "lean", said)["prefix"]
    os.unlink(f"{copy}_cs219.ffdata")
    with pytest.raises(AssertionError, match="cs219"):
        hits("lean", copy, tmp_path)
