"""What the pages of runs ask the store. Rows are dicts by column."""

import re
from dataclasses import dataclass

from proteofold.science.verdict import COVERAGE_CLASSES
from proteofold.store import queries
from proteofold.store.database import dicts

PAGE_ROWS = 50

# What the list of a run's proteins can show -> which rows. The first seven make up the run and overlap nowhere.
SHOWN = {
    **{name: f"coverage_class = '{name}'" for name in COVERAGE_CLASSES},
    "unknown": "phase = 'done' and coverage_class is null",  # a store of before, until the run is imported again
    "failed": "phase = 'failed'",
    "running": "phase = 'running'",
    "waiting": "phase in ('waiting', 'submitted')",
    "all": "true",
    "significant": "coverage_class in ('covered', 'partly')",
    "weak": "coverage_class = 'dark' and best_hit is not null",
    "none": "phase = 'done' and best_hit is null",
}
PARTS = tuple(SHOWN)[:7]

# What the list can be sorted by -> column, and whether the largest stand first
SORTS = {
    "evalue": ("best_evalue", False),
    "coverage": ("coverage", True),
    "domains": ("domains", True),
    "length": ("length", True),
    "score": ("best_score", True),
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


def rows(conn, query, *values, **named):
    """The rows of a query with values in order, or named."""
    return dicts(conn, query, named or values)


def count(conn, query, *values):
    """The number that a query counts."""
    return conn.execute(query, values).fetchone()[0]


def counts(conn, run):
    """How many proteins of a run are in each of PARTS; they add up to its total. ``run`` is its row."""
    run_id, total = run["run_id"], run["total"]
    # both are answered by an index alone; only finished proteins have a class
    phases = queries.phase_counts(conn, run_id)
    classes = dict(
        conn.execute(
            "select coverage_class, count(*) from protein_results where run_id = ? and coverage_class is not null"
            " group by coverage_class",
            (run_id,),
        )
    )
    by_class = {name: classes.get(name, 0) for name in COVERAGE_CLASSES}
    by_class["unknown"] = max(phases.get("done", 0) - sum(by_class.values()), 0)
    by_class |= {"failed": phases.get("failed", 0), "running": phases.get("running", 0)}
    # a run that is only queued has no rows yet
    return by_class | {"waiting": max(total - sum(by_class.values()), 0)}


def newest_runs(conn, limit, offset=0, shown="all", author=None):
    """Runs in progress, then the others, the one started last first; settings left out.

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


# Names and descriptions lie in another table than the results: reading it in its own order takes a third of the time of
# a look-up for each result.
_NAMES = " or ".join(
    rf"{name} like :part escape '\'" for name in ("query_id", "gene", "entry_name", "accession", "description")
)
_WITH_TEXT = (
    f"(query_id in (select query_id from proteins where {_NAMES}) or best_hit in"
    r" (select best_hit from protein_results where run_id = :run and best_hit like :part escape '\'))"
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which proteins of a run are meant: one of SHOWN, those with a text in a name, the description or the best hit,
    those with a domain of a template, and those with a domain of a node of CATH: a superfamily, fold, or above."""

    shown: str = "all"
    text: str = ""
    template: str = ""
    node: str = ""

    @property
    def is_part(self):
        """Whether it only chooses one of PARTS, or all: how many these are is counted already."""
        return not (self.text or self.template or self.node) and self.shown in (*PARTS, "all")

    @property
    def sql(self):
        """(condition, its values)."""
        conditions = [SHOWN[self.shown]]
        if self.text:
            conditions.append(_WITH_TEXT)
        if self.template:
            conditions.append("result_id in (select result_id from domain_rows where template = :template)")
        if self.node:
            conditions.append(
                "result_id in (select result_id from domain_rows"
                " where superfamily = :node or (superfamily > :below and superfamily < :beyond))"
            )
        part = re.sub(r"([\\%_])", r"\\\1", self.text)
        values = {"part": f"%{part}%", "template": self.template, "node": self.node}
        # the codes of what belongs to a node begin with its own and a dot; "/" follows the dot
        return " and ".join(conditions), values | {"below": f"{self.node}.", "beyond": f"{self.node}/"}


def ids_of(conn, run_id, chosen, sort="position", backwards=False, offset=0, most=-1):
    """The ids of the proteins of a run that a Filter leaves; those without the value that they are sorted by are last.

    ``most`` of them, all where it is -1.
    """
    where, values = chosen.sql
    column, falling = SORTS[sort]
    order = "desc" if falling != backwards else "asc"
    # from as few columns as that takes
    found = conn.execute(
        f"select query_id from protein_results {'join proteins using (query_id)' if column == 'length' else ''}"
        f" where run_id = :run and {where} order by {column} is null, {column} {order}, position"
        " limit :most offset :offset",
        values | {"run": run_id, "most": most, "offset": offset},
    )
    return [query_id for (query_id,) in found]


def proteins_of(conn, run_id, ids):
    """What a page shows of some proteins of a run, in their order; ``spans`` are their domains."""
    found = rows(
        conn,
        "select query_id, result_id, length, gene, description, phase, attempts, best_hit, best_evalue, best_score,"
        " coverage_class, domains, coverage, hits, cpu_s, max_rss_mb, node, step, reason, log, computed_in, started_at,"
        " finished_at, (select probability from hit_rows where result_id = protein_results.result_id"
        "  and template = best_hit order by rank limit 1) as probability,"
        " (select secondary_structure from predictions where weights = runs.weights"
        "  and md5 = protein_results.md5) as states"
        " from protein_results join proteins using (query_id) join runs using (run_id)"
        f" where run_id = ? and query_id in ({', '.join('?' * len(ids))})",
        run_id,
        *ids,
    )
    spans = _spans(conn, run_id, [row["result_id"] for row in found])
    for row in found:
        row["spans"] = spans.get(row.pop("result_id"), [])
        states = row.pop("states") or ""
        row["structure"] = {name: states.count(letter) / len(states) for name, letter in _STATES} if states else {}
    place = {query_id: number for number, query_id in enumerate(ids)}
    return sorted(found, key=lambda row: place[row["query_id"]])


_STATES = (("helix", "H"), ("strand", "E"), ("coil", "C"))


def _spans(conn, run_id, result_ids):
    """result id -> its domains: template and its description, first and last residue, superfamily."""
    found = {}
    for row in rows(
        conn,
        "select result_id, domain_rows.template, description, query_start, query_end, superfamily,"
        " name as superfamily_name from domain_rows left join cath_nodes on code = superfamily"
        " left join templates on templates.library_key = (select library_key from runs where run_id = ?)"
        " and templates.template = domain_rows.template"
        f" where result_id in ({', '.join('?' * len(result_ids))}) order by result_id, number",
        run_id,
        *result_ids,
    ):
        found.setdefault(row.pop("result_id"), []).append(row)
    return found


def top_templates(conn, run_id, limit):
    """The templates of most domains of a run, with their description and how many proteins have one."""
    return rows(
        conn,
        "select found.template, description, proteins, found.domains from ("
        "  select template, count(distinct domain_rows.result_id) as proteins, count(*) as domains"
        "  from protein_results join domain_rows using (result_id) where run_id = :run and protein_results.domains > 0"
        "  group by template order by domains desc, template limit :most) as found"
        " left join templates on templates.library_key = (select library_key from runs where run_id = :run)"
        " and templates.template = found.template order by found.domains desc, found.template",
        run=run_id,
        most=limit,
    )


# The code of the fold of a superfamily: without its last number.
_FOLD = "rtrim(rtrim(superfamily, '0123456789'), '.')"


def classes(conn, run_id, limit):
    """What CATH says of the domains of a run.

    A dict: ``known`` domains were looked up, of which ``classified`` have a superfamily; ``superfamilies`` and
    ``folds`` are how many there are, ``top_superfamilies`` and ``top_folds`` those of most domains, with code, name,
    domains and proteins.
    """
    of_run = "from protein_results join domain_rows using (result_id) where run_id = ? and protein_results.domains > 0"
    (known, classified) = conn.execute(
        f"select count(superfamily), count(nullif(superfamily, '')) {of_run}", (run_id,)
    ).fetchone()
    found = {"known": known, "classified": classified}
    for kind, code in (("superfamilies", "superfamily"), ("folds", _FOLD)):
        nodes = rows(
            conn,
            f"select {code} as code, count(*) as domains, count(distinct result_id) as proteins {of_run}"
            " and superfamily <> '' group by 1 order by 2 desc, 1",
            run_id,
        )
        top = nodes[:limit]
        for node in top:
            node["name"] = _name_of(conn, node["code"])
        found |= {kind: len(nodes), f"top_{kind}": top}
    return found


def _name_of(conn, code):
    """The name of a node of CATH, '' where it has none."""
    row = conn.execute("select name from cath_nodes where code = ?", (code,)).fetchone()
    return row[0] if row else ""


def reasons(conn, run_id, limit):
    """Steps and reasons of a run's failures, the most frequent first."""
    return rows(
        conn,
        "select step, reason, count(*) as proteins from protein_results where run_id = ? and status = 'FAILED'"
        " group by step, reason order by proteins desc, step, reason limit ?",
        run_id,
        limit,
    )


# of each finished protein, None where unknown
MEASURES = (
    *("best_evalue", "best_score", "cpu_s", "max_rss_mb", "length", "coverage"),
    *("protein_results.domains", "coverage_class"),
)


def measures(conn, run_id):
    """The values of MEASURES of each finished protein."""
    return conn.execute(
        f"select {', '.join(MEASURES)}"
        " from protein_results join proteins using (query_id) where run_id = ? and phase = 'done'",
        (run_id,),
    ).fetchall()
