"""Files are whole or not there, and unchanged ones keep their time."""

import os

import pytest

from proteofold.system.files import existing_names, open_unlinked, write_aside, write_if_changed


def test_what_jobs_may_put_in_place_of_a_file_is_not_opened(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    with open_unlinked(tmp_path / "file") as handle:
        assert handle.read() == b"x"
    for name, mode in (("link", "rb"), ("pipe", "rb"), ("pipe", "ab"), (".", "rb")):
        with pytest.raises(OSError):
            open_unlinked(tmp_path / name, mode)


def test_text_and_bytes_are_written_with_their_folders(tmp_path):
    write_aside(tmp_path / "a b" / "c" / "x.txt", "é\n")
    assert (tmp_path / "a b" / "c" / "x.txt").read_bytes() == b"\xc3\xa9\n"
    write_aside(str(tmp_path / "y"), b"\xff")
    assert (tmp_path / "y").read_bytes() == b"\xff"


def test_link_in_the_place_of_the_unfinished_file_is_not_followed(tmp_path):
    (tmp_path / "secret").write_text("kept")
    (tmp_path / f".x.{os.getpid()}.part").symlink_to("secret")
    with pytest.raises(OSError):
        write_aside(tmp_path / "x", "new")
    assert (tmp_path / "secret").read_text() == "kept" and not (tmp_path / "x").exists()
    write_aside(tmp_path / "x", "new")
    assert (tmp_path / "x").read_text() == "new"


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


def test_error_of_writing_names_the_file_that_was_asked_for(tmp_path):
    path = tmp_path / ("x" * 250)  # too long with what is added to the name of the unfinished file
    with pytest.raises(OSError) as caught:
        write_aside(path, "text")
    assert caught.value.filename == str(path)


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
