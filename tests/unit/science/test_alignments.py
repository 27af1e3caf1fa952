"""What is kept of a .hhr file: the same hits for every reader, the same bytes again, damage is refused."""

import contextlib
import gzip
import io
import re
import subprocess
import time
import warnings
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proteofold.formats.hhr import parse_hhr, read_hhr
from proteofold.formats.packed_hhr import ALIGNED_HITS, pack_hhr, read_alignments, unpack
from proteofold.science import hhsuite
from proteofold.science.summary import summarise
from proteofold.system.errors import UserError

FILES = ["hhsearch3.hhr", "hhblits3.hhr", "hhsuite2.hhr", "hhpred_server.hhr", "hhsearch3_no_hits.hhr"]
READ_BY_BIOPYTHON = [name for name in FILES if name != "hhsearch3_no_hits.hhr"]
ROWS = ("query_sequence", "query_consensus", "match", "template_consensus", "template_sequence")


def packed_file(data, name):
    return pack_hhr((data / name).read_bytes())


def biopython(text):
    """What Bio.SearchIO's reader finds in a .hhr: every value of every hit, aligned residues included."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from Bio import SearchIO

        (result,) = SearchIO.parse(io.StringIO(text.decode()), "hhsuite3-text")
        return (
            result.id,
            result.seq_len,
            [
                (hit.id, hit.description, hit.evalue, hit.score)
                + tuple(
                    (
                        hsp.evalue,
                        hsp.score,
                        hsp.prob,
                        hsp.query_range,
                        hsp.hit_range,
                        str(hsp.query.seq),
                        str(hsp.hit.seq),
                    )
                    for hsp in hit
                )
                for hit in result
            ],
        )


def many_hits(data, count, evalues=None):
    """The bytes of a .hhr with one alignment of hhsearch repeated, its rank and its template counted on.

    ``evalues`` are those of the hits, from the first on; the others are as insignificant as a hit can be.
    """
    text = (data / "hhsearch3.hhr").read_text()
    head, _, blocks = text.partition("\n\nNo 1\n")
    *lines, row = head.split("\n")[:10]
    block = blocks.partition("\nNo 2\n")[0]
    rows, made = [], []
    for rank in range(1, count + 1):
        probability, evalue = (evalues or {}).get(rank, (12.5, "8.8"))
        rows.append(f"{rank:>3d}{row[3:].replace('4HHB_A', f'T{rank:05d}')}")
        values = re.sub("Probab=\\S+  E-value=\\S+", f"Probab={probability}  E-value={evalue}", block)
        made.append(f"No {rank}\n{values.replace('4HHB_A', f'T{rank:05d}')}\n")
    return "\n".join([*lines, *rows, "", *made, ""]).encode()


@pytest.mark.parametrize("name", FILES)
def test_packed_file_is_a_hhr_with_the_same_hits_and_the_same_summary(data, name):
    result, expected = parse_hhr(unpack(packed_file(data, name)), name), read_hhr(data / name)
    assert result == expected
    assert summarise("q", result.hits) == pytest.approx(summarise("q", expected.hits), nan_ok=True) or not expected.hits


@pytest.mark.parametrize("name", READ_BY_BIOPYTHON)
def test_biopython_finds_the_same_in_the_packed_file(data, name):
    assert biopython(unpack(packed_file(data, name))) == biopython((data / name).read_bytes())


def test_many_insignificant_hits_are_all_read_from_the_packed_file(data):
    text = many_hits(data, 250, {60: (99.9, "1e-20")})
    packed = pack_hhr(text)
    result, expected = parse_hhr(unpack(packed), "packed"), parse_hhr(text, "original")
    assert result == expected and len(result.hits) == 250
    assert summarise("q", result.hits) == summarise("q", expected.hits)
    assert biopython(unpack(packed)) == biopython(text)
    assert len(unpack(packed)) < 0.6 * len(text)


@pytest.mark.parametrize(
    ("values", "whole"),
    [((94.9, "0.9"), False), ((95.0, "0.9"), True), ((1.0, "9.9e-4"), True), ((1.0, "0.001"), False)],
)
def test_alignments_beyond_the_first_are_whole_if_the_hit_is_confident(data, values, whole):
    rank = ALIGNED_HITS + 1
    aligned = read_alignments(pack_hhr(many_hits(data, rank + 1, {rank: values})))
    rows = [[getattr(alignment, row) is not None for row in ROWS] for alignment in aligned]
    assert [alignment.rank for alignment in aligned] == list(range(1, rank + 2))
    assert all(map(all, rows[: rank - 1]))
    assert all(rows[rank - 1]) == whole
    residues_only = [name.endswith("_sequence") for name in ROWS]
    assert rows[rank] == residues_only


def test_nothing_reveals_when_and_how_the_search_was_made(data):
    text = (data / "hhsearch3.hhr").read_bytes()
    packed = pack_hhr(text)
    other = text.replace(b"Date          Sun Nov 22", b"Date          Mon Jan  1").replace(
        b" -i P69905.a3m", b" -i q.a3m"
    )
    assert other != text and pack_hhr(other) == packed
    assert not re.search(rb"^(Date|Command)|/usr/", unpack(packed), re.MULTILINE)
    assert b"\nSearched_HMMs " in unpack(packed) and unpack(packed).startswith(b"Query         sp|P69905|HBA_HUMAN\n")
    assert packed[3:8] == b"\0" * 5  # no name, no time


def test_packed_file_is_one_of_gzip(data):
    assert gzip.decompress(packed_file(data, "hhsearch3.hhr")) == unpack(packed_file(data, "hhsearch3.hhr"))


@pytest.mark.parametrize("name", FILES)
def test_positions_and_numbers_of_the_alignments_are_those_of_the_hits(data, name):
    hits, found = read_hhr(data / name).hits, read_alignments(packed_file(data, name))
    for hit, alignment in zip(hits, found, strict=True):
        assert alignment[:8] == (
            *(hit.rank, hit.template, hit.query_start, hit.query_end, read_hhr(data / name).query_length),
            *(hit.template_start, hit.template_end, hit.template_length),
        )
        columns = len(alignment.query_sequence)
        assert {len(row) for row in alignment[8:] if row is not None} == {columns}
        assert sum(letter != "-" for letter in alignment.query_sequence) == hit.query_end - hit.query_start + 1
        assert sum(letter != "-" for letter in alignment.template_sequence) == hit.template_end - hit.template_start + 1
        assert all(getattr(alignment, row) for row in ROWS)


def test_rows_are_joined_over_the_pieces_of_80_columns(data):
    first, *_, last = read_alignments(packed_file(data, "hhsearch3.hhr"))
    assert first.query_ss_pred.startswith("eeCCCCCcchhhhhchcccccchh") and first.query_ss_pred.endswith("HHHhhhcc")
    assert first.query_sequence.startswith("VLSPADKTNVKAAW") and first.query_sequence.endswith("ASVSTVLTSKYR")
    assert first.query_consensus == first.query_sequence.lower()
    assert first.template_consensus.startswith("vLs~adk~nvk~~w~Ki~~")
    assert first.match.startswith("+||++||++|+++|+||++") and first.match.endswith("|+++|++|||")
    assert first.confidence.startswith("58999") and first.confidence.endswith("9997")
    assert (len(first.match), first.template_ss_pred, first.query_ss_conf) == (141, None, None)
    assert last.template_sequence == "NPFKKTHG-----APTDEVRHVGDMGNV"
    assert last.match == "||--|.||     |-.+-+.|..|+.+."


def test_secondary_structure_of_templates_is_read(data):
    first = read_alignments(packed_file(data, "hhpred_server.hhr"))[0]
    assert (first.template_ss_dssp, first.template_ss_pred) == ("T" * 39, "C" * 39)
    assert (first.query_ss_pred, first.confidence) == ("C" * 39, None)


def test_rows_that_only_some_pieces_have_and_blank_match_lines_are_read():
    text = (
        "Query         q\nMatch_columns 9\n\n No Hit                             Prob\n  1 T1\n\n"
        "No 1\n>T1 name\nProbab=1.00  E-value=1  Score=1.00  Aligned_cols=6\n\n"
        "Q ss_conf             123\nQ q                 1 MKV    3 (9)\n\nT T1                5 AAA    7 (9)\n"
        "T ss_dssp             H E\n\n"
        "Q q                 4 M-V    5 (9)\n                      +\nT T1                8 A--    8 (9)\n\n\n"
    )
    (found,) = read_alignments(pack_hhr(text.encode()))
    assert (found.query_sequence, found.template_sequence) == ("MKVM-V", "AAAA--")
    assert (found.match, found.query_ss_conf, found.template_ss_dssp) == ("   +  ", "123   ", "H E   ")
    assert (found.query_start, found.query_end, found.template_start, found.template_end) == (1, 5, 5, 8)
    assert found.template_consensus is None


def test_names_that_are_cut_within_a_letter_move_no_column(data):
    text = (data / "hhsearch3.hhr").read_bytes()
    name = "é蛋白质alpha".encode()[:14]  # hhsearch counts bytes
    text = text.replace(b"T 4HHB_A        ", b"T " + name.ljust(14)).replace(b">4HHB_A", ">é蛋白质alpha".encode())
    found, expected = read_alignments(pack_hhr(text))[0], read_alignments(packed_file(data, "hhsearch3.hhr"))[0]
    assert found.template == "é蛋白质alpha"
    assert found[2:] == expected[2:]


def test_empty_list_of_hits_is_a_result(data):
    assert read_alignments(packed_file(data, "hhsearch3_no_hits.hhr")) == []


@pytest.mark.parametrize("text", [b"", b">a\nMKV\n", b"Query         q\nMatch_columns 40\nCommand       hhsearch\n\n"])
def test_what_is_no_hhr_is_not_packed(text):
    with pytest.raises(UserError, match="no list of hits"):
        pack_hhr(text)


def test_bytes_that_are_cut_short_are_refused_wherever_they_end(data):
    packed = packed_file(data, "hhsearch3.hhr")
    for length in range(len(packed)):
        with pytest.raises(UserError):
            read_alignments(packed[:length])


def test_damaged_bytes_are_an_error_of_the_user_or_change_nothing(data):
    packed = packed_file(data, "hhblits3.hhr")
    expected = read_alignments(packed)

    @given(st.integers(0, len(packed) - 1), st.integers(1, 255))
    def damage(place, change):
        damaged = bytearray(packed)
        damaged[place] ^= change
        with contextlib.suppress(UserError):
            assert read_alignments(bytes(damaged)) == expected

    damage()


def test_text_that_is_cut_short_is_an_error_of_the_user_or_ends_within_the_last_hit(data):
    text = unpack(packed_file(data, "hhblits3.hhr"))

    @given(st.integers(0, len(text)))
    def cut(length):
        with contextlib.suppress(UserError):
            found = read_alignments(zlib.compress(text[:length], wbits=31))
            assert len(found) == 8 or (not found and b"\nNo 1\n" not in text[:length])

    cut()


@pytest.mark.hhsuite
@pytest.mark.parametrize("search", hhsuite.SEARCHES)
def test_every_search_gives_alignments_and_the_same_bytes_again(small_library, tmp_path, search):
    packed = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        query = folder / "query.a3m"
        sequence = "VKQIESKTAFQEALDAAGDKLVVVDFSATWCGPCKMIKPFFHSLSEKYSNVIFLEVDVDDCQDVASECEVKCMPTFQFFKKGQKVGEFSGA"
        query.write_text(f">ss_pred\n{'C' * len(sequence)}\n>ss_conf\n{'5' * len(sequence)}\n>sp|P1|ONE\n{sequence}\n")
        command = hhsuite.search_command(
            search, query, small_library, folder / "q.hhr", query_length=len(sequence), maxres=400
        )
        subprocess.run(command, check=True, capture_output=True)
        packed.append(pack_hhr((folder / "q.hhr").read_bytes()))
    assert packed[0] == packed[1]
    hits, found = read_hhr(tmp_path / "a" / "q.hhr").hits, read_alignments(packed[0])
    assert [hit.template for hit in hits] == [alignment.template for alignment in found] != []
    assert found[0].query_sequence.replace("-", "") in sequence
    assert set(found[0].query_ss_pred) <= set("Cc-")


def test_packing_is_cheap(data):
    text = many_hits(data, 250)
    best = min(_cpu_s(text) for _ in range(5))
    assert best < 0.02, f"{best * 1000:.1f} ms: every protein pays for it"


def _cpu_s(text):
    started = time.process_time()
    pack_hhr(text)
    return time.process_time() - started
