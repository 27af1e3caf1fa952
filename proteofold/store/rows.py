"""Writing the rows of a run; each function works inside a transaction that the caller began."""

import json
from functools import cache

from proteofold.plan.efficiency import read_efficiency
from proteofold.run.states import timestamp
from proteofold.store.results import (
    DOMAIN_ROW_COLUMNS,
    HIT_ROW_COLUMNS,
    PREDICTION_COLUMNS,
    RESULT_COLUMNS,
    run_id_of,
)
from proteofold.system.words import without_folders

_KEY = ("run_id", "query_id")
_WRITTEN = ("result_id", *RESULT_COLUMNS)
_MD5 = RESULT_COLUMNS.index("md5")

# a statement that may update keeps a copy of each page that it touches, which takes longer than the writing itself
ADD_RESULT = f"insert into protein_results ({', '.join(_WRITTEN)}) values ({', '.join('?' * len(_WRITTEN))})"
WRITE_RESULT = f"{ADD_RESULT} on conflict ({', '.join(_KEY)}) do update set " + ", ".join(
    f"{name} = excluded.{name}" for name in _WRITTEN if name not in _KEY
)
_WRITE_DOMAIN = (
    f"insert or ignore into domain_rows (result_id, {', '.join(DOMAIN_ROW_COLUMNS)})"
    f" values (?, {', '.join('?' * len(DOMAIN_ROW_COLUMNS))})"
)
_WRITE_TEMPLATE = "insert into templates (library_key, template, description) values (?, ?, ?) on conflict do nothing"
_WRITE_NODE = (
    "insert into cath_nodes (code, name) values (?, ?)"
    " on conflict (code) do update set name = excluded.name where name <> excluded.name"
)

# The same sequence and weights give the same prediction: what is there already is not written again.
_NEW_PREDICTION = ", ".join(f"coalesce(excluded.{name}, {name})" for name in PREDICTION_COLUMNS)
_WRITE_PREDICTION = (
    f"insert into predictions (weights, md5, {', '.join(PREDICTION_COLUMNS)}) values (?, ?, ?, ?)"
    f" on conflict (weights, md5) do update set ({', '.join(PREDICTION_COLUMNS)}) = ({_NEW_PREDICTION})"
    f" where ({_NEW_PREDICTION}) is not ({', '.join(PREDICTION_COLUMNS)})"
)


