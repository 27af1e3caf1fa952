"""The tables of the store, as a list of migrations. docs/store.md explains each column.

A new version of the schema is one more entry of MIGRATIONS; entries that were released are never changed.
"""

from proteofold.system.errors import UserError

# protein_results.phase -> the status that is made of it
PHASES = {"waiting": "PENDING", "submitted": "PENDING", "running": "RUNNING", "done": "SUCCESS", "failed": "FAILED"}
ACTIVE = ("QUEUED", "RUNNING")  # of runs that have not ended
RUN_STATUSES = (*ACTIVE, "SUCCESS", "FAILED", "INTERRUPTED")

_STATUS_OF_PHASE = " ".join(f"when '{phase}' then '{status}'" for phase, status in PHASES.items())
_PHASE_IS_KNOWN = ", ".join(f"'{phase}'" for phase in PHASES)
_STATUS_IS_KNOWN = ", ".join(f"'{status}'" for status in RUN_STATUSES)
_SEARCHED = ("query_id", "accession", "entry_name", "gene", "description")
_SEARCHED_COLUMNS = ", ".join(_SEARCHED)
_OLD, _NEW = (", ".join(f"{row}.{name}" for name in _SEARCHED) for row in ("old", "new"))

# Every table is strict: a number that is no number is an error where it is written, not where it is read. Tables
# without rowid are kept in the order of their key, so that the rows of a run, or of a protein, lie together.
_FIRST = (
    """
    create table proteins (
        query_id text not null primary key,
        -- names the row in the search index: unlike a rowid it outlives VACUUM
        number integer not null unique,
        accession text,
        entry_name text,
        description text,
        gene text,
        organism text,
        length integer not null,
        sequence text,
        md5 text not null,
        added_at text not null,
        source text not null
    ) strict
    """,
    *(
        f"create index proteins_{name} on proteins ({name})"
        for name in ("accession", "entry_name", "gene", "organism", "length", "md5")
    ),
    # words, not trigrams: a third of the size (4 against 14 MB for 41,339 proteins), and finds genes of two letters
    f"""
    create virtual table proteins_fts using fts5(
        {_SEARCHED_COLUMNS}, content='proteins', content_rowid='number', tokenize='unicode61 remove_diacritics 2'
    )
    """,
    f"""
    create trigger proteins_added after insert on proteins begin
        insert into proteins_fts (rowid, {_SEARCHED_COLUMNS}) values (new.number, {_NEW});
    end
    """,
    f"""
    create trigger proteins_removed after delete on proteins begin
        insert into proteins_fts (proteins_fts, rowid, {_SEARCHED_COLUMNS}) values ('delete', old.number, {_OLD});
    end
    """,
    f"""
    create trigger proteins_changed after update of number, {_SEARCHED_COLUMNS} on proteins begin
        insert into proteins_fts (proteins_fts, rowid, {_SEARCHED_COLUMNS}) values ('delete', old.number, {_OLD});
        insert into proteins_fts (rowid, {_SEARCHED_COLUMNS}) values (new.number, {_NEW});
    end
    """,
    f"""
    create table runs (
        run_id text not null primary key,
        status text not null check (status in ({_STATUS_IS_KNOWN})),
        date_started text,
        date_resumed text,
        date_finished text,
        duration_s real,
        author text,
        settings text check (settings is null or json_valid(settings)),
        search text generated always as (json_extract(settings, '$.search')) stored,
        weights text generated always as (json_extract(settings, '$.predictions')) stored,
        library_key text generated always as (json_extract(settings, '$.library.key')) stored,
        mode text generated always as (json_extract(settings, '$.mode')) stored,
        total integer not null default 0,
        succeeded integer not null default 0,
        failed integer not null default 0,
        shared integer not null default 0,
        score_std real,
        score_gmean real
    ) strict
    """,
    *(
        f"create index runs_{name} on runs ({name})"
        for name in ("status", "date_started", "author", "search", "weights", "library_key", "mode")
    ),
    f"""
    create table protein_results (
        run_id text not null references runs (run_id) on delete cascade,
        query_id text not null references proteins (query_id),
        -- names the rows of hit_rows: a tenth of the bytes of run_id and query_id, fifty times a protein
        result_id integer not null unique,
        position integer not null,
        md5 text not null,
        entry text not null,
        phase text not null check (phase in ({_PHASE_IS_KNOWN})),
        status text not null generated always as (case phase {_STATUS_OF_PHASE} end) virtual,
        attempts integer not null default 0,
        best_hit text,
        best_evalue real,
        best_score real,
        score_mean real,
        score_std real,
        score_gmean real,
        hits integer,
        node text,
        cpu_s real,
        max_rss_mb real,
        computed_in text,
        step text,
        reason text,
        log text,
        started_at text,
        finished_at text,
        updated_at text,
        primary key (run_id, query_id)
    ) strict, without rowid
    """,
    *(
        f"create index protein_results_run_id_{name} on protein_results (run_id, {name})"
        for name in (
            *("position", "status", "phase", "best_hit", "best_evalue", "best_score", "score_mean"),
            *("hits", "node", "cpu_s", "max_rss_mb"),
        )
    ),
    "create index protein_results_query_id on protein_results (query_id)",
    "create index protein_results_best_hit on protein_results (best_hit) where best_hit is not null",
    "create index protein_results_step on protein_results (run_id, step) where step is not null",
    # of the results that a run shares only
    "create index protein_results_computed_in on protein_results (run_id, computed_in) where computed_in <> run_id",
    # whether a sequence was predicted with other settings, too
    "create index protein_results_md5 on protein_results (md5) where phase = 'done'",
    # a description is two thirds of a hit's row, and the same in each of thousands of rows
    """
    create table templates (
        library_key text not null,
        template text not null,
        description text not null,
        primary key (library_key, template)
    ) strict, without rowid
    """,
    "create index templates_template on templates (template)",
    # without references: an import writes hits first, then the rows that make them visible
    """
    create table hit_rows (
        result_id integer not null,
        rank integer not null,
        template text not null,
        probability real,
        evalue real,
        pvalue real,
        score real,
        ss_score real,
        aligned_columns integer,
        query_start integer,
        query_end integer,
        template_start integer,
        template_end integer,
        template_length integer,
        primary key (result_id, rank)
    ) strict, without rowid
    """,
    "create index hit_rows_template on hit_rows (template)",
    """
    create trigger protein_results_removed after delete on protein_results begin
        delete from hit_rows where result_id = old.result_id;
    end
    """,
    """
    create view hits as
    select protein_results.run_id, protein_results.query_id, hit_rows.rank, hit_rows.template, templates.description,
        hit_rows.probability, hit_rows.evalue, hit_rows.pvalue, hit_rows.score, hit_rows.ss_score,
        hit_rows.aligned_columns, hit_rows.query_start, hit_rows.query_end, hit_rows.template_start,
        hit_rows.template_end, hit_rows.template_length
    from hit_rows
    join protein_results on protein_results.result_id = hit_rows.result_id
    join runs on runs.run_id = protein_results.run_id
    left join templates on templates.library_key = runs.library_key and templates.template = hit_rows.template
    """,
    # result ids are given out here, so that an import and a run never get the same
    "create table next_result (result_id integer not null) strict",
    "insert into next_result values (1)",
    # ranges of result ids whose hits are removed, unless a row of protein_results has the id
    "create table unused_results (first integer not null, last integer not null) strict",
)

