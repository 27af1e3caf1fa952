"""proteofold inside another workflow: imported as a Snakemake module, as docs/usage.md shows it."""

import re

import pytest
from runbench import ROOT, import_as_module


@pytest.fixture
def importing(fresh):
    """A bench whose Snakefile is the one of the documentation."""
    import_as_module(fresh)
    fresh.where = (*fresh.where, "--profile", ROOT / "profiles" / "default")
    return fresh


@pytest.mark.slow
def test_imported_run_gives_the_same_tables_and_resumes(importing, finished):
    importing.snakemake()
    assert importing.tables() == finished.tables()
    names = importing.path / "longest_names.txt"
    assert len(names.read_text().splitlines()) == len(importing.records) + 1
    assert "Nothing to be done" in importing.snakemake()

    importing.records["added"] = next(iter(importing.records.values()))
    importing.snakemake()
    assert importing.searched() == ["added"]
    assert "added" in names.read_text()
    importing.snakemake("--report", "report.zip")


def test_imported_run_without_the_call_at_its_start_is_refused(importing):
    text = importing.snakefile.read_text()
    importing.snakefile.write_text(re.sub(r"^on\w+:\n.*\n", "", text, flags=re.MULTILINE))
    assert "has to call its onstart" in importing.snakemake(expect=1)
    assert importing.searched() == []
