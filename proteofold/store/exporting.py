"""A run of the store as files for other programs: CSV, JSON lines or Parquet. Rows are streamed."""

import csv
import json
from pathlib import Path

from proteofold.store.queries import find_run
from proteofold.system.errors import UserError
from proteofold.system.files import replacing, write_aside

FORMATS = ("csv", "jsonl", "parquet")

_ROWS_AT_ONCE = 20_000

# file -> (the table its columns are of, those left out, where its rows come from); in the order of the input
_TABLES = {
    "proteins": (
        "proteins",
        {"number"},
        "from protein_results as own join proteins as rows using (query_id) where own.run_id = ? order by own.position",
    ),
    "protein_results": (
        "protein_results",
        {"result_id"},
        "from protein_results as rows where run_id = ? order by position",
    ),
    "hits": (
        "hits",
        set(),
        "from protein_results as own"
        " cross join hits as rows on (rows.run_id, rows.query_id) = (own.run_id, own.query_id)"
        " where own.run_id = ? order by own.position, rows.rank",
    ),
    "domains": (
        "domains",
        set(),
        "from protein_results as own"
        " cross join domains as rows on (rows.run_id, rows.query_id) = (own.run_id, own.query_id)"
        " where own.run_id = ? order by own.position, rows.number",
    ),
}


def export_run(conn, run_id, folder, format="csv"):
    """Write proteins, protein_results, hits and domains of a run, and run.json with the run itself; returns the paths.

    What has no value is an empty field in CSV, null in the others. Raises UserError if there is no such run, or no
    pyarrow for Parquet.
    """
    write = {"csv": _write_csv, "jsonl": _write_jsonl, "parquet": _write_parquet}[format]
    run = find_run(conn, run_id)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, (table, left_out, rows_from) in _TABLES.items():
        types = {row[1]: row[2] for row in conn.execute(f"pragma table_xinfo({table})") if row[1] not in left_out}
        rows = conn.execute(f"select {', '.join(f'rows.{column}' for column in types)} {rows_from}", (run_id,))
        paths.append(folder / f"{name}.{format}")
        with replacing(paths[-1]) as aside:
            write(aside, types, rows)
    paths.append(folder / "run.json")
    write_aside(paths[-1], json.dumps(run, indent=2, ensure_ascii=False) + "\n")
    return paths


def _write_csv(path, types, rows):
    with open(path, "w", encoding="utf-8", newline="") as handle:
        table = csv.writer(handle, lineterminator="\n")
        table.writerow(types)
        table.writerows(rows)


def _write_jsonl(path, types, rows):
    with open(path, "w", encoding="utf-8") as handle:
        for row in rows:
            handle.write(json.dumps(dict(zip(types, row, strict=True)), ensure_ascii=False) + "\n")


def _write_parquet(path, types, rows):
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UserError(
            "Parquet needs the package pyarrow: install it beside proteofold (pip install pyarrow), or take csv or "
            "jsonl, which every table program reads."
        ) from None
    kinds = {"INTEGER": pyarrow.int64(), "REAL": pyarrow.float64()}
    schema = pyarrow.schema([(name, kinds.get(kind, pyarrow.string())) for name, kind in types.items()])
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        while chunk := rows.fetchmany(_ROWS_AT_ONCE):
            columns = [
                pyarrow.array(values, kind) for values, kind in zip(zip(*chunk, strict=True), schema.types, strict=True)
            ]
            writer.write_batch(pyarrow.record_batch(columns, schema=schema))
