"""The drawn sequence and the alignments of a protein's page."""

import re
from html import unescape

import pytest
from runfolders import FolderOfRuns

from proteofold.formats.packed_hhr import Alignment, pack_hhr, read_alignments
from website.drawing.alignment_text import alignment_text
from website.drawing.prediction import alignments_shown, structure_shown
from website.drawing.sequence import Segment, composition, drawn_sequence, segments


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
    told = structure_shown(PROTEIN, latest, prediction)
    assert ("<svg" in told["drawn"], bool(told["composition"]), told["changed"]) == (drawn, drawn, changed)
    assert "MKVL" in told["drawn"]


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


def test_names_and_rows_are_escaped():
    text = str(
        alignment_text(aligned(template="<b>x</b>", query_sequence="<&", template_sequence=">>", confidence="<i"))
    )
    assert not re.search(r"<b>|<i[ >](?!class)|<&", text)


@pytest.mark.parametrize("name", ["hhsearch3", "hhsearch3_no_hits", "hhblits3", "hhpred_server", "hhsuite2"])
def test_alignments_of_every_kind_of_file_are_drawn(data, name):
    for alignment in read_alignments(pack_hhr((data / f"{name}.hhr").read_bytes())):
        drawn = plain(alignment_text(alignment))
        told = "".join(
            line[19:].split(" ")[0]
            for line in drawn.split("\n")
            if line.startswith(f"T {alignment.template}"[:11] + " ")
        )
        assert told == alignment.template_sequence


def test_page_shows_alignments_below_their_hits(busy_site, names):
    page = busy_site.get(busy_site.protein(names.myg)).text
    ranks = re.findall(r'<pre id="hit-(\d+)" tabindex="0" role="region"', page)
    assert ranks == ["1"], "of the hits in the list of the latest result; the file has more"
    assert 'href="#hit-1"' in page
    assert "VLSPADKTNVKAAWGKVGAHAGEYGAEALERMFLSFPTTKTYFPHFDLSHGSAQVKGHGK" in page


def test_page_tells_the_secondary_structure_in_words(busy_site, names):
    page = re.sub(r"\s+", " ", plain(busy_site.get(busy_site.protein(names.myg)).text))
    assert "40 % helix (1 segment), 10 % strand (1 segment), 50 % coil (3 segments)" in page
    assert re.search(r"helix ?5–44", page) and re.search(r"strand ?51–60", page)


def test_protein_without_prediction_still_shows_its_sequence(busy_site, names):
    page = busy_site.get(busy_site.protein(names.odd)).text
    assert "No secondary structure of it is stored yet" in page
    assert "MKVLLLKKKK MKVLLLKKKK MKVLLLKKKK" in page


@pytest.fixture
def finished(tmp_path, data):
    """Function: the row of a result with the alignments of a file, in tmp_path / "results", and its .hhr.gz."""

    def row(name="hhsearch3"):
        results = FolderOfRuns(tmp_path)
        run = results.plan(proteins=["P1"])
        results.finish(run, "P1", hhr=data / f"{name}.hhr")
        entry = run.members["P1"].entry
        return {"run_id": "demo", "search": run.search.name, "entry": entry, "hits": 10}, run.search.hhr(entry)

    return row


def test_a_page_without_room_draws_the_other_alignments_when_asked(monkeypatch, finished, tmp_path):
    monkeypatch.setattr("website.drawing.prediction.MOST_CHARACTERS", 100)
    latest, _ = finished()
    shown = alignments_shown([tmp_path / "elsewhere", tmp_path / "results"], latest, "7")["alignments"]
    assert [rank for rank, text in shown.items() if text] == [1, 7]
    assert len(shown) == 10


BROKEN = {
    "empty": lambda data: b"",
    "cut": lambda data: data[:-20],
    "no gzip": lambda data: b"x",
    "of another protein": lambda data: data[:4] + b"\1" + data[5:],
    "missing": None,
}


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN)
def test_damaged_alignments_are_told_in_words_and_left_there(finished, damage, tmp_path):
    latest, path = finished()
    path.write_bytes(damage(path.read_bytes())) if damage else path.unlink()
    told = alignments_shown([tmp_path / "results"], latest, None)
    assert told["alignments"] == {} and path.name in told["not_shown"]
    assert path.exists() == bool(damage)


def test_alignments_that_are_not_on_this_machine_are_told_in_words(finished, tmp_path):
    latest, _ = finished()
    told = alignments_shown([tmp_path], latest, None)
    assert told["alignments"] == {} and "not on this machine" in told["not_shown"]


@pytest.mark.parametrize("name", ["../../elsewhere", "..", "/etc", ""])
def test_names_in_the_store_lead_to_no_other_files(finished, tmp_path, name):
    latest, path = finished()
    if name.startswith("../../"):
        path.parents[2].rename(tmp_path / "results" / "elsewhere")
    for odd in ({"search": name}, {"entry": f"{name}/{latest['entry']}"}):
        told = alignments_shown([tmp_path / "results"], latest | odd, None)
        assert told["alignments"] == {} and "not on this machine" in told["not_shown"]


def test_result_without_hits_has_no_alignments_to_miss(tmp_path):
    told = alignments_shown([tmp_path], {"hits": 0}, None)
    assert (told["alignments"], told["not_shown"]) == ({}, None)
