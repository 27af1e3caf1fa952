"""Run folders written by the project's own writers, and stores beside them."""

import hashlib
import os
from types import SimpleNamespace

import pytest

from proteofold import hits
from proteofold.fasta import protein_stem
from proteofold.inputs import Query
from proteofold.process import JobLog, Usage, usage_tsv
from proteofold.runs import Run, RunFolder, _assign_batches, _read_members, load_run, write_plan
from proteofold.store import open_store

SETTINGS = {
    "key": "0123456789abcdef",
    "mode": "lean",
    "keep": [],
    "library": {"prefix": "resources/few/few", "templates": 283, "columns": 37049, "longest": 700, "key": "feed"},
    "weights": "config/demo/s4pred",
}

START = 1_790_000_000.0


def make_hit(rank=1, template="1ABC_A", evalue=1e-20, score=150.0, **values):
    values = {"probability": 99.5, "pvalue": 1e-25, "ss_score": 9.7, "aligned_columns": 50} | values
    return hits.Hit(rank, template, f'about "{template}", a; b', evalue=evalue, score=score, **values)


class FolderOfRuns:
    """``results/`` of a working directory."""

    def __init__(self, path):
        self.path = path / "results"

    def plan(self, run_id="demo", proteins=("P1", "P2", "P3"), **settings):
        """Write the plan of a run, as its head does when it starts; proteins are ids, or ids to sequences."""
        sequences = proteins if isinstance(proteins, dict) else dict.fromkeys(proteins, "MKV")
        folder = RunFolder(self.path / run_id)
        queries = [
            Query(name, protein_stem(name), text, hashlib.md5(text.encode()).hexdigest())
            for name, text in sequences.items()
        ]
        history = _read_members(folder.manifest)
        members, batches = _assign_batches(queries, history, history)
        write_plan(Run(folder, members, {"run": run_id} | SETTINGS | settings, batches, history))
        for batch in batches:
            os.utime(folder.batch_fasta(batch), (START, START))
        return load_run(folder.path)

    @staticmethod
    def finish(run, protein, found=None, at=START + 100, node="worker1"):
        """Write the result files of a protein, as its job does."""
        member, folder = run.members[protein], run.folder
        found = [make_hit()] if found is None else found
        files = {
            folder.hits(protein): hits.hits_csv_gz(member.query_id, found),
            folder.out(protein): hits.format_summary(hits.summarise(member.query_id, found)).encode(),
            folder.usage("search_templates", protein): usage_tsv(
                Usage(20.0, 19.5, 300.0, node, run.result_key(member))
            ).encode(),
        }
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            os.utime(path, (at, at))

    @staticmethod
    def fail(run, protein, reason="hhsearch was killed (SIGKILL)"):
        """Leave the log of a job that failed."""
        with JobLog(run.folder.log("search_templates", protein)) as log:
            log.step("search")
            raise ValueError(reason)


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
    """Function: all that a store tells, by table; numbers that only name rows are left out."""

    def read(conn):
        told = {}
        for table, unnamed in {
            "runs": (),
            "protein_results": ("result_id",),
            "proteins": ("number",),
            "hits": (),
        }.items():
            columns = [row[1] for row in conn.execute(f"pragma table_xinfo({table})") if row[1] not in unnamed]
            told[table] = sorted(conn.execute(f"select {', '.join(columns)} from {table}").fetchall(), key=repr)
        return told

    return read


@pytest.fixture
def make():
    """What tests build from: hits, and the second at which the runs here start."""
    return SimpleNamespace(hit=make_hit, start=START, settings=SETTINGS)
