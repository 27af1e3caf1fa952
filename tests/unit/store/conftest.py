"""Run folders, stores beside them, and what a store contains."""

from types import SimpleNamespace

import pytest
from runfolders import SETTINGS, START, FolderOfRuns, make_hit

from proteofold.store import open_store


@pytest.fixture
def results(tmp_path):
    """A folder of runs; ``results.path / 'proteofold.db'`` is where a store would lie."""
    return FolderOfRuns(tmp_path)


@pytest.fixture
def store(results):
    """A connection to an empty store."""
    conn = open_store(results.path / "proteofold.db")
    yield conn
    conn.close()


@pytest.fixture
def rows():
    """Function: all that a store contains, by table; numbers that only name rows are left out."""

    def read(conn):
        reported = {}
        for table, unnamed in {
            "runs": (),
            "protein_results": ("result_id",),
            "proteins": ("number",),
            "hits": (),
            "domains": (),
            "predictions": (),
        }.items():
            columns = [row[1] for row in conn.execute(f"pragma table_xinfo({table})") if row[1] not in unnamed]
            reported[table] = sorted(conn.execute(f"select {', '.join(columns)} from {table}").fetchall(), key=repr)
        return reported

    return read


@pytest.fixture
def make():
    """What tests build from: hits, and the second at which the runs here start."""
    return SimpleNamespace(hit=make_hit, start=START, settings=SETTINGS)
