"""Hits read from .hhr files of several programs, and the summary of a query, as the researchers' parser has them."""

import csv
import gzip
import io
import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proteofold.formats.hhr import HIT_COLUMNS, Hit, parse_hhr, read_hhr
from proteofold.formats.hits_csv import hits_csv_gz, hits_csv_gz_header
from proteofold.formats.packed_hhr import pack_hhr, read_alignments, unpack
from proteofold.science.summary import Summary, format_summary, one_per_template, summarise
from proteofold.system.errors import UserError

FILES = ["hhsearch3.hhr", "hhblits3.hhr", "hhsuite2.hhr", "hhpred_server.hhr"]


def biopython_hits(source):
    """(id, E-value, score) of each hit as the researchers' parser is given them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from Bio import SearchIO
    return [(hit.id, hit.evalue, hit.score) for hit in next(SearchIO.parse(source, "hhsuite3-text"))]


def researchers_row(query_id, hits):
    """The row that the researchers' parser writes, from Biopython's hits and with numpy."""
    best_hit, best_evalue, best_score, scores = "", math.nan, -math.inf, []
    for template, evalue, score in hits:
        if score >= best_score:
            best_hit, best_evalue, best_score = template, evalue, score
        if evalue < 1e-5:
            scores.append(score)
    with np.errstate(all="ignore"):
        statistics = [np.mean(scores), np.std(scores), np.exp(np.mean(np.log(scores)))] if scores else [math.nan] * 3
    return f"{query_id},{best_hit},{best_evalue},{best_score}," + ",".join(f"{value:.2f}" for value in statistics)


@pytest.mark.parametrize("name", FILES)
def test_numbers_are_those_of_the_researchers_parser(data, name):
    hits = read_hhr(data / name).hits
    expected = biopython_hits(data / name)
    assert [(hit.template, hit.evalue, hit.score) for hit in one_per_template(hits)] == expected
    assert format_summary(summarise("q", hits), header=False) == researchers_row("q", expected) + "\n"


@pytest.mark.parametrize("name", FILES)
def test_every_alignment_has_its_line_of_the_table(data, name):
    result = read_hhr(data / name)
    assert result.table_rows == len(result.hits) > 0
    assert [hit.rank for hit in result.hits] == list(range(1, len(result.hits) + 1))
    assert all(hit.query_end - hit.query_start >= 0 <= hit.template_end - hit.template_start for hit in result.hits)


def test_hit_of_hhsuite_3_is_read_whole(data):
    result = read_hhr(data / "hhsearch3.hhr")
    assert (result.query, result.query_length) == ("sp|P69905|HBA_HUMAN", 142)
    assert result.hits[4] == Hit(
        rank=5,
        template="1YMB_A",
        description="Myoglobin {Equus caballus}",
        probability=95.95,
        evalue=4.1e-07,
        pvalue=5e-09,
        score=55.75,
        ss_score=0.0,
        aligned_columns=141,
        query_start=2,
        query_end=142,
        template_start=1,
        template_end=147,
        template_length=153,
        identity=int(_value_of(data / "hhsearch3.hhr", 5, "Identities").rstrip("%")),
        similarity=float(_value_of(data / "hhsearch3.hhr", 5, "Similarity")),
        template_coverage=96.1,
        ss_agreement=None,
    )


def _value_of(path, rank, name):
    """A value of the line of values of a hit, as text."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    values = lines[lines.index(f"No {rank}") + 2].split()
    return dict(value.split("=") for value in values)[name]


@pytest.mark.parametrize("name", FILES)
def test_identity_and_similarity_are_those_of_the_alignment_block(data, name):
    for hit in read_hhr(data / name).hits:
        assert f"{hit.identity}%" == _value_of(data / name, hit.rank, "Identities")
        assert hit.similarity == float(_value_of(data / name, hit.rank, "Similarity"))


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("", (None, None)),
        ("  Identities=7%", (7, None)),
        ("  Identities=7%  Similarity=-0.123  Sum_probs=1.0", (7, -0.123)),
        ("  Sum_probs=1.0", (None, None)),
    ],
)
def test_values_that_a_block_lacks_are_none(tmp_path, end, expected):
    values = f"Probab=1.00  E-value=1  Score=1.00  Aligned_cols=3{end}"
    (tmp_path / "a.hhr").write_text(HEAD + block(1, "T n", values))
    (hit,) = read_hhr(tmp_path / "a.hhr").hits
    assert (hit.aligned_columns, hit.identity, hit.similarity) == (3, *expected)


