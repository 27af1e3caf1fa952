"""What the site discloses of itself and of its machine: no versions, settings, plugins or folders."""

import re
import stat
import urllib.request

import pytest
from webbench import served

from website.actions.table import ROUTES
from website.requests.route import API, READER

CLOSED = [
    *("versions", "plugins", "settings", "config", "databases", "actor", "threads", "tasks", "actions", "allowed"),
    *("rules", "check", "permissions", "messages", "allow-debug", "patterns", "api", "auth-token", "create-token"),
    *("logout", "debug/autocomplete", "no-such-page"),
]
OPEN = ["/-/jump.json?q=a", "/-/queries", "/-/queries.json", "/-/schema", "/-/schema.md", "/-/static/app.css"]
DATASETTES = [
    *("/", "/-/", "/proteofold", "/proteofold.json", "/proteofold/proteins", "/proteofold/proteins/lonely"),
    *("/proteofold/proteins.json?_extra=request,debug,metadata,database", "/proteofold/proteins.csv"),
    *("/proteofold/runs.json", "/proteofold/runs", "/proteofold/protein_results.json", "/proteofold/slowest_proteins"),
    *("/proteofold/-/schema", "/nothing", "/proteofold/nothing", "/proteofold/runs?_sort=x"),
]


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("ending", ["", ".json", "/"])
def test_pages_about_the_server_are_closed_to_all_users(users_site, signed_in, name, ending):
    for ask in (users_site.get, signed_in("ann").get, signed_in("root").get):
        answer = ask(f"/-/{name}{ending}", follow_redirects=True)
        assert answer.status_code == 404, answer.text[:300]


@pytest.mark.parametrize("path", OPEN)
def test_pages_that_readers_need_are_open(users_site, path):
    assert users_site.get(path).status_code == 200


@pytest.fixture(scope="module")
def answers(users_site, names):
    """All that readers are answered, by path."""
    values = {"run_id": "first", "query_id": "lonely", "file": "overview.html", "code": "1abc"}
    ours = [
        re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], "none"), route.path)
        for route in ROUTES
        if route.right == READER and route.method == "GET"
    ]
    paths = [*ours, *DATASETTES, *OPEN[:-1], f"{API}/openapi.json", f"{API}/search?q=a", users_site.protein(names.odd)]
    return {path: users_site.get(path).text for path in paths}


def test_no_page_shows_a_folder_of_the_machine(answers, users_store):
    here = [path for path, text in answers.items() if str(users_store.parent.parent) in text or "site-packages" in text]
    assert here == []


def test_no_page_shows_the_version_of_a_program_of_the_server(answers):
    from datasette.version import __version__ as datasettes

    from proteofold import __version__ as ours

    for path, text in answers.items():
        assert datasettes not in text, path
        assert path.startswith("/-/runs/") or f'"{ours}"' not in text, path


@pytest.mark.parametrize("kind", ["text/html", "application/json"])
@pytest.mark.parametrize("path", ["/-/static/app.css/x", "/static/pages.css/x", "/proteofold/proteins.atom"])
def test_addresses_that_datasette_fails_on_are_not_found_and_disclose_nothing(users_site, path, kind):
    answer = users_site.get(path, headers={"Accept": kind})
    assert answer.status_code == 404
    assert not any(word in answer.text for word in ("Errno", "site-packages", "/static/pages.css/x'", "Invalid format"))


@pytest.mark.parametrize("kind", ["text/html", "application/json"])
def test_faults_of_the_server_are_described_in_its_log_only(users_site, monkeypatch, kind, capfd):
    def fail(*_, **__):
        raise RuntimeError("/srv/secret/place")

    monkeypatch.setattr(users_site.datasette, "list_queries", fail)
    answer = users_site.get("/", headers={"Accept": kind})
    assert answer.status_code == 500
    assert "secret" not in answer.text and "log of the server" in answer.text
    assert "/srv/secret/place" in capfd.readouterr().err


@pytest.mark.parametrize("path", ["/", "/?q=1"])
def test_lack_of_memory_is_no_fault_of_the_address(users_site, monkeypatch, path):
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr(users_site.datasette, "list_queries", fail)
    answer = users_site.get(path)
    assert answer.status_code == 503 and "not enough memory" in answer.text


@pytest.mark.parametrize("path", ["/proteofold/-/query.json?sql=select+1", "/proteofold/-/query.csv?sql=select+1"])
def test_programs_without_an_account_are_reported_in_words_how_to_run_sql(users_site, token_of, path):
    answer = users_site.get(path)
    assert answer.status_code == 403
    assert answer.json()["error"].startswith("Sign in first.") and "execute-sql" not in answer.text
    answer = users_site.get(path, headers={"Authorization": f"Bearer {token_of('upload')}"})
    assert answer.status_code == 403
    assert "right 'read'" in answer.json()["error"] and "Sign in first" not in answer.text


@pytest.mark.parametrize("path", ["/proteofold/-/query?sql=select+1", "/proteofold/proteins?_where=1"])
def test_readers_without_an_account_are_reported_in_words_how_to_run_sql(users_site, path):
    page = users_site.get(path)
    assert page.status_code == 403
    assert "Sign in first" in page.text and "/-/sign-in?next=" in page.text
    assert "execute-sql" not in page.text and "_where= is" not in page.text


def test_browsers_keep_no_page_of_a_private_site(users_store, token_of, tmp_path):
    with served(users_store, tmp_path / "log", PROTEOFOLD_PUBLIC="0") as url:
        for path in ("/proteofold/proteins", "/proteofold/proteins.json", "/-/runs", "/proteofold/slowest_proteins"):
            request = urllib.request.Request(url + path, headers={"Authorization": f"Bearer {token_of('read')}"})
            with urllib.request.urlopen(request) as answer:
                assert "no-store" in answer.headers["Cache-Control"], path


def test_files_of_a_private_site_are_closed_to_other_users_of_the_machine(tmp_path, monkeypatch):
    from proteofold.store import open_store

    results = tmp_path / "results"
    results.mkdir()
    results.chmod(0o755)  # whatever the umask of who runs the tests
    (results / "run").mkdir()
    store = results / "proteofold.db"
    open_store(store).close()
    store.chmod(0o644)

    def mode(path):
        return stat.S_IMODE(path.stat().st_mode)

    with served(store, tmp_path / "public.log"):
        assert (mode(store), mode(results)) == (0o644, 0o755)
    with served(store, tmp_path / "log", PROTEOFOLD_PUBLIC="0"):
        assert (mode(store), mode(results)) == (0o640, 0o750)
        wal = store.with_name("proteofold.db-wal")
        assert not wal.exists() or mode(wal) & 0o007 == 0
