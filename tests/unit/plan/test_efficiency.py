"""The time that a run took is that of all its starts."""

import json
import time

from runfolders import FolderOfRuns

from proteofold.plan import efficiency
from proteofold.plan.nodes import NodeKind


def test_all_starts_count_and_one_that_was_killed_lasts_until_its_last_search():
    starts = [[0, None], [1000, 1100], [2000, 2050]]
    assert efficiency._wall_s(starts, [10, 300, 1050, 2050]) == 300 + 100 + 50


def test_a_start_without_any_result_is_left_out():
    assert efficiency._wall_s([[0, 100], [1000, 1900]], [90]) == 100


def test_starts_are_noted_one_after_another(tmp_path):
    (tmp_path / efficiency.MACHINES).write_text(json.dumps({"since": 5.0, "kinds": []}))
    efficiency.note_machines(tmp_path, [])
    efficiency.note_machines(tmp_path, [])
    starts = json.loads((tmp_path / efficiency.MACHINES).read_text())["starts"]
    assert len(starts) == 3 and starts[0] == [5.0, None]


def test_a_run_that_is_merged_again_later_has_not_become_slower(tmp_path):
    runs = FolderOfRuns(tmp_path)
    run = runs.plan()
    noted = run.folder.path / efficiency.MACHINES

    def taken():
        efficiency.write_efficiency(run)
        return efficiency.read_efficiency(run.folder.path).wall_s

    efficiency.note_machines(run.folder.path, [NodeKind("worker1", 1, 2, 4000)])
    begun = time.time() - 5000
    noted.write_text(json.dumps(json.loads(noted.read_text()) | {"starts": [[begun, begun + 100]]}))
    runs.finish(run, "P1", at=begun + 50)
    assert taken() == 100
    runs.finish(run, "P3", at=begun + 200, computed_in="another")
    assert taken() == 100, "a search of another run does not count"
    runs.finish(run, "P2", at=begun + 200)
    assert taken() > 4000, "a search that ended since counts"
