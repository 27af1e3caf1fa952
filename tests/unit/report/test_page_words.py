"""Numbers as the pages show them."""

import pytest

from proteofold.report.html_parts import _shown
from website.drawing import words


@pytest.mark.parametrize("value, text", [(0.0, "< 1e-300"), (1.5e-20, "1.5e-20"), (0.002, "0.002"), (1.23, "1.2")])
def test_evalue_of_zero_is_shown_as_a_bound(value, text):
    assert words.evalue(value) == _shown("evalue", value) == text
