"""The annotated query that hhsearch reads."""

import pytest

from proteofold.formats.a3m import format_a3m
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
