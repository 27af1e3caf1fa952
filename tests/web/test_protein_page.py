"""The page of a protein: its sequence, the strip, the list of its hits and their alignments."""

import re
from html import unescape

import pytest
from runfolders import FolderOfRuns, make_hit, span_hit

from proteofold.formats.packed_hhr import Alignment, pack_hhr, read_alignments
from proteofold.formats.psipred import Prediction, format_horiz
from proteofold.store import import_run, open_store, queries
from proteofold.system.errors import UserError
from website.drawing.alignment_text import alignment_text, match_quality
from website.drawing.prediction import structure_shown
from website.drawing.sequence import Segment, composition, drawn_sequence, segments
from website.drawing.strip import hit_bars, overview
from website.pages.hit_listing import HitListing
from website.pages.links import protein_links, template_links
from website.pages.protein_result import found_by


def plain(html):
    return unescape(re.sub("<.*?>", "", str(html)))


# --- Sequence ---------------------------------------------------------------------------------------


def test_segments_are_runs_of_one_state():
    assert segments("CCHHHEC") == [Segment("C", 1, 2), Segment("H", 3, 5), Segment("E", 6, 6), Segment("C", 7, 7)]
    assert segments("") == []


def test_composition_counts_and_names_residues():
    assert composition("CCHHHEC-HH") == [
        ("helix", 2, 50.0, "3–5, 9–10"),
        ("strand", 1, 10.0, "6"),
        ("coil", 2, 40.0, "1–2, 7–8"),
    ]


def test_sequence_is_numbered_in_tens_in_blocks_of_thirty():
    blocks = drawn_sequence("ACDEFGHIKL" * 3 + "MNPQ", "H" * 34, "9" * 34).split("\n")
    assert [re.findall(r'<span class="residues">(.*?)</span>', block) for block in blocks] == [
        ["ACDEFGHIKL ACDEFGHIKL ACDEFGHIKL"],
        ["MNPQ"],
    ]
    assert re.search(r'class="ruler"[^>]*>        10         20         30<', blocks[0])
    assert re.search(r'class="ruler"[^>]*></span>', blocks[1])


def test_a_strand_ends_in_an_arrow_once_and_where_it_ends():
    blocks = drawn_sequence("A" * 40, "C" * 25 + "E" * 10 + "C" * 5).split("\n")
    first, second = (re.search(r'<path class="E" d="(.*?)"', block)[1] for block in blocks)
    # from column 27 (two gaps before residue 26) to the end of the block, without a head
    assert first == "M27 3H32V7H27z"
    assert second == "M0 3H3.5V1L5 5L3.5 9V7H0z"


def test_the_drawing_covers_each_residue_once():
    states = "CHEC" * 11 + "HHHHHHEEEEEC" * 5
    for number, block in enumerate(drawn_sequence("A" * len(states), states).split("\n")):
        drawn = set(re.findall(r'<path class="(\w)"', block))
        assert drawn == set(states[30 * number : 30 * number + 30])


def test_the_longest_human_protein_takes_less_than_a_megabyte():
    states = ("CCCHHHHHHHCCEEEEC" * 2100)[:34350]
    assert len(drawn_sequence("M" * 34350, states, "9" * 34350)) < 1_000_000


def test_what_is_no_letter_is_escaped():
    assert "<b>" not in drawn_sequence("<b>&")


PROTEIN = {"sequence": "MKVL", "md5": "a"}
PREDICTION = {"secondary_structure": "CHHC", "confidence": "9999"}


@pytest.mark.parametrize(
    ("latest", "prediction", "drawn", "changed"),
    [
        ({"md5": "a"}, PREDICTION, True, False),
        ({"md5": "b"}, PREDICTION, False, True),
        ({"md5": "a"}, PREDICTION | {"secondary_structure": "CH"}, False, False),
        ({"md5": "a"}, PREDICTION | {"secondary_structure": None}, False, False),
        ({"md5": "a"}, None, False, False),
        (None, None, False, False),
    ],
)
def test_only_a_prediction_of_this_sequence_is_drawn(latest, prediction, drawn, changed):
    part = structure_shown(PROTEIN, latest, prediction)
    assert ("<svg" in part["drawn"], bool(part["composition"]), part["changed"]) == (drawn, drawn, changed)
    assert "MKVL" in part["drawn"]


