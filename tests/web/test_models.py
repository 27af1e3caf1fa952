"""Models on the site: of a protein, of a run, in the viewer; and what is said where there are none."""

import io
import threading
import zipfile

import httpx2
import pytest
from click.testing import CliRunner
from structures import HBA, modelled_run
from webbench import BROWSER_MARKS, served, without_internet

from proteofold.cli.main import cli
from proteofold.client import Client, ClientError
from proteofold.run.models import model_of
from proteofold.science.model_text import model_text
from proteofold.service.accounts import add_user
from proteofold.service.database import platform_of
from proteofold.store import import_run, open_store

MODEL = "/-/api/v1/runs/demo/proteins/sp%7CP69905%7CHBA_HUMAN/model"
ZIP = "/-/api/v1/runs/demo/models.zip"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run in a store, with the structure of its only domain."""
    run = modelled_run(tmp_path_factory.mktemp("models"))
    conn = open_store(run.folder.path.parent / "proteofold.db")
    import_run(conn, run.folder.path)
    conn.close()
    return run


@pytest.fixture(scope="module")
def store(run):
    return run.folder.path.parent / "proteofold.db"


@pytest.fixture(scope="module")
def site(store, open_site):
    return open_site(store)


def expected(run, ending, **chosen):
    structures = run.folder.path.parent.parent / "resources" / "structures"
    return model_text(model_of(run, run.members["P69905"], structures=structures, **chosen), ending)


@pytest.mark.parametrize("ending", ["cif", "pdb"])
@pytest.mark.parametrize("query", ["", "?domain=1", "?hit=1"])
def test_model_is_that_of_the_command(site, run, ending, query):
    answer = site.get(f"{MODEL}.{ending}{query}")
    assert (answer.status_code, answer.text) == (200, expected(run, f".{ending}"))
    name = f"P69905-{'hit1' if 'hit' in query else 'domain1'}.{ending}"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        (f"{MODEL}.xyz", 404, "one of cif, pdb"),
        (f"{MODEL}.cif?domain=2", 404, "has no domain 2"),
        (f"{MODEL}.cif?hit=2", 404, "fetch structures demo --template 1IBE_A"),
        (f"{MODEL}.cif?hit=1&domain=1", 400, "give one of them"),
        (f"{MODEL}.cif?hit=0", 400, "hit: "),
        (f"{MODEL}.cif?domain=x", 400, "domain: "),
        (MODEL.replace("demo", "other") + ".cif", 404, "other"),
        (MODEL.replace("P69905", "P0") + ".cif", 404, "no protein"),
        (ZIP.replace("demo", "other"), 404, "other"),
    ],
)
def test_what_has_no_model_is_an_error_in_a_sentence(site, store, path, status, words):
    answer = site.get(path)
    assert (answer.status_code, answer.json()["ok"]) == (status, False)
    assert words in answer.json()["error"] and str(store.parent) not in answer.text


def test_zip_has_all_models_of_the_run(site, run):
    answer = site.get(ZIP)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.read("demo-models/P69905-domain1-4HHB_A.cif").decode() == expected(run, ".cif")
    assert answer.headers["content-disposition"] == 'attachment; filename="demo-models.zip"'


def test_pages_lead_to_the_models(site):
    page = site.get("/-/protein/sp%7CP69905%7CHBA_HUMAN?hit=1")
    paths = {address for address, text in site.links(page) if "/model." in address}
    assert paths == {f"{MODEL}.{ending}?{of}=1" for ending in ("cif", "pdb") for of in ("domain", "hit")}
    assert f'data-model="{MODEL}.pdb?hit=1"' in page.text
    assert ZIP in {address for address, _ in site.links(site.get("/-/runs/demo"))}
    other = site.get("/-/protein/sp%7CP69905%7CHBA_HUMAN?hit=2").text
    assert "data-viewer" not in other and "<code>proteofold fetch structures demo --template 1IBE_A</code>" in other


def test_a_client_has_them_too(site, run, tmp_path):
    def answer(request):
        answered = site.ask(request.method, request.url.raw_path.decode())
        return httpx2.Response(answered.status_code, headers=answered.headers, content=answered.content)

    with Client("http://localhost", None, httpx2.MockTransport(answer)) as client:
        assert client.model("demo", HBA, tmp_path / "m.pdb", hit=1).read_text() == expected(run, ".pdb")
        assert client.model("demo", HBA, tmp_path / "m.cif").read_text() == expected(run, ".cif")
        assert zipfile.is_zipfile(client.models("demo", tmp_path / "m.zip"))
        with pytest.raises(ClientError, match="no domain 3"):
            client.model("demo", HBA, tmp_path / "n.cif", domain=3)
    assert not (tmp_path / "n.cif").exists()


def test_many_models_at_once_wait_for_each_other_and_then_are_refused(site, monkeypatch):
    monkeypatch.setattr("website.actions.models._MODELS", threading.BoundedSemaphore(1))
    monkeypatch.setattr("website.actions.models._PATIENCE_S", 0)
    assert site.get(f"{MODEL}.cif").status_code == site.get(f"{MODEL}.cif").status_code == 200
    monkeypatch.setattr("website.actions.models._MODELS", threading.Semaphore(0))
    monkeypatch.setattr("website.actions.models._ZIPS", threading.Semaphore(0))
    for path in (f"{MODEL}.cif", ZIP):
        answer = site.get(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")


def test_a_closed_site_shows_models_to_its_readers_only(store, open_site, visitor_of):
    with platform_of(store) as conn:
        add_user(conn, "reader", "correct horse battery")
    closed = open_site(store, allow={"rights": "read"})
    for path in (f"{MODEL}.cif", ZIP):
        assert closed.get(path).status_code == 401
        assert visitor_of(closed).sign_in("reader").get(path).status_code == 200


def test_without_structures_the_pages_report_it(tmp_path, open_site):
    run = modelled_run(tmp_path)
    conn = open_store(tmp_path / "results" / "proteofold.db")
    import_run(conn, run.folder.path)
    conn.close()
    site = open_site(tmp_path / "results" / "proteofold.db")
    (tmp_path / "resources" / "structures").rename(tmp_path / "elsewhere")
    page = site.get("/-/protein/sp%7CP69905%7CHBA_HUMAN?hit=1").text
    assert "There are no models of the domains: the structures of their templates are not on this site." in page
    assert "data-viewer" not in page and "/model." not in page
    run_page = site.get("/-/runs/demo").text
    assert "need structures of the templates: <code>proteofold fetch structures demo</code>" in run_page
    for path in (f"{MODEL}.cif", ZIP):
        answer = site.get(path)
        assert answer.status_code == 404 and "no structures" in answer.json()["error"]
    # an empty folder is found when it is asked
    (tmp_path / "resources" / "structures").mkdir()
    answer = site.get(ZIP)
    assert answer.status_code == 404 and "proteofold fetch structures demo" in answer.json()["error"]


def test_remote_commands_fetch_them(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with served(store, tmp_path / "log") as address:
        for words in (["download", "demo", "--models"], ["model", "demo", HBA, "--to", "m.pdb"]):
            outcome = CliRunner().invoke(cli, ["remote", "--url", address, *words])
            assert outcome.exit_code == 0, outcome.output
    assert zipfile.is_zipfile("demo-models.zip") and (tmp_path / "m.pdb").read_text().startswith("TITLE")


class TestViewer:
    """In a real browser."""

    pytestmark = BROWSER_MARKS

    def test_model_is_shown_over_its_template_and_each_can_be_hidden(self, browser, store, tmp_path):
        with served(store, tmp_path / "log") as address:
            window = browser.new_page()
            without_internet(window.context)
            problems = []
            window.on("pageerror", lambda error: problems.append(error))
            window.goto(f"{address}/-/protein/sp%7CP69905%7CHBA_HUMAN?hit=1")
            window.click(".in-3d .show")
            window.wait_for_selector(".viewer canvas")
            assert "Model on the structure of 4HHB_A" in window.locator(".viewer").get_attribute("aria-label")
            seen = [window.locator(".viewer").screenshot()]
            for name in ("Side chains", "Template", "Model"):
                button = window.get_by_role("button", name=name)
                before = button.get_attribute("aria-pressed")
                button.click()
                assert button.get_attribute("aria-pressed") != before
                seen.append(window.locator(".viewer").screenshot())
            assert len(set(seen)) == len(seen) and not problems
            window.close()
