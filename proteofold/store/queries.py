"""What the command line asks the store. Rows are dicts by column, values as stored."""

import json

from proteofold.store.database import dicts
from proteofold.system.errors import UserError


class NotFoundError(UserError):
    """Nothing of that name is in the store."""


def _rows(conn, query, *values):
    return dicts(conn, query, values)


def list_runs(conn):
    """All runs, the newest first; settings left out."""
    return [
        {name: value for name, value in run.items() if name != "settings"}
        for run in _rows(conn, "select * from runs order by date_started desc, run_id")
    ]


def find_run(conn, run_id):
    """A run, with its settings; NotFoundError if there is none."""
    rows = _rows(conn, "select * from runs where run_id = ?", run_id)
    if not rows:
        near = [name for (name,) in conn.execute("select run_id from runs order by date_started desc limit 5")]
        raise NotFoundError(f"no run {run_id!r} in the store. Newest runs: {', '.join(near) or 'none'}.")
    return rows[0] | {"settings": json.loads(rows[0]["settings"] or "null")}


def phase_counts(conn, run_id):
    """How many proteins of a run are in each phase that has any."""
    return dict(conn.execute("select phase, count(*) from protein_results where run_id = ? group by phase", (run_id,)))


def best_results(conn, run_id, limit):
    """The proteins of a run with the smallest E-values."""
    return _rows(
        conn,
        "select query_id, best_hit, best_evalue, best_score, hits from protein_results"
        " where run_id = ? and best_evalue is not null order by best_evalue, position limit ?",
        run_id,
        limit,
    )


def failures(conn, run_id, limit):
    """Failed proteins of a run, in the order of the input."""
    return _rows(
        conn,
        "select query_id, step, reason, log, node, attempts from protein_results"
        " where run_id = ? and status = 'FAILED' order by position limit ?",
        run_id,
        limit,
    )


def proteins_of(conn, ids):
    """The proteins of some ids, in that order; ids that are not in the store are left out."""
    marks = ", ".join("?" * len(ids))
    rows = {row["query_id"]: row for row in _rows(conn, f"select * from proteins where query_id in ({marks})", *ids)}
    return [
        {key: value for key, value in rows[query_id].items() if key != "number"} for query_id in ids if query_id in rows
    ]


def results_of(conn, query_id):
    """The results of a protein, the newest run first."""
    rows = _rows(
        conn,
        "select protein_results.*, search from protein_results join runs using (run_id) where query_id = ?"
        " order by runs.date_started desc",
        query_id,
    )
    return [{key: value for key, value in row.items() if key != "result_id"} for row in rows]


def hits_of(conn, run_id, query_id, limit):
    """The first hits of a protein in a run."""
    return _rows(
        conn, "select * from hits where run_id = ? and query_id = ? order by rank limit ?", run_id, query_id, limit
    )


def superfamilies_of(conn, run_id, query_id):
    """(code, name) of the superfamily of each domain of a protein in a run, '' without; [] where none is known."""
    found = conn.execute(
        "select superfamily, coalesce(superfamily_name, '') from domains where run_id = ? and query_id = ?"
        " order by number",
        (run_id, query_id),
    ).fetchall()
    return found if all(code is not None for code, _ in found) else []


def computed_elsewhere(conn, run_id):
    """Which other runs computed results of a run: run -> proteins, most first."""
    return dict(
        conn.execute(
            "select computed_in, count(*) from protein_results"
            " where run_id = ? and computed_in <> run_id group by computed_in order by 2 desc, 1",
            (run_id,),
        )
    )


def prediction_of(conn, run_id, query_id):
    """What was predicted for a protein in a run, as a row of ``predictions``; None if nothing is known."""
    query = (
        "select predictions.* from protein_results join runs using (run_id)"
        " join predictions on (predictions.weights, predictions.md5) = (runs.weights, protein_results.md5)"
        " where run_id = ? and query_id = ?"
    )
    return next(iter(_rows(conn, query, run_id, query_id)), None)
