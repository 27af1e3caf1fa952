"""The results store of the human proteome: import, size, pages, and readers beside writers."""

import contextlib
import random
import sqlite3
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import Manager, get_context
from urllib.parse import quote

from made_runs import link_run, make_run, record_run, searched_hhrs
from measure import PROTEOFOLD, measure, milliseconds, table, write_proteins
from served import served

from proteofold.store import add_fasta, open_store, queries
from proteofold.store.database import transaction

PROTEINS, HITS, RUNS = 41_339, 50, 20
REQUESTS = 15  # of each page
READS, READERS = 10_000, 4
RECORDED = 5_000  # proteins of the run that is recorded meanwhile
RECORDED_AT_ONCE = 50

_RUN_COLUMNS = "status, date_started, settings, total, succeeded, failed"
_RESULT_COLUMNS = (
    "query_id, position, md5, entry, phase, best_hit, best_evalue, best_score, score_mean, score_std, score_gmean,"
    " hits, node, cpu_s, max_rss_mb, computed_in, log, started_at, finished_at, updated_at"
)


def run(folder, options):
    """Runs of the same made proteins: ``options.runs`` of them are imported, the others have results without hits."""
    results = folder / "results"
    store = results / "proteofold.db"
    results.mkdir()
    hhrs = searched_hhrs(folder, HITS)
    first = make_run(results / "run01", folder / "made.fasta", PROTEINS, HITS, hhrs)
    rows = _imported(results, store, first, options.runs)
    sizes = [first.search.hhr(entry).stat().st_size for entry in first.by_entry]
    rows.append(["its .hhr.gz file, not in the store", f"{statistics.mean(sizes) / 1000:.1f} kB"])
    with contextlib.closing(open_store(store)) as conn:
        _copy_results(conn, options.runs)
    rows.append([f"store of {RUNS} runs, {options.runs} with hits", f"{store.stat().st_size / 1e9:.2f} GB"])
    rows += _pages(store)
    rows += _readers_beside_writers(folder, store, hhrs)
    return table([f"{PROTEINS:,} made proteins, {HITS} hits each", ""], rows)


def _imported(results, store, first, count):
    rows, sizes = [], [0]
    for number in range(1, count + 1):
        path = results / f"run{number:02d}"
        if number > 1:
            link_run(first, path)
        used = measure([PROTEOFOLD, "store", "import", path, "--store", store])
        sizes.append(store.stat().st_size)
        speed = f"**{PROTEINS / used.wall_s:,.0f} proteins/s**, {used.cpu_s / PROTEINS * 1e6:.0f} CPU µs a protein"
        rows.append([f"import of run {number}", f"{speed}, {used.max_rss_mb:.0f} MB"])
        rows.append(["— bytes a protein", f"{(sizes[-1] - sizes[-2]) / PROTEINS / 1000:.1f} kB"])
    return rows


def _copy_results(conn, there):
    """Results of the first run as those of further runs, until there are RUNS."""
    for number in range(there + 1, RUNS + 1):
        name = f"run{number:02d}"
        with transaction(conn):
            conn.execute(
                f"insert into runs (run_id, {_RUN_COLUMNS}) select ?, {_RUN_COLUMNS} from runs where run_id = 'run01'",
                (name,),
            )
            conn.execute(
                f"insert into protein_results (run_id, result_id, {_RESULT_COLUMNS})"
                f" select ?, (select result_id from next_result) + position, {_RESULT_COLUMNS}"
                " from protein_results where run_id = 'run01' order by query_id",
                (name,),
            )
            conn.execute("update next_result set result_id = result_id + ?", (PROTEINS + 1,))


def _pages(store):
    """Median and longest time of pages that Datasette serves on one core, each request for another protein."""
    dice = random.Random(2)
    with contextlib.closing(sqlite3.connect(store)) as conn:
        ids = [query_id for (query_id,) in conn.execute("select query_id from proteins")]
    pages = {
        "front page": lambda query_id: "/",
        "page of a run": lambda query_id: "/-/runs/run01",
        "page of a protein": lambda query_id: f"/-/protein/{quote(query_id, safe='')}",
        "a protein by its accession": lambda query_id: f"/-/protein?id={query_id.split('|')[1]}",
        "search in ids, genes and descriptions": lambda query_id: f"/proteofold/proteins?_search={query_id[3:8]}",
        "results of a run by E-value": lambda query_id: (
            "/proteofold/protein_results?run_id=run01&_sort=best_evalue&best_evalue__notnull=1"
        ),
    }
    rows = []
    with served(store) as site:
        get = site.get
        get("/")
        for name, path_of in pages.items():
            times = [get(path_of(dice.choice(ids))) for _ in range(REQUESTS)]
            rows.append(
                [
                    f"{name}, median (longest) of {REQUESTS}",
                    f"{milliseconds(statistics.median(times))} ({milliseconds(max(times))})",
                ]
            )
    return rows


def _readers_beside_writers(folder, store, hhrs):
    """READS by READERS processes while one process records a run and another adds proteins."""
    live = make_run(folder / "results" / "live", folder / "live.fasta", RECORDED, HITS, hhrs)
    with Manager() as manager, ProcessPoolExecutor(READERS + 2, get_context("spawn")) as pool:
        begun, done = manager.Event(), manager.Event()
        writers = [
            pool.submit(record_run, store, live.folder.path, begun, done, RECORDED_AT_ONCE),
            pool.submit(_add, store, folder, done),
        ]
        begun.wait(timeout=120)
        readers = [pool.submit(_look, store, seed, READS // READERS) for seed in range(READERS)]
        looks = [reader.result() for reader in readers]
        done.set()
        recorded, added = (writer.result() for writer in writers)
    times = [seconds for reader_times, _ in looks for seconds in reader_times]
    errors = sum(reader_errors for _, reader_errors in looks)
    return [
        [f"{READS:,} reads by {READERS} processes beside two writers, errors", f"**{errors}**"],
        ["— median, 99 %, longest", ", ".join(milliseconds(value) for value in (*_quantiles(times), max(times)))],
        ["— meanwhile recorded, added", f"{recorded:,} results, {added:,} proteins"],
    ]


def _look(store, seed, count):
    """The seconds of each of so many reads, and how many failed."""
    dice, times, errors = random.Random(seed), [], 0
    with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as conn:
        ids = [query_id for (query_id,) in conn.execute("select query_id from protein_results where run_id = 'run01'")]
        looks = (
            lambda query_id: queries.list_runs(conn),
            lambda query_id: queries.results_of(conn, query_id),
            lambda query_id: queries.hits_of(conn, "run01", query_id, HITS),
            lambda query_id: queries.prediction_of(conn, "run01", query_id),
            lambda query_id: queries.best_results(conn, "live", 10),
        )
        for _ in range(count):
            started = time.perf_counter()
            try:
                dice.choice(looks)(dice.choice(ids))
            except sqlite3.Error:
                errors += 1
            times.append(time.perf_counter() - started)
    return times, errors


def _add(store, folder, done):
    """Add proteins until ``done``; returns how many."""
    added = 0
    with contextlib.closing(open_store(store)) as conn:
        while not done.is_set():
            fasta = folder / "added.fasta"
            write_proteins(fasta, 200, seed=added)
            text = fasta.read_text().replace("|Q", f"|N{added}")
            fasta.write_text(text)
            added += add_fasta(conn, fasta).added
    return added


def _quantiles(times):
    cuts = statistics.quantiles(times, n=100)
    return cuts[49], cuts[98]
