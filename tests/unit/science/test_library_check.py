"""A damaged template library is refused with file and line, or the searches that read the damage fail."""

import re
from pathlib import Path

import damage
import pytest

from proteofold.science import hhsuite
from proteofold.science.hhsuite import read_library
from proteofold.system.errors import UserError


@pytest.fixture
def library(small_library, tmp_path):
    """Prefix of a copy of a real library, to be damaged."""
    return damage.copy_of(small_library, tmp_path / "damaged" / "db")


def refusal(prefix, parts=hhsuite.PARTS):
    with pytest.raises(UserError) as caught:
        read_library(prefix, parts)
    return str(caught.value)


@pytest.mark.hhsuite
@pytest.mark.parametrize("part", hhsuite.PARTS)
@pytest.mark.parametrize("kind", damage.LINES)
def test_damaged_index_is_refused(library, part, kind):
    damage.change_lines(library, part, damage.LINES[kind])
    message = refusal(library)
    assert f"_{part}" in message
    if kind not in ("empty", "line missing"):
        assert re.search(rf"db_{part}\.ffindex, line \d+: |line \d+ is not", message)


@pytest.mark.hhsuite
@pytest.mark.parametrize("part", hhsuite.PARTS)
@pytest.mark.parametrize("kind", damage.LINE)
def test_entry_with_a_wrong_place_is_refused(library, part, kind):
    damage.change_line(library, part, damage.LINE[kind])
    assert re.search(r"db_\w+\.ffindex, line \d+: ", refusal(library))


@pytest.mark.hhsuite
@pytest.mark.parametrize("part", ["hhm", "a3m"])
@pytest.mark.parametrize("kind", damage.CONTENT)
def test_entry_that_is_not_what_it_should_be_is_refused(library, part, kind):
    if (part, kind) == ("a3m", "zeros from the middle"):
        pytest.skip("an alignment has no end of its own")
    damage.change_content(library, part, damage.CONTENT[kind])
    assert f"db_{part}.ffindex, line 3: {damage.DAMAGED} " in refusal(library)


@pytest.mark.hhsuite
@pytest.mark.parametrize("part", hhsuite.PARTS)
def test_data_file_that_was_cut_is_refused(library, part):
    data = damage.data(library, part)
    data.write_bytes(data.read_bytes()[:-1])
    assert re.search(rf"db_{part}\.ffindex, line \d: \w+ ends beyond its data file", refusal(library))


@pytest.mark.hhsuite
def test_profile_without_a_length_is_refused(library):
    damage.change_content(library, "hhm", lambda content: content.replace(b"LENG ", b"LANG "))
    assert f"db_hhm.ffindex, line 3: {damage.DAMAGED} has no line LENG" in refusal(library)


@pytest.mark.hhsuite
def test_parts_that_a_mode_does_not_read_may_be_damaged_but_for_the_index(library):
    damage.change_content(library, "a3m", damage.CONTENT["zeros"])
    slim = hhsuite.PARTS_READ["lean"]
    assert read_library(library, slim).templates == 6
    damage.change_lines(library, "a3m", damage.LINES["CR LF"])  # hhsearch crashes on it though it needs no alignment
    assert "db_a3m.ffindex, line 1: " in refusal(library, slim)


def test_order_is_that_of_bytes_and_not_of_a_language(tmp_path, make_library):
    library = make_library(tmp_path / "db", dict.fromkeys(["1abc_A", "1ABD_A", "1abc-A", "1ABC.A"], 10))
    assert read_library(library).templates == 4
    for part in hhsuite.PARTS:
        damage.change_lines(library, part, lambda lines: sorted(lines, key=bytes.lower))
    assert "db_hhm.ffindex, line 2: " in refusal(library)


def test_one_problem_of_each_of_many_entries_does_not_fill_the_screen(tmp_path, make_library):
    library = make_library(tmp_path / "db", {f"T{number:04}": 10 for number in range(900)})
    Path(f"{library}_hhm.ffdata").write_bytes(b"")
    message = refusal(library)
    assert message.count("ends beyond its data file") == 3 and "897 more" in message


def test_profiles_of_other_programs_and_alignments_in_their_place_are_accepted(tmp_path, make_library):
    library = make_library(tmp_path / "db", {"A": 10})
    for text in (b"HMMER3/f\nNAME  A\n//\n\0", b"#A\n>A\nMKV\n\0", b">A\nMKV\n\0"):
        Path(f"{library}_hhm.ffdata").write_bytes(text)
        Path(f"{library}_hhm.ffindex").write_text(f"A\t0\t{len(text)}\n")
        assert read_library(library).templates == 1


def test_long_description_is_no_damage(tmp_path, make_library):
    library = make_library(tmp_path / "db", {"A": 10})
    text = b"HHsearch 1.5\nNAME  A " + b"x" * 30_000 + b"\nLENG  10 match states\n//\n\0"
    Path(f"{library}_hhm.ffdata").write_bytes(text)
    Path(f"{library}_hhm.ffindex").write_text(f"A\t0\t{len(text)}\n")
    assert read_library(library).templates == 1


def test_templates_may_share_all_their_data(tmp_path, make_library):
    """As in libraries for trials, of many names for few profiles; but not one part alone."""
    library = make_library(tmp_path / "db", {"A": 10, "B": 12})
    for part in hhsuite.PARTS:
        damage.change_lines(library, part, lambda lines: [*lines, lines[1].replace(b"B", b"C")])
    assert read_library(library).templates == 3
    damage.change_lines(library, "hhm", lambda lines: [lines[0], lines[1], lines[0].replace(b"A", b"C")])
    assert "db_hhm.ffindex, line 3: C is at the place of" in refusal(library)
