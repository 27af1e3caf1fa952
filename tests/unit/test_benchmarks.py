"""The benchmark suite: comparing results, and planting relatives."""

import argparse
import os
import random
import shutil
import subprocess
import sys

import pytest

from proteofold.formats.packed_hhr import read_alignments
from proteofold.system.paths import CHECKOUT

OLD = """# Measurements

## merge

| 10 proteins | CPU s | peak memory, MB | times less |
| --- | --- | --- | --- |
| merging | 4.0 | 1,000 | **3.0** |
| collecting | 2.0 | 50 | **2.0** |

## overhead

| 200 proteins | |
| --- | --- |
| hhsearch, CPU s a protein | 0.46 |
| proteins | 10 |
"""


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    """The modules of the suite can be imported."""
    monkeypatch.setattr(sys, "path", [str(CHECKOUT / "benchmarks"), *sys.path])


def test_costs_beyond_noise_are_named_and_nothing_else():
    from compare import slower

    new = OLD.replace("| 4.0 |", "| 6.0 |").replace("| 2.0 | 50 |", "| 2.2 | 50 |").replace("**3.0**", "**9.0**")
    new = new.replace("| proteins | 10 |", "| proteins | 99 |").replace("0.46", "**0.92**")
    assert slower(OLD, new, 0.25) == [
        ("merge", "merging: CPU s", 4.0, 6.0),
        ("overhead", "hhsearch, CPU s a protein", 0.46, 0.92),
    ]
    assert slower(new, OLD, 0.25) == []


def test_thousands_are_numbers_and_missing_sections_are_not_compared():
    from compare import slower

    new = OLD.replace("1,000", "2,500")
    assert slower(OLD, new, 0.25) == [("merge", "merging: peak memory, MB", 1000.0, 2500.0)]
    assert slower(OLD.partition("## overhead")[0], OLD, 0.0) == []


@pytest.mark.parametrize("percent", [60, 30])
def test_planted_relative_has_the_identity_asked_for(monkeypatch, percent):
    pytest.importorskip("Bio")
    import section_alternatives

    monkeypatch.setattr(section_alternatives, "INDELS", 0)
    monkeypatch.setattr(section_alternatives, "LEAST_KEPT", 1)
    chain = "ACDEFGHIKLMNPQRSTVWY" * 10
    made = section_alternatives.planted(random.Random(1), chain, percent)
    flank = section_alternatives.FLANK
    same = sum(a == b for a, b in zip(made[flank:-flank], chain, strict=True))
    assert same == len(chain) * percent / 100


def test_gpu_section_can_be_tried_without_a_gpu(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    import section_gpu

    demo = CHECKOUT / "config" / "demo" / "s4pred"
    monkeypatch.setattr(section_gpu, "make_weights", lambda folder: shutil.copytree(demo, folder, dirs_exist_ok=True))
    text = section_gpu.run(tmp_path, argparse.Namespace(device="cpu", fasta=None, proteins=3))
    (equal,) = (line for line in text.splitlines() if line.startswith("| states, digits"))
    assert "100.00% and 100.00%" in equal.split("|")[2]
    assert "no GPU" in text


def test_section_that_cannot_run_here_leaves_the_results_as_they_are(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    import bench

    results = tmp_path / "results.md"
    results.write_text("# Measurements\n\n## gpu\n\nmeasured elsewhere\n")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["bench", "gpu", "--results", str(results)])
    bench.main()
    assert results.read_text() == "# Measurements\n\n## gpu\n\nmeasured elsewhere\n"


def test_quick_names_constants_that_exist():
    import importlib

    import quick

    modules = {name: importlib.import_module(name) for name in quick.CONSTANTS}
    before = {(name, key): getattr(modules[name], key) for name, keys in quick.CONSTANTS.items() for key in keys}
    try:
        quick.make_small(argparse.Namespace())
    finally:
        for (name, key), value in before.items():
            setattr(modules[name], key, value)


def test_search_with_the_program_that_only_takes_time_is_a_search_without_hits(tmp_path, small_library):
    from stub_search import write_stub

    a3m, hhr = tmp_path / "query.a3m", tmp_path / "query.hhr.gz"
    a3m.write_text(">ss_pred\nCCCCC\n>ss_conf\n99999\n>query\nMKTAY\n")
    command = [sys.executable, "-P", "-m", "proteofold", "search", a3m, hhr, "--library", small_library]
    done = subprocess.run(command, env=os.environ | write_stub(tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert read_alignments(hhr.read_bytes()) == []
