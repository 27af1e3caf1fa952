"""What strangers send to hold up the site, or to break it: others go on being answered."""

import asyncio
import contextlib
import http.client
import io
import json
import os
import shutil
import socket
import threading
import time
import zipfile
from pathlib import Path

import pytest
from webbench import served, serving

from proteofold.run.manifest import load_run
from proteofold.service.accounts import find_user
from proteofold.service.database import platform_of
from proteofold.service.tokens import create_token
from website.actions.table import ROUTES
from website.requests import gate, streams

API = "/-/api/v1"
# CPU seconds of the server, of which a machine that does other things has as many; each of the attacks took several
SOON_S = 2


@pytest.fixture(scope="module")
def running(users_store, tmp_path_factory):
    """A real server: its address and process.

    The run "first" has a table of which a slow reader's connection holds a part only.
    """
    tables = users_store.parent / "first"
    tables.mkdir(exist_ok=True)
    (tables / "hits.csv.gz").write_bytes(os.urandom(24 << 20))
    log = tmp_path_factory.mktemp("server") / "log"
    with serving(users_store, log, PROTEOFOLD_PROXIES="127.0.0.1", PROTEOFOLD_HOSTS="x") as (url, process):
        yield url, process


@pytest.fixture(scope="module")
def server(running):
    """Address of the server."""
    return running[0]


