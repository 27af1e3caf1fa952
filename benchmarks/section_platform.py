"""The platform: an upload of a proteome, and the page of a live run while a hundred readers poll it."""

import asyncio
import contextlib
import http.client
import json
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import Manager, get_context

from made_runs import make_run, record_run, searched_hhrs
from measure import milliseconds, table, write_proteins
from served import served

from proteofold.service.accounts import add_user
from proteofold.service.database import platform_of
from proteofold.service.tokens import create_token
from proteofold.store import open_store

PROTEINS, HITS = 41_339, 10
READERS = 100
LOOKS, SECONDS_BETWEEN_LOOKS = 60, 0.5  # at the page of the run
# as in website/static/run.js and site.js
SECONDS_OF_NUMBERS, SECONDS_OF_LIST, SECONDS_OF_HEALTH = 5, 15, 15
RECORDED_AT_ONCE, SECONDS_BETWEEN_RECORDS = 25, 0.5

RUN = "/-/runs/live"


def run(folder, options):
    """Upload the proteins twice; then record a run of as many, and look at it."""
    results = folder / "results"
    results.mkdir()
    store = results / "proteofold.db"
    open_store(store).close()
    with served(store) as site:
        rows = _uploads(site, store, folder / "proteome.fasta")
    made = make_run(results / "live", folder / "made.fasta", PROTEINS, HITS, searched_hhrs(folder, HITS))
    with served(store) as site:
        rows += readers(site, store, made.folder.path)
    return table([f"{PROTEINS:,} made proteins, the site on one core", ""], rows)


def _uploads(site, store, fasta):
    write_proteins(fasta, PROTEINS)
    with platform_of(store) as conn:
        token = create_token(conn, add_user(conn, "bench", "a long password"), "bench", ["upload"])
    # what the first of all uploads loads stays
    first = fasta.with_name("first.fasta")
    first.write_text(">first\nMKV\n")
    _upload(site, token, first)
    rows = []
    for words in ("upload of", "the same file again,"):
        site.forget_highest()
        before = site.memory_mb()
        seconds, done = _upload(site, token, fasta)
        rows.append(
            [
                f"{words} {fasta.stat().st_size / 1e6:.0f} MB, {done['added']:,} added, {done['present']:,} present",
                f"**{seconds:.1f} s**, memory of the site +{site.memory_mb(highest=True) - before:.0f} MB",
            ]
        )
    return rows


def _upload(site, token, fasta):
    """Send a file as curl does; the seconds until the answer, and the answer."""
    started = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=300)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/plain"}
    headers["Content-Length"] = str(fasta.stat().st_size)
    with contextlib.closing(connection), fasta.open("rb") as body:
        connection.request("POST", f"/-/api/v1/proteins?name={fasta.name}", body, headers)
        answer = json.load(connection.getresponse())
    if not answer["ok"]:
        raise SystemExit(f"upload: {answer['error']}")
    return time.perf_counter() - started, answer


def readers(site, store, path):
    """READERS browsers keep the page of a run open that is being recorded, while one more opens it again and again."""
    with Manager() as manager, ProcessPoolExecutor(2, get_context("spawn")) as pool:
        begun, done = manager.Event(), manager.Event()
        recorder = pool.submit(record_run, store, path, begun, done, RECORDED_AT_ONCE, SECONDS_BETWEEN_RECORDS)
        if not begun.wait(timeout=300):
            raise SystemExit("the run was not begun")
        readers = pool.submit(_poll, site.port, done)
        time.sleep(2 * SECONDS_OF_NUMBERS)
        times = []
        for _ in range(LOOKS):
            times.append(site.get(RUN))
            time.sleep(SECONDS_BETWEEN_LOOKS)
        done.set()
        polled, errors = readers.result()
        recorded = recorder.result()
    cuts = statistics.quantiles(polled, n=100)
    return [
        [
            f"page of a live run, {READERS} readers polling it: median (longest) of {LOOKS}",
            f"**{milliseconds(statistics.median(times))}** ({milliseconds(max(times))})",
        ],
        [
            f"— {len(polled):,} requests of the readers: median, 99 %, errors",
            f"{milliseconds(cuts[49])}, {milliseconds(cuts[98])}, {errors}",
        ],
        ["— recorded meanwhile", f"{recorded:,} proteins"],
    ]


def _poll(port, done):
    """Ask as READERS browsers do until ``done``: (seconds of each answer, how many were refused)."""
    times, errors = [], []

    async def all_readers():
        await asyncio.gather(*(reader(number) for number in range(READERS)))

    async def reader(number):
        asked = {
            f"{RUN}/progress": SECONDS_OF_NUMBERS,
            f"{RUN}/proteins?sort=evalue&page=1": SECONDS_OF_LIST,
            "/-/api/v1/health": SECONDS_OF_HEALTH,
        }
        # they did not open the page all at once
        due = {path: time.monotonic() + every * number / READERS for path, every in asked.items()}
        while not done.is_set():
            for path, every in asked.items():
                if due[path] <= time.monotonic():
                    due[path] = time.monotonic() + every
                    await ask(path)
            await asyncio.sleep(max(0, min(due.values()) - time.monotonic()))

    async def ask(path):
        started = time.perf_counter()
        source, target = await asyncio.open_connection("127.0.0.1", port)
        try:
            target.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            answer = await source.read()
        finally:
            target.close()
        times.append(time.perf_counter() - started)
        if not answer.startswith(b"HTTP/1.1 200"):
            errors.append(answer[:100])

    asyncio.run(all_readers())
    return times, len(errors)
