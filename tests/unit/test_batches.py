"""Batches hold neighbours up to a number of residues."""

from proteofold.batches import cut


def test_neighbours_share_a_batch_up_to_the_limit():
    assert list(cut(["aaaa", "bbb", "ccc", "dd"], len, 7)) == [["aaaa", "bbb"], ["ccc", "dd"]]


def test_item_over_the_limit_is_alone():
    assert list(cut(["a" * 50, "b", "c" * 9, "d"], len, 5)) == [["a" * 50], ["b"], ["c" * 9], ["d"]]


def test_nothing_makes_no_batch():
    assert list(cut([], len, 5)) == []