# not "or ignore": the statement that fires a trigger overrules that
_LOST_BY_RESULT = """
    insert into unused_predictions
    select weights from runs where run_id = old.run_id and weights is not null on conflict do nothing;
"""

_PREDICTIONS = (
    # with rowid: its key is an index beside the rows, so looking keys up passes no predictions
    """
    create table predictions (
        md5 text not null,
        weights text not null,
        secondary_structure text,
        confidence text,
        primary key (weights, md5)
    ) strict
    """,
    # Weights with predictions that may have no result any more: noted where a run loses a result. What is unused
    # is found and removed later, in short transactions, because other results may use the same.
    "create table unused_predictions (weights text not null primary key) strict, without rowid",
    f"""
    create trigger protein_results_replaced after update of md5, phase on protein_results
    when old.phase = 'done' and (new.phase <> 'done' or new.md5 <> old.md5) begin {_LOST_BY_RESULT} end
    """,
    f"""
    create trigger protein_results_left after delete on protein_results when old.phase = 'done' begin
        {_LOST_BY_RESULT}
    end
    """,
    *(
        f"""
        create trigger runs_{name} {event} on runs when old.weights is not null {and_when} begin
            insert into unused_predictions values (old.weights) on conflict do nothing;
        end
        """
        for name, event, and_when in (
            ("set_anew", "after update of settings", "and old.weights is not new.weights"),
            # before: with the run its results go, which find no weights then
            ("removed", "before delete", ""),
        )
    ),
)

