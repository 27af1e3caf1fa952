"""bin/setup, with stand-ins for apt, sudo and Python that note how they are called."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = (
    "bash",
    "cat",
    "chmod",
    "dirname",
    "env",
    "find",
    "grep",
    "head",
    "ln",
    "mkdir",
    "mv",
    "paste",
    "rm",
    "sed",
    "sha256sum",
    "tail",
    "tee",
    "touch",
    "true",
    "uname",
)

# Python, pip and the environment that `python -m venv` makes. `NO_CPU_BUILD` is a pip that finds none, `OFFLINE` one
# that can install nothing.
_PYTHON = """#!/bin/sh
case "$*" in
    -V) echo Python 3.12.0 ;;
    "-m venv "*) mkdir -p "$3/bin" && ln -s "$(command -v python3)" "$3/bin/python" && ln -s python "$3/bin/pip" ;;
    "-m pip "*)
        echo "pip $*" >&2
        case "$*" in
            *--dry-run*)
                [ ! "$NO_CPU_BUILD" ] || { echo "ERROR: No matching distribution found for torch" >&2; exit 1; } ;;
            *"-r /dev"*) for last; do :; done; cat "$last" >&2 ;;
            *) [ ! "$OFFLINE" ] || { echo "ERROR: no network" >&2; exit 1; } ;;
        esac ;;
    *%d*version_info*) echo 3.12 ;;
    *version_info*) exit "${TOO_OLD:-0}" ;;
