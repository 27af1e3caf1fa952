"""Runs as files: each format reads back as what the store holds."""

import csv
import json
import sys

import pytest

from proteofold.store import export_run, import_run
from proteofold.store.queries import NotFoundError
from proteofold.system.errors import UserError


@pytest.fixture
def run_id(store, results, make):
    """A run with odd ids, a protein without hits and one that failed."""
    run = results.plan(proteins=["007", "a,\"b'", "蛋白质", "none", "bad"])
    for protein, query_id in [(member.protein, member.query_id) for member in run.members.values()]:
        found = [] if query_id == "none" else [make.hit(), make.hit(2, "2X,Y_B", 1e-300, -1.5)]
        if query_id != "bad":
            results.finish(run, protein, found)
    (run.folder.path / "failed.csv").write_text("")
    return import_run(store, run.folder.path)


@pytest.fixture
def stored(store):
    """Function: the rows of a table as dicts, in the order of the input."""

    def read(table):
        order = "(select position from protein_results where query_id = rows.query_id)"
        cursor = store.execute(f"select * from {table} as rows order by {order}" + (", rank" * (table == "hits")))
        names = [column[0] for column in cursor.description]
        unnamed = {"proteins": {"number"}, "protein_results": {"result_id"}}.get(table, set())
        rows = [dict(zip(names, row, strict=True)) for row in cursor]
        return [{name: value for name, value in row.items() if name not in unnamed} for row in rows]

    return read


TABLES = {"proteins": 5, "protein_results": 5, "hits": 6, "domains": 3}


def test_csv_reads_back_equal(store, run_id, stored, tmp_path):
    export_run(store, run_id, tmp_path / "out", "csv")
    for table, count in TABLES.items():
        with open(tmp_path / "out" / f"{table}.csv", newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
        expected = [{k: "" if v is None else str(v) for k, v in row.items()} for row in stored(table)]
        assert rows == expected
        assert len(rows) == count


def test_json_lines_read_back_equal(store, run_id, stored, tmp_path):
    export_run(store, run_id, tmp_path, "jsonl")
    for table in TABLES:
        lines = (tmp_path / f"{table}.jsonl").read_text(encoding="utf-8").split("\n")
        assert [json.loads(line) for line in lines[:-1]] == stored(table)


def test_parquet_reads_back_equal(store, run_id, stored, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    export_run(store, run_id, tmp_path, "parquet")
    for table in TABLES:
        assert parquet.read_table(tmp_path / f"{table}.parquet").to_pylist() == stored(table)


def test_parquet_without_pyarrow_names_what_to_install(store, run_id, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match="pip install pyarrow"):
        export_run(store, run_id, tmp_path, "parquet")
    assert not list(tmp_path.glob("*.parquet*")) and not list(tmp_path.glob(".*.part"))


def test_run_is_exported_with_its_settings(store, run_id, tmp_path, make):
    paths = export_run(store, run_id, tmp_path)
    assert [path.name for path in paths] == [*(f"{table}.csv" for table in TABLES), "run.json"]
    run = json.loads((tmp_path / "run.json").read_text())
    assert (run["total"], run["failed"], run["settings"]["library"]) == (5, 1, make.settings["library"])


def test_unknown_run_is_not_found(store, tmp_path):
    with pytest.raises(NotFoundError, match="no run 'x'"):
        export_run(store, "x", tmp_path / "out")
    assert not (tmp_path / "out").exists()
