"""Opening a store: its schema, its settings, and the places and files that are refused."""

import contextlib
import os
import sqlite3

import pytest

from proteofold.store import database, open_store
from proteofold.store.schema import MIGRATIONS, migrate
from proteofold.system import disks
from proteofold.system.errors import UserError


def version(conn):
    return conn.execute("pragma user_version").fetchone()[0]


def tables(conn):
    return {name for (name,) in conn.execute("select name from sqlite_schema where type in ('table', 'view')")}


def test_empty_file_of_version_0_is_migrated(tmp_path):
    path = tmp_path / "store.db"
    sqlite3.connect(path).close()
    conn = open_store(path)
    assert version(conn) == len(MIGRATIONS)
    assert {"proteins", "runs", "protein_results", "hits", "templates"} <= tables(conn)


def test_the_umask_decides_who_may_write_to_a_new_store(tmp_path):
    before = os.umask(0o007)
    try:
        conn = open_store(tmp_path / "store.db")
        modes = {ending: (tmp_path / f"store.db{ending}").stat().st_mode & 0o777 for ending in ("", "-wal", "-shm")}
    finally:
        os.umask(before)
    conn.close()
    assert set(modes.values()) == {0o660}


def test_opening_again_keeps_version_and_rows(tmp_path):
    open_store(tmp_path / "s.db").execute("insert into runs (run_id, status) values ('007', 'QUEUED')")
    conn = open_store(tmp_path / "s.db")
    assert conn.execute("select run_id from runs").fetchall() == [("007",)]
    assert version(conn) == len(MIGRATIONS)


def test_store_is_wal_waits_for_locks_and_enforces_foreign_keys(store):
    pragmas = [
        store.execute(f"pragma {name}").fetchone()[0] for name in ("journal_mode", "busy_timeout", "foreign_keys")
    ]
    assert pragmas == ["wal", 30_000, 1]
    with pytest.raises(sqlite3.IntegrityError):
        store.execute(
            "insert into protein_results (run_id, query_id, result_id, position, md5, phase)"
            " values ('no run', 'no protein', 1, 1, '', 'done')"
        )


def test_store_of_a_newer_version_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "s.db"
    open_store(path).execute(f"pragma user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(UserError, match="newer proteofold"):
        open_store(path)


def test_failing_migration_leaves_the_earlier_version(tmp_path, monkeypatch):
    path = tmp_path / "s.db"
    open_store(path).close()
    monkeypatch.setattr("proteofold.store.schema.MIGRATIONS", (*MIGRATIONS, ("create table more (a)", "nonsense")))
    with pytest.raises(UserError):
        open_store(path)
    conn = sqlite3.connect(path)
    assert version(conn) == len(MIGRATIONS)
    assert "more" not in tables(conn)


def test_error_of_a_file_that_is_no_store_names_how_to_rebuild_it(tmp_path):
    path = tmp_path / "s.db"
    path.write_bytes(b"no database at all\n" * 100)
    with pytest.raises(UserError, match="store import"):
        open_store(path)
    assert path.read_bytes().startswith(b"no database")


def test_absent_store_is_not_made_by_reading(tmp_path):
    with pytest.raises(UserError, match="there is no store yet"):
        open_store(tmp_path / "s.db", create=False)
    assert not list(tmp_path.iterdir())


def test_error_that_ended_the_transaction_of_a_migration_is_the_one_that_is_raised(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as conn:
        # as SQLite does by itself where the disk is full
        with pytest.raises(sqlite3.OperationalError, match="no such table: x"):
            migrate(conn, [("rollback", "select * from x")])
        assert version(conn) == 0


def test_full_disk_is_not_called_damage(store, tmp_path):
    store.execute(f"pragma max_page_count = {store.execute('pragma page_count').fetchone()[0]}")
    with pytest.raises(sqlite3.OperationalError) as full, database.transaction(store):
        store.execute("create table more as select zeroblob(1000000)")
    assert "no room left on its disk, or on that of temporary files" in database.advice(tmp_path / "s.db", full.value)


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "fuse.sshfs", "lustre", "9p"])
def test_network_file_system_is_refused_with_what_to_do(tmp_path, monkeypatch, kind):
    mounts = tmp_path / "mounts"
    shared = tmp_path / "shared disk"
    escaped = str(shared).replace(" ", "\\040")
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/x {escaped} {kind} rw 0 0\n")
    monkeypatch.setattr(disks, "MOUNTS", mounts)
    with pytest.raises(UserError, match=rf"is {kind}\).*local disk with --store"):
        open_store(shared / "results" / "s.db")
    assert not shared.exists()
    open_store(tmp_path / "local.db")


