"""Making a run's rows from its folder."""

import csv
import errno
import fcntl
import multiprocessing
import os
import signal
import subprocess
import sys

import pytest
from runfolders import add_classification, span_hit

from proteofold.formats.hhr import read_hhr
from proteofold.run.merge import merge_run
from proteofold.run.states import Event
from proteofold.store import finish_run, import_order, import_run, importing, open_store, record_events, start_run
from proteofold.store.results import STORED_HITS
from proteofold.system.errors import UserError

KILLED = """
import os, signal, sys
from proteofold.store import importing, open_store
writes = 0
def write_hits(*arguments):
    global writes
    writes += 1
    if writes == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments)
real, importing.write_hits, importing.PROTEINS_AT_ONCE = importing.write_hits, write_hits, 2
importing._PROTEINS_WORTH_A_PROCESS = 1
importing.import_run(open_store(sys.argv[1]), sys.argv[2], workers=int(sys.argv[3]))
"""


POSITIONS = {"query_start": 1, "query_end": 50, "template_start": 3, "template_end": 60, "template_length": 120}


def unused_hits(conn):
    query = "select count(*) from hit_rows where result_id not in (select result_id from protein_results)"
    return conn.execute(query).fetchone()[0]


@pytest.fixture
def done(results):
    """A finished run of five proteins, without a journal."""
    run = results.plan(proteins=[f"00{number}" for number in range(5)])
    for protein in run.members:
        results.finish(run, protein)
    return run


def test_run_without_a_journal_is_dated_by_its_results(store, done, make):
    import_run(store, done.folder.path)
    row = store.execute("select status, total, succeeded, date_started, date_finished, duration_s from runs").fetchone()
    assert row == ("SUCCESS", 5, 5, "2026-09-21T14:14:40.000Z", "2026-09-21T14:15:00.000Z", 20.0)


def test_ids_keep_leading_zeros_and_order(store, done):
    import_run(store, done.folder.path)
    names = store.execute("select query_id from protein_results order by position").fetchall()
    assert names == [(f"00{number}",) for number in range(5)]


def test_import_replaces_and_leaves_no_hits_behind(store, done, results, make, rows):
    import_run(store, done.folder.path)
    results.finish(done, "000", [make.hit(rank, f"{rank}NEW_A", score=200.0 - rank) for rank in (1, 2, 3)])
    done.search.out(done.members["001"].entry).unlink()
    import_run(store, done.folder.path)
    assert store.execute("select count(*) from hits").fetchone() == (6,)
    assert unused_hits(store) == 0
    assert store.execute("select status, succeeded from runs").fetchone() == ("INTERRUPTED", 4)
    before = rows(store)
    import_run(store, done.folder.path)
    assert rows(store) == before


def test_protein_that_left_the_run_leaves_the_store(store, done, results):
    import_run(store, done.folder.path)
    import_run(store, results.plan(proteins=["001", "003"]).folder.path)
    assert store.execute("select query_id, position from protein_results").fetchall() == [("001", 1), ("003", 2)]
    assert store.execute("select count(*) from hit_rows").fetchone() == (2,)


def verdicts(conn):
    query = "select query_id, coverage_class, domains, round(coverage, 3) from protein_results order by position"
    return conn.execute(query).fetchall()


@pytest.fixture
def judged(results):
    """A finished run of three proteins of 100 residues: covered by two domains, partly covered, and dark."""
    run = results.plan(proteins={name: letter * 100 for name, letter in (("A", "A"), ("B", "C"), ("C", "D"))})
    results.finish(run, "A", [span_hit(1, 40, "1ABC_A"), span_hit(51, 90, "2XYZ_B", 90.0, rank=2)])
    # the domain stands below the hits that are stored
    noise = [span_hit(1, 20, f"{rank}NOI_A", evalue=1.0, probability=5.0, rank=rank) for rank in range(1, 52)]
    results.finish(run, "B", [*noise, span_hit(1, 50, "3FAR_C", 20.0, rank=52)])
    results.finish(run, "C", [span_hit(1, 40, evalue=1.0, probability=5.0)])
    return run


