"""Runs on this machine: tests/runbench.py."""

from pathlib import Path

import pytest
from runbench import done, finished, fresh, template_folder  # noqa: F401 - fixtures


def pytest_collection_modifyitems(items):
    """Everything in this folder runs Snakemake and hhsearch."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.workflow)
            item.add_marker(pytest.mark.hhsuite)