def test_link_to_a_network_file_system_is_refused(tmp_path, monkeypatch):
    shared, mounts = tmp_path / "shared", tmp_path / "mounts"
    shared.mkdir()
    (tmp_path / "link").symlink_to(shared)
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/x {shared} nfs4 rw 0 0\n")
    monkeypatch.setattr(disks, "MOUNTS", mounts)
    with pytest.raises(UserError, match="network"):
        open_store(tmp_path / "link" / "s.db")


def test_local_disk_mounted_inside_a_network_one_is_taken(tmp_path, monkeypatch):
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/ / nfs rw 0 0\n/dev/vdb {tmp_path} xfs rw 0 0\n")
    monkeypatch.setattr(disks, "MOUNTS", mounts)
    open_store(tmp_path / "s.db")


def test_transaction_that_fails_leaves_nothing(store):
    with pytest.raises(ZeroDivisionError), database.transaction(store):
        store.execute("insert into runs (run_id, status) values ('a', 'QUEUED')")
        raise ZeroDivisionError
    assert not store.execute("select * from runs").fetchall()


@pytest.mark.parametrize("condition", ["template = 'x'", "template = 'x' and run_id = 'demo'"])
def test_template_is_looked_up_by_index_in_every_store(store, condition):
    plan = "\n".join(row[3] for row in store.execute(f"explain query plan select * from hits where {condition}"))
    assert "SEARCH hit_rows USING INDEX hit_rows_template (ANY(<expr>) AND template=?)" in plan
    assert "SCAN" not in plan


@pytest.mark.parametrize("again", ["", "reopened"])
def test_hits_of_a_protein_are_looked_up_by_key(results, store, again):
    conn = open_store(results.path / "proteofold.db") if again else store
    query = "explain query plan select * from hits where run_id = 'demo' and query_id = 'P1' order by rank"
    plan = "\n".join(row[3] for row in conn.execute(query))
    assert "SEARCH protein_results USING PRIMARY KEY (run_id=? AND query_id=?)" in plan
    assert "SEARCH hit_rows USING PRIMARY KEY (result_id=?)" in plan


def test_the_proteins_with_a_domain_of_a_template_are_looked_up_by_index(store):
    query = "explain query plan select query_id from domains where template = 'x' and run_id = 'demo'"
    plan = "\n".join(row[3] for row in store.execute(query))
    assert "domain_rows_template (template=?)" in plan and "SCAN" not in plan


def test_planner_is_informed_of_every_index_of_the_results(store):
    planned = {name for (name,) in store.execute("select idx from sqlite_stat1 where tbl = 'protein_results'")}
    indexes = {row[1] for row in store.execute("pragma index_list(protein_results)")}
    key = {name for name in indexes if name.startswith("sqlite_autoindex_protein_results_2")}
    assert planned == indexes - key | {"protein_results"}


@pytest.mark.parametrize("condition", ["superfamily = 'x'", "superfamily > 'x' and superfamily < 'y'"])
def test_the_proteins_with_a_domain_of_a_superfamily_are_looked_up_by_index(store, condition):
    query = f"explain query plan select query_id from domains where {condition} and run_id = 'demo'"
    plan = "\n".join(row[3] for row in store.execute(query))
    assert "domain_rows_superfamily (superfamily" in plan and "SCAN" not in plan


def test_domains_of_an_earlier_store_stay_and_have_no_superfamily_yet(tmp_path):
    path = tmp_path / "s.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as conn:
        migrate(conn, MIGRATIONS[:7])
        conn.execute("insert into proteins values ('A', 1, null, null, null, null, null, 3, 'MKV', 'x', '', '')")
        conn.execute("insert into runs (run_id, status) values ('demo', 'SUCCESS')")
        conn.execute(
            "insert into protein_results (run_id, query_id, result_id, position, md5, entry, phase)"
            " values ('demo', 'A', 1, 1, 'x', 'A-00000000', 'done')"
        )
        conn.execute(
            "insert into domain_rows (result_id, number, template, query_start, query_end)"
            " values (1, 1, '1ABC_A', 1, 3)"
        )
    with contextlib.closing(open_store(path)) as conn:
        query = "select query_id, template, superfamily, superfamily_name from domains"
        assert conn.execute(query).fetchall() == [("A", "1ABC_A", None, None)]