@pytest.mark.parametrize("merged", [False, True])
def test_store_has_the_domains_of_the_tables(store, judged, results, merged):
    if merged:
        merge_run(judged.folder.path)
        assert all(judged.folder.block_verdicts(name).exists() for name in judged.blocks)
    import_run(store, judged.folder.path)
    assert verdicts(store) == [("A", "covered", 2, 0.8), ("B", "partly", 1, 0.5), ("C", "dark", 0, 0.0)]
    shown = store.execute("select query_id, number, query_start, query_end, template, description from domains")
    assert sorted(shown)[2] == ("B", 1, 1, 50, "3FAR_C", 'about "3FAR_C", a; b')
    merge_run(judged.folder.path)
    with open(judged.folder.path / "domains.csv", newline="") as handle:
        assert len(list(csv.reader(handle))) == 4


def superfamilies(conn):
    return conn.execute(
        "select query_id, number, superfamily, superfamily_name from domains order by query_id, number"
    ).fetchall()


@pytest.mark.parametrize("merged", [False, True])
def test_domains_have_the_superfamily_of_their_template(store, results, merged):
    chosen = add_classification(results.path.parent)
    run = results.plan(proteins={"A": "A" * 200, "B": "C" * 200}, classification=chosen)
    there = {"template_start": 1, "template_end": 40, "template_length": 200}
    results.finish(run, "A", [span_hit(1, 40, "1ABC_A", **there), span_hit(51, 90, "9ZZZ_A", rank=2, **there)])
    results.finish(run, "B", [span_hit(1, 50, "2XYZ_B", **there)])
    if merged:
        merge_run(run.folder.path)
    import_run(store, run.folder.path)
    assert superfamilies(store) == [
        ("A", 1, "1.10.8.10", "DNA helicase"),
        ("A", 2, "", None),
        ("B", 1, "1.10.8.50", "RNA <b>helicase</b>"),
    ]
    nodes = dict(store.execute("select code, name from cath_nodes"))
    assert nodes.keys() == {"1.10.8", "1.10.8.10", "1.10.8.50"} and nodes["1.10.8"] == "Helicase"


def test_without_a_classification_no_superfamily_is_known(store, judged):
    import_run(store, judged.folder.path)
    assert {row[2:] for row in superfamilies(store)} == {(None, None)}
    assert store.execute("select count(*) from cath_nodes").fetchone() == (0,)


def test_domains_of_removed_results_leave_the_store(store, judged):
    import_run(store, judged.folder.path)
    judged.search.out(judged.members["A"].entry).unlink()
    import_run(store, judged.folder.path)
    assert store.execute("select query_id from domains").fetchall() == [("B",)]
    assert store.execute("select count(*) from domain_rows").fetchone() == (1,)
    store.execute("delete from runs")
    assert store.execute("select count(*) from domain_rows").fetchone() == (0,)


