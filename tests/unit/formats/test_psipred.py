"""PSIPRED's horizontal format, byte for byte as S4PRED prints it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proteofold.formats.psipred import HEADER, Prediction, confidence_digits, format_horiz, read_horiz
from proteofold.system.errors import UserError

TWELVE = """\
# PSIPRED HFORMAT (S4PRED V1.2.4)

Conf: 987654321098
Pred: CCHHHHEEEECC
  AA: MKVLAAGIVGAX
              10        20

"""


def test_block_is_that_of_upstream():
    assert format_horiz(Prediction("MKVLAAGIVGAX", "CCHHHHEEEECC", "987654321098")) == TWELVE


def test_ruler_ends_with_the_ten_after_the_last_residue():
    text = format_horiz(Prediction("M" * 125, "H" * 125, "5" * 125))
    rulers = [line for line in text.splitlines() if line.startswith("       ")]
    assert rulers == [
        "              10        20        30        40        50        60",
        "              70        80        90       100       110       120",
        "             130",
    ]


def test_pieces_stand_between_empty_lines():
    text = format_horiz(Prediction("M" * 60 + "K", "C" * 61, "9" * 61))
    assert text == (
        f"{HEADER}\n\nConf: {'9' * 60}\nPred: {'C' * 60}\n  AA: {'M' * 60}\n"
        "              10        20        30        40        50        60\n\n"
        "\nConf: 9\nPred: C\n  AA: K\n              70\n\n"
    )


def test_every_block_has_its_header(tmp_path):
    path = tmp_path / "two.horiz"
    path.write_text(TWELVE + TWELVE)
    assert path.read_text().count(HEADER) == 2
    assert [prediction.sequence for prediction in read_horiz(path)] == ["MKVLAAGIVGAX"] * 2


@st.composite
def predictions(draw):
    length = draw(st.integers(1, 200))
    return Prediction(*(draw(st.text(letters, min_size=length, max_size=length)) for letters in ("AMKX", "CHE", "059")))


@given(st.lists(predictions(), max_size=3))
def test_what_is_written_is_read_again(tmp_path_factory, written):
    path = tmp_path_factory.getbasetemp() / "round.horiz"
    path.write_text("".join(map(format_horiz, written)))
    assert read_horiz(path) == written


def test_line_ends_and_indents_of_others_are_read(tmp_path):
    path = tmp_path / "psipred.horiz"
    path.write_bytes(b"# PSIPRED HFORMAT (PSIPRED V4.0)\r\n\r\nConf: 99\r\nPred: CC\r\n  AA: MK\r\n\r\n")
    assert read_horiz(path) == [Prediction("MK", "CC", "99")]


def test_empty_file_holds_no_predictions(tmp_path):
    path = tmp_path / "empty.horiz"
    path.write_text("")
    assert read_horiz(path) == []


@pytest.mark.parametrize("cut", [len(HEADER) + 1, 50, 62, 80, 90])
def test_truncated_file_is_an_error_that_names_it(tmp_path, cut):
    path = tmp_path / "cut.horiz"
    path.write_text(TWELVE + TWELVE[:cut])
    with pytest.raises(UserError, match=r"cut\.horiz, block 2 .*cut short"):
        read_horiz(path)


def test_other_text_is_an_error_that_names_the_line(tmp_path):
    path = tmp_path / "other.horiz"
    path.write_text("\n>ss_pred\nCCC\n")
    with pytest.raises(UserError, match=r"other\.horiz, line 2: not PSIPRED HFORMAT"):
        read_horiz(path)


def probabilities(*highest):
    return np.array([[p, (1 - p) / 2, (1 - p) / 2] for p in highest], dtype=np.float32)


def test_digit_is_the_floor_of_ten_times_the_highest_probability():
    assert confidence_digits(probabilities(0.34, 0.399, 0.5, 0.55, 0.95, 0.999)) == "335599"


def test_digit_is_cut_in_single_precision():
    # 0.7 is below 0.7 in single precision; ten times it is 7 there, and 6.9999998 in double precision
    assert np.float64(np.float32(0.7)) * 10 < 7
    assert confidence_digits(probabilities(0.7)) == "7"


def test_certainty_is_one_digit():
    assert confidence_digits(probabilities(1.0, 0.5)) == "95"
