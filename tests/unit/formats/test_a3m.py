"""The annotated query that hhsearch reads."""

import gzip

import pytest

from proteofold.formats.a3m import format_a3m, read_relatives
from proteofold.formats.psipred import Prediction
from proteofold.system.errors import UserError


def test_states_and_digits_stand_before_the_record_each_in_one_line():
    length = 130
    prediction = Prediction("M" * length, "CHE" * 43 + "C", "0123456789" * 13)
    assert format_a3m("sp|P69905|HBA_HUMAN", "M" * length, prediction) == (
        f">ss_pred\n{'CHE' * 43}C\n>ss_conf\n{'0123456789' * 13}\n>sp|P69905|HBA_HUMAN\n{'M' * length}\n"
    )


def test_prediction_of_another_sequence_is_refused():
    with pytest.raises(UserError, match="sp|P1|A: the prediction is for another sequence"):
        format_a3m("sp|P1|A", "MKV", Prediction("MKL", "CCC", "999"))


def relatives(tmp_path, text, sequence="MKVLA"):
    path = tmp_path / "P1.a3m"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_relatives(path, sequence)


def test_relatives_stand_below_the_query():
    text = format_a3m("P1", "MKV", Prediction("MKV", "CCC", "999"), [("a", "M-V"), ("b", "MkKV")])
    assert text.endswith(">P1\nMKV\n>a\nM-V\n>b\nMkKV\n")


def test_rows_below_the_query_are_read_with_gaps_and_insertions(tmp_path):
    assert relatives(tmp_path, ">q\nMKVLA\n>a one\nM-VLA\n>b\nMKabVLA\n") == [("a", "M-VLA"), ("b", "MKabVLA")]


def test_stop_in_a_relative_is_an_unknown_residue(tmp_path):
    assert relatives(tmp_path, ">q\nMKVLA\n>a\nMK*LA\n") == [("a", "MKXLA")]


def test_query_with_rare_residues_may_be_written_as_mmseqs2_does(tmp_path):
    sequence = "MBJOUZX"
    for query in (sequence, "MDLXXEX"):
        assert relatives(tmp_path, f">q\n{query}\n>a\nM------\n", sequence) == [("a", "M------")]
    with pytest.raises(UserError, match="not the sequence of the query"):
        relatives(tmp_path, ">q\nMDLXXEK\n", sequence)


def test_query_alone_has_no_relatives(tmp_path):
    assert relatives(tmp_path, ">q\nMKVLA\n") == []


@pytest.mark.parametrize(
    "text",
    [
        "#5\t1\n>101\nMKVLA\n>a\tx\nM-VLA\n\0",  # ColabFold
        ">101\nMKVLA\n>a\nM-VLA\n\0>101\nMKVLA\n\0",  # MMseqs2, blocks of two databases
        "\r\n".join([">q", "MKVLA", ">a", "M-VLA", ""]),
        ">q\nMKV\nLA\n>a\nM-\nVLA",  # wrapped, no line end
        ">ss_pred\nCCCCC\n>ss_conf\n99999\n>q_consensus\nMKVLA\n>q\nMKVLA\n>a\nM-VLA\n",  # HHpred
        ">q\nM.KVLA\n>a\nM.-VLA\n",
        gzip.compress(b">q\nMKVLA\n>a\nM-VLA\n"),
    ],
    ids=["ColabFold", "blocks", "CRLF", "wrapped", "HHpred", "dots", "gzip"],
)
def test_alignments_of_many_programs_are_read(tmp_path, text):
    assert relatives(tmp_path, text)[0] == ("a", "M-VLA")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "holds no alignment"),
        ("MKVLA\n", "line 1: not A3M"),
        (">q\nMKVLL\n", "line 1: the first record, q, is not the sequence of the query"),
        (">q\nMK-VLA\n", "line 1: the first record, q, is not the sequence of the query"),
        (">q\nMKVLA\n>a\nM-VL\n", "line 3: a has 4 columns, the query has 5"),
        (">q\nMKVLA\n>a\nM-VL1\n", "line 3: a: '1' is no letter"),
        (gzip.compress(b">q\nMKVLA\n" * 99)[:20], "cannot be read"),
    ],
)
def test_text_that_is_no_alignment_of_the_query_is_refused_with_its_line(tmp_path, text, error):
    with pytest.raises(UserError, match=f"P1.a3m.*{error}"):
        relatives(tmp_path, text)
