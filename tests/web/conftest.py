"""A store that the project's own writers made, and the site on it, asked for as a browser does."""

import asyncio
import re
import shutil
import sqlite3
from html import unescape
from types import SimpleNamespace
from urllib.parse import quote

import pytest
import yaml
from datasette.app import Datasette
from datasette.utils import PrefixedUrlString
from runfolders import FolderOfRuns
from webbench import chromium

from proteofold.formats.hhr import Hit
from proteofold.formats.packed_hhr import pack_hhr
from proteofold.run.manifest import load_run
from proteofold.run.results import sha256, write_out
from proteofold.science.summary import summarise
from proteofold.service.accounts import add_user, find_user
from proteofold.service.database import platform_of
from proteofold.service.tokens import create_token
from proteofold.store import add_fasta, import_run, open_store
from proteofold.system.paths import CHECKOUT

WEBSITE = CHECKOUT / "website"
HHR = CHECKOUT / "tests" / "data" / "hhsearch3.hhr"

MYG, LONELY, ODD = "sp|P02144|MYG_HUMAN", "lonely", "x<script>alert('1')</script>\"&%2F/?#é"
HOSTILE_RUN = "a/b <b>&?#%2F'\""
FASTA = f""">{MYG} Myoglobin <b>bold</b> OS=Homo sapiens OX=9606 GN=MB PE=1 SV=2
{"MGLSDGEWQL" * 10}
>{LONELY}
{"MKVAAAKKKK" * 3}
>{ODD}
{"MKVLLLKKKK" * 4}
"""
SETTINGS = {
    "library": {"prefix": "few", "templates": 3, "columns": 90, "longest": 30, "key": "feed"},
    "predictions": "demo-89abcdef",
}


def hit(rank, template, evalue, probability, first, last, description="about <it> & that"):
    return Hit(rank, template, description, probability, evalue, 1e-9, 99.5 - rank, 1.0, 20, first, last, 3, 33, 120)


# run -> protein -> hits
FOUND = {
    "first": {
        MYG: [hit(1, "1ABC_A", 1.5e-20, 99.0, 5, 95), hit(2, "<i>odd</i>", 0.002, 60.0, 70, 100)],
        LONELY: [],
        ODD: [hit(1, "1ABC_A", 0.5, 3.0, 1, 40)],
    },
    "second": {MYG: [hit(1, "2XYZ_B", 1e-30, 99.9, 5, 95)], LONELY: []},
}


def build_store(folder):
    """Run folders as runs leave them, and a store imported from them."""
    fasta = folder / "all.fasta"
    fasta.write_text(FASTA)
    conn = open_store(folder / "other name.db")
    add_fasta(conn, fasta)
    sequences = dict(re.findall(r"^>(\S+).*\n(\w+)$", FASTA, re.MULTILINE))
    runs = FolderOfRuns(folder)
    runs.path = folder
    for number, (run_id, found) in enumerate(FOUND.items()):
        proteins = {name: sequences[name] for name in found}
        run = runs.plan(run_id, proteins, **SETTINGS | {"search": f"few.lean.{run_id}"})
        for place, (protein, member) in enumerate(run.members.items()):
            used = {"cpu_s": 10.0 + place, "max_rss_mb": 300.0 - place, "node": "node<1>"}
            runs.finish(run, protein, found[member.query_id], **used)
        shutil.rmtree(run.predictions.horiz_folder)
        import_run(conn, run.folder.path)
        # both were written within a second; what is the latest must not hang on that
        started = f"2026-09-2{number}T00:00:00.000Z"
        conn.execute("update runs set date_started = ? where run_id = ?", (started, run_id))
        conn.execute("update protein_results set finished_at = ? where run_id = ?", (started, run_id))
    conn.close()
    return folder / "other name.db"


