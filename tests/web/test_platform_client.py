"""The Python client, and the description of the API, against the site itself."""

import ast
import json
import os
import re
import shlex
from html import unescape
from urllib.parse import urlsplit

import httpx2
import jsonschema
import pytest
from click.testing import CliRunner

from proteofold.cli.remote import remote as remote_commands
from proteofold.client import Client, ClientError
from proteofold.run.merge import MERGED, merge_run
from proteofold.store.run_files import PROTEIN_FILES
from proteofold.system.errors import UserError
from website.actions.table import PROGRAMS
from website.requests.route import API


@pytest.fixture
def client(users_site, token_of):
    """A Client whose requests go to the site in this process."""
    with client_of(users_site, token_of("read", "upload", "run")) as client:
        yield client


def client_of(site, token):
    def answer(request):
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        response = site.ask(request.method, request.url.raw_path.decode(), headers=headers, content=request.read())
        return httpx2.Response(response.status_code, headers=response.headers, content=response.content)

    return Client("http://localhost", token, httpx2.MockTransport(answer))


def test_without_a_token_the_variable_to_set_is_named(users_site):
    with client_of(users_site, None) as stranger:
        with pytest.raises(ClientError, match="PROTEOFOLD_TOKEN") as refused:
            stranger.start_run("client", ["P02144"])
        assert refused.value.status == 401
        assert stranger.runs()["runs"]


def test_all_that_the_pages_do_is_done_from_python(client, tmp_path, names):
    fasta = tmp_path / "c.fasta"
    fasta.write_text(">c1\nMKVLAA\n>c2\nMKVLCC\n")
    sent = []
    done = client.add_fasta(fasta, lambda *progress: sent.append(progress))
    assert (done["added"], done["failed"], done["source"]) == (2, 0, "c.fasta, uploaded by ann")
    assert sent[-1] == (fasta.stat().st_size, fasta.stat().st_size)
    assert [row["query_id"] for row in client.search("MYG")["proteins"]] == [names.myg]
    (protein,) = client.protein("P02144")
    assert protein["query_id"] == names.myg and len(protein["runs"]) == 4
    assert client.match_ids(["c1", "zz"])["found"] == ["c1"]
    assert client.choices()["mode"][0]["name"] == "lean"
    assert client.estimate(["c1", "c2"])["total"] == 2
    assert client.start_run("client", ["c1", "c2", "zz"], without_absent=True)["proteins"] == 2
    assert client.runs(author="ann")["runs"][0]["run_id"] == "client"
    assert client.run("client")["progress"]["counts"]["waiting"] == 2
    client.stop("client")
    seen = []
    assert client.wait("client", seen.append)["status"] == "INTERRUPTED" and len(seen) == 1
    client.retry("client")
    client.stop("client")
    assert client.repeat("client", "client-2")["run_id"] == "client-2"
    client.delete("client")
    with pytest.raises(ClientError, match="no run 'client'") as error:
        client.run("client")
    assert error.value.status == 404
    assert client.proteins("first")["total"] == 3
    assert client.cluster()["nodes"] and client.health()["services"]
    assert client.who_am_i()["user"] == "ann"


def test_results_of_a_protein_and_tables_are_fetched_from_python(client, tmp_path, names, users_store):
    merge_run(users_store.parent / "first")
    reported = client.run_protein("first", names.myg)
    assert reported["protein"]["query_id"] == reported["result"]["query_id"] == names.myg and reported["hits"]
    assert reported["verdict"]["class"] == "dark" and reported["verdict"]["sentence"].startswith("No domain")
    (protein,) = client.protein(names.myg)
    assert protein["verdict"] is not None
    for name in PROTEIN_FILES:
        if name not in ("a3m", "fasta"):  # the predictions of this store are removed
            assert client.protein_file("first", names.myg, name, tmp_path / name).stat().st_size
    assert json.loads((tmp_path / "domains.json").read_text())["sentence"] == reported["verdict"]["sentence"]
    for name in MERGED:
        path = client.table("first", name, tmp_path / name)
        assert path.read_bytes() == (users_store.parent / "first" / name).read_bytes()
    for wrong in (
        lambda: client.table("first", "settings.json", tmp_path / "x"),
        lambda: client.protein_file("first", names.myg, "fasta", tmp_path / "x"),
        lambda: client.protein_file("first", names.myg, "zip", tmp_path / "x"),
        lambda: client.protein_file("first", "nobody", "hhr", tmp_path / "x"),
        lambda: client.run_protein("first", "nobody"),
    ):
        with pytest.raises(ClientError) as error:
            wrong()
        assert error.value.status == 404 and not (tmp_path / "x").exists()


