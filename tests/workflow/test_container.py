"""Steps with HH-suite in a container, with a stand-in for Apptainer that runs them here, as if in an image."""

import os
import sys

import pytest

# `--version`, and `exec --home FOLDER [options] IMAGE bash -c COMMAND`
_APPTAINER = """#!/bin/sh
[ "$1" != --version ] || {{ echo apptainer version 1.3.0; exit; }}
for command; do :; done
echo "$@" >>"{folder}/asked"
echo 'echo "$@" >>"{folder}/in_image"; exec {python} -P -m proteofold "$@"' >"{folder}/proteofold"
chmod +x "{folder}/proteofold"
PROTEOFOLD_IN_IMAGE="{folder}/proteofold" bash -c "$command"
"""


@pytest.fixture
def with_apptainer(fresh):
    """A run that has not begun; Snakemake finds the stand-in, which notes in the spy's folder what it was asked for."""
    program = fresh.spy / "apptainer"
    program.write_text(_APPTAINER.format(folder=fresh.spy, python=sys.executable))
    program.chmod(0o755)
    image = fresh.path / "pipeline.sif"
    image.touch()
    fresh.config["container"] = str(image)
    return fresh


def test_steps_with_hhsuite_run_by_the_command_of_the_image_and_no_others(with_apptainer):
    with_apptainer.snakemake("--software-deployment-method", "apptainer")
    steps = {line.split()[0] for line in (with_apptainer.spy / "in_image").read_text().splitlines()}
    assert steps == {"search"}
    assert str(with_apptainer.path / "pipeline.sif") in (with_apptainer.spy / "asked").read_text()
    assert (with_apptainer.results / "merge_results.csv").exists()


def test_image_changes_no_result_and_is_not_used_unless_asked_for(with_apptainer, finished):
    with_apptainer.snakemake()
    assert not (with_apptainer.spy / "asked").exists()
    assert with_apptainer.run.search.name == finished.run.search.name


def test_snakemake_in_an_image_runs_its_steps_with_its_own_python(fresh):
    fresh.environment = os.environ | {"PROTEOFOLD_IN_IMAGE": "/absent/proteofold"}
    fresh.snakemake("--until", "predict_secondary_structure")
    assert fresh.predictions()