def add_busy_runs(path):
    """To a store: a run that is running, one of a hostile name and odd settings, and a prediction with alignments."""
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute(
        "insert into runs (run_id, status, date_started, date_resumed, author, settings, total, succeeded, failed)"
        " select 'busy', 'RUNNING', '2026-08-01T00:00:00.000Z', '2026-08-02T00:00:00.000Z', 'Ann', settings, 4, 1, 1"
        " from runs where run_id = 'first'"
    )
    conn.execute(
        "insert into runs (run_id, status, date_started, author, settings, total, succeeded, failed)"
        " values (?, 'FAILED', '2026-07-01T00:00:00.000Z', '<i>who</i>', ?, 1, 0, 1)",
        (HOSTILE_RUN, '{"mode": ["<u>odd</u>"], "library": "none", "versions": {"<u>v</u>": 3}}'),
    )
    rows = [
        ("busy", MYG, "done", "1ABC_A", 1e-9, 50.5, None, None, None),
        ("busy", LONELY, "running", None, None, None, "search", None, "node<1>"),
        ("busy", ODD, "failed", None, None, None, "search", "killed <b>hard</b>", "node<1>"),
        (HOSTILE_RUN, MYG, "failed", None, None, None, "a3m", "<img src=x onerror=alert(1)>", None),
    ]
    columns = "run_id, query_id, phase, best_hit, best_evalue, best_score, step, reason, node"
    conn.executemany(
        f"insert into protein_results ({columns}, result_id, position, md5, entry, log)"
        f" select {', '.join('?' * 9)}, 900 + ?, ?, md5, 'x-00000000', 'results/busy/logs/x.log' from proteins"
        " where query_id = ?",
        [(*row, number, number, row[1]) for number, row in enumerate(rows, 1)],
    )
    conn.execute("update protein_results set computed_in = 'first' where run_id = 'second'")
    conn.execute("update runs set shared = 2 where run_id = 'second'")
    conn.execute(
        "insert into predictions (md5, weights, secondary_structure, confidence)"
        " select md5, ?, ?, ? from proteins where query_id = ?",
        (SETTINGS["predictions"], "C" * 4 + "H" * 40 + "C" * 6 + "E" * 10 + "C" * 40, "9" * 100, MYG),
    )
    conn.close()
    write_alignments(load_run(path.parent / "second"), "P02144", HHR)


def write_alignments(run, protein, hhr):
    """Write another .hhr in the place of that of a finished protein."""
    search, member = run.search, run.members[protein]
    packed = pack_hhr(hhr.read_bytes())
    search.hhr(member.entry).write_bytes(packed)
    write_out(search.out(member.entry), member.entry, search.name, summarise(member.query_id, []), sha256(packed))


