"""Files and folders that are not what a run needs: a sentence, or another place, and no traceback."""

import os
import shutil

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
    assert "results/test/overview.json: Is a directory." in printed and "Help: docs/errors.md#damaged-run" in printed
    assert "Errno" not in printed and "Traceback" not in printed


def test_links_to_nothing_in_place_of_results_are_named_and_left(done):
    links = [done.results / "merge_results.csv", *sorted((done.path / "results/shared/searches").rglob("*.out"))[:1]]
    links += sorted((done.path / "results/shared/predictions").rglob("*.horiz"))[:1]
    assert len(links) == 3
    for link in links:
        link.unlink()
        link.symlink_to("/mnt/not-mounted/file")
    printed = done.snakemake(expect=1)
    assert "3 problems in the inputs" in printed and "Unable to obtain modification time" not in printed
    for link in links:
        assert f"{link.relative_to(done.path)}: a link to a file that is not there" in printed
        assert link.is_symlink()
        link.unlink()
    assert "proteins done" in done.snakemake()


@pytest.mark.parametrize("place", ["shared", "shared/searches", "test/marks", "test/logs"])
def test_shared_folder_on_a_disk_that_is_not_mounted_is_named(done, place):
    folder = done.path / "results" / place
    folder.rename(done.path / "elsewhere")
    folder.symlink_to("/mnt/not-mounted")
    assert f"results/{place}: a run needs a folder of this name" in done.snakemake(expect=1)
    assert folder.is_symlink()


def test_braces_in_the_name_of_a_fasta_file_are_no_wildcards(fresh):
    fresh.write_inputs()
    shutil.copy(fresh.path / "proteins.fasta", fresh.path / "p{batch} {x}.fasta")
    fresh.config["proteins"] = ["p{batch} {x}.fasta"]
    fresh.snakemake("--until", "write_batch")
    assert len(list(fresh.path.glob("results/shared/predictions/*/fas/*"))) == 1


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