# An index by template alone is written to at fifty random places for each result: with 20 runs that is most of what an
# import writes. So it is cut into parts of 4,096 results, of which only the last is written to. Whoever looks a
# template up goes through all parts; SQLite does so by itself (a skip-scan) if it knows that there are few.
_HITS_BY_PART = (
    "drop index hit_rows_template",
    "create index hit_rows_template on hit_rows (result_id >> 12, template)",
)

# What SQLite's planner gets instead of running ANALYZE: 20 runs of 40,000 proteins with 50 hits. So queries take
# the same way in a store that is empty yet. Of each index: all rows, then how many share its first columns.
_RUNS, _PROTEINS, _HITS = 20, 40_000, 50
_RESULTS = _RUNS * _PROTEINS
_SHARING_A_VALUE_IN_A_RUN = {
    **dict.fromkeys(("best_hit", "best_evalue", "best_score", "score_mean", "cpu_s", "max_rss_mb"), 4),
    **{"position": 1, "status": 10_000, "phase": 10_000, "hits": 80, "node": 5_000},
}
_PLANNED_FOR = (
    ("hit_rows", "hit_rows_template", f"{_RESULTS * _HITS} {4096 * _HITS} {_HITS} 1 1"),
    ("protein_results", "protein_results", f"{_RESULTS} {_PROTEINS} 1"),
    ("protein_results", "sqlite_autoindex_protein_results_1", f"{_RESULTS} 1"),
    *(
        ("protein_results", f"protein_results_run_id_{name}", f"{_RESULTS} {_PROTEINS} {sharing}")
        for name, sharing in _SHARING_A_VALUE_IN_A_RUN.items()
    ),
    *(("protein_results", f"protein_results_{name}", f"{_RESULTS} {_RUNS}") for name in ("query_id", "md5")),
    ("protein_results", "protein_results_best_hit", f"{_RESULTS} {_RUNS * 4}"),
    *(("protein_results", f"protein_results_{name}", f"{_RUNS * 400} 400 100") for name in ("step", "computed_in")),
)
_FOR_THE_PLANNER = (
    "analyze unused_predictions",  # makes the table sqlite_stat1, which cannot be made otherwise
    "delete from sqlite_stat1",
    *(
        f"insert into sqlite_stat1 values ('{table}', '{index}', '{statistics}')"
        for table, index, statistics in _PLANNED_FOR
    ),
    "analyze sqlite_schema",  # reads it
)

_EFFICIENCY = ("alter table runs add column efficiency real",)

# names are found in upper and lower case (lookup.py)
_NAMES_IN_ANY_CASE = tuple(
    f"create index proteins_{name}_nocase on proteins ({name} collate nocase)"
    for name in ("query_id", "accession", "entry_name", "gene")
)

# What is known of each protein's structure (run/verdicts.py); empty in rows of before until their run is imported
# again.
_DOMAINS = (
    "alter table protein_results add column coverage_class text",
    "alter table protein_results add column domains integer",
    "alter table protein_results add column coverage real",
    *(
        f"create index protein_results_run_id_{name} on protein_results (run_id, {name})"
        for name in ("coverage_class", "domains", "coverage")
    ),
    """
    create table domain_rows (
        result_id integer not null,
        number integer not null,
        template text not null,
        query_start integer not null,
        query_end integer not null,
        probability real,
        evalue real,
        score real,
        aligned_columns integer,
        identity integer,
        template_start integer,
        template_end integer,
        template_length integer,
        primary key (result_id, number)
    ) strict, without rowid
    """,
    # by template alone, unlike that of the hits: a protein has one or two domains, not fifty
    "create index domain_rows_template on domain_rows (template)",
    """
    create trigger protein_results_removed_domains after delete on protein_results begin
        delete from domain_rows where result_id = old.result_id;
    end
    """,
    """
    create view domains as
    select protein_results.run_id, protein_results.query_id, domain_rows.number, domain_rows.query_start,
        domain_rows.query_end, domain_rows.template, templates.description, domain_rows.probability,
        domain_rows.evalue, domain_rows.score, domain_rows.aligned_columns, domain_rows.identity,
        domain_rows.template_start, domain_rows.template_end, domain_rows.template_length
    from domain_rows
    join protein_results on protein_results.result_id = domain_rows.result_id
    join runs on runs.run_id = protein_results.run_id
    left join templates on templates.library_key = runs.library_key and templates.template = domain_rows.template
    """,
    *(
        f"insert into sqlite_stat1 values ('{table}', '{index}', '{statistics}')"
        for table, index, statistics in (
            ("protein_results", "protein_results_run_id_coverage_class", f"{_RESULTS} {_PROTEINS} 13000"),
            ("protein_results", "protein_results_run_id_domains", f"{_RESULTS} {_PROTEINS} 5000"),
            ("protein_results", "protein_results_run_id_coverage", f"{_RESULTS} {_PROTEINS} 40"),
            ("domain_rows", "domain_rows", f"{_RESULTS} 1 1"),
            ("domain_rows", "domain_rows_template", f"{_RESULTS} {_RUNS * 8}"),
        )
    ),
    "analyze sqlite_schema",
)