class Site:
    """Datasette as bin/serve starts it, on a store; ``get(path)`` is a browser's request.

    ``allow`` says who may see anything, as PROTEOFOLD_PUBLIC=0 does, ``plugin`` has the names of the site and
    the header of a proxy; the rest are Datasette's settings.
    """

    def __init__(self, store, allow=None, plugin=None, **settings):
        config = yaml.safe_load((WEBSITE / "datasette.yaml").read_text())
        config["settings"] |= settings
        if allow is not None:
            config["allow"] = allow
        if plugin is not None:
            config["plugins"] = {"proteofold_platform": plugin}
        self.datasette = Datasette(
            [str(store)],
            config=config,
            metadata=yaml.safe_load((WEBSITE / "metadata.yaml").read_text()),
            plugins_dir=str(WEBSITE / "plugins"),
            template_dir=str(WEBSITE / "templates"),
            static_mounts=[("static", str(WEBSITE / "static"))],
        )
        # the threads of one loop: Datasette's connections live as long as its loop
        self._loop = asyncio.new_event_loop()

    def get(self, path, **options):
        # as it is: Datasette's client would put the base of the site before it
        return self._loop.run_until_complete(self.datasette.client.get(PrefixedUrlString(path), **options))

    def ask(self, method, path, **options):
        """A request of any method."""
        client = self.datasette.client
        return self._loop.run_until_complete(client.request(method, PrefixedUrlString(path), **options))

    def rows(self, path, **parameters):
        """The rows that a table's or query's JSON has."""
        answer = self.get(path, params=parameters | {"_shape": "array"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    @staticmethod
    def links(page):
        """(address, text) of every link of a page."""
        return [
            (unescape(address), unescape(re.sub("<.*?>", "", text)))
            for address, text in re.findall(r'<a (?:class="skip" )?href="([^"]*)"[^>]*>(.*?)</a>', page.text, re.DOTALL)
        ]

    @staticmethod
    def protein(query_id):
        return "/-/protein/" + quote(query_id, safe="")

    @staticmethod
    def run(run_id):
        return "/-/runs/" + quote(run_id, safe="")

    def close(self):
        self.datasette.close()
        self._loop.close()


@pytest.fixture(scope="module")
def browser():
    """Chromium; closed when the module is done."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def open_site():
    """Function: the Site of a store, as arguments change it; closed when the module is done."""
    opened = []

    def start(store, **options):
        opened.append(Site(store, **options))
        return opened[-1]

    yield start
    for site in opened:
        site.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Path of a store with two finished runs; its name is none that the configuration knows."""
    return build_store(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def busy_store(tmp_path_factory):
    """Path of a store that also has a run that is running, a hostile one, and alignments."""
    path = build_store(tmp_path_factory.mktemp("busy"))
    add_busy_runs(path)
    return path


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """Path of a store with nothing in it."""
    path = tmp_path_factory.mktemp("empty") / "empty.db"
    open_store(path).close()
    return path


@pytest.fixture(scope="module")
def site(store, open_site):
    return open_site(store)


@pytest.fixture(scope="module")
def busy_site(busy_store, open_site):
    return open_site(busy_store)


# --- The platform -----------------------------------------------------------------------------------

PASSWORD = "correct horse battery"


class Visitor:
    """A browser on a Site: it keeps cookies, and sends the form token of the page that it saw last."""

    def __init__(self, site):
        self.site, self.cookies, self.form_token = site, {}, None

    def ask(self, method, path, **options):
        """A request as the browser sends it, without following where it is led."""
        headers = {"Sec-Fetch-Site": "same-origin"} | options.pop("headers", {})
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers |= {"Cookie": cookie} if cookie else {}
        answer = self.site.ask(method, path, headers=headers, **options)
        for line in answer.headers.get_list("set-cookie"):
            name, value = line.partition(";")[0].split("=", 1)
            if "Max-Age=0" in line:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        if found := re.search(r'name="form_token" value="([^"]+)"', answer.text):
            self.form_token = found[1]
        return answer

    def get(self, path, **options):
        return self.ask("GET", path, **options)

    def send(self, path, files=None, **fields):
        """A form of the site, sent with POST."""
        return self.ask("POST", path, data={"form_token": self.form_token or ""} | fields, files=files)

    def sign_in(self, name, password=PASSWORD):
        """Sign in by the form; returns the visitor."""
        self.get("/-/sign-in")
        answer = self.send("/-/sign-in", name=name, password=password)
        assert answer.status_code == 303, answer.text
        self.get("/-/tokens")
        return self


@pytest.fixture(scope="module")
def users_store(tmp_path_factory):
    """Path of the store of a platform: two users, ann and bob, and the administrator root; runs as in busy_store."""
    folder = tmp_path_factory.mktemp("users") / "results"
    folder.mkdir()
    path = build_store(folder)
    add_busy_runs(path)
    with platform_of(path) as conn:
        for name in ("ann", "bob", "root"):
            add_user(conn, name, PASSWORD, admin=name == "root")
    return path


@pytest.fixture(scope="module")
def users_site(users_store, open_site):
    return open_site(users_store)


@pytest.fixture(scope="module")
def signed_in(users_site):
    """Function: the Visitor who is signed in under a name, the same one each time."""
    visitors = {}

    def visitor(name):
        if name not in visitors:
            visitors[name] = Visitor(users_site).sign_in(name)
        return visitors[name]

    return visitor


@pytest.fixture
def visitor_of():
    """Function: a new Visitor of a Site."""
    return Visitor


@pytest.fixture
def stranger(users_site):
    """A Visitor who is not signed in."""
    return Visitor(users_site)


@pytest.fixture(scope="module")
def token_of(users_store):
    """Function: the secret of a new token of ann, with some rights."""

    def make(*rights, user="ann"):
        with platform_of(users_store) as conn:
            return create_token(conn, find_user(conn, user), "for a test", rights)

    return make


@pytest.fixture(scope="session")
def names():
    """What the stores have: ids of proteins and runs."""
    return SimpleNamespace(myg=MYG, lonely=LONELY, odd=ODD, hostile_run=HOSTILE_RUN)
