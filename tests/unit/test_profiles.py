"""The profiles agree where Snakemake lays one over the other."""

from pathlib import Path

import pytest
import yaml

PROFILES = Path(__file__).parents[2] / "profiles"


def settings(profile):
    return yaml.safe_load((PROFILES / profile / "config.yaml").read_text())


@pytest.mark.parametrize("profile", ["cluster", "slurm"])
def test_default_profile_laid_over_another_changes_nothing(profile):
    other, default = settings(profile), settings("default")
    # the memory of this machine does not limit the jobs of others
    assert list(default.pop("resources")) == list(other["set-resource-scopes"]) == ["mem_mb"]
    assert {**other, **{key: value for key, value in default.items() if not key.startswith("__")}} == other


@pytest.mark.parametrize("profile", ["cluster", "slurm"])
def test_all_jobs_that_may_be_in_slurm_are_looked_at(profile):
    assert settings(profile)["scheduler-subsample"] >= settings(profile)["jobs"]
