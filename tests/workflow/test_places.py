"""Files and folders that are not what a run needs: a sentence, or another place, and no traceback."""

import os

import pytest


@pytest.mark.parametrize("place", ["results", ".snakemake"])
def test_file_where_a_run_needs_a_folder_is_reported(fresh, place):
    (fresh.path / place).write_text("")
    printed = fresh.snakemake(expect=1)
    assert f"{place}: a run needs a folder of this name" in printed
    assert "Error: [Errno" not in printed and "Traceback" not in printed


def test_error_of_the_inputs_is_printed_without_places_in_the_snakefile(fresh):
    fresh.config["proteins"] = ["nowhere.fasta"]
    printed = fresh.snakemake(expect=1)
    assert "Error: 1 problem in the inputs" in printed and "nowhere.fasta: cannot be read" in printed
    assert "Help: docs/errors.md#inputs" in printed
    assert "common.smk" not in printed
    assert "common.smk" in fresh.snakemake("--verbose", expect=1)


def test_folder_where_a_run_needs_a_file_is_named(done):
    (done.results / "overview.json").unlink()
    (done.results / "overview.json").mkdir()
    printed = done.snakemake(expect=1)
    assert "results/test/overview.json: Is a directory." in printed
    assert "Errno" not in printed and "Traceback" not in printed


@pytest.mark.parametrize("home", ["/proc", None])
def test_run_needs_no_home_folder(fresh, home):
    fresh.environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")}
    fresh.environment |= {"HOME": home} if home else {}
    temporary = fresh.path / "tmp"
    temporary.mkdir()
    fresh.environment["TMPDIR"] = str(temporary)
    printed = fresh.snakemake("--until", "predict_secondary_structure")
    assert "Traceback" not in printed
    assert not [path.name for path in temporary.iterdir() if path.name.startswith(("proteofold", "snakemake"))]