def test_hostile_names_reach_the_site_as_they_are(client, names):
    assert client.protein(names.odd)[0]["query_id"] == names.odd
    assert client.run(names.hostile_run)["run"]["run_id"] == names.hostile_run
    for name in ("..", "", "."):
        with pytest.raises(UserError):
            client.protein(name)


def test_refusals_are_reported_in_the_words_of_the_site(users_site, token_of):
    with client_of(users_site, token_of("read")) as reader, pytest.raises(ClientError, match="lacks the right 'run'"):
        reader.start_run("x", ["lonely"])
    with client_of(users_site, "pft_wrong") as wrong, pytest.raises(ClientError, match="not known"):
        wrong.runs()


def test_a_site_that_does_not_answer_is_an_error_in_words(monkeypatch, tmp_path):
    with Client("http://127.0.0.1:9") as client, pytest.raises(ClientError, match="no answer"):
        client.runs()
    with (
        Client("http://x", transport=httpx2.MockTransport(lambda request: httpx2.Response(200, text="<p>"))) as other,
        pytest.raises(ClientError, match="no proteofold site"),
    ):
        other.runs()
    monkeypatch.delenv("PROTEOFOLD_URL", raising=False)
    with pytest.raises(UserError, match="PROTEOFOLD_URL"):
        Client()
    with pytest.raises(UserError, match="'127.0.0.1:8001' is not the address of a site"):
        Client("127.0.0.1:8001")


def test_a_download_that_breaks_leaves_no_file(tmp_path):
    def broken():
        yield b"PK"
        raise httpx2.ReadError("gone")

    class Broken(httpx2.BaseTransport):
        def handle_request(self, request):
            class Stream(httpx2.SyncByteStream):
                def __iter__(self):
                    yield from broken()

            return httpx2.Response(200, stream=Stream())

    with Client("http://x", transport=Broken()) as client, pytest.raises(ClientError):
        client.download("run", tmp_path / "x.zip")
    assert list(tmp_path.iterdir()) == []


# --- OpenAPI ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def described(users_site):
    return users_site.get(f"{API}/openapi.json").json()


def test_the_description_has_every_route_and_no_other(described):
    routes = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    assert routes == {(route.method, route.path) for route in PROGRAMS}
    ids = [operation["operationId"] for methods in described["paths"].values() for operation in methods.values()]
    assert len(set(ids)) == len(ids)


def test_every_schema_is_one_and_every_variable_is_described(described):
    for path, methods in described["paths"].items():
        for operation in methods.values():
            variables = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
            assert variables == set(re.findall(r"\{(\w+)\}", path))
            for content in (operation.get("requestBody", {}), *operation["responses"].values()):
                for media in content.get("content", {}).values():
                    jsonschema.Draft202012Validator.check_schema(media["schema"])


VALUES = {"run_id": "first", "query_id": "sp|P02144|MYG_HUMAN", "token_id": "1", "key": "none"}
GETS = [route for route in PROGRAMS if route.method == "GET" and isinstance(route.answer, dict)]


@pytest.mark.parametrize("route", GETS, ids=[route.path for route in GETS])
def test_answers_are_as_described(users_site, signed_in, described, route):
    """Those that only look; the others are checked where they are tested."""
    path = route.path.format_map(VALUES)
    query = {one.name: "a" for one in route.query if one.required}
    answer = signed_in("ann").get(path, params=query)
    content = described["paths"][route.path]["get"]["responses"][str(answer.status_code)]["content"]
    schema = content["application/json"]["schema"] | {"components": described["components"]}
    jsonschema.validate(answer.json(), schema)
    assert answer.status_code == (404 if path.endswith("/log") else 200), answer.text


# --- The boxes of the pages -------------------------------------------------------------------------

BOXES = {
    "/-/upload": ("add_fasta",),
    "/-/search?q='; rm -rf <x>": ("search",),
    "/-/protein/x%3Cscript%3Ealert%28%271%27%29%3C%2Fscript%3E%22%26%252F%2F%3F%23%C3%A9": ("protein",),
    "/-/new-run": ("match_ids", "estimate", "start_run", "wait"),
    "/-/runs": ("runs",),
    "/-/runs/a%2Fb%20%3Cb%3E%26%3F%23%252F'%22": ("wait", "download"),
    "/-/runs/busy/log?protein=lonely": ("log",),
    "/-/cluster": ("cluster",),
}


