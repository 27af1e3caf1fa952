"""What the head does with Slurm when a run begins and ends."""

import pytest

from proteofold.errors import UserError
from proteofold.slurm import cancel as cancel_module
from proteofold.slurm import head
from proteofold.slurm.registry import Submission

FOLDER = "results/demo/slurm"
KEYS = {"demo/P1": "k1", "demo/P2": "k2", "demo/predict_secondary_structure:1": "w"}


class StandInDesk:
    """Submits nothing, and tells what it was opened for and whether it is closed."""

    def __init__(self, registry, largest_node_mb):
        self.largest_node_mb, self.is_closed = largest_node_mb, False

    def close(self):
        self.is_closed = True


@pytest.fixture
def cluster(slurm, monkeypatch):
    """Stand-ins for a cluster of two kinds of nodes, and no pauses."""
    monkeypatch.setattr(head, "Desk", StandInDesk)
    slurm.answer("sinfo", "3500|(null)\n7400|gpu:a100:2\n")
    for module in (head, cancel_module):
        monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    return slurm


def test_jobs_of_an_earlier_head_go_on_and_only_what_is_not_wanted_any_more_is_cancelled(cluster):
    cluster.jobs(
        (1, "RUNNING", "demo/P1", "n", "k1"),
        (2, "PENDING", "demo/P2", "", "of an earlier sequence"),
        (3, "RUNNING", "demo/P9", "n", "k9"),
        (4, "RUNNING", "demo/predict_secondary_structure:1", "n", "w"),
        (5, "RUNNING", "demo/P1", "n", "k1"),
        (6, "COMPLETED", "demo/P2", "n", "k2"),
    )
    _, _, adopted = head.begin(FOLDER, KEYS)
    assert adopted == ["1", "4"]
    assert cluster.calls("scancel") == [["--quiet", "2", "3", "5"]]
    assert cluster.registry.adopt("demo/P1", "k1") == "1"
    assert cluster.registry.adopt("demo/predict_secondary_structure:1", "w") == "4"
    assert cluster.registry.adopt("demo/P2", "k2") is None


def test_start_without_leftovers_forgets_earlier_submissions(cluster):
    cluster.registry.add(Submission("7", "demo/P1", "k1", 1.0, "out"))
    assert head.begin(FOLDER, KEYS)[2] == []
    assert cluster.registry.read_submissions() == {}
    assert cluster.calls("scancel") == []


def test_submission_of_an_adopted_job_is_remembered(cluster):
    cluster.registry.add(Submission("7", "demo/P1", "k1", 1.0, "out"))
    cluster.jobs((7, "RUNNING"))
    head.begin(FOLDER, KEYS)
    assert cluster.registry.read_submissions()["7"].output == "out"


def test_largest_node_and_gpus_are_learned_from_slurm(cluster):
    found, desk, _ = head.begin(FOLDER, KEYS)
    assert found == head.Cluster(7400, has_gpus=True)
    assert desk.largest_node_mb == 7400


def test_start_waits_for_a_controller_that_restarts(cluster, capsys):
    cluster.fail("squeue", *["slurm_load_jobs error: Unable to contact slurm controller"] * 3)
    cluster.jobs((1, "RUNNING"))
    assert head.begin(FOLDER, KEYS)[2] == ["1"]
    assert "asking again" in capsys.readouterr().err


def test_start_is_refused_when_nobody_knows_what_still_runs(cluster, monkeypatch):
    monkeypatch.setattr(head, "_PATIENCE_S", -1)
    cluster.fail("squeue", *["slurm_load_jobs error: Unable to contact slurm controller"] * 3)
    with pytest.raises(UserError, match="Start again when 'squeue' does"):
        head.begin(FOLDER, KEYS)
    assert cluster.calls("sbatch") == []


def test_missing_slurm_is_told(cluster, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="not installed.*sbatch|not installed.*squeue|not installed.*sinfo"):
        head.begin(FOLDER, KEYS)


def test_end_of_a_run_leaves_none_of_its_jobs_in_slurm(cluster):
    cluster.jobs((1, "RUNNING"), (2, "PENDING", "demo/P2"), (3, "COMPLETED", "demo/P3"), (4, "RUNNING", "other/P1"))
    desk = StandInDesk(None, 0)
    assert head.end(FOLDER, desk) == ["1", "2"]
    assert desk.is_closed
    assert cluster.calls("scancel") == [["--quiet", "1", "2"]]


def test_cancelling_is_repeated_until_slurm_answers(cluster):
    cluster.fail("scancel", *["scancel: error: Socket timed out"] * 4)
    cancel_module.cancel(["1", "2"])
    assert len(cluster.calls("scancel")) == 5
