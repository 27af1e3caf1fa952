"""What the pages of runs ask the store. Rows are dicts by column."""

import re

from proteofold.store import queries

PAGE_ROWS = 50

# What the list of a run's proteins can show -> which rows. The first six make up the run and overlap nowhere.
SHOWN = {
    "significant": "phase = 'done' and score_mean is not null",
    "weak": "phase = 'done' and score_mean is null and best_hit is not null",
    "none": "phase = 'done' and score_mean is null and best_hit is null",
    "failed": "phase = 'failed'",
    "running": "phase = 'running'",
    "waiting": "phase in ('waiting', 'submitted')",
    "all": "true",
}
PARTS = tuple(SHOWN)[:-1]

# What the list can be sorted by -> column, and whether the largest stand first
SORTS = {
    "evalue": ("best_evalue", False),
    "score": ("best_score", True),
    "length": ("length", True),
    "hits": ("hits", True),
    "cpu": ("cpu_s", True),
    "memory": ("max_rss_mb", True),
    "id": ("query_id", False),
    "position": ("position", False),
}


# What the list of runs can show -> which rows
RUNS_SHOWN = {
    "all": "true",
    "running": "status = 'RUNNING'",
    "waiting": "status = 'QUEUED'",
    "finished": "status = 'SUCCESS'",
    "failed": "status = 'FAILED'",
    "interrupted": "status = 'INTERRUPTED'",
}


def rows(conn, query, *values):
    """The rows of a query."""
    cursor = conn.execute(query, values)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def count(conn, query, *values):
    """The number that a query counts."""
    return conn.execute(query, values).fetchone()[0]


def counts(conn, run):
    """How many proteins of a run are in each of PARTS; they add up to its total. ``run`` is its row."""
    run_id, total = run["run_id"], run["total"]
    phases = queries.phase_counts(conn, run_id)
    done = phases.get("done", 0)
    of_run = "select count(*) from protein_results where run_id = ?"
    # each is answered by an index alone; only finished proteins have such values
    with_hit = min(done, count(conn, f"{of_run} and best_hit is not null", run_id))
    significant = min(with_hit, count(conn, f"{of_run} and score_mean is not null", run_id))
    told = {
        "significant": significant,
        "weak": with_hit - significant,
        "none": done - with_hit,
        "failed": phases.get("failed", 0),
        "running": phases.get("running", 0),
    }
    # a run that is only queued has no rows yet
    return told | {"waiting": max(total - sum(told.values()), 0)}


def newest_runs(conn, limit, offset=0, shown="all", author=None):
    """Runs that go on, then the others, the one started last first; settings left out.

    ``shown`` is one of RUNS_SHOWN; with ``author`` only theirs.
    """
    return rows(
        conn,
        "select run_id, status, date_started, date_resumed, date_finished, duration_s, author, mode, total, succeeded,"
        f" failed, shared from runs where {RUNS_SHOWN[shown]} and (? is null or author = ?)"
        " order by status = 'RUNNING' desc, status = 'QUEUED' desc, date_started desc, run_id limit ? offset ?",
        author,
        author,
        limit,
        offset,
    )


def count_runs(conn, shown="all", author=None):
    """How many runs newest_runs has in all."""
    return count(
        conn, f"select count(*) from runs where {RUNS_SHOWN[shown]} and (? is null or author = ?)", author, author
    )


def authors(conn, limit):
    """Who started runs, by name."""
    query = "select distinct author from runs where author is not null order by author limit ?"
    return [author for (author,) in conn.execute(query, (limit,))]


# rows whose id, best hit, gene, entry name, accession or description has a text in it
_WITH_TEXT = (
    "(protein_results.query_id like :part escape '\\' or best_hit like :part escape '\\' or exists"
    " (select 1 from proteins as named where named.query_id = protein_results.query_id and"
    " (named.gene like :part escape '\\' or named.entry_name like :part escape '\\'"
    " or named.accession like :part escape '\\' or named.description like :part escape '\\')))"
)


def _filter(shown, text):
    """(condition, its values) of a list of a run's proteins."""
    part = re.sub(r"([\\%_])", r"\\\1", text)
    return f"{SHOWN[shown]} and {_WITH_TEXT if text else 'true'}", {"part": f"%{part}%"}


def count_proteins(conn, run_id, shown, text):
    """How many proteins of a run the list has that is filtered by ``shown`` and a text."""
    where, values = _filter(shown, text)
    query = f"select count(*) from protein_results where run_id = :run and {where}"
    return conn.execute(query, values | {"run": run_id}).fetchone()[0]


def proteins_of(conn, run_id, shown="all", sort="evalue", backwards=False, offset=0, *, text="", most=PAGE_ROWS):
    """A page of a run's proteins, ``most`` rows; those without the value that they are sorted by stand last.

    With ``text`` only those that have it in a name, the description or the best hit.
    """
    where, values = _filter(shown, text)
    column, falling = SORTS[sort]
    order = "desc" if falling != backwards else "asc"
    # first which proteins, from as few columns as that takes, then what the page tells of these
    page = conn.execute(
        f"select query_id from protein_results {'join proteins using (query_id)' if column == 'length' else ''}"
        f" where run_id = :run and {where} order by {column} is null, {column} {order}, position"
        " limit :most offset :offset",
        values | {"run": run_id, "most": most, "offset": offset},
    )
    ids = [query_id for (query_id,) in page]
    found = rows(
        conn,
        "select query_id, length, gene, description, phase, attempts, best_hit, best_evalue, best_score, hits, cpu_s,"
        " max_rss_mb, node, step, reason, log, computed_in, started_at, finished_at,"
        " (select probability from hit_rows where result_id = protein_results.result_id and template = best_hit"
        "  order by rank limit 1) as probability"
        " from protein_results join proteins using (query_id)"
        f" where run_id = ? and query_id in ({', '.join('?' * len(ids))})",
        run_id,
        *ids,
    )
    return sorted(found, key=lambda row: ids.index(row["query_id"]))


def reasons(conn, run_id, limit):
    """Steps and reasons of a run's failures, the most frequent first."""
    return rows(
        conn,
        "select step, reason, count(*) as proteins from protein_results where run_id = ? and status = 'FAILED'"
        " group by step, reason order by proteins desc, step, reason limit ?",
        run_id,
        limit,
    )


def measures(conn, run_id):
    """(E-value, score, whether significant, CPU seconds, MB, residues) of each finished protein, None where unknown."""
    return conn.execute(
        "select best_evalue, best_score, score_mean is not null, cpu_s, max_rss_mb, length"
        " from protein_results join proteins using (query_id) where run_id = ? and phase = 'done'",
        (run_id,),
    ).fetchall()