def test_killed_import_leaves_the_earlier_rows(store, done, results, make, rows):
    import_run(store, done.folder.path)
    before = rows(store)
    for protein in done.members:
        results.finish(done, protein, [make.hit(template="9NEW_A")])
    path = results.path / "proteofold.db"
    killed = subprocess.run([sys.executable, "-c", KILLED, path, done.folder.path, "1"], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert rows(store) == before
    assert unused_hits(store) == 2
    import_run(store, done.folder.path)
    assert {name for (name,) in store.execute("select template from hits")} == {"9NEW_A"}
    assert unused_hits(store) == 0


def test_several_processes_read_the_same(store, done, rows, monkeypatch, tmp_path):
    import_run(store, done.folder.path)
    monkeypatch.setattr(importing, "_PROTEINS_WORTH_A_PROCESS", 1)
    monkeypatch.setattr(importing, "PROTEINS_AT_ONCE", 2)
    other = open_store(tmp_path / "other.db")
    import_run(other, done.folder.path, workers=3)
    assert rows(other) == rows(store)


def test_killed_import_takes_its_reading_processes_with_it(store, done, results):
    command = [sys.executable, "-c", KILLED, results.path / "proteofold.db", done.folder.path, "2"]
    # the output ends when the last process that has it open ends
    killed = subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert killed.returncode == -signal.SIGKILL


def test_killed_reading_process_is_reported_and_changes_nothing(store, done, rows, monkeypatch):
    import_run(store, done.folder.path)
    before = rows(store)
    monkeypatch.setattr(importing, "_PROTEINS_WORTH_A_PROCESS", 1)
    monkeypatch.setattr(importing, "PROTEINS_AT_ONCE", 1)
    monkeypatch.setattr(importing, "_READ_AHEAD", 1)

    def write_members(*arguments):
        for process in multiprocessing.active_children():
            process.kill()

    monkeypatch.setattr(importing, "write_members", write_members)
    with pytest.raises(UserError, match=r"--jobs 1"):
        import_run(store, done.folder.path, workers=2)
    assert rows(store) == before
    monkeypatch.undo()
    import_run(store, done.folder.path)
    assert rows(store) == before
    assert unused_hits(store) == 0


def test_deleted_store_is_rebuilt_from_run_folders_with_identical_rows(results, rows, make):
    path = results.path / "proteofold.db"
    conn = open_store(path)
    for number, (run_id, proteins) in enumerate({"b": ["P1", "P2"], "a": ["P2", "P3"]}.items()):
        run = results.plan(run_id, proteins)
        start_run(conn, run, "ada", at=make.start + number)
        for protein, member in run.members.items():
            if member.entry in run.done():  # of the other run
                continue
            record_events(conn, run, [Event(protein, "running", make.start + 5, node="n")])
            results.finish(run, protein)
            record_events(conn, run, [Event(protein, "done", make.start + 9)])
        finish_run(conn, run, "SUCCESS", at=make.start + 50 + number)
    before = rows(conn)
    conn.close()
    for name in ("", "-wal", "-shm"):
        (results.path / f"proteofold.db{name}").unlink(missing_ok=True)
    conn = open_store(path)
    folders = import_order([results.path / "a", results.path / "b"])
    assert [folder.name for folder in folders] == ["b", "a"]
    for folder in folders:
        import_run(conn, folder)
    assert rows(conn) == before
    assert conn.execute("select source from proteins where query_id = 'P2'").fetchall() == [("results/b/manifest.tsv",)]


def test_best_hit_is_stored_wherever_it_ranks(store, results, make):
    run = results.plan(proteins=["P1"])
    found = [make.hit(rank, f"T,{rank}", score=10.0) for rank in range(1, 200)]
    found[149] = found[149]._replace(score=99.0)
    results.finish(run, "P1", found)
    import_run(store, run.folder.path)
    ranks = [rank for (rank,) in store.execute("select rank from hits order by rank")]
    assert ranks == [*range(1, STORED_HITS + 1), 150]
    assert store.execute("select best_hit, hits from protein_results").fetchone() == ("T,150", 199)
    assert store.execute("select description from hits where rank = 150").fetchone() == ('about "T,150", a; b',)


def test_values_that_are_missing_or_no_number_are_null(store, results, make):
    run = results.plan(proteins=["P1", "P2"])
    results.finish(run, "P1", [make.hit(pvalue=float("nan"), ss_score=float("-inf"))])
    results.finish(run, "P2", [])
    import_run(store, run.folder.path)
    assert store.execute("select pvalue, ss_score from hits").fetchall() == [(None, None)]
    query = "select best_hit, best_evalue, score_mean, hits from protein_results where query_id = 'P2'"
    assert store.execute(query).fetchone() == (None, None, None, 0)


@pytest.mark.parametrize(
    ("template", "description"),
    [
        ("1ABC_A", ""),
        ("1ABC_A", "plain; words {of} a species"),
        ("1ABC_A", 'a "quoted", comma'),
        ("1ABC_A", '"'),
        ("1ABC_A", '",1,2,3'),
        ("1ABC_A", "7,8,9"),
        ("1ABC_A", "\\ \t é 蛋白质"),
        ("T,1", "comma in the name"),
        ('T"1', "quote, in the name"),
        ("T\\u0041\\", "backslash in the name"),
        ("7", "a number for a name"),
        ("蛋白质", "not ASCII"),
    ],
)
@pytest.mark.parametrize("query_id", ["P1", "a,\"b'"])
def test_names_are_stored_as_they_are(store, results, make, query_id, template, description):
    run = results.plan(proteins=[query_id])
    found = [make.hit(**POSITIONS)._replace(template=template, description=description)]
    found.append(make.hit(2, **POSITIONS)._replace(template="2XYZ_B", description="another"))
    (protein,) = run.members
    results.finish(run, protein, found)
    import_run(store, run.folder.path)
    columns = "rank, template, description, score, aligned_columns, query_start, template_length"
    expected = (150.0, 50, 1, 120)
    assert store.execute(f"select {columns} from hits order by rank").fetchall() == [
        (1, template, description, *expected),
        (2, "2XYZ_B", "another", *expected),
    ]


def test_values_of_alignments_are_those_of_the_file(store, results, data):
    run = results.plan(proteins=["P1"])
    results.finish(run, "P1", hhr=data / "hhpred_server.hhr")
    import_run(store, run.folder.path)
    columns = ("identity", "similarity", "template_coverage", "ss_agreement")
    stored = store.execute(f"select {', '.join(columns)} from hits order by rank").fetchall()
    found = read_hhr(data / "hhpred_server.hhr").hits
    assert stored == [tuple(getattr(hit, name) for name in columns) for hit in found]
    assert any(row[3] is not None for row in stored)


def files_of(run, protein):
    entry = run.members[protein].entry
    return run.search.out(entry), run.search.hhr(entry)


def log_of(run, protein):
    log = run.search.log("search", run.members[protein].entry)
    return f"{log.parent.name}/{log.name}"


DAMAGES = {
    "empty": lambda path, other: path.write_bytes(b""),
    "cut short": lambda path, other: path.write_bytes(path.read_bytes()[:-9]),
    "zeros": lambda path, other: path.write_bytes(bytes(path.stat().st_size)),
    "no text": lambda path, other: path.write_bytes(b"\xff\xfe" * 50),
    "of another protein": lambda path, other: path.write_bytes(other.read_bytes()),
}


@pytest.fixture
def damaged(results, make):
    """Function: a finished run of P1, P2 and P3 in which a file of P2 is damaged."""

    def damage(way, file):
        run = results.plan()
        for number, protein in enumerate(run.members):
            results.finish(run, protein, [make.hit(score=100.0 + number)])
        way(files_of(run, "P2")[file], files_of(run, "P3")[file])
        return run

    return damage


def state(conn, query_id="P2"):
    query = f"select phase, step, reason, hits from protein_results where query_id = '{query_id}'"
    return conn.execute(query).fetchone()


@pytest.mark.parametrize("way", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("file", [0, 1], ids=["out", "hhr"])
def test_damaged_result_is_removed_and_reported(store, damaged, rows, way, file):
    run, reported = damaged(way, file), []
    import_run(store, run.folder.path, warn=reported.append)
    assert len(reported) == 1 and str(files_of(run, "P2")[file]) in reported[0]
    out, hhr = files_of(run, "P2")
    assert not out.exists() and hhr.exists() == (file == 0)  # a whole .hhr.gz is summarised again
    assert all(path.exists() for path in (*files_of(run, "P1"), *files_of(run, "P3")))
    assert state(store) == ("failed", "summary", "damaged, removed; rerun", None)
    assert store.execute("select status, succeeded, failed from runs").fetchone() == ("FAILED", 2, 1)
    assert store.execute("select count(*) from hit_rows").fetchone() == (2,)
    import_run(store, run.folder.path, warn=reported.append)  # it is missing now, and reported no more
    assert len(reported) == 1


def test_damaged_result_of_a_running_run_is_reported_only(store, damaged):
    run, reported = damaged(DAMAGES["cut short"], 1), []
    with open(run.folder.lock, "a") as head:
        fcntl.flock(head, fcntl.LOCK_EX)
        import_run(store, run.folder.path, warn=reported.append)
    assert len(reported) == 1 and "not removed" in reported[0]
    assert all(path.exists() for path in files_of(run, "P2"))
    assert state(store) == ("waiting", None, None, None)
    assert store.execute("select status, succeeded, failed from runs").fetchone() == ("RUNNING", 2, 0)


def test_damaged_result_that_cannot_be_removed_is_reported_and_fails(store, damaged, monkeypatch):
    def remove(*arguments):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    run, reported = damaged(DAMAGES["cut short"], 1), []
    monkeypatch.setattr(importing, "remove", remove)
    import_run(store, run.folder.path, warn=reported.append)
    assert len(reported) == 1 and "not removed: Read-only file system" in reported[0]
    phase, step, reason, _ = state(store)
    assert (phase, step) == ("failed", "summary")
    assert str(files_of(run, "P2")[1]) in reason


def test_damaged_results_are_reported_by_the_processes_that_read(store, damaged, monkeypatch, tmp_path, rows):
    monkeypatch.setattr(importing, "_PROTEINS_WORTH_A_PROCESS", 1)
    monkeypatch.setattr(importing, "PROTEINS_AT_ONCE", 1)
    run, reported = damaged(DAMAGES["cut short"], 0), []
    import_run(store, run.folder.path, workers=2, warn=reported.append)
    assert len(reported) == 1
    assert [state(store, name)[0] for name in ("P1", "P2", "P3")] == ["done", "failed", "done"]


@pytest.mark.parametrize("lost", ["missing", "damaged"])
def test_result_whose_usage_is_lost_is_still_a_result(store, done, lost):
    path = done.search.usage(done.members["001"].entry)
    path.unlink() if lost == "missing" else path.write_text("")
    import_run(store, done.folder.path)
    query = "select phase, cpu_s, max_rss_mb, node, computed_in from protein_results where query_id = '001'"
    assert store.execute(query).fetchone() == ("done", None, None, None, None)
    assert store.execute("select status, succeeded, shared from runs").fetchone() == ("SUCCESS", 5, 0)


def test_stored_summary_is_that_of_the_out_files(store, done):
    import_run(store, done.folder.path)
    columns = "query_id, best_hit, best_evalue, best_score, score_mean, score_std, score_gmean"
    for row in store.execute(f"select {columns} from protein_results"):
        _, written, _ = csv.reader(done.search.out(done.members[row[0]].entry).read_text().splitlines())
        assert [row[0], row[1], *row[2:]] == [written[0], written[1], *map(float, written[2:])]


def test_failed_run_reports_reasons_from_the_logs(store, results):
    run = results.plan()
    results.finish(run, "P1")
    results.fail(run, "P2", "no memory")
    (run.folder.path / "failed.csv").write_text("query_id,step,reason,log\n")
    import_run(store, run.folder.path)
    query = "select query_id, status, step, reason, log from protein_results order by position"
    assert store.execute(query).fetchall()[1:] == [
        ("P2", "FAILED", "search", "no memory", f"results/shared/searches/{run.search.name}/logs/{log_of(run, 'P2')}"),
        ("P3", "FAILED", "a3m", "not started: the run ended before", None),
    ]
    assert store.execute("select status, total, succeeded, failed from runs").fetchone() == ("FAILED", 3, 1, 2)


def test_template_of_two_libraries_keeps_both_descriptions(store, results, make):
    for run_id, key in (("one", "k1"), ("two", "k2")):
        run = results.plan(run_id, ["P1"], library=make.settings["library"] | {"key": key})
        hit = make.hit()._replace(description=f"of {key}")
        results.finish(run, "P1", [hit])
        import_run(store, run.folder.path)
    assert store.execute("select run_id, description from hits order by 1").fetchall() == [
        ("one", "of k1"),
        ("two", "of k2"),
    ]


def test_folder_that_is_no_run_is_refused(store, tmp_path):
    with pytest.raises(UserError):
        import_run(store, tmp_path)
