"""Locks of dead heads are cleared, those of living heads and of others are not."""

import subprocess
import sys
from pathlib import Path

from proteofold.headlock import claim_run

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
