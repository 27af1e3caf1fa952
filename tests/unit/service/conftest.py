"""A store of four proteins with a platform beside it; accounts that cost no second of scrypt."""

import pytest
from runfolders import FolderOfRuns

from proteofold.service import accounts, passwords
from proteofold.service.database import open_platform, platform_path
from proteofold.service.uploads import add_upload
from proteofold.store import open_store

FASTA = ">sp|P69905|HBA_HUMAN Hemoglobin OS=Homo sapiens GN=HBA1\nMVLSPADKTN\n>P1 first\nMKV\n>P2\nMKL\n>P3\nMKI\n"
USERS = {name: accounts.User(name, name == "root") for name in ("alice", "bob", "root")}


@pytest.fixture
def results(tmp_path, monkeypatch):
    """The folder of runs of a working folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    return FolderOfRuns(tmp_path)


@pytest.fixture
def store_path(results):
    return results.path / "proteofold.db"


@pytest.fixture
def upload(store_path, tmp_path):
    """Function: upload a text or bytes as alice; returns the Upload."""

    def send(content, name="my.fasta", **options):
        path = tmp_path / "received"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return add_upload(lambda: open_store(store_path), path, name, USERS["alice"], **options)

    return send


@pytest.fixture
def store(store_path, upload):
    """A connection to the store, with four proteins."""
    upload(FASTA)
    conn = open_store(store_path)
    yield conn
    conn.close()


@pytest.fixture
def platform(store_path):
    conn = open_platform(platform_path(store_path))
    yield conn
    conn.close()


@pytest.fixture
def users():
    """Users by name: alice, bob, and root, an administrator."""
    return USERS


@pytest.fixture
def cheap(monkeypatch):
    """Passwords at a thousandth of the cost; what is tested does not depend on it."""
    monkeypatch.setattr(passwords, "_COST", 16)
    monkeypatch.setattr(passwords, "_PARALLEL", 1)
    monkeypatch.setattr(accounts, "NO_PASSWORD", "scrypt$16$8$1$AAAA$-")
