"""The pages of the store, asked for as a browser does, on a store that the project's own writers made."""

import re
import sqlite3
from html import unescape
from urllib.parse import quote

import pytest
import yaml

from proteofold.system.paths import CHECKOUT
from website.pages.paths import protein_path as protein_path_on

WEBSITE = CHECKOUT / "website"
CONFIG = yaml.safe_load((WEBSITE / "datasette.yaml").read_text())
TABLES = yaml.safe_load((WEBSITE / "metadata.yaml").read_text())["databases"]["proteofold"]["tables"]
QUERIES = CONFIG["databases"]["proteofold"]["queries"]

MYG, LONELY, ODD = "sp|P02144|MYG_HUMAN", "lonely", "x<script>alert('1')</script>\"&%2F/?#é"


def protein_path(query_id):
    return "/-/protein/" + quote(query_id, safe="")


PAGES = [
    "/",
    "/proteofold",
    *(f"/proteofold/{table}" for table in TABLES),
    *(f"/proteofold/{query}" for query in QUERIES),
    "/proteofold/runs/first",
    "/proteofold/protein_results?run_id=first&_sort=best_evalue",
    "/proteofold/proteins?_search=myoglobin",
    "/proteofold/hits.json",
    "/proteofold/runs.csv",
    "/static/proteofold.css",
    *map(protein_path, (MYG, LONELY, ODD)),
]


@pytest.mark.parametrize("path", PAGES)
def test_page_answers(site, path):
    assert site.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/", "/proteofold/runs", "/proteofold/runs/first", protein_path(MYG)])
def test_every_link_of_a_page_leads_somewhere(site, path):
    for address, _ in site.links(site.get(path)):
        if address.startswith("/"):
            # pages that need it lead strangers to signing in
            assert site.get(address.partition("#")[0]).status_code in (200, 303), address


def test_every_column_has_a_description_and_no_other_has(store):
    conn = sqlite3.connect(store)
    for table, described in TABLES.items():
        columns = [row[1] for row in conn.execute(f"pragma table_xinfo({table})")]
        assert list(described["columns"]) == columns
        assert described["title"] and described["description"] and described["source"]
    conn.close()


def test_what_can_be_sorted_by_or_counted_has_an_index(store):
    conn = sqlite3.connect(store)
    for table, settings in CONFIG["databases"]["proteofold"]["tables"].items():
        indexed = {
            row[0]
            for row in conn.execute(
                "select info.name from pragma_index_list(?) as list join pragma_index_info(list.name) as info", (table,)
            )
        }
        wanted = {*settings.get("facets", ()), *settings.get("sortable_columns", ())}
        wanted |= {settings[name] for name in ("sort", "sort_desc") if name in settings}
        assert wanted <= indexed, table
    conn.close()


@pytest.mark.parametrize("table", ["runs", "proteins", "protein_results", "templates"])
def test_facets_are_drawn(site, table):
    page = site.get(f"/proteofold/{table}").text
    drawn = re.findall(r'<div class="facet-info [^"]*" id="facet-[^"]*" data-column="([^"]*)"', page)
    assert sorted(drawn) == sorted(CONFIG["databases"]["proteofold"]["tables"][table]["facets"])


@pytest.mark.parametrize(
    ("table", "first", "last"),
    [
        ("protein_results", ["run_id", "query_id", "position"], ["Link", "result_id", "md5", "entry"]),
        ("proteins", ["query_id", "accession", "entry_name"], ["number", "md5"]),
        ("hits", ["run_id", "query_id", "rank"], []),
    ],
)
def test_names_come_before_keys_and_checksums(site, table, first, last):
    page = site.get(f"/proteofold/{table}").text
    head = re.findall(r'<th [^>]*data-column="(\w+)"', page)
    row = re.findall(r'<td [^>]*data-label="(\w+)"', page.split("<tbody>")[1].split("</tr>")[0])
    assert head == row
    assert head[: len(first)] == first and [name for name in head if name in last] == head[len(head) - len(last) :]
    assert set(head[len(head) - len(last) :]) == set(last)


def test_tables_that_only_serve_the_store_are_hidden(site):
    tables = site.get("/proteofold.json").json()["tables"]
    shown = {table["name"] for table in tables if not table["hidden"]}
    assert shown == set(TABLES) - {"hits", "domains"}


def test_proteins_are_found_by_words(site):
    assert [row["query_id"] for row in site.rows("/proteofold/proteins.json", _search="myoglobin")] == [MYG]


def test_meaning_of_columns_is_folded_and_controls_have_names(site):
    page = site.get("/proteofold/proteins").text
    assert '<details class="columns"><summary>What the columns mean</summary><dl class="column-descriptions">' in page
    assert '</summary><pre class="wrapped-sql">CREATE TABLE' in page
    assert page.count('<select aria-label="Column to filter by" name="_filter_column"') == 1
    assert not re.search(r'<select name="_|<input type="text" name="_', page)