# --- Alignments -------------------------------------------------------------------------------------


def aligned(**rows):
    names = dict.fromkeys(Alignment._fields) | {
        "rank": 1,
        "template": "1ABC_A",
        "query_start": 5,
        "template_start": 100,
        "query_sequence": "",
        "template_sequence": "",
    }
    return Alignment(**(names | rows))


def test_positions_count_residues_and_not_gaps():
    query, template = "A" * 58 + "--" + "C" * 10, "-" * 60 + "D" * 10
    lines = plain(alignment_text(aligned(query_sequence=query, template_sequence=template, match="|" * 70))).split("\n")
    assert lines[0] == "Q protein        5 " + query[:60] + " 62"
    assert lines[1] == " " * 19 + "|" * 60
    # a piece of gaps only has no number
    assert lines[2] == "T 1ABC_A           " + "-" * 60
    assert lines[4] == "Q protein       63 " + "C" * 10 + " 72"
    assert lines[6] == "T 1ABC_A       100 " + "D" * 10 + " 109"


def test_rows_that_hhsearch_left_out_are_left_out():
    lines = plain(alignment_text(aligned(query_sequence="AC", template_sequence="DE"))).split("\n")
    assert [line.split()[0] for line in lines] == ["Q", "T"]


def test_helices_and_strands_are_marked():
    text = str(alignment_text(aligned(query_sequence="ACDEF", query_ss_pred="chHeE", template_sequence="ACDEF")))
    assert 'c<i class="H">hH</i><i class="E">eE</i>' in text


def test_columns_are_shaded_where_both_are_helix_or_both_strand():
    rows = {"query_sequence": "ACDEFG", "template_sequence": "ACDEFG"}
    text = alignment_text(aligned(query_ss_pred="HHEECC", template_ss_dssp="GTB-CC", template_ss_pred="CCCECC", **rows))
    query, *_, observed, _ = str(text).split("\n")
    # G is a helix and B a strand of DSSP; where nothing was observed the prediction counts
    assert query.endswith('<i class="H same">H</i><i class="H">H</i><i class="E same">EE</i>CC')
    assert observed.endswith('<i class="H same">G</i>T<i class="E same">B</i><i class="same">-</i>CC')


def test_residues_are_coloured_by_kind_and_gaps_are_not():
    text = str(alignment_text(aligned(query_sequence="AVD-K", template_sequence="GGGXG")))
    assert '<i class="r1">AV</i><i class="r4">D</i>-<i class="r3">K</i>' in text
    assert '<i class="r6">GGG</i>X<i class="r6">G</i>' in text


def test_names_and_rows_are_escaped():
    text = str(
        alignment_text(aligned(template="<b>x</b>", query_sequence="<&", template_sequence=">>", confidence="<i"))
    )
    assert not re.search(r"<b>|<i[ >](?!class)|<&", text)


@pytest.mark.parametrize("name", ["hhsearch3", "hhsearch3_no_hits", "hhblits3", "hhpred_server", "hhsuite2"])
def test_alignments_of_every_kind_of_file_are_drawn(data, name):
    for alignment in read_alignments(pack_hhr((data / f"{name}.hhr").read_bytes())):
        drawn = plain(alignment_text(alignment))
        residues = "".join(
            line[19:].split(" ")[0]
            for line in drawn.split("\n")
            if line.startswith(f"T {alignment.template}"[:11] + " ")
        )
        assert residues == alignment.template_sequence


def test_page_shows_the_alignment_that_is_asked_for_below_its_hit(busy_site, names):
    path = busy_site.protein(names.myg)
    page = busy_site.get(path).text
    assert "<pre tabindex" not in page.partition('id="runs"')[0] and "?hit=3#hit-3" in page
    page = busy_site.get(f"{path}?hit=3").text
    below = page.partition('<tr id="hit-3"')[2].partition("<tr id=")[0]
    assert 'aria-label="Alignment 3"' in below and 'aria-label="Colours of residues"' in below
    assert busy_site.get(f"{path}?hit=3&part=alignment").text.strip() in page, "what the script fetches is the same"