@pytest.mark.parametrize("path", BOXES)
def test_boxes_have_requests_that_can_be_copied(signed_in, names, path):
    page = signed_in("ann").get(path)
    assert page.status_code == 200
    python, remote, curl = (
        unescape(re.search(f'aria-label="The same with {way}">(.*?)</pre>', page.text, re.S)[1])
        for way in ("Python", "Command line", "curl")
    )
    methods = set()
    for node in ast.walk(ast.parse(python)):
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "client":
            methods.add(node.attr)
    assert methods == set(BOXES[path]) and all(hasattr(Client, name) for name in methods)
    for line in remote.splitlines()[1:]:
        words = shlex.split(line)
        assert words[:2] == ["proteofold", "remote"]
        assert words[2] in remote_commands.commands
    patterns = [route.pattern for route in PROGRAMS]
    for command in re.split(r"\n(?=curl)", curl.replace("\\\n", " ")):
        words = shlex.split(command)
        assert words[:3] == ["curl", "-H", "Authorization: Bearer $PROTEOFOLD_TOKEN"]
        address = urlsplit(words[-1])
        assert any(re.fullmatch(pattern, address.path) for pattern in patterns), address


@pytest.mark.parametrize(
    "path, argument",
    [
        ("/search", "q"),
        ("/runs?page=null", "page"),
        ("/runs?page=0", "page"),
        ("/runs?page=1&page=x", "page"),
        ("/runs?show=nonsense", "show"),
        ("/runs/first/proteins?sort=x", "sort"),
    ],
)
def test_arguments_that_are_not_as_described_are_refused(users_site, path, argument):
    answer = users_site.get(API + path)
    assert answer.status_code == 400 and answer.json()["error"].startswith(f"{argument}: ")


# --- Odd requests -----------------------------------------------------------------------------------

ODD = (
    "%00",
    "%2e%2e%2f%2e%2e",
    "%ff%fe",
    "x" * 3000,
    "%F0%9F%A6%A0",
    "'%3B--",
    "%3Cscript%3E",
    "-1",
    "9" * 40,
    "%E2%80%AE",
)
BODIES = (
    b"",
    b"null",
    b"[" * 5000,
    b'{"ids": [""], "run_id": "odd"}',
    b'{"ids": ["\\u0000", "\\ud800"], "run_id": "odd"}',
    b'{"ids": ["x"], "run_id": "o\\u0000dd", "mode": "lean"}',
    b'{"ids": ["' + b"y" * 100_000 + b'"], "run_id": "odd"}',
    b'{"ids": [1e999], "run_id": NaN}',
    b'{"label": "\\u202e", "rights": ["run", "run"], "days": 1e3}',
    b'{"label": " ", "rights": ["run"]}',
)


@pytest.fixture(scope="module")
def everything(token_of):
    return {"Authorization": f"Bearer {token_of('read', 'upload', 'run')}"}


def check(described, route, answer):
    """An answer has a status that is described, and the form that is described for it."""
    responses = described["paths"][route.path][route.method.lower()]["responses"]
    assert str(answer.status_code) in responses, (answer.status_code, answer.text[:300])
    if answer.status_code >= 400:
        assert answer.json()["ok"] is False and isinstance(answer.json()["error"], str)


@pytest.mark.parametrize("route", PROGRAMS, ids=[f"{route.method} {route.path}" for route in PROGRAMS])
def test_odd_requests_are_answered_as_described(users_site, everything, described, route):
    odd = ODD if route.variables or route.query else ODD[:1]
    for value in odd:
        path = re.sub(r"\{\w+\}", value, route.path)
        query = "&".join(f"{one.name}={value}" for one in route.query)
        for body in BODIES if isinstance(route.body, dict) and value == odd[0] else (b"",):
            headers = everything | ({"Content-Type": "application/json"} if body else {})
            answer = users_site.ask(route.method, f"{path}?{query}", headers=headers, content=body)
            check(described, route, answer)


@pytest.mark.parametrize("way", ["environment", "file", "input", "asked"])
def test_a_token_is_given_where_other_users_cannot_read_it(users_site, token_of, monkeypatch, tmp_path, way):
    token = token_of("read", "run")
    used = []

    def client(url, token):
        used.append(token or os.environ.get("PROTEOFOLD_TOKEN"))
        return client_of(users_site, used[-1])

    monkeypatch.setattr("proteofold.client.Client", client)
    (tmp_path / "token").write_text(f"{token}\n")
    words, sent, variables = {
        "environment": ([], None, {"PROTEOFOLD_TOKEN": token}),
        "file": (["--token-file", str(tmp_path / "token")], None, {"PROTEOFOLD_TOKEN": "another"}),
        "input": (["--token-file", "-"], f"{token}\n", {}),
        "asked": (["--ask-token"], f"{token}\n", {}),
    }[way]
    done = CliRunner().invoke(remote_commands, ["--url", "http://localhost", *words, "runs"], input=sent, env=variables)
    assert (done.exit_code, used) == (0, [token]), done.output
    assert token not in done.output


def test_a_token_is_no_argument():
    done = CliRunner().invoke(remote_commands, ["--url", "http://localhost", "--token", "pft_secret", "runs"])
    assert done.exit_code == 2 and "--token" in done.output
