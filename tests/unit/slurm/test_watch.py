"""What the store learns from Slurm while jobs run."""

import pytest

from proteofold.slurm import registry as registry_module
from proteofold.slurm.registry import job_name, rule_and_name
from proteofold.slurm.watch import Watch

BATCH = "demo/predict_secondary_structure:0001-ab"


@pytest.fixture
def watch(slurm, monkeypatch):
    """A watch that asks Slurm at every call."""
    monkeypatch.setattr(registry_module.Registry.refresh, "__defaults__", (-1,))
    watch = Watch(slurm.registry, {"0001-ab": ["P1", "P2"]})
    return lambda: [(event.protein, event.phase, event.node, event.step) for event in watch.events()]


def test_node_of_a_search_is_told_once_when_it_begins_and_its_end_once(slurm, watch):
    slurm.jobs((1, "PENDING", "demo/P1", ""))
    assert watch() == []
    slurm.jobs((1, "RUNNING", "demo/P1", "worker2"))
    assert watch() == [("P1", "running", "worker2", None)]
    assert watch() == []
    slurm.jobs((1, "COMPLETED", "demo/P1", "worker2"))
    assert watch() == [("P1", "done", "worker2", None)]
    assert watch() == []


def test_batch_runs_for_all_its_proteins(slurm, watch):
    slurm.jobs((1, "RUNNING", BATCH, "worker1"))
    assert watch() == [(name, "running", "worker1", "secondary_structure") for name in ("P1", "P2")]
    slurm.jobs((1, "COMPLETED", BATCH, "worker1"))
    assert watch() == []


def test_failures_and_other_jobs_are_left_to_snakemake(slurm, watch):
    slurm.jobs((1, "OUT_OF_MEMORY", "demo/P1"), (2, "RUNNING", "demo/make_profiles:"), (3, "CANCELLED", "demo/P2"))
    assert watch() == []


def test_silent_slurm_brings_no_news(slurm, watch):
    slurm.fail("squeue", *["Socket timed out"] * 3)
    assert watch() == []


@pytest.mark.parametrize("name", ["P1", "predict_secondary_structure-1", "a.b-c_d"])
def test_names_of_jobs_tell_their_protein(name):
    assert rule_and_name(job_name("demo", "search_templates", name)) == ("search_templates", name)


def test_names_of_other_jobs_tell_their_rule():
    assert rule_and_name(job_name("demo", "predict_secondary_structure", "1-a")) == (
        "predict_secondary_structure",
        "1-a",
    )
