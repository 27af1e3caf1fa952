"""The real runner on this machine: tests/platformbench.py."""

import shutil
from pathlib import Path

import pytest
from platformbench import Platform
from runbench import finished, template_folder  # noqa: F401 - fixtures


def pytest_collection_modifyitems(items):
    """Everything in this folder runs Snakemake and hhsearch."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.workflow)
            item.add_marker(pytest.mark.hhsuite)
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def bench(tmp_path, finished):  # noqa: F811
    """A platform whose template library is built."""
    made = Platform(tmp_path, finished.config["templates"]["build"])
    shutil.copytree(finished.path / "resources", tmp_path / "resources")
    yield made
    made.close()
