"""The weights on disk: what is missing or does not fit is named, without PyTorch in the asking process."""

import runpy
import subprocess
import sys

import pytest

from proteofold.science.weights import (
    MEMORY_MB,
    WEIGHT_FILES,
    batch_mem_mb,
    batch_residues,
    check_tensors,
    weight_files,
    weights_digest,
)
from proteofold.system.errors import UserError


@pytest.fixture
def folder(tmp_path):
    """Folder with files of the right names."""
    for name in WEIGHT_FILES:
        (tmp_path / name).write_text(name)
    return tmp_path


def test_five_files_in_their_order(folder):
    assert [path.name for path in weight_files(folder)] == [f"weights_{number}.pt" for number in (1, 2, 3, 4, 5)]


def test_missing_files_are_named(folder):
    (folder / "weights_2.pt").unlink()
    (folder / "weights_5.pt").unlink()
    (folder / "weights_5.pt").mkdir()
    with pytest.raises(UserError, match=r"lacks weights_2\.pt, weights_5\.pt\. 'proteofold fetch weights'"):
        weight_files(folder)
    with pytest.raises(UserError, match="none lacks weights_1.pt"):
        weight_files(folder / "none")


def test_digest_is_that_of_content_and_order(folder, tmp_path):
    digest = weights_digest(folder)
    assert weights_digest(str(folder)) == digest
    first, second = folder / "weights_1.pt", folder / "weights_2.pt"
    first.write_text("weights_2.pt")
    second.write_text("weights_1.pt")
    assert weights_digest(folder) != digest


def test_sound_networks_pass(tiny_networks, monkeypatch):
    """In this process, which has PyTorch already, what check_tensors runs in one of its own."""
    monkeypatch.setattr(sys, "argv", ["s4pred", str(tiny_networks)])
    monkeypatch.delitem(sys.modules, "proteofold.science.s4pred", raising=False)
    runpy.run_module("proteofold.science.s4pred", run_name="__main__")


def test_first_bad_file_is_named_in_one_line(folder):
    with pytest.raises(UserError) as caught:
        check_tensors(folder)
    assert "\n" not in str(caught.value)
    assert "weights_1.pt" in str(caught.value)


def test_asking_for_weights_does_not_load_pytorch():
    script = (
        "import sys, proteofold.science.weights, proteofold.run.manifest, proteofold.cli.main;"
        " print('torch' in sys.modules)"
    )
    outcome = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert outcome.stdout == "False\n"


def test_memory_of_a_batch_grows_with_its_residues():
    assert 500 < batch_mem_mb(1, 1) < batch_mem_mb(16_384, 400) < batch_mem_mb(34_350, 34_350) < 3000
    assert batch_mem_mb(1_000_000, 400) == batch_mem_mb(batch_residues(), 400) <= MEMORY_MB


@pytest.mark.parametrize("memory_mb", [700, MEMORY_MB, 4000])
def test_batch_that_fills_the_memory_fits_it(memory_mb):
    residues = batch_residues(memory_mb)
    assert 0.99 * memory_mb < batch_mem_mb(residues, 400, memory_mb) <= memory_mb
    assert batch_mem_mb(10 * residues, 400, memory_mb) == batch_mem_mb(residues, 400, memory_mb)