def test_packed_hhr_keeps_identity_and_similarity_of_every_hit(data):
    content = (data / "hhsearch3.hhr").read_bytes()
    assert parse_hhr(unpack(pack_hhr(content)), "packed").hits == parse_hhr(content, "file").hits


def aligned(query, *template):
    """A .hhr of one hit: rows of secondary structure of the query, and labelled ones of the template, in pieces."""
    pieces = []
    for number, states in enumerate(query):
        rows = [("Q ss_pred", states), ("Q q", f"  1 {'A' * len(states)}   9 (40)"), ("T t", "  1 A   9 (90)")]
        rows += [(label, texts[number]) for label, *texts in template]
        pieces.append("".join(f"{label:22}{text}\n" for label, text in rows))
    return HEAD + block(1, "T n", "Probab=1.00  E-value=1  Score=1.00  Aligned_cols=3") + "\n" + "\n".join(pieces)


@pytest.mark.parametrize(
    ("query", "template", "expected"),
    [
        (["HHEEccCC"], [("T ss_pred", "HHEECCCC")], 100.0),
        (["HHHHEEEECC"], [("T ss_pred", "hhhhcccccc")], 60.0),
        (["HH--EE", "CCC"], [("T ss_pred", "HHHHE-", "CCH")], 83.3),  # gaps count for neither side
        (["HHHEECCCCCC"], [("T ss_dssp", "HGIEBTSPC-~")], 100.0),
        (["HHHH"], [("T ss_dssp", "HHHH"), ("T ss_pred", "CCCC")], 100.0),
        (["HHHH"], [("T ss_dssp", "----"), ("T ss_pred", "HHCC")], 50.0),
        (["HHHH"], [("T ss_dssp", "----")], None),
        (["HHHH"], [("T ss_pred", "HHH")], None),
        (["HHHH"], [], None),
    ],
    ids=["equal", "three states", "gaps", "DSSP", "observed first", "observed nothing", "unknown", "damaged", "none"],
)
def test_agreement_of_secondary_structure_is_counted_in_three_states(tmp_path, query, template, expected):
    (tmp_path / "a.hhr").write_text(aligned(query, *template))
    (hit,) = read_hhr(tmp_path / "a.hhr").hits
    assert hit.ss_agreement == expected


def test_agreement_is_that_of_the_whole_alignments(data):
    hits, compared = read_hhr(data / "hhpred_server.hhr").hits, 0
    alignments = read_alignments(pack_hhr((data / "hhpred_server.hhr").read_bytes()))
    for hit, found in zip(hits, alignments, strict=True):
        pairs = list(zip(found.query_ss_pred, found.template_ss_dssp, strict=True))
        equal = [
            one in "Cc" and other in "TSCP" or one.upper() == other for one, other in pairs if "-" not in one + other
        ]
        assert hit.ss_agreement == round(100 * sum(equal) / len(equal), 1)
        compared += 1
    assert compared


def test_coverage_of_the_template_is_the_range_of_the_alignment(data):
    for hit in read_hhr(data / "hhsearch3.hhr").hits:
        spanned = len(range(hit.template_start, hit.template_end + 1))
        assert hit.template_coverage == pytest.approx(100 * spanned / hit.template_length, abs=0.05)


