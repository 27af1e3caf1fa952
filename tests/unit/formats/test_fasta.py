"""FASTA files in all the shapes they come in, and safe file names for any id."""

import bz2
import gzip
import io
import lzma
import re
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proteofold.formats.fasta import FastaError, Record, format_fasta, protein_stem, read_fasta

RECORDS = b">sp|P1|A first one\nMKV\nLA\n>b\nGG\n"
SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


def records(tmp_path, content, name="proteins.fasta", **options):
    path = tmp_path / name
    path.write_bytes(content)
    return list(read_fasta(path, **options))


def zipped(content):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("proteins.fasta", content)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("pack", "name"), [(bz2.compress, "bzip2"), (lzma.compress, "xz"), (zipped, "zip")], ids=["bz2", "xz", "zip"]
)
def test_other_compression_than_gzip_is_named(tmp_path, pack, name):
    with pytest.raises(FastaError, match=f"proteins.fasta: cannot be read \\(it is a {name} file"):
        records(tmp_path, pack(RECORDS))


def test_record_has_id_description_sequence_and_line(tmp_path):
    assert records(tmp_path, RECORDS) == [Record("sp|P1|A", "first one", "MKVLA", 1), Record("b", "", "GG", 4)]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(RECORDS.replace(b"\n", b"\r\n"), id="Windows line ends"),
        pytest.param(RECORDS.replace(b"\n", b"\r"), id="old Macintosh line ends"),
        pytest.param(b"\xef\xbb\xbf" + RECORDS, id="byte order mark"),
        pytest.param(RECORDS.rstrip(b"\n"), id="no newline at the end"),
        pytest.param(gzip.compress(RECORDS), id="gzip"),
        pytest.param(gzip.compress(b"\xef\xbb\xbf" + RECORDS.replace(b"\n", b"\r\n")), id="gzip of a Windows file"),
        pytest.param(gzip.compress(RECORDS[:20]) + gzip.compress(RECORDS[20:]), id="gzip in two members"),
    ],
)
def test_container_and_line_ends_do_not_matter(tmp_path, content):
    assert records(tmp_path, content) == records(tmp_path, RECORDS)


def test_gzip_is_recognised_by_its_content_not_by_its_name(tmp_path):
    plain = records(tmp_path, RECORDS)
    assert records(tmp_path, RECORDS, "plain.fasta.gz") == plain
    assert records(tmp_path, gzip.compress(RECORDS), "zipped.fasta") == plain


def test_blank_lines_and_blanks_in_the_sequence_are_dropped(tmp_path):
    content = b"\n  \n>a\n MK V \n\n\tLA\n\n\n>b\n\n"
    assert [(record.id, record.sequence) for record in records(tmp_path, content)] == [("a", "MKVLA"), ("b", "")]


@pytest.mark.parametrize("mark", ["\0", "\x1b", "\x07", "\x9b", "\t", "\u2028", "\u202e", " \x7f "])
def test_a_description_has_nothing_that_terminals_obey_or_that_ends_a_text(tmp_path, mark):
    (record,) = records(tmp_path, f">a  red {mark}[31m é{mark}\nMKV\n".encode())
    assert record.description.split() == ["red", "[31m", "é"] and record.description.isprintable()


def test_empty_file_has_no_records(tmp_path):
    assert records(tmp_path, b"") == []
    assert records(tmp_path, b"\n\n") == []


def test_undecodable_bytes_are_marked_and_not_dropped(tmp_path):
    (record,) = records(tmp_path, b">caf\xe9\nM\xffK\n")
    assert (record.id, record.sequence) == ("caf\ufffd", "M\ufffdK")


@pytest.mark.parametrize(
    ("content", "line", "what"),
    [
        (b"MKV\n>a\nMK\n", 1, "not FASTA"),
        (b"\n\nid,sequence\n", 3, "not FASTA"),
        (b"# a comment\n>a\nMK\n", 1, "not FASTA"),
        (b">a\nMK\n> \nMK\n", 3, "a header without an id"),
        (b">\n", 1, "a header without an id"),
    ],
)
def test_text_that_is_not_fasta_names_file_and_line(tmp_path, content, line, what):
    with pytest.raises(FastaError, match=what) as caught:
        records(tmp_path, content)
    assert str(caught.value).startswith(f"{tmp_path / 'proteins.fasta'}, line {line}: ")


def test_comments_before_the_first_record_pass_where_the_format_has_them(tmp_path):
    (record,) = records(tmp_path, b"#155\t1\n# b\n>a\nMK\n", comment="#")
    assert (record.id, record.line) == ("a", 3)


