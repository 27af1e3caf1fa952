"""Locks of dead heads are cleared, those of living heads and of others are not."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.persistence.file import FilePersistence

from proteofold.headlock import claim_run, head_is_alive

HEAD = "import sys; from pathlib import Path; from proteofold.headlock import claim_run"
HEAD += "; print(claim_run(Path('results/mine'), Path(sys.argv[1])), flush=True); sys.stdin.read()"


def lock(state, name, marked):
    """A lock as Snakemake writes it."""
    (state / "locks").mkdir(parents=True, exist_ok=True)
    path = state / "locks" / name
    path.write_text(f"{marked}\n")
    return path


def test_lock_of_a_dead_head_is_cleared(tmp_path):
    stale = lock(tmp_path, "0.output.lock", "results/mine/overview.json")
    assert claim_run(Path("results/mine"), tmp_path)
    assert not stale.exists()


def test_lock_of_another_run_is_left_alone(tmp_path):
    other = lock(tmp_path, "0.output.lock", "results/mine-too/overview.json")
    assert claim_run(Path("results/mine"), tmp_path)
    assert other.exists()


def test_lock_of_a_living_head_is_left_alone_and_cleared_once_it_was_killed(tmp_path):
    command = [sys.executable, "-c", HEAD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as head:
        assert head.stdout.readline() == "True\n"
        living = lock(tmp_path, "0.output.lock", "results/mine/overview.json")
        assert not claim_run(Path("results/mine"), tmp_path)
        assert living.exists()
        head.kill()
    assert claim_run(Path("results/mine"), tmp_path)
    assert not living.exists()


@pytest.mark.parametrize("stem", ["P69905", "x" * 220], ids=["short", "cut into folders"])
def test_marks_of_unfinished_files_are_cleared_as_files_of_a_run_are_whole(tmp_path, stem):
    def mark(path):
        snakemake = SimpleNamespace(_fetch_max_len=lambda subject: 255)
        record = Path(FilePersistence._record_path(snakemake, str(tmp_path / "incomplete"), path))
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text('{"external_jobid": "17"}')
        return record

    ours = mark(f"results/mine/out/{stem}.out")
    others = [mark(f"results/mine-too/out/{stem}.out"), mark("resources/templates/six_hhm.ffdata")]
    foreign = tmp_path / "incomplete" / "not base64"
    foreign.write_text("")
    assert claim_run(Path("results/mine"), tmp_path)
    assert not ours.exists()
    assert all(path.exists() for path in (*others, foreign))


def test_head_is_alive_while_its_process_is(tmp_path):
    folder = tmp_path / "results" / "mine"
    assert not head_is_alive(folder)
    command = [sys.executable, "-c", HEAD, str(tmp_path / ".snakemake")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as head:
        assert head.stdout.readline() == "True\n"
        assert head_is_alive(folder)
        assert not head_is_alive(tmp_path / "results" / "other")
        head.kill()
    assert not head_is_alive(folder)
