"""Progress of a running run: its jobs, its pace, the time left. Reads the store only."""

from proteofold.run.progress import SEARCH_BASE_RESIDUES
from proteofold.run.rules import SEARCH
from proteofold.run.states import seconds_of, timestamp
from proteofold.store.queries import find_run, phase_counts

# The pace is that of so many last seconds: long enough for several long searches.
PACE_S = 1800

_PARTS = "count(*) as proteins, ifnull(sum(length), 0) as residues"


def activity(conn, run_id, now, jobs=1000):
    """How a run goes at a time in seconds since 1970, as a dict; NotFoundError if the store has no such run.

    ``status``, ``total``, ``phases`` (phase -> proteins), ``nodes`` (node -> proteins that run there), ``per_hour``
    (proteins finished an hour) and ``seconds_left``, both None if unknown or if the run is over, and ``running``:
    up to so many dicts of query_id, length, node, step, seconds, attempts, the longest running first.
    """
    run = find_run(conn, run_id)
    phases = phase_counts(conn, run_id)
    began = seconds_of(run["date_resumed"] or run["date_started"]) if run["date_started"] else now
    since = max(began, now - PACE_S)
    finished, residues = _sum(conn, run_id, "phase = 'done' and finished_at >= ?", timestamp(since))
    left, residues_left = _sum(conn, run_id, "phase in ('waiting', 'submitted', 'running')")
    elapsed = max(now - since, 1.0)
    pace = (finished * SEARCH_BASE_RESIDUES + residues) / elapsed
    at_work = run["status"] == "RUNNING"
    work_left = left * SEARCH_BASE_RESIDUES + residues_left
    return {
        "run_id": run_id,
        "status": run["status"],
        "total": run["total"],
        "phases": phases,
        "per_hour": round(3600 * finished / elapsed, 1) if finished and at_work else None,
        "seconds_left": round(work_left / pace) if pace and at_work else None,
        "nodes": _nodes(conn, run_id),
        "running": _running(conn, run_id, now, jobs),
    }


def _sum(conn, run_id, condition, *values):
    query = f"select {_PARTS} from protein_results join proteins using (query_id) where run_id = ? and {condition}"
    return conn.execute(query, (run_id, *values)).fetchone()


def _nodes(conn, run_id):
    query = (
        "select ifnull(node, '?'), count(*) from protein_results where run_id = ? and phase = 'running'"
        " group by node order by node"
    )
    return dict(conn.execute(query, (run_id,)))


def _running(conn, run_id, now, jobs):
    rows = conn.execute(
        "select query_id, length, node, ifnull(step, ?), started_at, attempts from protein_results"
        " join proteins using (query_id) where run_id = ? and phase = 'running' order by started_at, query_id limit ?",
        (SEARCH.step, run_id, jobs),
    )
    names = ("query_id", "length", "node", "step", "seconds", "attempts")
    return [
        dict(zip(names, (*row[:4], round(now - seconds_of(row[4])) if row[4] else None, row[5]), strict=True))
        for row in rows
    ]