# what a user asks of an alignment; NULL in runs that were imported before
_ALIGNMENT_VALUES = (
    "alter table hit_rows add column identity integer",
    "alter table hit_rows add column similarity real",
    "alter table hit_rows add column ss_agreement real",
    "drop view hits",
    """
    create view hits as
    select protein_results.run_id, protein_results.query_id, hit_rows.rank, hit_rows.template, templates.description,
        hit_rows.probability, hit_rows.evalue, hit_rows.pvalue, hit_rows.score, hit_rows.ss_score,
        hit_rows.aligned_columns, hit_rows.query_start, hit_rows.query_end, hit_rows.template_start,
        hit_rows.template_end, hit_rows.template_length, hit_rows.identity, hit_rows.similarity,
        round(100.0 * (hit_rows.template_end - hit_rows.template_start + 1) / hit_rows.template_length, 1)
            as template_coverage,
        hit_rows.ss_agreement
    from hit_rows
    join protein_results on protein_results.result_id = hit_rows.result_id
    join runs on runs.run_id = protein_results.run_id
    left join templates on templates.library_key = runs.library_key and templates.template = hit_rows.template
    """,
)

# CATH's superfamily of each domain: '' where it has none, NULL without a classification and in rows of before
_SUPERFAMILIES = (
    "alter table domain_rows add column superfamily text",
    "create index domain_rows_superfamily on domain_rows (superfamily) where superfamily is not null",
    """
    create table cath_nodes (
        code text not null primary key,
        name text not null
    ) strict, without rowid
    """,
    "drop view domains",
    """
    create view domains as
    select protein_results.run_id, protein_results.query_id, domain_rows.number, domain_rows.query_start,
        domain_rows.query_end, domain_rows.template, templates.description, domain_rows.probability,
        domain_rows.evalue, domain_rows.score, domain_rows.aligned_columns, domain_rows.identity,
        domain_rows.template_start, domain_rows.template_end, domain_rows.template_length, domain_rows.superfamily,
        cath_nodes.name as superfamily_name
    from domain_rows
    join protein_results on protein_results.result_id = domain_rows.result_id
    join runs on runs.run_id = protein_results.run_id
    left join templates on templates.library_key = runs.library_key and templates.template = domain_rows.template
    left join cath_nodes on cath_nodes.code = domain_rows.superfamily
    """,
    f"insert into sqlite_stat1 values ('domain_rows', 'domain_rows_superfamily', '{_RESULTS} {_RUNS * 40}')",
    "analyze sqlite_schema",
)

MIGRATIONS = (
    *(_FIRST, _PREDICTIONS, (*_HITS_BY_PART, *_FOR_THE_PLANNER), _EFFICIENCY, _NAMES_IN_ANY_CASE),
    *(_DOMAINS, _ALIGNMENT_VALUES, _SUPERFAMILIES),
)


def migrate(conn, migrations=None):
    """Bring a store, or another file by its migrations, to the newest schema, one transaction a version.

    UserError if a newer proteofold made it.
    """
    migrations = MIGRATIONS if migrations is None else migrations
    (version,) = conn.execute("pragma user_version").fetchone()
    while version < len(migrations):
        conn.execute("begin immediate")
        try:
            # another process may have been faster while this one waited for the lock
            (version,) = conn.execute("pragma user_version").fetchone()
            if version < len(migrations):
                for statement in migrations[version]:
                    conn.execute(statement)
                version += 1
                conn.execute(f"pragma user_version = {version}")
            conn.execute("commit")
        except BaseException:
            if conn.in_transaction:
                conn.execute("rollback")
            raise
    if version > len(migrations):
        raise UserError(
            f"this store is of version {version}, made by a newer proteofold; this one knows version "
            f"{len(migrations)}. Update proteofold, or choose another file with --store.",
            topic="store",
        )
