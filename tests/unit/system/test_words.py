"""Texts for people."""

import pytest

from proteofold.system.words import without_folders


@pytest.mark.parametrize(
    "text, shown",
    [
        ("/data/pdb70/pdb70", "pdb70"),
        ('{"prefix": "/data/my library/x", "key": "1/4"}', '{"prefix": "my library/x", "key": "1/4"}'),
        ("Could not open '/shared/results/a.a3m': denied", "Could not open 'a.a3m': denied"),
        ("results/demo/logs/x.log", "results/demo/logs/x.log"),
        ("https://example.org/a/b and ../c/d, 3/4/5", "https://example.org/a/b and ../c/d, 3/4/5"),
        ("a / b", "a / b"),
        ("", ""),
    ],
)
def test_absolute_paths_lose_their_folders_and_nothing_else_does(text, shown):
    assert without_folders(text) == shown


def test_a_long_text_of_slashes_takes_no_time():
    assert without_folders("/a" * 200_000 + " ") == "a "