def write_hits(conn, library_key, results, known=()):
    """Write the hits and domains of (result_id, Result) pairs, nodes of CATH, and templates that are not in ``known``.

    Returns the templates that were written.
    """
    new, nodes, domains = {}, {}, []
    for result_id, result in results:
        domains += [(result_id, *row) for row in result.domains]
        nodes |= result.nodes
        if result.hits:
            conn.execute(_write_hits(len(result.hits) // len(HIT_ROW_COLUMNS)), (result_id, *result.hits))
        for template in result.descriptions.keys() - known:
            new[template] = result.descriptions[template]
    conn.executemany(_WRITE_DOMAIN, domains)
    conn.executemany(_WRITE_TEMPLATE, [(library_key, *entry) for entry in new.items()])
    conn.executemany(_WRITE_NODE, nodes.items())
    return new.keys()


@cache
def _write_hits(count):
    """The statement that writes so many hits of a result; its values are the result id, then those of the hits.

    One statement for all takes half the time of one a hit. ``or ignore``, because one that may fail in its middle
    keeps a copy of every page it touches.
    """
    width = len(HIT_ROW_COLUMNS)
    rows = ", ".join([f"({', '.join('?' * width)})"] * count)
    return (
        f"insert or ignore into hit_rows (result_id, {', '.join(HIT_ROW_COLUMNS)})"
        f" with result (id) as (select ?) select result.id, hit.* from result, (values {rows}) as hit"
    )


def write_predictions(conn, weights, predictions):
    """Write the predictions of (md5, values of PREDICTION_COLUMNS) pairs, but for those of which nothing is known."""
    rows = [(weights, md5, *values) for md5, values in predictions if any(values)]
    conn.executemany(_WRITE_PREDICTION, rows)


def new_result_ids(conn, count):
    """The first of ``count`` result ids that were never used."""
    (after,) = conn.execute("update next_result set result_id = result_id + ? returning result_id", (count,)).fetchone()
    return after - count


def write_rows(conn, run, rows):
    """Write (row of RESULT_COLUMNS, Result or None) pairs: what stood in their places goes, hits too."""
    known = "select result_id from protein_results where run_id = ? and query_id = ?"
    ids = [conn.execute(known, row[:2]).fetchone() for row, _ in rows]
    fresh = new_result_ids(conn, ids.count(None))
    written = []
    for found, (row, result) in zip(ids, rows, strict=True):
        if found is None:
            found, fresh = (fresh,), fresh + 1
        written.append((found[0], row, result))
    for table in ("hit_rows", "domain_rows"):
        conn.executemany(f"delete from {table} where result_id = ?", [found for found in ids if found])
    conn.executemany(WRITE_RESULT, [(result_id, *row) for result_id, row, _ in written])
    found = [(result_id, row, result) for result_id, row, result in written if result]
    write_hits(conn, run.settings["library"]["key"], ((result_id, result) for result_id, _, result in found))
    write_predictions(conn, run.settings["predictions"], ((row[_MD5], result.prediction) for _, row, result in found))


def write_run(conn, run, history, ended):
    """Write the row of a run, without its counts; ``ended`` is None while it runs. Inside a transaction."""
    has_journal = history.last_start is not None
    efficiency = read_efficiency(run.folder.path) if ended else None
    row = {
        "run_id": run_id_of(run),
        "status": ended or "RUNNING",
        "date_started": history.date_started,
        "date_resumed": history.date_resumed,
        "date_finished": timestamp(history.last_at) if ended and has_journal else None,
        "duration_s": (history.duration_s if ended else history.worked_s) if has_journal else None,
        "author": history.author,
        "efficiency": efficiency.part if efficiency else None,
        # read by all readers of the site
        "settings": without_folders(json.dumps(run.settings, ensure_ascii=False)),
    }
    conn.execute(
        f"insert into runs ({', '.join(row)}) values ({', '.join(f':{name}' for name in row)})"
        f" on conflict (run_id) do update set {', '.join(f'{name} = excluded.{name}' for name in row)}",
        row,
    )


def count_run(conn, run_id):
    """Bring the counts and mean statistics of a run up to date. Inside a transaction.

    A run that succeeded has failed since if a result is damaged or gone.
    """
    # both are answered by an index alone: this is asked with every batch of events
    by_phase = "select phase, count(*) from protein_results where run_id = ? group by phase"
    shared = "select count(*) from protein_results where run_id = ? and computed_in <> run_id"
    phases = dict(conn.execute(by_phase, (run_id,)))
    counts = (sum(phases.values()), phases.get("done", 0), phases.get("failed", 0))
    conn.execute(
        "update runs set total = ?, succeeded = ?, failed = ?, shared = ?, score_std = null, score_gmean = null,"
        " status = iif(status = 'SUCCESS' and ?, 'FAILED', status) where run_id = ?",
        (*counts, conn.execute(shared, (run_id,)).fetchone()[0], phases.get("failed", 0), run_id),
    )
    (status,) = conn.execute("select status from runs where run_id = ?", (run_id,)).fetchone()
    if status != "RUNNING":
        means = [_mean(conn, run_id, name) for name in ("score_std", "score_gmean")]
        conn.execute("update runs set score_std = ?, score_gmean = ? where run_id = ?", (*means, run_id))


def _mean(conn, run_id, name):
    """The mean over the proteins that have a value, added up and rounded as in profile_output.csv; None without any."""
    values = conn.execute(
        f"select {name} from protein_results where run_id = ? and phase = 'done' and {name} is not null"
        " order by position",
        (run_id,),
    )
    total, count = 0.0, 0
    for (value,) in values:
        total, count = total + value, count + 1
    return float(f"{total / count:.2f}") if count else None
