"""What the store learns from Slurm while jobs run."""

from pathlib import Path

import pytest

from proteofold.run.layout import RunFolder
from proteofold.run.manifest import Member, Run
from proteofold.slurm.watch import Watch


@pytest.fixture
def watch(slurm):
    """Function that has Slurm asked again and returns the events."""
    members = [Member(f"sp|{name}", name, 10, "m", f"{name}-0123abcd", "b1") for name in ("P1", "P2")]
    settings = {"search": "lib", "predictions": "demo-1", "msa": {"alignments": "uniref-n2"}}
    run = Run(RunFolder(Path("results/demo")), {member.protein: member for member in members}, settings)
    watch = Watch(slurm.job_folder, run)

    def events():
        slurm.age_answer()
        slurm.job_folder.ask()
        return [(event.protein, event.phase, event.node, event.step) for event in watch.events()]

    return events


def test_node_of_a_search_is_reported_once_when_it_begins(slurm, watch):
    slurm.jobs((1, "PENDING", "lib:P1-0123abcd", ""))
    assert watch() == []
    slurm.jobs((1, "RUNNING", "lib:P1-0123abcd", "worker2"))
    assert watch() == [("P1", "running", "worker2", None)]
    assert watch() == []
    slurm.jobs((1, "COMPLETED", "lib:P1-0123abcd", "worker2"))
    assert watch() == []


def test_batch_runs_for_all_its_proteins(slurm, watch):
    slurm.jobs((1, "RUNNING", "demo-1:b1", "worker1"))
    assert watch() == [(name, "running", "worker1", "secondary_structure") for name in ("P1", "P2")]


def test_alignment_of_a_query_runs_for_its_protein(slurm, watch):
    slurm.jobs((1, "RUNNING", "uniref-n2:P2-0123abcd", "worker1"))
    assert watch() == [("P2", "running", "worker1", "alignment")]


def test_failures_and_other_jobs_are_left_to_snakemake(slurm, watch):
    slurm.jobs(
        (1, "OUT_OF_MEMORY", "lib:P1-0123abcd"),
        (2, "RUNNING", "six:make_profiles"),
        (3, "CANCELLED", "lib:P2-0123abcd"),
        (4, "RUNNING", "lib.fast:P1-0123abcd"),
        (5, "RUNNING", "lib:P9-0123abcd"),
    )
    assert watch() == []


def test_silent_slurm_brings_no_news(slurm, watch):
    slurm.fail("squeue", *["Socket timed out"] * 3)
    assert watch() == []
