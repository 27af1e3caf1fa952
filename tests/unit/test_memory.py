"""What a job asks for when it is tried again."""

import pytest

from proteofold.memory import raised_mb


@pytest.mark.parametrize(("attempt", "mb"), [(1, 1000), (2, 1500), (3, 2250)])
def test_each_attempt_asks_for_half_as_much_again(attempt, mb):
    assert raised_mb(1000, attempt) == mb


def test_no_attempt_asks_for_more_than_the_largest_node_has():
    assert [raised_mb(1000, attempt, most_mb=1600) for attempt in (1, 2, 3)] == [1000, 1500, 1600]


def test_need_beyond_the_largest_node_is_not_hidden():
    assert raised_mb(4640, 2, most_mb=3500) == 4640
