"""Pages of a large run and of a protein with 500 hits: time, size, and when a browser has drawn them."""

import contextlib
import shutil
import statistics
import subprocess
from urllib.parse import quote

from made_runs import make_run, searched_hhrs
from measure import PROTEOFOLD, LeftOutError, milliseconds, table
from playwright.sync_api import sync_playwright
from section_platform import readers
from served import served

from proteofold.store import open_store
from proteofold.store.database import transaction

PROTEINS, MADE, HITS, MANY = 41_339, 3_000, 10, 500
LIVE = 2_000
REQUESTS = 21  # of each page

# What a browser has measured of a page: when its largest part was there, and how much moved meanwhile.
_VITALS = """() => new Promise(done => {
    const vitals = {lcp: 0, cls: 0};
    for (const [type, add] of [["largest-contentful-paint", entry => { vitals.lcp = entry.startTime; }],
                               ["layout-shift", entry => { vitals.cls += entry.hadRecentInput ? 0 : entry.value; }]])
        new PerformanceObserver(list => list.getEntries().forEach(add)).observe({type, buffered: true});
    setTimeout(() => done(vitals), 1000);
})"""


def run(folder, options):
    """MADE proteins are searched and imported; their rows are repeated until there are PROTEINS."""
    if not (chromium := shutil.which("chromium")):
        raise LeftOutError("it needs Chromium.")
    results = folder / "results"
    results.mkdir()
    store = results / "proteofold.db"
    hhrs = searched_hhrs(folder, HITS)
    for name, count, hits in (("large", MADE, HITS), ("many", 1, MANY)):
        made = make_run(results / name, folder / f"{name}.fasta", count, hits, hhrs, variants=min(count, 500))
        subprocess.run([PROTEOFOLD, "store", "import", made.folder.path, "--store", store], check=True)
    with contextlib.closing(open_store(store)) as conn:
        _repeat(conn)
        (many,) = conn.execute("select query_id from protein_results where run_id = 'many'").fetchone()
    pages = {
        f"run of {PROTEINS:,} proteins": "/-/runs/large",
        "— its dark proteins, longest first": "/-/runs/large?show=dark&sort=length",
        "— a text that a third of them have": "/-/runs/large?q=kinase",
        "— a text that none has": "/-/runs/large?q=nowhere",
        f"protein with {MANY} hits": f"/-/protein/{quote(many, safe='')}",
        "front page": "/",
    }
    with served(store) as site:
        rows = [[name, *_asked(site, path)] for name, path in pages.items()]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            for row, path in zip(rows, pages.values(), strict=True):
                row.append(_drawn(browser, f"http://localhost:{site.port}{path}"))
            browser.close()
    live = make_run(results / "live", folder / "live.fasta", LIVE, HITS, hhrs)
    with served(store) as site:
        rows += [[*row, "", "", ""] for row in readers(site, store, live.folder.path)]
    head = ["the site on one core", f"median (longest) of {REQUESTS}", "CPU", "size", "largest paint, layout shift"]
    return table(head, rows)


def _repeat(conn):
    """Repeat proteins and results of the run 'large' under other ids."""
    tables = ("proteins", "protein_results", "domain_rows")
    columns = {name: [row[1] for row in conn.execute(f"pragma table_xinfo({name})") if not row[6]] for name in tables}
    with transaction(conn):
        conn.execute(
            "update proteins set description = case when number % 3 then 'made protein' else 'made kinase' end"
        )
        for copy in range(1, -(-PROTEINS // MADE)):
            count = min(MADE, PROTEINS - copy * MADE)
            changed = {
                "query_id": f"'c{copy}' || query_id",
                "number": f"number + {copy} * 1000000",
                "result_id": f"result_id + {copy} * 1000000",
                "position": f"position + {copy} * {MADE}",
            }
            large = f"from protein_results where run_id = 'large' and position <= {count}"
            chosen = {
                "proteins": f"where query_id in (select query_id {large})",
                "protein_results": f"where run_id = 'large' and position <= {count}",
                "domain_rows": f"where result_id in (select result_id {large})",
            }
            for name, names in columns.items():
                own = {**changed, "number": "number"} if name == "domain_rows" else changed
                values = ", ".join(own.get(column, column) for column in names)
                conn.execute(f"insert into {name} ({', '.join(names)}) select {values} from {name} {chosen[name]}")
        conn.execute("update runs set total = ?, succeeded = ? where run_id = 'large'", (PROTEINS, PROTEINS))


def _asked(site, path):
    site.get(path)  # what is drawn once for all readers
    before = site.cpu_s()
    times = [site.get(path) for _ in range(REQUESTS)]
    cpu = milliseconds((site.cpu_s() - before) / REQUESTS)
    wall = f"**{milliseconds(statistics.median(times))}** ({milliseconds(max(times))})"
    return wall, cpu, f"{site.size(path):.0f} kB"


def _drawn(browser, address):
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto(address)
    vitals = page.evaluate(_VITALS)
    page.close()
    return f"{milliseconds(vitals['lcp'] / 1000)}, {vitals['cls']:.3f}"
