"""A disk that takes no more stops the run, is named, and costs the next start nothing."""

import contextlib
import os
import sqlite3
import subprocess

import pytest

# Fills the disk of the results while the first protein is searched.
FILL = 'if [ -e "{folder}/full" ]; then dd if=/dev/zero of="{folder}/../results/other" bs=4k 2>"{folder}/dd"; fi\n'


@pytest.fixture
def on_small_disk(fresh):
    """A bench that searches one protein at a time, its results on a small disk of their own."""
    fresh.where = ("--cores", "1")
    fresh.results.parent.mkdir()
    mounted = mount(fresh, "size=2m")
    if mounted.returncode:
        pytest.skip(f"a disk cannot be mounted here: {mounted.stderr.strip()}")
    yield fresh
    subprocess.run(["umount", fresh.results.parent], check=True)


def mount(bench, options):
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", bench.results.parent]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def disk_is_named(bench, printed):
    return f"{bench.results.parent} (tmpfs)" in printed and " MB free of " in printed and "Traceback" not in printed


def in_store(bench):
    """The status of the run in the store, how many of its proteins wait, and why the others have no result."""
    with contextlib.closing(sqlite3.connect(bench.path / "store.db")) as store:
        (status,) = store.execute("select status from runs").fetchone()
        rows = store.execute("select phase, reason from protein_results where phase <> 'done'").fetchall()
    return status, len([phase for phase, _ in rows if phase == "waiting"]), [reason for _, reason in rows if reason]


@pytest.mark.slow
def test_full_disk_stops_the_run_and_the_next_start_does_the_rest(on_small_disk, finished):
    hhsearch = on_small_disk.spy / "hhsearch"
    before, _, search = hhsearch.read_text().rpartition("exec")
    hhsearch.write_text(before + FILL.format(folder=on_small_disk.spy) + "exec" + search)
    on_small_disk.mark("full")
    on_small_disk.environment = {**os.environ, "PROTEOFOLD_STORE": str(on_small_disk.path / "store.db")}
    printed = on_small_disk.snakemake(expect=1)
    assert len(on_small_disk.searched()) < 4
    assert disk_is_named(on_small_disk, printed) and "No space left on device" in printed
    assert "killed" not in printed
    status, waiting, reasons = in_store(on_small_disk)
    assert status == "INTERRUPTED" and waiting >= 4 - len(on_small_disk.searched())
    assert all("No space left on device" in reason for reason in reasons)

    (on_small_disk.spy / "full").unlink()
    (on_small_disk.results.parent / "other").unlink()
    on_small_disk.snakemake()
    assert len(on_small_disk.searched()) == 4
    assert on_small_disk.tables() == finished.tables()
    assert in_store(on_small_disk) == ("SUCCESS", 0, [])


@pytest.mark.parametrize(
    ("options", "why"), [("remount,size=4k", "No space left on device"), ("remount,ro", "Read-only file system")]
)
def test_start_on_a_disk_that_takes_nothing_names_it(on_small_disk, options, why):
    mount(on_small_disk, options)
    printed = on_small_disk.snakemake(expect=1)
    assert on_small_disk.searched() == []
    assert disk_is_named(on_small_disk, printed) and why in printed
