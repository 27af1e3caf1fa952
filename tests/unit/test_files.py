"""Files are whole or not there, and unchanged ones keep their time."""

import os
import subprocess

import pytest

from proteofold import memory
from proteofold.files import MemoryFile, existing_names, write_aside, write_if_changed


def test_text_and_bytes_are_written_with_their_folders(tmp_path):
    write_aside(tmp_path / "a b" / "c" / "x.txt", "é\n")
    assert (tmp_path / "a b" / "c" / "x.txt").read_bytes() == b"\xc3\xa9\n"
    write_aside(str(tmp_path / "y"), b"\xff")
    assert (tmp_path / "y").read_bytes() == b"\xff"


def test_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path):
    write_aside(tmp_path / "x", "old")
    with pytest.raises(UnicodeEncodeError):
        write_aside(tmp_path / "x", "\ud800")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "in it").touch()
    with pytest.raises(OSError):
        write_aside(tmp_path / "folder", "new")
    assert (tmp_path / "x").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "x"]


def test_file_in_the_current_folder_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_aside("x", "text")
    write_if_changed("x", "text\n")
    assert (tmp_path / "x").read_text() == "text\n"


def test_file_in_memory_is_read_and_written_by_started_tools():
    with MemoryFile("query", "é\n") as source, MemoryFile("copy") as copy:
        subprocess.run(["cp", source.path, copy.path], check=True, close_fds=False)
        subprocess.run(["sh", "-c", f"echo more >> {copy.path}"], check=True, close_fds=False)
        assert source.read_bytes() == "é\n".encode()
        assert copy.read_bytes() == "é\nmore\n".encode()
        subprocess.run(["sh", "-c", f"echo less > {copy.path}"], check=True, close_fds=False)
        assert copy.read_bytes() == b"less\n"


def test_file_in_memory_is_given_back():
    before = os.listdir("/proc/self/fd")
    with MemoryFile("x", "text"):
        assert len(os.listdir("/proc/self/fd")) == len(before) + 1
    assert os.listdir("/proc/self/fd") == before


def test_only_changed_files_are_written(tmp_path):
    path = tmp_path / "x"
    write_if_changed(path, "text\n")
    before = path.stat()
    write_if_changed(path, "text\n")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    write_if_changed(path, "other\n")
    assert path.read_text() == "other\n"


def test_names_of_a_missing_folder_are_none(tmp_path):
    assert existing_names(tmp_path / "none") == set()
    (tmp_path / "a").touch()
    assert existing_names(tmp_path) == {"a"}


def test_memory_for_jobs_is_within_the_limit_of_a_container(tmp_path, monkeypatch):
    unlimited, limited = tmp_path / "max", tmp_path / "limit"
    unlimited.write_text("max\n")
    limited.write_text(f"{100 * 2**20}\n")
    monkeypatch.setattr(memory, "_CGROUP_LIMITS", [str(unlimited), str(tmp_path / "none")])
    assert memory.available_mb() > 100
    monkeypatch.setattr(memory, "_CGROUP_LIMITS", [str(unlimited), str(limited)])
    assert memory.available_mb() == 90