def test_odd_lines_of_the_table_are_read(data):
    first, _, _, like_numbers, negative = read_hhr(data / "hhsuite2.hhr").hits
    assert (first.evalue, first.pvalue, first.probability) == (1.2e-104, 3.1e-109, 99.97)
    assert (like_numbers.pvalue, like_numbers.query_start, like_numbers.template_length) == (2.7e-10, 2, 1031)
    assert (negative.score, negative.description, negative.query_end) == (-1.22, "", 37)
    zero, touching, *_ = read_hhr(data / "hhpred_server.hhr").hits
    assert (zero.evalue, zero.pvalue, zero.ss_score) == (0, 0, 45.5)
    assert (touching.template_end, touching.template_length) == (1030, 1031)
    assert zero.description == "UPF0183 ; Uncharacterised protein family (UPF0183)"


HEAD = (
    "Query         q\nMatch_columns 40\n\n No Hit                             Prob E-value P-value  Score    SS Cols\n"
)


def table_row(rank, name, probability, evalue, pvalue, score, ss="0.0", end="   3    2-4       5-7   (9)"):
    return f"{rank:>3d} {name:<30.30s} {probability:>5} {evalue:>7} {pvalue:>7} {score:>6} {ss:>5} {end}\n"


def block(rank, name, values):
    return (
        f"\nNo {rank}\n>{name}\n{values}\n\nQ q   2 MKV   4 (40)\nQ Consensus   2 mkv   4 (40)\nT x   5 MKV   7 (9)\n\n"
    )


def read_text(tmp_path, text):
    path = tmp_path / "q.hhr"
    path.write_text(text, newline="")
    return read_hhr(path)


@pytest.mark.parametrize(
    "row",
    [
        table_row(1, "1ABC_A Name", "100.0", "0", "0", "9999.9"),
        table_row(1, "1ABC_A Name", "99.9", "1.2E-104", "1.3E-109", "10000.0"),
        table_row(1, "1ABC_A 12 1E-3 5.0 (9)", "0.0", "3.4E+04", "0.89", "-0.0", "-12.3"),
        table_row(1, "1", "1.0", "1E-300", "1E-305", "1.0"),
        table_row(1, "", "1.0", "1", "1", "1.0"),
        table_row(1, "1ABC_A Name", "nan", "-nan", "NAN", "inf", "-inf"),
        table_row(1, "1ABC_A Name", "1.0", "1", "1", "1.0", end="10000 10001-20000 30001-40000(40001)"),
    ],
)
def test_line_of_the_table_is_recognised(tmp_path, row):
    values = "Probab=1.00  E-value=1  Score=1.00  Aligned_cols=3"
    result = read_text(tmp_path, HEAD + row + block(1, "1ABC_A Name", values))
    assert result.table_rows == 1
    assert result.hits[0].template_length is not None


def test_ranks_beyond_999_are_read(tmp_path):
    values = "Probab=1.00  E-value=1  Score=1.00  Aligned_cols=3"
    rows = [table_row(rank, f"T{rank} n", "1.0", "1", "1", "1.0") for rank in range(1, 1202)]
    blocks = [block(rank, f"T{rank} n", values) for rank in range(1, 1202)]
    result = read_text(tmp_path, HEAD + "".join(rows + blocks))
    assert result.table_rows == len(result.hits) == 1201
    assert (result.hits[-1].template, result.hits[-1].query_start) == ("T1201", 2)


def test_windows_line_ends_do_not_matter(tmp_path, data):
    text = (data / "hhsuite2.hhr").read_text()
    assert read_text(tmp_path, text.replace("\n", "\r\n")) == read_hhr(data / "hhsuite2.hhr")


def test_tab_ends_the_name_of_a_template(tmp_path):
    values = "Probab=1.00  E-value=1  Score=1.00  Aligned_cols=3"
    text = HEAD + table_row(1, "T", "1.0", "1", "1", "1.0") + block(1, "T1\tname", values)
    assert read_text(tmp_path, text).hits[0].template == biopython_hits(io.StringIO(text))[0][0] == "T1"


