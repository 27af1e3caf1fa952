"""How much memory jobs may take together."""

import pytest

from proteofold.system import memory
from proteofold.system.memory import SNAKEMAKE_MB, available_mb


@pytest.fixture(autouse=True)
def no_job_of_slurm(monkeypatch):
    """Whatever runs the tests."""
    monkeypatch.delenv("SLURM_MEM_PER_NODE", raising=False)


def test_job_of_slurm_has_what_slurm_gave_it_beside_its_snakemake(monkeypatch):
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "5000")
    assert available_mb() == 5000 - SNAKEMAKE_MB


@pytest.mark.parametrize("given", [None, "0"])
def test_otherwise_it_is_part_of_what_is_free(monkeypatch, given):
    if given:
        monkeypatch.setenv("SLURM_MEM_PER_NODE", given)
    with open("/proc/meminfo", encoding="ascii") as lines:
        total_kb = next(int(line.split()[1]) for line in lines if line.startswith("MemTotal"))
    assert 1 < available_mb() < total_kb / 1024


def test_it_is_within_the_limit_of_a_container(tmp_path, monkeypatch):
    unlimited, limited = tmp_path / "max", tmp_path / "limit"
    unlimited.write_text("max\n")
    limited.write_text(f"{100 * 2**20}\n")
    monkeypatch.setattr(memory, "_CGROUP_LIMITS", [str(unlimited), str(tmp_path / "none")])
    assert available_mb() > 100
    monkeypatch.setattr(memory, "_CGROUP_LIMITS", [str(unlimited), str(limited)])
    assert available_mb() == 90
