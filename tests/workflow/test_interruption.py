"""A run that is interrupted has not failed: nothing it prints, records or merges says so, and it can be resumed."""

import contextlib
import os
import signal
import subprocess
import time

import pytest

MYG = "sp|P02144|MYG_HUMAN"


def send_to_group(head, number):
    """What a terminal does on Ctrl-C, and a service manager with SIGTERM: all processes of the run get the signal."""
    os.killpg(head.pid, number)


def send_to_head(head, number):
    """What ``kill`` does: only the Snakemake process gets the signal."""
    head.send_signal(number)


def send_twice_to_head(head, number):
    """What an impatient user does, or a program that passes on what its group has received."""
    send_to_head(head, number)
    time.sleep(0.3)
    send_to_head(head, number)


def interrupt(bench, send, number, after_searches):
    """Start the run, interrupt it when so many searches have begun; returns its exit code and what it printed."""
    bench.mark("slow")
    head = bench.start()
    deadline = time.monotonic() + 60
    while len(bench.searched()) < after_searches:
        assert time.monotonic() < deadline and head.poll() is None, (bench.spy / "printed").read_text()
        time.sleep(0.05)
    send(head, number)
    return head.wait(timeout=60), (bench.spy / "printed").read_text()


def stored_run(bench):
    """Status and number of failed proteins that the store has of the run."""
    with contextlib.closing(bench.store()) as conn:
        return conn.execute("select status, failed from runs").fetchone()


@pytest.mark.parametrize(
    ("send", "number"),
    [
        (send_to_group, signal.SIGINT),
        pytest.param(send_to_group, signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(send_to_head, signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(send_twice_to_head, signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(send_to_head, signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_interrupted_run_reports_no_failure_and_resumes(fresh, finished, send, number):
    code, printed = interrupt(fresh, send, number, after_searches=2)
    assert code not in (0, -signal.SIGKILL)
    assert printed.splitlines()[-1] == "Interrupted. Rerun the same command to resume."
    assert "FAILED" not in printed and "Traceback" not in printed and "failed" not in printed
    assert stored_run(fresh) == ("INTERRUPTED", 0)
    assert fresh.rows("failed.csv") == []
    fresh.snakemake()
    assert fresh.tables() == finished.tables()
    assert stored_run(fresh) == ("SUCCESS", 0)


@pytest.mark.slow
def test_protein_that_failed_before_the_interruption_has_failed(fresh):
    fresh.mark("fail", MYG)
    code, printed = interrupt(fresh, send_to_group, signal.SIGINT, 4)
    assert code != 0 and "FAILED search_templates P02144-" in printed
    assert stored_run(fresh) == ("INTERRUPTED", 1)
    (row,) = fresh.rows("failed.csv")
    assert row.startswith(MYG)


def write_end(pipe):
    """The descriptor of a pipe's other end, None until a process reads it."""
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


@pytest.mark.slow
def test_interruption_before_the_run_starts_prints_no_traceback(fresh):
    """While its proteins are read."""
    proteins = fresh.path / "pipe.fasta"
    os.mkfifo(proteins)
    fresh.config["proteins"] = [proteins.name]
    head = fresh.start()
    deadline = time.monotonic() + 60
    while (end := write_end(proteins)) is None:
        assert time.monotonic() < deadline and head.poll() is None, (fresh.spy / "printed").read_text()
        time.sleep(0.05)
    os.killpg(head.pid, signal.SIGINT)
    assert head.wait(timeout=60) != 0
    os.close(end)
    printed = (fresh.spy / "printed").read_text()
    assert "Traceback" not in printed and printed.splitlines()[-1].startswith("Interrupted.")


@pytest.mark.slow
def test_run_that_is_interrupted_when_its_tables_are_there_is_complete(fresh, finished):
    head = fresh.start()
    deadline = time.monotonic() + 60
    while not (fresh.results / "overview.json").exists():
        assert time.monotonic() < deadline and head.poll() is None, (fresh.spy / "printed").read_text()
        time.sleep(0.02)
    send_to_group(head, signal.SIGINT)  # the report is being drawn, which takes seconds
    assert head.wait(timeout=60) != 0
    assert stored_run(fresh) == ("SUCCESS", 0)
    assert fresh.tables() == finished.tables()
    assert "Nothing to be done" in fresh.snakemake()


@pytest.mark.slow
def test_run_continues_and_is_recorded_when_the_reader_of_its_output_ends(fresh):
    fresh.write_inputs()
    words, environment = fresh.command()
    head = subprocess.Popen(words, cwd=fresh.path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    head.stdout.readline()
    head.stdout.close()
    assert head.wait(timeout=120) == 0
    assert stored_run(fresh) == ("SUCCESS", 0)