def test_query_without_hits_is_a_result(data):
    result = read_hhr(data / "hhsearch3_no_hits.hhr")
    assert (result.query, result.hits, result.table_rows) == ("GS_linker", [], 0)
    assert format_summary(summarise("q", result.hits), header=False) == "q,,nan,nan,nan,nan,nan\n"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "no line starts with 'Query'"),
        (">a\nMKV\n", "no line starts with 'Query'"),
        ("Query         q\nMatch_columns 40\nCommand       hhsearch\n\n", "no list of hits"),
        (HEAD.replace("40", "forty"), "line 2: not a number: 'Match_columns forty'"),
        (HEAD + "\nNo 1\n", "line 6: hit 1"),
        (HEAD + "\nNo 1\n>T n\n", "line 6: hit 1"),
        (HEAD + "\nNo 1\n>T n\nProbab=1.00  E-va", "line 6: hit 1"),
        (HEAD + "\nNo 1\n>T n\nProbab=1.00  E-value=1  Sco", "line 6: hit 1"),
        (HEAD + "\nNo 1\n>T n\nProbab=1.00  E-value=1  Score=", "line 6: hit 1"),
        (HEAD + "\nNo 1\n>T n\nProbab=1.00  E-value=1e  Score=1", "line 6: hit 1"),
    ],
)
def test_what_is_no_whole_hhr_is_an_error(tmp_path, text, what):
    with pytest.raises(UserError) as caught:
        read_text(tmp_path, text)
    assert what in str(caught.value)
    assert str(tmp_path / "q.hhr") in str(caught.value)


def test_table_reports_how_many_alignments_are_missing(tmp_path, data):
    text = (data / "hhsearch3.hhr").read_text()
    result = read_text(tmp_path, text[: text.index("No 4")])
    assert (result.table_rows, len(result.hits)) == (10, 3)


EVALUES = st.one_of(
    st.floats(1e-120, 1e-3).map(lambda value: f"{value:.1e}"),
    st.floats(1e-7, 1e4).map(lambda value: f"{value:.2g}"),
    st.sampled_from(["0", "1e-05", "9.9e-06", "1.2e-104"]),
)
# scores with E < 1e-5 are well above zero in every real file; the others may be negative
SCORES = st.floats(-50, 3000).map(lambda value: f"{value:.2f}")
TEMPLATES = ["4V24_B", "2wga", "PF03676.14", "1", "x|y", "T(1)"]
DESCRIPTIONS = st.lists(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30).map(str.strip),
    min_size=len(TEMPLATES),
    max_size=len(TEMPLATES),
)
HITS = st.lists(st.tuples(st.integers(0, len(TEMPLATES) - 1), EVALUES, SCORES), min_size=1, max_size=12)


@given(hits=HITS, descriptions=DESCRIPTIONS)
def test_any_file_reads_as_the_researchers_parser_reads_it(tmp_path_factory, hits, descriptions):
    rows, blocks = [], []
    for rank, (template, evalue, score) in enumerate(hits, 1):
        name = f"{TEMPLATES[template]} {descriptions[template]}".strip()
        rows.append(
            table_row(rank, name, "50.0", f"{float(evalue):.2G}", f"{float(evalue) / 9e4:.2G}", f"{float(score):.1f}")
        )
        blocks.append(block(rank, name, f"Probab=50.00  E-value={evalue}  Score={score}  Aligned_cols=3"))
    text = HEAD + "".join(rows + blocks)
    path = tmp_path_factory.getbasetemp() / "any.hhr"
    path.write_text(text)
    result = read_hhr(path)
    expected = biopython_hits(io.StringIO(text))
    assert [(hit.template, hit.evalue, hit.score) for hit in one_per_template(result.hits)] == expected
    assert result.table_rows == len(result.hits) == len(hits)
    best = format_summary(summarise("q", result.hits), header=False).split(",")[:4]
    assert best == researchers_row("q", expected).split(",")[:4]


def hit(template, evalue, score):
    return Hit(1, template, "", evalue=evalue, score=score)


@given(st.lists(st.floats(0.01, 5000), min_size=1, max_size=600))
def test_statistics_are_those_of_numpy(scores):
    summary = summarise("q", [hit(f"T{number}", 1e-6, score) for number, score in enumerate(scores)])
    assert summary.score_mean == np.mean(scores)  # to the last bit: the second decimal must round alike
    assert summary.score_std == pytest.approx(np.std(scores), rel=1e-12, abs=1e-12)
    assert summary.score_gmean == pytest.approx(np.exp(np.mean(np.log(scores))), rel=1e-12)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 127, 128, 129, 136, 137, 255, 256, 257, 300, 500, 1000])