@pytest.fixture(scope="module")
def cpu_s(running):
    """Function: the CPU seconds that the server has used."""

    def used():
        user, system = Path(f"/proc/{running[1].pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    return used


@pytest.fixture(scope="module")
def ann(users_store):
    """Headers of a program of ann's."""
    with platform_of(users_store) as conn:
        secret = create_token(conn, find_user(conn, "ann"), "for a test", ("read", "upload", "run"))
    return {"Authorization": f"Bearer {secret}"}


def ask(server, method, path, body=None, **headers):
    """(status, text) of a request."""
    connection = http.client.HTTPConnection(server.removeprefix("http://"), timeout=50)
    with contextlib.closing(connection):
        named = {"Content_Type": "application/json"} | headers
        headers = {name.replace("_", "-"): value for name, value in named.items()}
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it was refused before all of it was sent
            connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


@pytest.fixture
def waits(server, cpu_s):
    """Function: the CPU seconds of each answer to others while the block was carried out."""

    @contextlib.contextmanager
    def measured():
        waited, ended = [], threading.Event()

        def look():
            while not ended.is_set():
                begun = cpu_s()
                assert ask(server, "GET", f"{API}/session")[0] == 200
                waited.append(cpu_s() - begun)

        other = threading.Thread(target=look)
        other.start()
        try:
            yield waited
        finally:
            ended.set()
            other.join()

    return measured


MANY_KEYS = json.dumps({f"k{number}": 0 for number in range(1_000_000)}).encode()
MANY_IDS = json.dumps({"ids": [f"P{number}" for number in range(1_000_000)]}).encode()
DEEP = b"[" * 5_000_000
NUMBER = b'{"name": ' + b"9" * 5_000_000 + b"}"
FORM = b"a=1&" * 3_000_000
FORM_TYPE = {"Content_Type": "application/x-www-form-urlencoded"}
SMALL = 60_000  # bytes that are never refused

ATTACKS = {
    "keys": ("POST", f"{API}/session", MANY_KEYS, {}),
    "ids": ("POST", f"{API}/ids", MANY_IDS, {}),
    "nesting": ("POST", f"{API}/ids", DEEP, {}),
    "number": ("POST", f"{API}/session", NUMBER, {}),
    "form": ("POST", "/-/sign-in", FORM, FORM_TYPE),
    "form of a page of Datasette": ("POST", "/-/messages", FORM, FORM_TYPE),
    "small keys": ("POST", f"{API}/session", MANY_KEYS[:SMALL].rpartition(b",")[0] + b"}", {}),
    "small ids": ("POST", f"{API}/ids", b'{"ids": [' + b'"a",' * (SMALL // 4) + b'"a"]}', {}),
    "small nesting": ("POST", f"{API}/ids", DEEP[:SMALL], {}),
    "small number": ("POST", f"{API}/session", NUMBER[:SMALL] + b"}", {}),
    "small form": ("POST", "/-/sign-in", FORM[:SMALL], FORM_TYPE),
    "arguments": ("GET", f"/proteofold/proteins.json?{'a=1&' * 10_000}", None, {}),
    "quoted cookie": ("GET", f"{API}/session", None, {"Cookie": 'a="' + "\\" * 60_000 + '"'}),
    "octal cookie": ("GET", f"{API}/session", None, {"Cookie": 'a="' + "\\101" * 15_000 + '"'}),
    "many cookies": ("GET", f"{API}/session", None, {"Cookie": "a=1;" * 15_000}),
    "many arguments": ("GET", f"{API}/search?{'q=a&' * 4_000}", None, {}),
    "arguments of many names": (
        "GET",
        f"/proteofold/proteins.json?{'&'.join(f'a{n}=1' for n in range(1500))}",
        None,
        {},
    ),
    "many facets": ("GET", f"/proteofold/proteins.json?{'_facet=length&' * 1_100}", None, {}),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_others_are_answered_while_a_stranger_sends(server, cpu_s, waits, name):
    method, path, body, headers = ATTACKS[name]
    with waits() as waited:
        for _ in range(3):
            begun = cpu_s()
            status, text = ask(server, method, path, body, **headers)
            assert status in (200, 400, 403, 404, 413, 414), text[:300]
            assert cpu_s() - begun < 3 * SOON_S
    assert max(waited) < SOON_S


def test_lists_and_uploads_of_who_is_known_are_taken(server, users_store, ann, waits):
    proteins = "".join(f">many{number}\n{'MKVLAAGIVGLCAKAYDW' * 20}\n" for number in range(1_000))
    ids = [f"many{number}" for number in range(1_000)] + [f"absent|of|a|long|name{number}" for number in range(9_000)]
    with waits() as waited:
        status, text = ask(server, "POST", f"{API}/proteins", proteins, **ann, Content_Type="text/plain")
        assert (status, json.loads(text)["added"]) == (200, 1_000)
        status, text = ask(server, "POST", f"{API}/ids", json.dumps({"ids": ids}), **ann)
        answer = json.loads(text)
        assert (status, len(answer["found"]), len(answer["absent"])) == (200, 1_000, 9_000)
    assert max(waited) < SOON_S


def test_who_is_refused_a_long_list_is_reported_how_to_send_it(server, ann):
    status, text = ask(server, "POST", f"{API}/ids", MANY_IDS[:200_000])
    assert status == 413 and "64 kB" in json.loads(text)["error"] and "sign in" in json.loads(text)["error"]
    status, text = ask(server, "POST", f"{API}/ids", MANY_IDS, **ann)
    assert status == 413 and "4 MB" in json.loads(text)["error"]


@pytest.mark.parametrize("cookie", ["/=x", "a;b;c", '"', "=", "a=\x01", "ä=ö", "x/y=1; {}=2", "a" * 60_000])
def test_odd_cookies_of_other_sites_are_passed_over(users_site, signed_in, cookie):
    ours = "; ".join(f"{name}={value}" for name, value in signed_in("ann").cookies.items())
    for header in (f"{cookie}; {ours}", f"{ours}; {cookie}"):
        answer = users_site.get(f"{API}/session", headers={"Cookie": header.encode()})
        assert (answer.status_code, answer.json()["user"]) == (200, "ann")


@pytest.mark.parametrize("name", ["_facet", "%5Ffacet", "_facet_date"])
def test_facets_are_few_as_each_takes_a_second_of_a_large_table(users_site, name):
    for count, status in ((10, 200), (11, 400)):
        answer = users_site.get(f"/proteofold/proteins.json?{'&'.join([f'{name}=length'] * count)}")
        assert answer.status_code == status, answer.text


def test_nothing_is_sent_to_pages_that_only_read(users_site):
    for path in ("/-/messages", "/-/permissions", "/proteofold", "/nothing"):
        assert users_site.ask("POST", path, content=b"a=1").status_code == 404


UNREADABLE = (
    *("_through={", "_through=[]", '_through={"table":1}', "_through=" + "[" * 3000),
    *("_facet={", "_facet={}", "_facet=x", "_facet_array=query_id", "_facet_date=x", "_facet=%00", "_where=%00"),
    *("_timelimit=x", "_ttl=" + "9" * 5000, "_facet_size=" + "9" * 5000, "length__gt=" + "9" * 30),
)


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")  # of Datasette's facets
@pytest.mark.parametrize("kind", ["", ".json", ".csv"])
def test_arguments_that_datasette_cannot_read_are_refused(users_site, kind):
    for arguments in UNREADABLE:
        answer = users_site.get(f"/proteofold/proteins{kind}?{arguments}")
        refused = 403 if arguments.startswith("_where") else 400  # conditions of one's own need an account
        assert answer.status_code in (200, refused), (arguments, answer.text[:300])
        assert answer.status_code != 400 or "invalid" in answer.text, arguments


@pytest.mark.parametrize("text", ['"', '""', " ", "*", '" "', "(", "%00", "-"])
def test_searching_a_table_for_marks_only_finds_nothing(users_site, text):
    answer = users_site.get("/proteofold/proteins.json", params={"_search": text, "_shape": "array"})
    assert (answer.status_code, answer.json()) == (200, [])


@pytest.mark.parametrize(
    "address, status",
    [
        ("/no-such-page", 404),
        ("/proteofold/none", 404),
        ("/-/runs/none", 404),
        ("/proteofold/proteins?_sort=none", 400),
        ("/proteofold/proteins?_size=x", 400),
        ("/-/protein/none", 404),
    ],
)
def test_pages_of_errors_keep_the_menu_and_the_name_of_the_user(signed_in, address, status):
    answer = signed_in("ann").get(address)
    assert answer.status_code == status
    assert 'href="/-/runs"' in answer.text and 'action="/-/sign-out"' in answer.text


# --- Slow ones --------------------------------------------------------------------------------------


@contextlib.contextmanager
def slow_reader(server, address):
    """The status of a download that seems to go to ``address``, and of which nothing more is read."""
    host, port = server.removeprefix("http://").split(":")
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.settimeout(50)
        reader.connect((host, int(port)))
        reader.sendall(
            f"GET {API}/runs/first/download.zip HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {address}\r\n\r\n".encode()
        )
        yield int(reader.recv(100).split()[1])


def test_readers_that_do_not_read_leave_downloads_to_others(server, ann):
    path = f"{API}/runs/first/download.zip"
    with contextlib.ExitStack() as stack:
        statuses = [stack.enter_context(slow_reader(server, "203.0.113.1")) for _ in range(40)]
        assert statuses == [200] * 4 + [429] * 36
        # a network of IPv6 is one
        more = [stack.enter_context(slow_reader(server, f"2001:db8::{number:x}")) for number in range(6)]
        assert more == [200] * 4 + [429] * 2
        for headers in ({"X_Forwarded_For": "203.0.113.2"}, {"X_Forwarded_For": "203.0.113.1"} | ann):
            status, content = ask(server, "GET", path, **headers)
            assert status == 200 and len(content) > 24 << 20
    # who left is not counted any more
    deadline = time.monotonic() + 30
    while ask(server, "GET", path, X_Forwarded_For="203.0.113.1")[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def endless(stream):
    while True:
        stream.write(bytes(1 << 18))


def test_a_reader_that_takes_nothing_for_long_is_cut_off(monkeypatch):
    monkeypatch.setattr(streams, "PATIENCE_S", 0.2)
    taken = []

    async def send(message):
        taken.append(message)
        if len(taken) > 3:
            await asyncio.Event().wait()

    async def visit():
        stream = await streams.Streamed(endless, "x.zip", "application/zip").begin("somebody")
        await stream.asgi_send(send)
        with pytest.raises(BrokenPipeError):
            await stream._writing

    asyncio.run(asyncio.wait_for(visit(), 30))
    assert all(message.get("more_body", True) for message in taken)  # a part is not taken for the whole


def test_a_body_that_does_not_continue_arriving_is_given_up(users_site, monkeypatch):
    monkeypatch.setattr(gate, "PATIENCE_S", 0.2)
    messages, answered = [{"type": "http.request", "body": b'{"name"', "more_body": True}], []

    async def receive():
        if messages:
            return messages.pop()
        await asyncio.Event().wait()

    async def app(scope, receive, send):
        answered.append(await receive())
        answered.append(await receive())

    scope = {"type": "http", "method": "POST", "path": f"{API}/session", "headers": [(b"host", b"localhost")]}
    asyncio.run(asyncio.wait_for(gate.gate(app, users_site.datasette, ROUTES)(scope, receive, None), 30))
    assert [message["type"] for message in answered] == ["http.request", "http.disconnect"]


# --- Where a request comes from, and which name it calls ------------------------------------------


@pytest.fixture(scope="module")
def named_site(users_store, open_site):
    """The site as website/serve starts it with PROTEOFOLD_HOSTS."""
    return open_site(users_store, plugin={"hosts": "proteofold.example.org, 10.0.0.5"})


@pytest.mark.parametrize(
    "host", ["proteofold.example.org", "PROTEOFOLD.example.org:8443", "proteofold.example.org.", "10.0.0.5"]
)
def test_a_site_answers_to_its_names(named_site, host):
    assert named_site.get("/-/runs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "proteofold.example.org.evil.example", "evil.example:80", "localhost.evil.example", ""),
        *("localhost:80@evil.example", "localhost:x", "localhost/x", "localhost<b>", "xproteofold.example.org"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/-/runs", "/proteofold/proteins.json", f"{API}/openapi.json", "/-/sign-in"])
def test_a_site_answers_to_no_other_name_and_repeats_none(named_site, users_site, host, path):
    for site in (named_site, users_site):
        answer = site.get(path, headers={"Host": host})
        assert answer.status_code == 400
        assert "evil" not in answer.text and "PROTEOFOLD_HOSTS" in answer.text


def test_a_site_without_names_answers_to_this_machine_only(users_site):
    for host in ("localhost", "localhost:8001", "127.0.0.1:8001", "[::1]:8001"):
        assert users_site.get("/-/runs", headers={"Host": host}).status_code == 200
    assert users_site.get("/-/runs", headers={"Host": "proteofold.example.org"}).status_code == 400


def claimed(server, addresses):
    """The status of the last of more downloads than one address may have, each of another address as it claims."""
    with contextlib.ExitStack() as stack:
        return [stack.enter_context(slow_reader(server, address)) for address in addresses][-1]


def test_whom_a_request_claims_to_come_from_counts_only_from_a_named_proxy(users_store, server, tmp_path):
    addresses = [f"198.51.100.{number}" for number in range(6)]
    assert claimed(server, addresses) == 200
    with served(users_store, tmp_path / "log", PROTEOFOLD_HOSTS="x") as unnamed:
        assert claimed(unnamed, addresses) == 429
    with served(users_store, tmp_path / "log", PROTEOFOLD_HOSTS="x", PROTEOFOLD_PROXIES="192.0.2.1") as other:
        assert claimed(other, addresses) == 429


def test_only_addresses_are_taken_as_proxies(users_store, tmp_path):
    with pytest.raises(AssertionError, match="IP addresses or networks"):
        served(users_store, tmp_path / "log", PROTEOFOLD_PROXIES="*").__enter__()


# --- Files ------------------------------------------------------------------------------------------


def test_links_in_a_report_are_not_followed(users_store, open_site, users_site):
    report = users_store.parent / "first" / "report"
    report.mkdir(exist_ok=True)
    (report / "overview.html").write_text("<p>overview</p>")
    (report / "evalues.svg").symlink_to(users_store.with_name("platform.db"))
    assert users_site.get("/-/runs/first/report/overview.html").status_code == 200
    assert users_site.get("/-/runs/first/report/evalues.svg").status_code == 404
    other = users_store.parent / "second"
    (other / "report").symlink_to(report)
    assert users_site.get("/-/runs/second/report/overview.html").status_code == 404


def test_what_is_downloaded_of_a_run_holds_no_file_that_a_link_leads_to(users_store, users_site, names):
    run = load_run(users_store.parent / "first")
    member = run.members[names.lonely]
    secret = users_store.with_name("platform.db")
    (run.folder.path / "merge_results.csv").write_text("x")
    kept = run.a3m(member.entry)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.symlink_to(secret)
    report = run.folder.path / "report"
    shutil.rmtree(report, ignore_errors=True)
    (users_store.parent / "elsewhere").mkdir()
    shutil.copy(secret, users_store.parent / "elsewhere" / "overview.html")
    report.symlink_to(users_store.parent / "elsewhere")
    answer = users_site.get(f"{API}/runs/first/proteins/{names.lonely}/a3m")
    assert answer.status_code == 404 and "SQLite" not in answer.text
    with zipfile.ZipFile(io.BytesIO(users_site.get(f"{API}/runs/first/download.zip").content)) as archive:
        assert not [name for name in archive.namelist() if archive.read(name).startswith(b"SQLite")]
    report.unlink()


def test_a_pipe_in_place_of_a_log_holds_up_no_reader(users_store, users_site, names):
    run = load_run(users_store.parent / "first")
    log = run.search.log("search", run.members[names.lonely].entry)
    log.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(log)
    assert users_site.get(f"{API}/runs/first/log?protein={names.lonely}").status_code == 404


@pytest.mark.parametrize("mark", "=+-@＝＋－＠")
def test_uploads_bring_no_formulas_into_spreadsheets(signed_in, mark):
    headers = {"X-Form-Token": signed_in("ann").form_token, "Content-Type": "text/plain"}
    fasta = f">{mark}1+1 x\nMKV\n>formula1 {mark}HYPERLINK('x')\nMKV\n>formula2 x OS={mark}1+1\nMKV\n"
    fasta += f">formula3 x GN={mark}1\nMKV\n>harmless{ord(mark)} a {mark} b\nMKV\n"
    answer = signed_in("ann").ask("POST", f"{API}/proteins", content=fasta.encode(), headers=headers).json()
    assert (answer["added"], answer["failed"]) == (1, 4)
    assert all("formula" in row["reason"] for row in answer["rows"] if row["outcome"] == "failed")


def test_the_token_of_a_form_differs_on_each_page_and_is_taken(users_site, visitor_of):
    """Of pages that are compressed the size would disclose it, letter by letter."""
    ann = visitor_of(users_site).sign_in("ann")
    seen = set()
    for _ in range(3):
        ann.get("/-/tokens")
        seen.add(ann.form_token)
    assert len(seen) == 3
    for token in seen:
        ann.form_token = token
        assert ann.send("/-/tokens", label="", rights="run").status_code == 400  # not 403
    ann.form_token = token[:16] + "0" * 64
    assert ann.send("/-/tokens", label="", rights="run").status_code == 403
