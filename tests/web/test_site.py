"""The pages of the store, asked for as a browser does, on a store that the project's own writers made."""

import asyncio
import hashlib
import re
import sqlite3
from html import unescape
from types import SimpleNamespace
from urllib.parse import quote

import pytest
import yaml
from datasette.app import Datasette

from proteofold import hits
from proteofold.fasta import protein_stem
from proteofold.hits import Hit
from proteofold.inputs import Query
from proteofold.paths import CHECKOUT
from proteofold.process import Usage, usage_tsv
from proteofold.runs import Run, RunFolder, _assign_batches, load_run, write_plan
from proteofold.store import add_fasta, import_run, open_store

WEB = CHECKOUT / "web"
CONFIG = yaml.safe_load((WEB / "datasette.yaml").read_text())
METADATA = yaml.safe_load((WEB / "metadata.yaml").read_text())
TABLES = METADATA["databases"]["proteofold"]["tables"]
QUERIES = CONFIG["databases"]["proteofold"]["queries"]

MYG, LONELY, ODD = "sp|P02144|MYG_HUMAN", "lonely", "x<script>alert('1')</script>\"&%2F/?#é"
FASTA = f""">{MYG} Myoglobin <b>bold</b> OS=Homo sapiens OX=9606 GN=MB PE=1 SV=2
{"MGLSDGEWQL" * 10}
>{LONELY}
{"MKVAAAKKKK" * 3}
>{ODD}
{"MKVLLLKKKK" * 4}
"""
SETTINGS = {
    "key": "0123456789abcdef",
    "mode": "lean",
    "keep": [],
    "library": {"prefix": "few", "templates": 3, "columns": 90, "longest": 30, "key": "feed"},
    "weights": "config/demo/s4pred",
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
    for number, (run_id, found) in enumerate(FOUND.items()):
        run_folder = RunFolder(folder / run_id)
        proteins = [
            Query(name, protein_stem(name), sequences[name], hashlib.md5(sequences[name].encode()).hexdigest())
            for name in found
        ]
        members, batches = _assign_batches(proteins, [], [])
        write_plan(Run(run_folder, members, {"run": run_id} | SETTINGS, batches, []))
        run = load_run(run_folder.path)
        for place, (protein, member) in enumerate(run.members.items()):
            rows = found[member.query_id]
            usage = Usage(20.0, 10.0 + place, 300.0 - place, "node<1>", run.result_key(member))
            for path, content in {
                run_folder.hits(protein): hits.hits_csv_gz(member.query_id, rows),
                run_folder.out(protein): hits.format_summary(hits.summarise(member.query_id, rows)).encode(),
                run_folder.usage("search_templates", protein): usage_tsv(usage).encode(),
            }.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        import_run(conn, run_folder.path)
        # both were written within a second; what is the latest must not hang on that
        started = f"2026-09-2{number}T00:00:00.000Z"
        conn.execute("update runs set date_started = ? where run_id = ?", (started, run_id))
        conn.execute("update protein_results set finished_at = ? where run_id = ?", (started, run_id))
    conn.close()
    return folder / "other name.db"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Path of a store with two runs; its name is none that the configuration knows."""
    return build_store(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def site(store):
    """Datasette as bin/serve starts it; ``site.get(path)`` is a browser's request."""
    datasette = Datasette(
        [str(store)],
        config=CONFIG,
        metadata=METADATA,
        plugins_dir=str(WEB / "plugins"),
        template_dir=str(WEB / "templates"),
        static_mounts=[("static", str(WEB / "static"))],
    )
    # the threads of one loop: Datasette's connections live as long as its loop
    loop = asyncio.new_event_loop()

    def get(path, **options):
        return loop.run_until_complete(datasette.client.get(path, **options))

    def rows(path, **parameters):
        answer = get(path, params=parameters | {"_shape": "array"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    yield SimpleNamespace(get=get, rows=rows)
    datasette.close()
    loop.close()


def protein_path(query_id):
    return "/-/protein/" + quote(query_id, safe="")


def links(page):
    """(address, text) of every link of a page."""
    return [
        (unescape(address), unescape(re.sub("<.*?>", "", text)))
        for address, text in re.findall(r'<a href="([^"]*)"[^>]*>(.*?)</a>', page.text, re.DOTALL)
    ]


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
    for address, _ in links(site.get(path)):
        if address.startswith("/"):
            assert site.get(address.partition("#")[0]).status_code == 200, address


def test_every_column_has_a_description_and_no_other_has(store):
    conn = sqlite3.connect(store)
    for table, told in TABLES.items():
        columns = [row[1] for row in conn.execute(f"pragma table_xinfo({table})")]
        assert list(told["columns"]) == columns
        assert told["title"] and told["description"] and told["source"]
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


def test_tables_that_only_serve_the_store_are_hidden(site):
    tables = site.get("/proteofold.json").json()["tables"]
    shown = {table["name"] for table in tables if not table["hidden"]}
    assert shown == set(TABLES) - {"hits"}


def test_proteins_are_found_by_words(site):
    assert [row["query_id"] for row in site.rows("/proteofold/proteins.json", _search="myoglobin")] == [MYG]


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
    assert ("https://www.rcsb.org/structure/1ABC", "1ABC_A") in links(page)
    assert (protein_path(MYG), MYG) in links(page)
    assert ("/proteofold/runs/first", "first") in links(page)
    assert ">1.5e-20</td>" in page.text
    page = site.get("/proteofold/compare_runs?run_a=first&run_b=second")
    assert ("https://www.rcsb.org/structure/2XYZ", "2XYZ_B") in links(page)
    page = site.get("/proteofold/proteins")
    assert ("https://www.uniprot.org/uniprotkb/P02144", "P02144") in links(page)
    assert ("https://alphafold.ebi.ac.uk/entry/P02144", "AlphaFold DB") in links(page)


def test_row_of_a_run_leads_to_its_results_by_evalue(site):
    ways = {text: address for address, text in links(site.get("/proteofold/runs/first"))}
    found = site.get(ways["by E-value of the best hit"])
    assert re.findall(r'class="col-best_evalue[^"]*">([^<]*)<', found.text) == ["1.5e-20", "5.0e-01"]
    assert "col-md5" not in found.text


def test_protein_page_tells_the_latest_result_and_all_runs(site):
    page = site.get(protein_path(MYG))
    assert all(text in page.text for text in ("MYG_HUMAN", "Homo sapiens", "100 residues", ">MB<"))
    assert ("https://www.rcsb.org/structure/2XYZ", "2XYZ_B") in links(page)
    assert page.text.count("1ABC_A") == 1, "hits of an older run are not listed, its best hit is"
    assert ("/proteofold/runs/first", "first") in links(page)
    assert ("/proteofold/runs/second", "second") in links(page)


def test_hit_map_has_a_bar_a_hit_and_a_text_alternative(site):
    page = site.get(protein_path(MYG)).text
    (picture,) = re.findall(
        r'<svg class="hit-map" role="img" aria-labelledby="map-title map-desc".*?</svg>', page, re.S
    )
    assert re.findall(r'<rect class="(\w+)" x="([\d.]+)%" y="2" width="([\d.]+)%"', picture) == [
        ("p1", "4.00", "91.00")
    ]
    assert '<title id="map-title">' in picture
    assert "2XYZ_B: 5 to 95." in re.search(r'<desc id="map-desc">(.*?)</desc>', picture)[1]
    assert [unescape(item) for item in re.findall(r"\d+–\d+ %", page)][:2] == ["95–100 %", "80–95 %"]


def test_protein_without_hits_says_so(site):
    page = site.get(protein_path(LONELY))
    assert "No template was found." in page.text
    assert "hit-map" not in page.text


def test_protein_is_found_by_accession(site):
    assert MYG in site.get("/-/protein", params={"id": "P02144"}).text


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
def test_what_a_file_says_is_never_markup(site, path):
    page = site.get(path).text
    assert not [odd for odd in ("<script>alert", "<b>bold", "<i>odd", "<it>", "node<1>") if odd in page]
    assert re.search("&lt;(?:script|b|i|it|1)&gt;", page), "the page shows what it was asked for"


def test_nothing_depends_on_where_it_is_served(store):
    code = "".join(path.read_text() for path in [*WEB.glob("plugins/*.py"), *WEB.glob("templates/*.html")])
    assert not re.findall(r"localhost|127\.0\.0\.1|:\d{4}\b|(?:href|action|src)=\"/", code)
