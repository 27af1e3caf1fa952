"""Files of users in the working folder are no modules, whatever they are called."""

import sys
from pathlib import Path

import pytest
from runbench import Bench, imported, plant


@pytest.mark.slow
def test_a_run_imports_nothing_of_its_working_folder(tmp_path, template_folder, finished):
    """The library is built, too."""
    bench = Bench(tmp_path, template_folder)
    plant(tmp_path)
    command, environment = bench.command()
    snakemake = Path(sys.executable).with_name("snakemake")
    bench.command = lambda *options: ([snakemake, *command[command.index("--snakefile") :], *options], environment)
    bench.snakemake()
    assert imported(tmp_path) == []
    assert bench.tables() == finished.tables()


@pytest.mark.slow
def test_a_run_that_fails_imports_nothing_of_its_working_folder(fresh):
    plant(fresh.path)
    fresh.mark("fail", "sp|P02144|MYG_HUMAN")
    fresh.snakemake("--retries", "0", expect=1)
    assert imported(fresh.path) == []
    assert [row.split(",")[0] for row in fresh.rows("failed.csv")] == ["sp|P02144|MYG_HUMAN"]
