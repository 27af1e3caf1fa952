"""What several test files need: a stand-in template library, small random networks, and HH-suite where it is."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

from proteofold.run.planning import METHODS, METHODS_VARIABLE
from proteofold.science import hhsuite, library_build
from proteofold.science.weights import WEIGHT_FILES

DATA = Path(__file__).parent / "data"
TEMPLATES = Path(__file__).parents[1] / "config" / "demo" / "templates"

# no deadline: the machine may be busy; no database: nothing is written beside the tests; the same examples each time
settings.register_profile("proteofold", deadline=None, database=None, max_examples=60, derandomize=True)
settings.load_profile("proteofold")

# as in a run, where a prediction has one thread: on a busy machine two that wait for each other take minutes
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser):
    """``--kills 20`` kills runs at more moments than the tests of every day do."""
    parser.addoption("--kills", type=int, default=4, help="random moments at which runs are killed (default: 4)")


def pytest_generate_tests(metafunc):
    """Give a test that kills a run at a random moment its seeds."""
    if "kill_seed" in metafunc.fixturenames:
        metafunc.parametrize("kill_seed", range(metafunc.config.getoption("kills")))


def pytest_runtest_setup(item):
    """Skip what needs hhsearch where it is not installed."""
    if item.get_closest_marker("hhsuite") and not shutil.which("hhsearch"):
        pytest.skip("hhsearch is not installed")


def pytest_make_parametrize_id(val):
    """Name packed bytes by their size: they hold the time, and processes that run tests side by side must agree."""
    return f"{len(val)} bytes of gzip" if isinstance(val, bytes) and val.startswith(b"\x1f\x8b") else None


@pytest.fixture
def data():
    """Folder of the example files."""
    return DATA


@pytest.fixture
def in_rule(monkeypatch):
    """Steps are run as the rules of the workflow run them: an error is one line."""
    monkeypatch.setenv(METHODS_VARIABLE, METHODS)


@pytest.fixture
def make_library():
    """Function that writes the files of a library: profiles have a head, an end and blanks between them."""
    content = {
        "a3m": ">{name}\n{letters}\n",
        "hhm": "HHsearch 1.5\nNAME  {name}\nLENG  {length} match states\n{blanks}\n//\n",
        "cs219": "{letters}",
    }

    def write(prefix, columns):
        Path(prefix).parent.mkdir(parents=True, exist_ok=True)
        for part in hhsuite.PARTS:
            index, data = [], b""
            for name, length in sorted(columns.items()):
                text = content[part].format(name=name, length=length, letters="A" * length, blanks=" " * length)
                # as ffindex_build writes them: each entry ends with a zero byte
                index.append(f"{name}\t{len(data)}\t{len(text) + 1}\n")
                data += text.encode() + b"\0"
            Path(f"{prefix}_{part}.ffindex").write_text("".join(index))
            Path(f"{prefix}_{part}.ffdata").write_bytes(data)
        return str(prefix)

    return write


@pytest.fixture(scope="session")
def tiny_networks(tmp_path_factory):
    """Folder of five random S4PRED networks, small and in half precision like the official ones."""
    import torch

    from proteofold.science import s4pred

    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(1)
    for name in WEIGHT_FILES:
        state = s4pred.Network(embedding=6, hidden=5, layers=3).state_dict()
        # wide enough that states differ along a sequence and no digit stands on an edge
        torch.save({key: (3 * torch.randn_like(value)).half() for key, value in state.items()}, folder / name)
    return folder


@pytest.fixture(scope="session")
def small_library(tmp_path_factory):
    """Prefix of a real library of a few templates of the demo, built with HH-suite."""
    source, prefix = tmp_path_factory.mktemp("templates"), tmp_path_factory.mktemp("library") / "small"
    for name in ("1ERU_A", "2TRX_A", "1EGO_A", "1CRN_A", "4HHB_A", "1MBN_A"):
        shutil.copy(TEMPLATES / f"{name}.a3m", source)
    library_build.build_library(source, prefix)
    return str(prefix)