def test_missing_file_and_folder_are_reported(tmp_path):
    with pytest.raises(FastaError, match=r"none\.fasta: cannot be read \(No such file or directory\)"):
        list(read_fasta(tmp_path / "none.fasta"))
    with pytest.raises(FastaError, match=r"cannot be read \(Is a directory\)"):
        list(read_fasta(tmp_path))


LONG = b"".join(b">protein_%d\n%s\n" % (i, b"MKVLAWGH" * (i % 50)) for i in range(6_000))


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda zipped: zipped[:-12], id="cut short"),
        pytest.param(lambda zipped: zipped[:1500] + b"\xff" * 50 + zipped[1550:], id="damaged inside"),
        pytest.param(lambda zipped: zipped[:-8] + b"\0\0\0\0" + zipped[-4:], id="wrong checksum"),
        pytest.param(lambda zipped: zipped + b"not gzip", id="something behind it"),
    ],
)
def test_damaged_gzip_is_an_error_of_the_file(tmp_path, damage):
    with pytest.raises(FastaError, match="cannot be read"):
        records(tmp_path, damage(gzip.compress(LONG)))


def test_records_come_as_they_are_read(tmp_path):
    """What is unpacked is not held: the first record is there before the damaged end is reached."""
    path = tmp_path / "cut.fasta.gz"
    path.write_bytes(gzip.compress(LONG)[:-12])
    assert next(read_fasta(path)).id == "protein_0"


def test_a_line_without_end_that_is_not_fasta_is_not_unpacked_whole(tmp_path):
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=1) as handle:
        for _ in range(64):
            handle.write(b"\0" * 2**20)
    path.write_bytes(path.read_bytes()[:-12])  # reading to the end would be another error
    with pytest.raises(FastaError, match="line 1: not FASTA"):
        list(read_fasta(path))


def test_very_long_line_is_one_line(tmp_path):
    (first, second) = records(tmp_path, b">a\n" + b"MK" * 2**20 + b"\nV\n>b\nM\n")
    assert first.sequence == "MK" * 2**20 + "V"
    assert second.line == 4


@given(
    identifier=st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=30),
    sequence=st.text("ACDEFGHIKLMNPQRSTVWYX*-", max_size=200),
    width=st.sampled_from([None, 1, 7, 60]),
)
def test_what_is_written_is_read_again(tmp_path_factory, identifier, sequence, width):
    path = tmp_path_factory.getbasetemp() / "round.fasta"
    path.write_text(format_fasta(identifier, sequence, width=width) * 2, encoding="utf-8")
    first, second = read_fasta(path)
    assert (first.id, first.sequence) == (second.id, second.sequence) == (identifier, sequence)


def test_lines_are_cut_at_the_width():
    assert format_fasta("a", "MKVLA", width=2) == ">a\nMK\nVL\nA\n"
    assert format_fasta("a", "M" * 61) == f">a\n{'M' * 60}\nM\n"
    assert format_fasta("a", "MKVLA", width=None) == ">a\nMKVLA\n"


@pytest.mark.parametrize(
    ("query_id", "stem"),
    [
        ("sp|P69905|HBA_HUMAN", "P69905"),
        ("tr|A0A087WV00|A0A087WV00_HUMAN", "A0A087WV00"),
        ("sp|P69905-2|HBA_HUMAN", "P69905-2"),
        ("NP_000549.1", "NP_000549.1"),
        ("P69905", "P69905"),
        ("a" * 64, "a" * 64),
    ],
)
def test_stem_is_the_accession_or_a_safe_id_itself(query_id, stem):
    assert protein_stem(query_id) == stem


HOSTILE = [
    "sp|../../etc/x|y",
    "../x",
    "..",
    "-rf",
    ".hidden",
    "a;rm -rf ~",
    "$(id)",
    "`id`",
    "a\nb",
    "a\tb",
    "a\0b",
    "{protein}",
    "a b",
    '"',
    "日本",
    "\ud800",
    "a" * 65,
    "sp|" + "A" * 99 + "|x",
    "",
]


@pytest.mark.parametrize("query_id", HOSTILE)
def test_hostile_id_has_a_harmless_stem(query_id):
    assert SAFE.fullmatch(protein_stem(query_id))


def test_hostile_ids_keep_apart():
    assert len({protein_stem(query_id) for query_id in HOSTILE}) == len(HOSTILE)


@given(st.text(max_size=120))
def test_any_id_has_a_harmless_stem(query_id):
    assert SAFE.fullmatch(protein_stem(query_id))