esac
"""
_APT = """#!/bin/sh
echo "apt-get $*" >&2
case "$*" in *--simulate*) printf 'Inst %s [1] (2)\\n' $NEWER ;; esac
"""


class Checkout:
    """A folder with bin/setup and small locks."""

    def __init__(self, folder):
        self.path, self.programs = folder / "checkout", folder / "programs"
        for name in ("bin", "ansible"):
            (self.path / name).mkdir(parents=True)
        self.programs.mkdir()
        shutil.copy(ROOT / "bin/setup", self.path / "bin")
        self._script(self.path / "ansible/setup", "#!/bin/sh\n")
        for name in ("", "-test", "-docs", "-gpu"):
            lock = (
                "setuptools==1 \\\n    --hash=sha256:00\n    # via\ntorch==2.13.0 \\\n    --hash=sha256:00\n    # via\n"
            )
            (self.path / f"requirements{name}.lock").write_text(lock)
        (self.path / "pyproject.toml").write_text("")
        for name in TOOLS:
            (self.programs / name).symlink_to(shutil.which(name))
        self.program("python3", _PYTHON)
        self.program("apt-get", _APT)
        self.program("dpkg-query", "#!/bin/sh\nprintf installed\n")
        self.program("hhsearch", "#!/bin/sh\n")
        self.program("hhblits", "#!/bin/sh\n")

    @staticmethod
    def _script(path, text):
        path.write_text(text)
        path.chmod(0o755)

    def program(self, name, text):
        self._script(self.programs / name, text)

    def setup(self, *options, within=(), **environment):
        """Exit code of bin/setup, and its log: what it and the programs it calls print."""
        command = [*within, shutil.which("bash"), self.path / "bin/setup", *options]
        environment = {"PATH": str(self.programs), **environment}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, cwd=self.path.parent
        )
        self.shown = done.stderr
        return done.returncode, (self.path / "logs/setup.log").read_text()


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


@pytest.fixture
def a_user():
    """How a command is run by somebody who is not root."""
    command = [] if os.geteuid() else [shutil.which("unshare"), "--user", "--map-user=1000"]
    if command and subprocess.run([*command, "/bin/true"], capture_output=True).returncode:
        pytest.skip("this system lets root not become another user here")
    return command


def test_what_installers_print_is_in_the_log_that_is_named_where_one_fails(checkout):
    assert checkout.setup()[0] == 0
    assert len(checkout.shown.splitlines()) < 12 and "pip " not in checkout.shown
    checkout.program("python3", _PYTHON)
    (checkout.path / "requirements.lock").write_text("setuptools==2\ntorch==3\n")
    assert checkout.setup(OFFLINE="1")[0] != 0
    assert "logs/setup.log" in checkout.shown and "ERROR: no network" in checkout.shown
    assert "\033" not in checkout.shown and "\r" not in checkout.shown, "a bar is drawn on terminals only"


def installs(said, lock):
    return [line for line in said.splitlines() if line.startswith("pip ") and lock in line and "--dry-run" not in line]


def test_a_second_setup_installs_nothing(checkout):
    code, said = checkout.setup()
    assert code == 0 and installs(said, "requirements.lock")
    code, said = checkout.setup()
    assert code == 0 and "pip" not in said


def test_the_cpu_build_of_pytorch_is_preferred(checkout):
    code, said = checkout.setup()
    assert code == 0
    assert "torch==2.13.0+cpu" in said
    assert not installs(said, "requirements-gpu.lock")


def test_sizes_are_printed_before_gigabytes_are_downloaded(checkout):
    code, said = checkout.setup(NO_CPU_BUILD="1")
    assert code == 0
    (download,) = installs(said.split("requirements.lock")[0], "requirements-gpu.lock")
    before = said.split(download)[0]
    assert " GB to download" in before and "PIP_FIND_LINKS" in before
    assert "--quiet" not in download, "no progress is shown"


def test_gpu_alone_asks_for_the_gpu_build(checkout):
    code, said = checkout.setup("--gpu")
    assert code == 0
    assert "+cpu" not in said and installs(said, "requirements-gpu.lock")


def test_a_user_who_may_not_install_packages_learns_whom_to_ask(checkout, a_user):
    (checkout.programs / "hhsearch").unlink()
    checkout.program("sudo", "#!/bin/sh\necho 'you are not in the sudoers file' >&2; exit 1\n")
    code, said = checkout.setup(within=a_user)
    assert code == 1
    assert "Ask an administrator to run: apt-get install hhsuite" in said
    assert "universe" not in said and "apt-get -qq" not in said


def test_packages_of_the_tests_are_brought_to_their_newest_version_once_a_day(checkout):
    checkout.program("sudo", '#!/bin/sh\n[ "$1" != -n ] || shift\nexec "$@"\n')
    checkout.setup()
    code, said = checkout.setup("--test")
    assert code == 0
    update, install = (line for line in said.splitlines() if line.startswith("apt-get "))
    assert update.endswith(" update")
    assert {"rsync", "iproute2"} <= set(install.split())
    os.utime(checkout.path / ".venv/.apt-updated", (0, 0))
    assert "update\n" in checkout.setup("--test")[1]
    assert "update\n" not in checkout.setup("--test")[1]


def test_a_user_who_may_not_install_packages_tests_with_what_is_there(checkout, a_user):
    checkout.program("sudo", "#!/bin/sh\nexit 1\n")
    code, said = checkout.setup("--test", within=a_user, NEWER="rsync iproute2")
    assert code == 0
    assert "apt-get install rsync iproute2" in said


def moved(checkout):
    """The checkout, set up and then moved, and a file of its environment."""
    assert checkout.setup()[0] == 0
    checkout.path = checkout.path.rename(checkout.path.with_name("elsewhere"))
    mark = checkout.path / ".venv/mark"
    mark.write_text("")
    return mark


@pytest.mark.parametrize("missing", [{"TOO_OLD": "1"}, {"OFFLINE": "1"}])
def test_a_moved_checkout_keeps_its_environment_until_it_has_a_new_one(checkout, missing):
    mark = moved(checkout)
    assert checkout.setup(**missing)[0] != 0
    assert mark.exists() and not (checkout.path / ".venv.old").exists()


def test_a_moved_checkout_gets_an_environment_of_its_own(checkout):
    mark = moved(checkout)
    code, said = checkout.setup()
    assert code == 0 and installs(said, "requirements.lock")
    assert not mark.exists() and not (checkout.path / ".venv.old").exists()
