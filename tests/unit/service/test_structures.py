"""Coordinates of templates for the viewer of the site."""

import gzip
import io

import pytest

from proteofold.service.structures import Structures, copy_structure, structures_of
from proteofold.store.queries import NotFoundError
from proteofold.system.errors import UserError


def read_structure(folder, code):
    stream = io.BytesIO()
    copy_structure(folder, code, stream)
    return stream.getvalue()


@pytest.fixture
def configured(tmp_path):
    """Function: the working folder whose config/platform.yaml has a text."""

    def write(text):
        (tmp_path / "config").mkdir(exist_ok=True)
        (tmp_path / "config" / "platform.yaml").write_text(text)
        return tmp_path

    return write


def test_without_configuration_there_are_no_structures(tmp_path, configured):
    assert structures_of(tmp_path) == structures_of(configured("templates: {demo: demo}")) == Structures(None, False)


def test_what_was_fetched_is_used_unless_the_configuration_names_another_folder(tmp_path, configured):
    fetched = tmp_path / "resources" / "structures"
    fetched.mkdir(parents=True)
    assert structures_of(tmp_path) == structures_of(configured("templates: {demo: demo}")) == (fetched, False)
    assert structures_of(configured("structures: {rcsb: true}")) == (fetched, True)
    assert structures_of(configured("structures: {folder: mmcif}")).folder == tmp_path / "mmcif"
    assert structures_of(configured("structures: {folder: null}")).folder is None


def test_folder_is_relative_to_the_working_folder(configured, tmp_path):
    assert structures_of(configured("structures: {folder: mmcif, rcsb: true}")) == (tmp_path / "mmcif", True)
    assert structures_of(configured("structures: {folder: /data}")).folder.as_posix() == "/data"


@pytest.mark.parametrize("text", ["[a]", "5", "{rcsb: sometimes}", "{folder: 3}", "{other: 1}"])
def test_damaged_configuration_is_an_error_that_names_the_file(configured, text):
    with pytest.raises(UserError, match="platform.yaml"):
        structures_of(configured(f"structures: {text}"))


@pytest.mark.parametrize("name", ["1abc.cif", "1abc.cif.gz", "ab/1abc.cif", "ab/1abc.cif.gz"])
def test_entry_is_found_as_text_or_gzip_also_as_in_a_copy_of_the_pdb(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(b"data_1ABC") if name.endswith(".gz") else b"data_1ABC")
    assert read_structure(tmp_path, "1ABC") == b"data_1ABC"


@pytest.mark.parametrize("code", ["2xyz", "../1abc", "1abc/..", "", "1abcd", "abcd"])
def test_what_is_no_entry_of_the_folder_is_not_found(tmp_path, code):
    (tmp_path / "1abc.cif").write_text("data_1ABC")
    with pytest.raises(NotFoundError):
        read_structure(tmp_path, code)
    with pytest.raises(NotFoundError):
        read_structure(None, code)


def test_file_that_is_too_large_for_a_browser_is_not_sent(tmp_path, monkeypatch):
    (tmp_path / "1abc.cif.gz").write_bytes(gzip.compress(b"data_1ABC\n" * 100))
    monkeypatch.setattr("proteofold.service.structures.MOST_BYTES", 999)
    with pytest.raises(NotFoundError, match="too large"):
        read_structure(tmp_path, "1abc")
    monkeypatch.setattr("proteofold.service.structures.MOST_BYTES", 1000)
    assert len(read_structure(tmp_path, "1abc")) == 1000


@pytest.mark.parametrize("name", ["1abc.cif", "1abc.cif.gz"])
def test_large_structure_is_written_in_pieces(tmp_path, name):
    text = bytes(3 << 20)
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    sizes = []

    class Stream:
        def write(self, data):
            sizes.append(len(data))

    copy_structure(tmp_path, "1abc", Stream())
    assert sum(sizes) == len(text) and max(sizes) <= 256 * 1024


def cut(packed):
    return packed[:-4]


def altered(packed):
    """A byte within, which zlib notices, and not gzip."""
    return packed[:10] + b"\xff" * 5 + packed[15:]


@pytest.mark.parametrize("damage", [cut, altered])
def test_damaged_file_is_not_found(tmp_path, damage):
    (tmp_path / "1abc.cif.gz").write_bytes(damage(gzip.compress(b"data_1ABC")))
    with pytest.raises(NotFoundError, match="cannot be read"):
        read_structure(tmp_path, "1abc")
