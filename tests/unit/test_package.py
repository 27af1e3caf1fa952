"""The package works where it was installed, without the checkout it was built from."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from proteofold.system.paths import CHECKOUT

PARTS = ("proteofold", "snakemake_logger_plugin_proteofold", "config", "workflow")
UBIQUITIN = ">ubiquitin\nMQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG\n"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The command ``proteofold`` of an environment into which the package was installed, not editable."""
    folder = tmp_path_factory.mktemp("package")
    source, environment = folder / "source", folder / "environment"
    for part in PARTS:
        shutil.copytree(CHECKOUT / part, source / part, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, source)
    offline = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    pip = (sys.executable, "-m", "pip")
    subprocess.run([*pip, "wheel", *offline, "--wheel-dir", folder, source], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (wheel,) = folder.glob("*.whl")
    python = environment / "bin" / "python"
    subprocess.run([*pip, "--python", python, "install", *offline, wheel], check=True)
    shutil.rmtree(source)
    # the dependencies; the line that leads to the checkout stands in a file of its own there and is not followed
    (site_packages,) = environment.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return environment / "bin" / "proteofold"


def run(command, folder):
    """Run a command outside the checkout; returns what it printed. Fails the test if the command fails."""
    outcome = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return outcome.stdout


@pytest.fixture
def folder(tmp_path):
    """A folder with one protein and a configuration that leaves all else at its defaults."""
    (tmp_path / "my.fasta").write_text(UBIQUITIN)
    (tmp_path / "my.yaml").write_text("run: my\nproteins: [my.fasta]\n")
    return tmp_path


@pytest.mark.slow
def test_package_does_not_come_from_the_checkout(installed, tmp_path):
    python = installed.with_name("python")
    place = Path(run([python, "-c", "import proteofold; print(proteofold.__file__)"], tmp_path))
    assert CHECKOUT not in place.parents


@pytest.mark.slow
@pytest.mark.hhsuite
@pytest.mark.parametrize("command", ["check", "plan"])
def test_inputs_are_checked_and_planned_against_the_demo_library(installed, folder, command):
    assert "81 templates" in run([installed, command, "--configfile", "my.yaml"], folder)


@pytest.mark.slow
def test_demo_weights_predict(installed, folder):
    assert "AA: MQIFVKTLTG" in run([installed, "s4pred", "--weights", "demo", "my.fasta"], folder)


@pytest.mark.slow
def test_addresses_of_official_data_are_known(installed, folder):
    outcome = subprocess.run(
        [installed, "fetch", "weights", "--url", "ftp://example.org/x"], cwd=folder, capture_output=True, text=True
    )
    assert outcome.returncode == 1 and "Traceback" not in outcome.stderr