@pytest.mark.parametrize("asked", ["0", "99", "-1", "x", "1e9", "9" * 30, "²"])
def test_hits_that_are_not_there_are_left_out(busy_site, names, asked):
    page = busy_site.get(
        busy_site.protein(names.myg), params={"hit": asked, "page": asked, "from": asked, "rows": asked}
    )
    assert page.status_code == 200 and '<tr class="alignment"' not in page.text


def test_page_reports_the_secondary_structure_in_words(busy_site, names):
    page = re.sub(r"\s+", " ", plain(busy_site.get(busy_site.protein(names.myg)).text))
    assert "40% helix (1 segment), 10% strand (1 segment), 50% coil (3 segments)" in page
    assert re.search(r"helix ?5–44", page) and re.search(r"strand ?51–60", page)


def test_protein_without_prediction_still_shows_its_sequence(busy_site, names):
    page = busy_site.get(busy_site.protein(names.odd)).text
    assert "The secondary structure has not been predicted yet" in page
    assert "MKVLLLKKKK MKVLLLKKKK MKVLLLKKKK" in page


@pytest.fixture
def finished(tmp_path, data):
    """Function: a store with one result, of the hits of a file or ``found``: (connection, row, protein, .hhr.gz)."""

    def made(name="hhsearch3", found=None, length=600):
        results = FolderOfRuns(tmp_path)
        run = results.plan(proteins={"P1": "MKVLA" * (length // 5)})
        results.finish(run, "P1", found, hhr=None if found else data / f"{name}.hhr")
        # as real predictions are: the made one changes from residue to residue
        (horiz,) = run.predictions.horiz_folder.iterdir()
        states = ("C" * 7 + "H" * 12 + "C" * 4 + "E" * 7) * (length // 30)
        horiz.write_text(format_horiz(Prediction("MKVLA" * (length // 5), states, "7" * length)))
        conn = open_store(tmp_path / "results" / "proteofold.db")
        import_run(conn, run.folder.path)
        (latest,), (protein,) = queries.results_of(conn, "P1"), queries.proteins_of(conn, ["P1"])
        return conn, latest, protein, run.search.hhr(run.members["P1"].entry)

    return made


def test_hits_and_alignments_come_from_the_file_of_the_result(finished, tmp_path):
    conn, latest, protein, _ = finished()
    found = found_by(conn, [tmp_path / "elsewhere", tmp_path / "results"], latest, protein)
    assert (len(found.hits), found.missing) == (latest["hits"], None)
    assert found.alignment(7).rank == 7
    with pytest.raises(UserError):
        found.alignment(99)


BROKEN = {
    "empty": lambda data: b"",
    "cut": lambda data: data[:-20],
    "no gzip": lambda data: b"x",
    "of another protein": lambda data: data[:4] + b"\1" + data[5:],
    "missing": None,
}


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN)
def test_without_the_file_the_hits_of_the_store_are_judged(finished, damage, tmp_path):
    conn, latest, protein, path = finished()
    path.write_bytes(damage(path.read_bytes())) if damage else path.unlink()
    found = found_by(conn, [tmp_path / "results"], latest, protein)
    assert path.name in found.missing and str(tmp_path) not in found.missing
    assert len(found.hits) == latest["hits"] and found.data is None
    assert path.exists() == bool(damage), "nothing is removed here"


def test_files_that_are_not_on_this_machine_are_reported(finished, tmp_path):
    conn, latest, protein, _ = finished()
    found = found_by(conn, [tmp_path], latest, protein)
    assert "not on this machine" in found.missing and found.hits


@pytest.mark.parametrize("name", ["../../elsewhere", "..", "/etc", ""])
def test_names_in_the_store_lead_to_no_other_files(finished, tmp_path, name):
    conn, latest, protein, path = finished()
    if name.startswith("../../"):
        path.parents[2].rename(tmp_path / "results" / "elsewhere")
    for odd in ({"search": name}, {"entry": f"{name}/{latest['entry']}"}):
        found = found_by(conn, [tmp_path / "results"], latest | odd, protein)
        assert found.data is None and "not on this machine" in found.missing


def test_result_without_hits_has_no_alignments_to_miss(finished, tmp_path):
    conn, latest, protein, _ = finished("hhsearch3_no_hits")
    found = found_by(conn, [tmp_path], latest, protein)
    assert (found.hits, found.missing) == ([], None)


# --- The strip --------------------------------------------------------------------------------------


def test_strip_has_domains_structure_and_coverage_of_significant_hits():
    one, two = span_hit(1, 50, "1ABC_A", rank=1), span_hit(41, 100, "2XYZ_B", rank=2, probability=97.0)
    svg = str(overview([one, two], [one, two], 100, "C" * 10 + "H" * 20 + "E" * 70, lambda hit: f"#{hit.rank}"))
    assert re.findall(r'<a href="(#\d)".*?<rect class="p1" x="([\d.]+)%" y="\d+" width="([\d.]+)%"', svg) == [
        ("#1", "0.00", "50.00"),
        ("#2", "40.00", "60.00"),
    ]
    assert '<path class="H" d="M10 0h20v10h-20z"/><path class="E" d="M30 0h70v10h-70z"/>' in svg
    # one hit, two from residue 41 to 50, one
    heights = [float(height) for height in re.findall(r"V([\d.]+)H", svg.partition('class="coverage"')[2])]
    assert len(heights) == 3 and heights[1] == 0 and heights[0] == heights[2] > 0


@pytest.mark.parametrize(
    ("last", "number", "template"),
    [(100, "always", "always"), (10, "always", "wide"), (3, "wide", ""), (1, "", "")],
)
def test_names_of_domains_are_drawn_where_they_fit(last, number, template):
    domain = span_hit(1, last, "1ABC_A", rank=1)
    svg = str(overview([domain], [domain], 100, None, lambda hit: f"#{hit.rank}"))
    assert re.findall(r'<text class="on-p1 (\w+)"', svg) == [number][: bool(number)]
    assert re.findall(r'<tspan class="(\w+)">: 1ABC_A</tspan>', svg) == [template][: bool(template)]


def test_strip_of_the_longest_human_protein_is_small_and_not_empty():
    svg = str(overview([], [], 34350, ("CCCHHHHHHHCCEEEEC" * 2100)[:34350], None))
    assert len(svg) < 40_000
    assert len(re.findall(r"M\d+ 0h", svg)) > 100


def test_strip_of_a_dark_protein_has_its_structure_only():
    svg = str(overview([], [], 50, "H" * 50, None))
    assert "Predicted secondary structure" in svg and ">Domains" not in svg and ">Coverage" not in svg


def test_nothing_is_drawn_of_a_protein_of_which_nothing_is_known(busy_site, names):
    assert overview([], [], 50, None, None) is None
    assert '<svg class="along' not in busy_site.get(busy_site.protein(names.lonely)).text.partition('id="sequence"')[0]


def test_bars_of_hits_that_are_not_significant_are_thin():
    hits = [span_hit(1, 50, rank=1), span_hit(1, 50, rank=2, probability=3.0, evalue=5.0)]
    svg = str(hit_bars(hits, hits[:1], 100, (10, 20), lambda hit: f"#{hit.rank}"))
    first, second = (float(height) for height in re.findall(r'<rect class="p\d".*?height="([\d.]+)"', svg))
    assert second < first / 2
    assert '<rect class="region" x="9.00%" y="0" width="11.00%"' in svg


# --- The list of hits -------------------------------------------------------------------------------


HITS = [
    span_hit(1, 50, "1AAA_A", rank=1, score=90.0, template_coverage=100.0),
    span_hit(60, 90, "2BBB_A", rank=2, score=95.0, template_coverage=10.0),
    span_hit(1, 90, "3CCC_A", rank=3, score=10.0, probability=30.0, evalue=2.0),
    make_hit(4, "4DDD_A", probability=None, score=20.0, evalue=9.0),
]


@pytest.mark.parametrize(
    ("arguments", "ranks"),
    [
        ({}, [1, 2]),
        ({"show": "all"}, [1, 2, 3, 4]),
        ({"show": "all", "probability": "20"}, [1, 2, 3]),
        ({"probability": "21"}, [1, 2]),
        ({"show": "all", "from": "55"}, [2, 3]),
        ({"show": "all", "to": "55"}, [1, 3]),
        ({"from": "95", "to": "51"}, [2]),
        ({"coverage": "50"}, [1]),
        ({"sort": "score"}, [2, 1]),
        ({"show": "all", "sort": "probability"}, [1, 2, 3, 4]),
        ({"show": "all", "sort": "probability", "order": "backwards"}, [3, 1, 2, 4]),
        ({"sort": "nonsense", "rows": "7"}, [1, 2]),
    ],
)
def test_hits_are_filtered_and_sorted_as_the_address_says(arguments, ranks):
    assert [hit.rank for hit in HitListing(arguments, 100).chosen(HITS, HITS[:2])] == ranks


def test_all_hits_are_listed_where_none_is_significant():
    assert len(HitListing({}, 100).chosen(HITS, [])) == 4


def test_page_of_the_list_is_that_of_the_hit_that_is_asked_for():
    hits = [span_hit(1, 50, rank=rank) for rank in range(1, 101)]
    assert HitListing({"hit": "60"}, 100).pager(hits).page == 3
    assert HitListing({"hit": "60", "page": "1"}, 100).pager(hits).page == 1


def test_addresses_of_a_list_keep_its_filters():
    listing = HitListing({"from": "5", "to": "500", "probability": "95", "rows": "50"}, 100)
    assert listing.path("", page=2) == "?probability=95&from=5&to=100&rows=50&page=2#hits"
    assert listing.path("?id=.", "hit-3", hit=3).startswith("?id=.&probability=95")


def test_page_of_500_hits_is_short_and_small(finished, tmp_path, open_site):
    found = [
        span_hit(start, start + 200, f"1A{start:02d}_A", rank=start, score=500.0 - start) for start in range(1, 501)
    ]
    finished(found=found, length=1200)
    site = open_site(tmp_path / "results" / "proteofold.db")
    page = site.get("/-/protein/P1").text
    assert "Hits 1 to 25 of 500." in page and page.count('<tr id="hit-') == 25
    assert page.count('" tabindex="-1" data-rank=') == 25 + page.count("<title>Domain "), "each hit listed is drawn"
    assert len(site.get("/-/protein/P1?rows=100&hit=3").content) < 150_000
    assert "style=" not in page[page.index("<main>") : page.index("</main>")]


def test_files_of_the_protein_are_downloads_and_without_them_the_hits_of_the_store(finished, tmp_path, open_site):
    *_, path = finished()
    site = open_site(tmp_path / "results" / "proteofold.db")
    ways = dict(re.findall(r'<li><a href="([^"]*)"[^>]* download>([^<]*)</a>', site.get("/-/protein/P1").text))
    texts = {text: site.get(unescape(address)) for address, text in ways.items()}
    assert {"Alignments (HHR)", "Query (A3M)", "Sequence (FASTA)", "Hits (CSV)", "Domains (CSV)"} <= set(texts)
    assert {answer.status_code for answer in texts.values()} == {200}
    assert texts["Sequence (FASTA)"].text.startswith(">P1")
    path.unlink()
    page = site.get("/-/protein/P1").text
    assert re.findall(r"download>([^<]*)</a>", page) == ["Hits (CSV)", "Hits (JSON)"]
    assert "without alignments" in page


def test_table_of_many_domains_is_folded(finished, tmp_path, open_site):
    found = [span_hit(100 * n + 1, 100 * n + 90, "1ABC_A", rank=n + 1, score=900.0 - n) for n in range(60)]
    finished(found=found, length=6000)
    site = open_site(tmp_path / "results" / "proteofold.db")
    page = site.get("/-/protein/P1").text
    assert page.count('aria-label="Alignment of domain') == 12 and "The first 12 of 60 domains." in page
    assert page.count("<title>Domain ") == 60, "the strip has all"
    page = site.get("/-/protein/P1?domains=all").text
    assert page.count('aria-label="Alignment of domain') == 60 and "The first 25" not in page


# --- Links ------------------------------------------------------------------------------------------


def test_links_go_to_other_databases_only_for_ids_of_their_form():
    assert [name for name, _ in template_links("1IVO_A")] == ["RCSB PDB", "PDBe", "CATH", "InterPro"]
    assert all("1ivo" in url.lower() for _, url in template_links("1IVO_A"))
    assert [name for name, _ in protein_links("P00533")] == ["UniProt", "AlphaFold DB", "InterPro"]
    assert template_links("model7") == template_links(None) == protein_links("nobody") == protein_links(None) == []


def test_match_is_given_for_each_residue_of_the_template():
    rows = {"query_sequence": "AC-DEF", "match": "|+ .  ", "template_sequence": "ACDE-F"}
    assert match_quality(aligned(**rows)) == "|+ .."


def test_pages_reach_no_other_site_unless_it_is_allowed(finished, tmp_path, open_site):
    finished()
    site, path, policy = (
        open_site(tmp_path / "results" / "proteofold.db"),
        "/-/protein/P1?hit=1",
        "Content-Security-Policy",
    )
    page = site.get(path)
    assert "connect-src 'self';" in page.headers[policy]
    assert "has not allowed rcsb.org" in page.text and "data-viewer" not in page.text
    assert site.get("/-/structures/1abc").status_code == 404
    for folder in ("config", "mmcif"):
        (tmp_path / folder).mkdir()
    (tmp_path / "config" / "platform.yaml").write_text("structures: {folder: mmcif, rcsb: true}")
    (tmp_path / "mmcif" / "1abc.cif").write_text("data_1ABC")
    page = site.get(path)
    assert "connect-src 'self' https://files.rcsb.org;" in page.headers[policy]
    assert re.search(r'data-places="/-/structures/(\w{4}) https://files.rcsb.org/download/\1.cif"', page.text)
    answer = site.get("/-/structures/1abc")
    assert (answer.text, answer.headers["content-type"]) == ("data_1ABC", "chemical/x-cif; charset=utf-8")


def test_readers_of_structures_are_counted_as_those_of_other_downloads(finished, tmp_path, open_site, monkeypatch):
    finished()
    (tmp_path / "resources" / "structures").mkdir(parents=True)
    (tmp_path / "resources" / "structures" / "1abc.cif").write_text("data_1ABC")
    site = open_site(tmp_path / "results" / "proteofold.db")
    monkeypatch.setattr("website.requests.streams.SENDERS", 0)
    assert site.get("/-/structures/1abc").status_code == 503


def test_protein_without_a_run_offers_to_search_it(busy_store, busy_site, names):
    conn = open_store(busy_store)
    conn.execute(
        "insert into proteins (query_id, number, length, sequence, md5, added_at, source)"
        " values ('fresh&new', 999, 3, 'MKV', 'x', '', '')"
    )
    conn.close()
    page = busy_site.get(busy_site.protein("fresh&new") + "?part=hits&hit=1").text
    assert "has not been searched yet" in page and 'href="/-/new-run?ids=fresh%26new"' in page


def test_protein_that_is_being_computed_is_not_offered_to_be_searched(busy_store, busy_site):
    conn = open_store(busy_store)
    conn.execute(
        "insert into proteins (query_id, number, length, sequence, md5, added_at, source)"
        " values ('current', 998, 3, 'MKV', 'y', '', '')"
    )
    conn.execute(
        "insert into protein_results (run_id, query_id, result_id, position, md5, entry, phase)"
        " values ('busy', 'current', 998, 9, 'y', 'current-00000000', 'running')"
    )
    conn.close()
    page = busy_site.get(busy_site.protein("current")).text
    assert 'being computed in run <a href="/-/runs/busy">busy</a>' in page and "/-/new-run?ids=" not in page


def test_what_is_not_there_is_called_so_and_asks_nobody_to_sign_in(busy_site):
    answer = busy_site.get("/-/runs/first/log?protein=nobody")
    assert answer.status_code == 404
    main = answer.text.partition("<main")[2]
    assert "<h1>Not found</h1>" in main and "Sign in" not in main


def test_a_dark_result_names_the_run_that_found_a_domain(busy_store, busy_site):
    def first_is(coverage_class):
        with open_store(busy_store) as conn:
            change = "update protein_results set coverage_class = ? where run_id = 'first' and query_id = 'lonely'"
            conn.execute(change, (coverage_class,))
        return busy_site.get(busy_site.protein("lonely")).text

    assert 'href="/-/protein/lonely?run=first">Show its result</a>' in first_is("partly")
    assert "Show its result" not in first_is("dark")


def test_a_fault_of_the_server_is_not_called_a_refusal(busy_site, monkeypatch):
    monkeypatch.setattr("website.pages.run_data.counts", lambda conn, run: 1 / 0)
    answer = busy_site.get("/-/runs/first")
    main = answer.text.partition("<main")[2]
    assert answer.status_code == 500 and "<h1>Server error</h1>" in main and "Sign in" not in main