def test_numbers_have_four_decimals_on_pages_and_all_in_json(store, tmp_path, open_site):
    path = tmp_path / "copy.db"
    with sqlite3.connect(store) as source, sqlite3.connect(path) as copy:
        source.backup(copy)
        copy.execute("update protein_results set coverage = 0.238297872, cpu_s = 10.5")
    site, page = open_site(path), "/proteofold/protein_results"
    numbers = re.findall(r'<td class="col-(?:coverage|cpu_s) [^>]*>([^<]*)<', site.get(page).text)
    assert set(numbers) == {"0.2383", "10.5"}
    assert {row["coverage"] for row in site.rows(f"{page}.json")} == {0.238297872}


def test_keys_of_proteins_and_runs_lead_to_their_pages(site):
    assert (protein_path(ODD), ODD) in site.links(site.get("/proteofold/proteins"))
    assert ("/-/runs/first", "first") in site.links(site.get("/proteofold/runs"))
    page = site.get("/proteofold/runs")
    assert re.search(
        r'<td class="col-run_id type-pk" data-label="run_id"><a href="/-/runs/second">second</a></td>', page.text
    )


def test_long_texts_of_letters_are_folded(site):
    page = site.get("/proteofold/proteins").text
    assert "<summary>MGLSDGEWQLMGLSDGEWQL… (100 characters)</summary>" in page
    assert ">MKVAAAKKKKMKVAAAKKKKMKVAAAKKKK</td>" in page


def test_errors_are_pages_of_the_site(site):
    page = site.get("/nowhere")
    assert page.status_code == 404
    assert "/static/proteofold.css" in page.text
    assert "<h1>Page not found" in page.text and "Database" not in page.text
    assert ("/", "home") in site.links(page)


# --- Saved queries ----------------------------------------------------------------------------------


def test_proteins_without_a_significant_hit(site):
    path = "/proteofold/without_significant_hit.json"
    assert [row["query_id"] for row in site.rows(path, run_id="first")] == [LONELY, ODD]
    assert [row["query_id"] for row in site.rows(path, run_id="first", max_evalue="0.6")] == [LONELY]
    assert [(row["run_id"], row["query_id"]) for row in site.rows(path)] == [("second", LONELY)]


def test_best_hit_of_each_gene(site):
    (row,) = site.rows("/proteofold/best_hit_per_gene.json", run_id="first")
    assert (row["gene"], row["query_id"], row["best_hit"], row["best_evalue"]) == ("MB", MYG, "1ABC_A", 1.5e-20)
    assert site.rows("/proteofold/best_hit_per_gene.json", run_id="first", gene="other") == []


def test_proteins_that_hit_a_template(site):
    path = "/proteofold/proteins_that_hit_template.json"
    rows = site.rows(path, template="1ABC_A")
    assert [(row["query_id"], row["run_id"], row["evalue"]) for row in rows] == [
        (MYG, "first", 1.5e-20),
        (ODD, "first", 0.5),
    ]
    assert [row["query_id"] for row in site.rows(path, template="1ABC_A", max_evalue="0.01")] == [MYG]


def test_compare_runs_asks_for_them_in_order(site):
    page = site.get("/proteofold/compare_runs").text
    assert re.findall(r'<input [^>]*name="(run_\w)"', page) == ["run_a", "run_b"]


def test_compare_runs(site):
    rows = site.rows("/proteofold/compare_runs.json", run_a="first", run_b="second")
    assert [(row["query_id"], row["difference"], row["best_hit_a"], row["best_hit_b"]) for row in rows] == [
        (MYG, "another best hit", "1ABC_A", "2XYZ_B"),
        (ODD, "only in run_a", "1ABC_A", None),
    ]


def test_slowest_and_hungriest(site):
    slowest = [row["cpu_s"] for row in site.rows("/proteofold/slowest_proteins.json", run_id="first")]
    hungriest = [row["max_rss_mb"] for row in site.rows("/proteofold/hungriest_proteins.json", run_id="first")]
    assert slowest == [12.0, 11.0, 10.0]
    assert hungriest == [300.0, 299.0, 298.0]


# --- Cells, and the page of a protein ---------------------------------------------------------------


def test_cells_lead_to_structures_proteins_and_runs(site):
    page = site.get("/proteofold/protein_results?run_id=first")
    assert ("https://www.rcsb.org/structure/1ABC", "1ABC_A") in site.links(page)
    assert (protein_path(MYG), MYG) in site.links(page)
    assert ("/-/runs/first", "first") in site.links(page)
    assert ">1.5e-20</td>" in page.text
    page = site.get("/proteofold/compare_runs?run_a=first&run_b=second")
    assert ("https://www.rcsb.org/structure/2XYZ", "2XYZ_B") in site.links(page)
    page = site.get("/proteofold/proteins")
    assert ("https://www.uniprot.org/uniprotkb/P02144", "P02144") in site.links(page)
    assert ("https://alphafold.ebi.ac.uk/entry/P02144", "AlphaFold DB") in site.links(page)


