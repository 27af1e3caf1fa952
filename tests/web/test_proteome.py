"""The proteome of a run: classes, templates, the lists that are downloaded, and two runs side by side."""

import contextlib
import csv
import io
import re
from html import unescape

import pytest
from runfolders import FolderOfRuns, add_classification, make_hit, span_hit

from proteofold.store import add_fasta, import_run, open_store
from website.drawing import words
from website.pages import run_data

PROTEINS = {
    "full": "A" * 100,  # covered by two domains
    "half": "C" * 100,
    "dark1": "D" * 50,
    "dark2": "E" * 80,  # with a hit that means nothing
    "broken": "F" * 60,
}
NOISE = make_hit(1, "9NOI_A", evalue=3.0, probability=5.0, query_start=1, query_end=50)
PLACE = {"template_start": 1, "template_end": 40, "template_length": 90}


@pytest.fixture(scope="module")
def site(tmp_path_factory, open_site):
    folder = tmp_path_factory.mktemp("proteome")
    results = FolderOfRuns(folder)
    conn = open_store(folder / "store.db")
    (folder / "all.fasta").write_text(
        "".join(f">{name} About {name} GN=G{name}\n{text}\n" for name, text in PROTEINS.items())
    )
    add_fasta(conn, folder / "all.fasta")
    first = {
        "full": [
            span_hit(1, 40, "1ABC_A", 120.0, **PLACE),
            span_hit(51, 90, "2XYZ_B", 90.0, rank=2, **PLACE),
        ],
        "half": [span_hit(1, 50, "1ABC_A", probability=97.5, **PLACE)],
        "dark1": [],
        "dark2": [NOISE],
    }
    second = first | {"half": [], "dark1": [span_hit(1, 40, "3NEW_A")], "full": [span_hit(1, 90, "4OTH_A")]}
    chosen = add_classification(folder)
    for run_id, found in (("first", first), ("second", second)):
        classified = {"classification": chosen} if run_id == "first" else {}
        run = results.plan(run_id, PROTEINS, search=f"few.lean.{run_id}", **classified)
        for protein, hits in found.items():
            results.finish(run, protein, hits)
        if run_id == "first":
            results.fail(run, "broken")
        else:
            results.finish(run, "broken", [])
        (run.folder.path / "failed.csv").touch()
        import_run(conn, run.folder.path)
    conn.close()
    return open_site(folder / "store.db")


def listed(page):
    table = re.search(r'aria-label="Table of proteins"><table.*?</table>', page.text, re.DOTALL)
    return re.findall(r'<th scope="row"><a href="[^"]*">([^<]*)</a>', table[0]) if table else []


def tile(page, kind):
    return re.search(rf'<li class="{kind}[ \w]*"><a href="([^"]*)"><b[^>]*>(\d+)</b>', page.text)


def test_tiles_count_each_class_and_lead_to_its_proteins(site):
    page = site.get("/-/runs/first")
    assert [int(tile(page, kind)[2]) for kind in ("covered", "partly", "dark", "failed")] == [1, 1, 2, 1]
    for kind, names in (
        ("covered", ["full"]),
        ("partly", ["half"]),
        ("dark", ["dark2", "dark1"]),
        ("failed", ["broken"]),
    ):
        assert listed(site.get(unescape(tile(page, kind)[1]).partition("#")[0])) == names, kind
    assert "of 330 residues in 3 domains" in page.text and "<b>39%</b>" in page.text  # 130 of 330


def test_the_proteins_without_a_known_structure_are_downloaded_in_three_clicks(site):
    front = site.get("/")
    run = next(address for address, text in site.links(front) if text == "first")
    dark = unescape(tile(site.get(run), "dark")[1]).partition("#")[0]
    files = {text: address for address, text in site.links(site.get(dark)) if text in ("FASTA", "CSV", "ids")}
    assert site.get(files["ids"]).text == "dark2\ndark1\n"
    assert site.get(files["FASTA"]).text.startswith(f">dark2 About dark2 GN=Gdark2\n{'E' * 60}\n{'E' * 20}\n>dark1 ")
    rows = list(csv.DictReader(io.StringIO(site.get(files["CSV"]).text)))
    assert [row["query_id"] for row in rows] == ["dark2", "dark1"]
    assert {row["coverage_class"] for row in rows} == {"dark"} and float(rows[0]["helix"]) == pytest.approx(
        1 / 3, abs=0.02
    )
    assert site.get(files["ids"]).headers["content-disposition"] == 'attachment; filename="first-dark.txt"'


