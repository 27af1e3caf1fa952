"""One step, from a sequence to its alignment with relatives, by the real hhblits."""

import pytest

from proteofold.formats.a3m import read_relatives
from proteofold.science import hhsuite
from proteofold.science.alignment import align_query
from proteofold.system.errors import UserError

UBIQUITIN = "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG"


def test_database_that_was_replaced_gives_no_alignment_for_the_run(small_library, tmp_path):
    made = tmp_path / "q.a3m.gz"
    with pytest.raises(UserError, match="was replaced since the run started"):
        align_query("q", UBIQUITIN, made, small_library, 1, database_key="0123456789abcdef")
    assert list(tmp_path.iterdir()) == []
    key = hhsuite.read_database(small_library).key
    assert align_query("q", UBIQUITIN, made, small_library, 1, database_key=key)
    read_relatives(made, UBIQUITIN)
