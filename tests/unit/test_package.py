"""The package works where it was installed, without the checkout it was built from."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
import zipfile
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from proteofold.system.errors import missing_extra
from proteofold.system.paths import CHECKOUT

PARTS = ("proteofold", "snakemake_logger_plugin_proteofold", "config", "workflow")
UBIQUITIN = ">ubiquitin\nMQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG\n"


def pip(*arguments):
    """Run pip of this environment without network and without dependencies."""
    subprocess.run([sys.executable, "-m", "pip", *arguments], check=True)


OFFLINE = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of the package."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for part in PARTS:
        shutil.copytree(CHECKOUT / part, source / part, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, source)
    pip("wheel", *OFFLINE, "--wheel-dir", folder, source)
    shutil.rmtree(source)
    (made,) = folder.glob("*.whl")
    return made


def install(wheel, environment, dependencies):
    """Install the wheel, not editable, beside the packages of a folder; returns its command ``proteofold``."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    pip("--python", python, "install", *OFFLINE, wheel)
    (site_packages,) = environment.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(f"{dependencies}\n")
    return environment / "bin" / "proteofold"


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The command ``proteofold`` with all its dependencies.

    The line that leads to the checkout is in a .pth file of the dependencies' folder and is not followed.
    """
    return install(wheel, tmp_path_factory.mktemp("package") / "environment", sysconfig.get_path("purelib"))


def bare_distributions(wheel):
    """What ``pip install proteofold`` without extras installs beside the package, as distributions by name."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        waiting = message_from_bytes(archive.read(name)).get_all("Requires-Dist")
    found = {}
    while waiting:
        requirement = Requirement(waiting.pop())
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name not in found and (not requirement.marker or requirement.marker.evaluate({"extra": ""})):
            found[name] = distribution(name)
            waiting += found[name].requires or []
    return found


@pytest.fixture(scope="module")
def bare(wheel, tmp_path_factory):
    """The command ``proteofold`` without extras: links to the packages of the bare install, and no others."""
    folder = tmp_path_factory.mktemp("bare")
    packages = folder / "packages"
    packages.mkdir()
    for found in bare_distributions(wheel).values():
        for part in {Path(file).parts[0] for file in found.files} - {"..", "__pycache__"}:
            (packages / part).symlink_to(found.locate_file(part))
    return install(wheel, folder / "environment", packages)


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


RUN = {"run_id": "my-run", "status": "SUCCESS", "author": "ann", "date_started": "2026-01-01 00:00:00"}
RUN |= {"total": 2, "succeeded": 2, "failed": 0}


class _Platform(BaseHTTPRequestHandler):
    """A platform with one run."""

    def do_GET(self):
        content = json.dumps({"ok": True, "runs": [RUN], "total": 1, "page": 1, "pages": 1}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def site():
    """Address of a platform on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Platform) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def outcome_of(command, folder, **variables):
    """Run a command outside the checkout, with a token of a platform; returns the finished process."""
    environment = {**os.environ, "PROTEOFOLD_TOKEN": "pft_test", **variables}
    environment.pop("PYTHONPATH", None)
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.slow
def test_bare_package_needs_no_package_of_the_pipeline(wheel):
    names = set(bare_distributions(wheel))
    assert {"click", "rich", "httpx2"} <= names
    assert not names & {"torch", "snakemake", "numpy", "pyyaml", "matplotlib", "jsonschema", "pulp", "datasette"}


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--help"], ["remote", "--help"], ["plan", "--help"], ["--version"]])
def test_bare_package_shows_help(bare, tmp_path, arguments):
    done = outcome_of([bare, *arguments], tmp_path)
    assert done.returncode == 0 and done.stdout and not done.stderr


@pytest.mark.slow
def test_bare_package_lists_the_runs_of_a_platform(bare, tmp_path, site):
    done = outcome_of([bare, "remote", "runs", "--json"], tmp_path, PROTEOFOLD_URL=site)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["runs"] == [RUN]
    done = outcome_of([bare, "remote", "runs"], tmp_path, PROTEOFOLD_URL=site)
    assert "my-run" in done.stdout, done.stderr
    code = "from proteofold.client import Client; print(Client().runs()['runs'][0]['run_id'])"
    done = outcome_of([bare.with_name("python"), "-c", code], tmp_path, PROTEOFOLD_URL=site)
    assert done.stdout.strip() == "my-run", done.stderr


@pytest.mark.slow
def test_bare_package_reports_a_platform_that_does_not_answer(bare, tmp_path):
    done = outcome_of([bare, "remote", "runs"], tmp_path, PROTEOFOLD_URL="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "127.0.0.1:9" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["check"], ["s4pred", "--weights", "demo", "my.fasta"], ["runner"]])
def test_bare_package_names_the_extra_to_install(bare, folder, arguments):
    done = outcome_of([bare, *arguments], folder)
    assert done.returncode == 1
    assert "pip install 'proteofold[pipeline]'" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "module, extra",
    [("torch", "pipeline"), ("snakemake.logging", "pipeline"), ("datasette.utils", "platform"), ("json5", None)],
)
def test_extra_of_a_missing_module(module, extra):
    message = missing_extra(ModuleNotFoundError(f"No module named {module!r}", name=module))
    assert message is None if extra is None else f"'proteofold[{extra}]'" in message


@pytest.mark.parametrize(
    "error", [ModuleNotFoundError("gone", name="proteofold.gone"), ImportError("cannot import name", name="torch")]
)
def test_other_import_errors_are_not_hidden(error):
    assert missing_extra(error) is None
