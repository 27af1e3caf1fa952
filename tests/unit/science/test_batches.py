"""Batches hold neighbours up to a number of residues, and their names stand for their sequences."""

from typing import NamedTuple

import pytest

from proteofold.run.layout import PredictionFolder
from proteofold.science.batches import cut, existing_batches, make_batch, read_batch


def test_neighbours_share_a_batch_up_to_the_limit():
    assert list(cut(["aaaa", "bbb", "ccc", "dd"], len, 7)) == [["aaaa", "bbb"], ["ccc", "dd"]]


def test_item_over_the_limit_is_alone():
    assert list(cut(["a" * 50, "b", "c" * 9, "d"], len, 5)) == [["a" * 50], ["b"], ["c" * 9], ["d"]]


def test_nothing_makes_no_batch():
    assert list(cut([], len, 5)) == []


class Query(NamedTuple):
    """What a batch needs of a query."""

    query_id: str
    sequence: str


def test_batch_is_named_by_its_sequences_alone():
    name, _ = make_batch([Query("a", "MKV"), Query("b", "MKVL")])
    assert make_batch([Query("x", "MKVL"), Query("y", "MKV"), Query("z", "MKV")])[0] == name
    assert make_batch([Query("a", "MKV"), Query("b", "MKVI")])[0] != name
    assert make_batch([Query("a", "MKV")])[0] != name


def test_fasta_of_a_batch_has_one_order_whatever_the_ids():
    _, first = make_batch([Query("a", "MKV"), Query("b", "MKI"), Query("c", "MKVL")])
    _, second = make_batch([Query("1", "MKI"), Query("2", "MKVL"), Query("3", "MKV")])
    assert first.splitlines()[1::2] == second.splitlines()[1::2] == ["MKVL", "MKI", "MKV"]


def test_batch_is_read_as_it_was_made(tmp_path):
    name, text = make_batch([Query("a", "MKV"), Query("b", "MKVL")])
    path = tmp_path / f"{name}.fas"
    path.write_text(text)
    assert [(record.id, record.sequence) for record in read_batch(path)] == [("b", "MKVL"), ("a", "MKV")]


@pytest.mark.parametrize("damage", [lambda text: "", lambda text: text[:-3], lambda text: text.replace("V", "I")])
def test_damaged_batch_is_no_batch(tmp_path, damage):
    name, text = make_batch([Query("a", "MKV"), Query("b", "MKVL")])
    path = tmp_path / f"{name}.fas"
    path.write_text(damage(text))
    assert read_batch(path) is None


def test_batches_with_a_prediction_come_first_then_by_name(tmp_path):
    folder = PredictionFolder(tmp_path)
    names = []
    for sequence in ("MKV", "MKVL", "MKVLA"):
        name, text = make_batch([Query("a", sequence)])
        folder.fasta(name).parent.mkdir(exist_ok=True)
        folder.fasta(name).write_text(text)
        names.append(name)
    names.sort()
    assert [name for name, _ in existing_batches(folder)] == names
    folder.horiz(names[2]).parent.mkdir()
    folder.horiz(names[2]).write_text("")
    assert [name for name, _ in existing_batches(folder)] == [names[2], names[0], names[1]]
    assert list(existing_batches(PredictionFolder(tmp_path / "none"))) == []