@pytest.mark.parametrize(
    ("part", "total", "shown"),
    [(0.785, 1, "78%"), (0.29, 1, "29%"), (0.004, 1, "below 1%"), (1, 300, "below 1%"), (0, 5, "0%"), (5, 5, "100%")],
)
def test_percentages_are_rounded_down_as_in_verdicts(part, total, shown):
    assert words.percent(part, total) == shown


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        ("first", "1 protein has more than one domain; the highest number is 2."),
        ("second", "No protein has more than one domain."),
    ],
)
def test_the_figure_of_domains_says_what_it_shows(site, run, sentence):
    assert sentence in site.get(f"/-/runs/{run}").text


def test_the_list_says_which_proteins_it_holds(site):
    line = re.search(r'<p class="listed">.*?</p>', site.get("/-/runs/first?show=dark&q=About").text, re.DOTALL)[0]
    assert "1 to 2 of 2</b> proteins (dark: no known structure), with the text <b>About</b>." in line


def test_a_file_holds_all_pages_of_the_list(site, monkeypatch):
    monkeypatch.setattr("website.actions.downloads._AT_ONCE", 2)
    assert site.get("/-/runs/first/proteins.txt?sort=id&rows=50&page=2").text.split() == sorted(PROTEINS)
    assert site.get("/-/runs/first/proteins.xlsx").status_code == 404
    assert site.get("/-/runs/nobody/proteins.txt").status_code == 404


def test_a_template_leads_to_the_proteins_with_a_domain_of_it(site):
    page = site.get("/-/runs/first")
    path = next(address for address, text in site.links(page) if text == "1ABC_A" and "template=" in address)
    filtered = site.get(path.partition("#")[0])
    assert sorted(listed(filtered)) == ["full", "half"]
    assert listed(site.get("/-/runs/first?template=1ABC_A&show=partly")) == ["half"]
    assert listed(site.get("/-/runs/first?template=9NOI_A")) == []
    answer = site.get("/-/api/v1/runs/first/proteins", params={"template": "2XYZ_B"}).json()
    assert [row["query_id"] for row in answer["proteins"]] == ["full"]
    assert [span["template"] for span in answer["proteins"][0]["spans"]] == ["1ABC_A", "2XYZ_B"]


def test_superfamilies_and_folds_are_counted_and_lead_to_their_proteins(site):
    page = site.get("/-/runs/first")
    assert "2 superfamilies and 1 fold of CATH, in 3 of 3 domains." in page.text
    assert "RNA &lt;b&gt;helicase&lt;/b&gt;" in page.text and "RNA <b>" not in page.text
    paths = {text: address for address, text in site.links(page) if "cath=" in address}
    for code, names in (("1.10.8.10", ["full", "half"]), ("1.10.8.50", ["full"]), ("1.10.8", ["full", "half"])):
        shown = site.get(paths[code].partition("#")[0])
        assert sorted(listed(shown)) == names and f"with a domain of CATH <b>{code}</b>" in shown.text
        answer = site.get("/-/api/v1/runs/first/proteins", params={"cath": code}).json()
        assert sorted(row["query_id"] for row in answer["proteins"]) == names
    assert listed(site.get("/-/runs/first?cath=1.10.8.1")) == [], "a code is no part of a longer number"
    rows = list(csv.DictReader(io.StringIO(site.get("/-/runs/first/proteins.csv?cath=1.10.8.50").text)))
    assert [(row["query_id"], row["superfamilies"]) for row in rows] == [("full", "1.10.8.10 1.10.8.50")]


def test_domains_of_a_protein_carry_their_superfamily(site):
    page = site.get("/-/protein/full")
    assert ("https://www.cathdb.info/version/latest/superfamily/1.10.8.50", "1.10.8.50") in site.links(page)
    (row,) = site.get("/-/api/v1/runs/first/proteins", params={"q": "full"}).json()["proteins"]
    assert [span["superfamily_name"] for span in row["spans"]] == ["DNA helicase", "RNA <b>helicase</b>"]


