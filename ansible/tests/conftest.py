"""Tests of the deployment, as steps: each may use what those before it left. bin/test-cluster runs them."""

import os
import random
import shutil
import subprocess

import pytest

pytest.register_assert_rewrite("testbed")

from testbed import ROOT, TESTBED, Testbed, is_up, is_vm  # noqa: E402

# The order of a cluster's life; the ports last, since every step before may have opened one.
ORDER = ("test_deploy", "test_kernels", "test_use", "test_change", "test_security")
FIRST = "test_machines_come_up_from_a_bare_root_file_system"


def pytest_addoption(parser):
    group = parser.getgroup("testbed")
    group.addoption("--vm", action="store_true", help="nodes with kernels of their own (ansible/testbed/up --help)")
    group.addoption("--keep", action="store_true", help="leave the testbed up (ansible/testbed/down takes it down)")
    group.addoption("--base", metavar="FOLDER", help="the root file system to begin with (ansible/testbed/up --help)")
    group.addoption(
        "--seed", type=int, metavar="N", default=random.randrange(1000), help="of the moments deployments are killed at"
    )


def pytest_configure(config):
    config.addinivalue_line("markers", "vm: needs nodes with kernels of their own (--vm)")
    config.addinivalue_line("markers", "containers: left out on nodes with kernels of their own, which may be slow")


def pytest_report_header(config):
    return f"testbed: {TESTBED}, deployments are killed by --seed {config.option.seed}"


def pytest_collection_modifyitems(config, items):
    items.sort(key=lambda item: ORDER.index(item.path.stem))
    left_out = "containers" if config.option.vm or is_vm() else "vm"
    config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker(left_out)])
    items[:] = [item for item in items if not item.get_closest_marker(left_out)]


def pytest_report_teststatus(report):
    """Show how long each step took and the figures it found: record_property("note", ...)."""
    if report.when == "call" and report.passed:
        note = dict(report.user_properties).get("note")
        return "passed", ".", f"{report.duration:.0f} s{f' ({note})' if note else ''}"
    return None


@pytest.fixture(scope="session")
def testbed(request, tmp_path_factory):
    """The testbed, taken down at the end unless --keep is given."""
    option = request.config.option
    if os.geteuid():
        pytest.exit("must be root: the testbed makes machines and a network", 1)
    if not shutil.which("nmap"):
        pytest.exit("nmap is missing (apt-get install nmap)", 1)
    from_the_first = request.session.items[0].name == FIRST
    if is_up() and from_the_first:
        pytest.exit(f"there is a testbed in {TESTBED} already: ansible/testbed/down removes it, -k picks steps", 1)
    if not is_up() and not from_the_first:
        pytest.exit("single steps need a testbed that an earlier --keep left", 1)
    testbed = Testbed(tmp_path_factory.mktemp("testbed"), option.base, option.seed, option.vm or is_vm())
    testbed.copy_source()
    testbed.watcher.start()
    yield testbed
    testbed.watcher.end()
    if not option.keep:
        # by the checkout itself: its copy may be what fails
        subprocess.run([ROOT / "ansible/testbed/down"], check=False)