def test_row_of_a_run_leads_to_its_results_by_evalue(site):
    ways = {text: address for address, text in site.links(site.get("/proteofold/runs/first"))}
    found = site.get(ways["by E-value of the best hit"])
    assert re.findall(r'<td class="col-best_evalue[^>]*>([^<]*)<', found.text) == ["1.5e-20", "0.5"]
    assert "col-md5" not in found.text


def test_protein_page_reports_the_latest_result_and_all_runs(site):
    page = site.get(protein_path(MYG))
    assert all(text in page.text for text in ("MYG_HUMAN", "Homo sapiens", "100 residues", ">MB<"))
    assert ("https://www.rcsb.org/structure/2XYZ", "2XYZ_B") in site.links(page)
    assert "1ABC_A" not in page.text, "hits of an older run are not listed, nor the best one of a dark result"
    assert ("/-/runs/first", "first") in site.links(page)
    assert ("/-/runs/second", "second") in site.links(page)


def test_bar_of_a_hit_leads_to_its_alignment_and_has_a_text(site):
    page = site.get(protein_path(MYG)).text
    (picture,) = re.findall(r'<svg class="along bars".*?</svg>', page, re.S)
    (bar,) = re.findall(r"<a .*?</a>", picture, re.S)
    assert unescape(re.search(r'href="(.*?)"', bar)[1]) == "?hit=1#hit-1"
    assert re.findall(r'<rect class="(\w+)" x="([\d.]+)%" y="[\d.]+" width="([\d.]+)%"', bar) == [
        ("p1", "4.00", "91.00")
    ]
    assert "1. 2XYZ_B: residues 5 to 95, probability 99.9%, E-value 1.0e-30" in bar
    assert [unescape(item) for item in re.findall(r"\d+–\d+%", page)][:2] == ["95–100%", "80–95%"]


def test_probability_has_one_scale_in_light_and_dark():
    styles = "".join(path.read_text() for path in WEBSITE.glob("static/*.css"))
    for step in range(1, 6):
        assert len(re.findall(rf"--p{step}:", styles)) == 1


def test_protein_without_hits_is_shown_as_such(site):
    page = site.get(protein_path(LONELY))
    assert "No template was found." in page.text
    assert '<table class="plain cards hits"' not in page.text


def test_hits_that_are_not_significant_are_folded_away_and_nothing_is_green(site):
    page = site.get(protein_path(ODD)).text
    assert "No significant template (best E-value 0.5)" in page
    assert re.search(r"<details>\s*<summary>1 hit that is not significant", page)
    assert page.index("<details>") < page.index('id="hit-1"')
    assert "state good" not in page and "rcsb.org/structure" not in page[page.index('id="runs"') :]


def test_protein_is_found_by_accession(site):
    assert MYG in site.get("/-/protein", params={"id": "P02144"}).text


@pytest.mark.parametrize("query_id", [".", "..", "a/b", "?", "#", "100%", "~7C"])
def test_address_of_a_protein_leads_to_it_whatever_its_id(site, query_id):
    address = protein_path_on(site.datasette, query_id)
    assert "/." not in address
    assert f"No protein {query_id!r}" in unescape(site.get(address).text)


@pytest.mark.parametrize("path", ["/-/protein/nobody", "/-/protein?id=", protein_path("<u>who</u>")])
def test_unknown_protein_is_a_404_in_words(site, path):
    page = site.get(path)
    assert page.status_code == 404
    assert "No protein" in page.text
    assert "<u>" not in page.text


@pytest.mark.parametrize(
    "path",
    [
        protein_path(ODD),
        protein_path(MYG),
        "/proteofold/proteins",
        "/proteofold/protein_results",
        "/proteofold/hits",
        "/proteofold/templates",
        "/proteofold/without_significant_hit?run_id=first",
        "/-/protein?id=" + quote("<script>alert('1')"),
    ],
)
def test_text_of_a_file_is_never_markup(site, path):
    page = site.get(path).text
    assert not [odd for odd in ("<script>alert", "<b>bold", "<i>odd", "<it>", "node<1>") if odd in page]
    assert re.search("&lt;(?:script|b|i|it|1)&gt;", page), "the page shows what it was asked for"


def test_nothing_depends_on_where_it_is_served(store):
    code = "".join(path.read_text() for path in [*WEBSITE.glob("plugins/*.py"), *WEBSITE.glob("templates/*.html")])
    assert not re.findall(r"localhost|127\.0\.0\.1|:\d{4}\b|(?:href|action|src)=\"/", code)
