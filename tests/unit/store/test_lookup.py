"""Proteins are found by every name that they have, in any case, and otherwise by words or templates."""

import pytest

from proteofold.service.matching import match_ids
from proteofold.store import add_fasta, lookup
from proteofold.store.queries import NotFoundError

P53, EGFR, HBA = "sp|P04637|P53_HUMAN", "sp|P00533|EGFR_HUMAN", "sp|P69905|HBA_HUMAN"
FASTA = f""">{P53} Cellular tumor antigen p53 OS=Homo sapiens OX=9606 GN=TP53 PE=1 SV=4
MEEPQSDPSV
>{EGFR} Epidermal growth factor receptor OS=Homo sapiens OX=9606 GN=EGFR PE=1 SV=2
MRPSGTAGAA
>{HBA} Hemoglobin subunit alpha OS=Homo sapiens OX=9606 GN=HBA1 PE=1 SV=2
MVLSPADKTN
>tr|Q1|X1_HUMAN One OS=Homo sapiens OX=9606 GN=TWIN PE=1 SV=2
MVLSPADKTK
>tr|Q2|X2_HUMAN Two OS=Homo sapiens OX=9606 GN=TWIN PE=1 SV=2
MVLSPADKTR
"""


@pytest.fixture
def proteins(store, tmp_path):
    fasta = tmp_path / "human.fasta"
    fasta.write_text(FASTA)
    add_fasta(store, fasta)
    return store


NAMES = [
    *((name, P53) for name in ("TP53", "tp53", "P04637", "p04637", "P53_HUMAN", P53, P53.upper())),
    *((name, EGFR) for name in ("EGFR", "EGFR_HUMAN", "egfr_human")),
    ("p69905", HBA),
]


@pytest.mark.parametrize("name, expected", NAMES)
def test_every_name_in_any_case_is_found_by_page_command_and_list(proteins, name, expected):
    assert lookup.named(proteins, name) == lookup.search(proteins, name, 10) == [expected]
    assert [row["query_id"] for row in lookup.find(proteins, name)] == [expected]
    assert match_ids(proteins, [name]).found == [expected]


@pytest.mark.parametrize("text", ["alpha hemo", "subunit alpha", "69905"])
def test_other_texts_are_found_as_parts_and_words(proteins, text):
    assert lookup.search(proteins, text, 10) == [HBA]
    assert [row["query_id"] for row in lookup.find(proteins, text, or_words=True)] == [HBA]
    assert not match_ids(proteins, [text]).found, "a run takes names only"


def test_a_gene_of_several_proteins_lists_them(proteins):
    assert lookup.named(proteins, "twin") == ["tr|Q1|X1_HUMAN", "tr|Q2|X2_HUMAN"]
    (absent,) = match_ids(proteins, ["TWIN"]).absent
    assert "tr|Q1|X1_HUMAN" in absent.reason


def test_a_similar_name_is_suggested(proteins):
    (absent,) = match_ids(proteins, ["hemoglobin"]).absent
    assert HBA in absent.reason
    with pytest.raises(NotFoundError, match="Did you mean"):
        lookup.find(proteins, "_human")


@pytest.mark.parametrize("text", ["", " ", "\0", "x" * 300, '"', "* OR *", "no such", "%", "((a b"])
def test_texts_that_fit_nothing_find_nothing(proteins, text):
    assert lookup.search(proteins, text, 10) == []


@pytest.mark.parametrize("text", ["1hho", "1HHO_A", "oxygen transport"])
def test_proteins_are_found_by_the_template_of_their_best_hit(proteins, text):
    proteins.execute("insert into templates values ('lib', '1HHO_A', 'Oxygen transport, 2.1A')")
    proteins.execute("insert into runs (run_id, status) values ('r', 'SUCCESS')")
    proteins.execute(
        "insert into protein_results (run_id, query_id, result_id, position, md5, entry, phase, best_hit)"
        " values ('r', ?, 1, 1, '', 'x', 'done', '1HHO_A')",
        (HBA,),
    )
    assert lookup.search(proteins, text, 10) == [HBA]
    proteins.execute("update protein_results set coverage_class = 'dark'")
    assert lookup.search(proteins, text, 10) == [], "its best hit is noise"


def test_names_are_read_from_an_index(proteins):
    for column in ("query_id", "accession", "entry_name", "gene"):
        plan = proteins.execute(
            f"explain query plan select query_id from proteins where {column} = 'x' collate nocase"
        ).fetchall()
        assert "SEARCH" in plan[0][3], plan
