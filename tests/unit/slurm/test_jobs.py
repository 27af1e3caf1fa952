"""Becoming the head of a run whose jobs go to Slurm."""

import os

import pytest

from proteofold.slurm.jobs import FOLDER_VARIABLE, become_head
from proteofold.slurm.tools import SlurmAbsentError


def test_machine_without_slurm_starts_no_run_on_a_cluster(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "environ", dict(os.environ))
    with pytest.raises(SlurmAbsentError, match="not installed.*squeue.*login node") as error:
        become_head(tmp_path / "slurm")
    assert error.value.topic == "slurm" and not (tmp_path / "slurm").exists()


def test_controller_that_does_not_answer_stops_no_start(slurm, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    slurm.fail("squeue", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)")
    become_head(tmp_path / "slurm")
    assert os.environ[FOLDER_VARIABLE] == str(tmp_path / "slurm")