def test_without_a_classification_the_pages_report_it(site):
    page = site.get("/-/runs/second").text
    assert "the run had no classification of templates. Run <code>proteofold fetch classification</code>" in page
    assert listed(site.get("/-/runs/second?cath=1.10.8.10")) == []


def test_superfamilies_of_an_earlier_store_are_asked_for(tmp_path, open_site):
    chosen = add_classification(tmp_path)
    run = FolderOfRuns(tmp_path).plan(proteins={"A": "A" * 90}, classification=chosen)
    FolderOfRuns.finish(run, "A", [span_hit(1, 60, **PLACE)])
    with contextlib.closing(open_store(tmp_path / "store.db")) as conn:
        import_run(conn, run.folder.path)
        conn.execute("update domain_rows set superfamily = null")
        site = open_site(tmp_path / "store.db")
        assert "import the run again" in site.get("/-/runs/demo").text
        assert "Superfamilies are not known" in site.get("/-/protein/A").text
        import_run(conn, run.folder.path)
    assert "1 superfamily and 1 fold of CATH, in 1 of 1 domains." in site.get("/-/runs/demo").text
    assert "Superfamilies are not known" not in site.get("/-/protein/A").text


def test_noise_is_not_shown_as_a_hit(site):
    for view in ("cards", "table"):
        page = site.get(f"/-/runs/first?show=dark&view={view}").text.split('id="listed"')[1]
        assert "9NOI_A" not in page.split('id="plots"')[0]
        assert "predicted 34% helix, 34% strand" in page


def test_probability_is_that_of_the_best_hit(site):
    (row,) = re.findall(r'data-label="probability, %">([^<]*)<', site.get("/-/runs/first?show=partly").text)
    assert row == "97.5"


@pytest.mark.parametrize("sort", ["coverage", "domains"])
def test_proteins_are_sorted_by_what_is_known_of_them(site, sort):
    assert listed(site.get(f"/-/runs/first?sort={sort}")) == ["full", "half", "dark1", "dark2", "broken"]


@pytest.mark.parametrize("part", run_data.SHOWN)
def test_a_list_has_as_many_proteins_as_the_store_counts(site, part):
    answer = site.get(f"/-/api/v1/runs/first/proteins?show={part}").json()
    assert answer["total"] == len(answer["proteins"])


# --- Two runs ---------------------------------------------------------------------------------------


def test_two_runs_are_compared_from_the_page_of_one(site):
    page = site.get(next(address for address, text in site.links(site.get("/-/runs/first")) if "Compare with" in text))
    assert "<option selected>first</option>" in page.text and "<option>second</option>" in page.text
    page = site.get("/-/compare?a=first&b=second")
    counts = {kind: int(tile(page, kind)[2]) for kind in ("gained", "lost", "changed", "only_a", "only_b", "same")}
    assert counts == {"gained": 1, "lost": 1, "changed": 1, "only_a": 0, "only_b": 1, "same": 1}
    for kind, names in (("gained", ["dark1"]), ("lost", ["half"]), ("changed", ["full"]), ("only_b", ["broken"])):
        assert listed(site.get(unescape(tile(page, kind)[1]).partition("#")[0])) == names
    assert listed(page) == ["dark1"], "those that gained a domain come first"
    (table,) = (address for address, text in site.links(page) if text == "CSV")
    assert len(site.get(table).text.strip().splitlines()) == 5  # the head, and all but the one that is the same
    assert "2 proteins with a hit in both runs" in page.text and '<svg class="plot"' in page.text


@pytest.mark.parametrize("query", ["", "?a=first", "?a=first&b=first", "?a=<b>&b="])
def test_a_comparison_without_two_runs_offers_them(site, query):
    page = site.get(f"/-/compare{query}")
    assert page.status_code == 200 and "<option>second</option>" in page.text and "<b>&" not in page.text


def test_a_comparison_with_an_unknown_run_is_a_404_in_words(site):
    page = site.get("/-/compare?a=first&b=%3Cu%3E")
    assert page.status_code == 404 and "No run" in page.text and "<u>" not in page.text