def test_mean_of_many_scores_is_that_of_numpy_to_the_last_bit(count):
    scores = np.random.default_rng(count).uniform(20, 900, (20, count)).round(2)
    for row in scores:
        hits = [hit(f"T{number}", 1e-6, score) for number, score in enumerate(row.tolist())]
        assert summarise("q", hits).score_mean == np.mean(row)


def test_later_of_equal_scores_is_the_best_hit():
    hits = [hit("A", 1e-9, 50.0), hit("B", 1e-8, 60.0), hit("C", 1e-7, 60.0), hit("D", 1.0, 10.0)]
    assert summarise("q", hits).best_hit == "C"
    assert format_summary(summarise("q", hits), header=False) == "q,C,1e-07,60.0,56.67,4.71,56.46\n"


def test_first_alignment_of_a_template_counts():
    hits = [hit("A", 1e-9, 50.0), hit("B", 1e-8, 40.0), hit("A", 1e-9, 90.0), hit("B", 1e-9, 95.0)]
    assert summarise("q", hits).best_score == 50.0
    assert summarise("q", hits).score_mean == 45.0


def test_limit_itself_is_not_significant():
    assert math.isnan(summarise("q", [hit("A", 1e-5, 50.0)]).score_mean)
    assert summarise("q", [hit("A", 9.99e-6, 50.0)]).score_mean == 50.0


def test_hit_without_significance_is_still_the_best_hit():
    text = format_summary(summarise("q", [hit("A", 34000.0, -0.01)]))
    assert text == (
        "query_id,best_hit,best_evalue,best_score,score_mean,score_std,score_gmean\nq,A,34000.0,-0.01,nan,nan,nan\n"
    )


def test_geometric_mean_of_odd_scores():
    assert summarise("q", [hit("A", 0.0, 0.0), hit("B", 0.0, 5.0)]).score_gmean == 0
    assert math.isnan(summarise("q", [hit("A", 0.0, -1.0), hit("B", 0.0, 5.0)]).score_gmean)


def test_numbers_are_written_as_the_researchers_write_them():
    text = format_summary(Summary("sp|P1|A", "4V24_B", 4.3e-20, 172.64, 80.034, 23.386, 77.4), header=False)
    assert text == "sp|P1|A,4V24_B,4.3e-20,172.64,80.03,23.39,77.40\n"


ODD_IDS = ["a,b", '"quoted"', "it's", "a;b", "=1+1", "日本", "-"]


@pytest.mark.parametrize("query_id", ODD_IDS)
def test_odd_ids_come_through_csv(query_id):
    (row,) = csv.reader(format_summary(summarise(query_id, [hit('T",1', 1.0, 1.0)]), header=False).splitlines())
    assert row[:2] == [query_id, 'T",1']


def test_members_of_hits_join_to_one_table(data):
    hits = read_hhr(data / "hhpred_server.hhr").hits
    joined = hits_csv_gz_header() + hits_csv_gz('a,"b"', hits) + hits_csv_gz("none", []) + hits_csv_gz("c", hits[:1])
    rows = list(csv.DictReader(io.StringIO(gzip.decompress(joined).decode())))
    assert tuple(rows[0]) == HIT_COLUMNS
    assert [row["query_id"] for row in rows] == ['a,"b"'] * 4 + ["c"]
    assert (rows[1]["template"], rows[1]["evalue"], rows[1]["template_end"]) == ("6DLZ_D", "1.8e-18", "1030")


def test_same_hits_are_the_same_bytes(data, monkeypatch):
    hits = read_hhr(data / "hhsearch3.hhr").hits
    first = hits_csv_gz("q", hits)
    monkeypatch.setattr("time.time", lambda: 1e9)
    assert hits_csv_gz("q", hits) == first
