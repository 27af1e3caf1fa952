"""Proteins of the store: headers, FASTA files, search."""

import gzip
import hashlib

import pytest

from proteofold.formats.fasta import FastaError
from proteofold.store import add_fasta
from proteofold.store.proteins import Header, parse_header

HOSTILE = [
    "007",
    "00",
    "1e5",
    "';drop/**/table/**/runs;--",
    '"quoted"',
    "蛋白质|é",
    "%_\\",
    "null",
    "-",
    "a,b",
    "sp|P1|",
]


def md5(sequence):
    return hashlib.md5(sequence.encode()).hexdigest()


def found(conn, words):
    query = "select query_id from proteins where number in (select rowid from proteins_fts where proteins_fts match ?)"
    return {name for (name,) in conn.execute(query, (words,))}


@pytest.mark.parametrize(
    ("query_id", "rest", "expected"),
    [
        (
            "sp|P69905|HBA_HUMAN",
            "Hemoglobin subunit alpha OS=Homo sapiens OX=9606 GN=HBA1 PE=1 SV=2",
            Header("P69905", "HBA_HUMAN", "Hemoglobin subunit alpha", "HBA1", "Homo sapiens"),
        ),
        ("tr|A0A-2|X_Y", "OS=Homo", Header("A0A-2", "X_Y", None, None, "Homo")),
        ("NP_1.1", "actin [Mus musculus]", Header(None, None, "actin", None, "Mus musculus")),
        ("mine", "", Header(None, None, None, None, None)),
        ("mine", "a GN of mine, xOS=1", Header(None, None, "a GN of mine, xOS=1", None, None)),
    ],
)
def test_header_holds_accession_name_description_gene_and_organism(query_id, rest, expected):
    assert parse_header(query_id, rest) == expected


def test_fasta_is_added_once(store, tmp_path):
    path = tmp_path / "p.fasta.gz"
    path.write_bytes(gzip.compress(b">sp|P1|ONE_X alpha chain OS=Ox GN=F5\nMKV\n>two\nMK\nA*\n"))
    first, again = add_fasta(store, path), add_fasta(store, path)
    assert (first.added, first.present, first.failed) == (2, 0, [])
    assert (again.added, again.present, again.failed) == (0, 2, [])
    rows = store.execute(
        "select query_id, gene, length, sequence, md5, source from proteins order by number"
    ).fetchall()
    assert rows == [
        ("sp|P1|ONE_X", "F5", 3, "MKV", md5("MKV"), path.name),
        ("two", None, 3, "MKA", md5("MKA"), path.name),
    ]


def test_same_id_with_another_sequence_fails_and_shows_both(store, tmp_path):
    path = tmp_path / "p.fasta"
    path.write_text(">a\nMKV\n>a\nMKVA\n>b\nMK-V\n>c\nM\n")
    done = add_fasta(store, path)
    assert done.added == 2
    (first, other), (second, gap) = done.failed
    assert (first, second) == ("a", "b")
    for expected in (md5("MKV"), md5("MKVA"), "3 residues", "4 residues", "line 3", "from p.fasta"):
        assert expected in other
    assert "line 5" in gap and "alignment" in gap
    assert store.execute("select sequence from proteins where query_id = 'a'").fetchone() == ("MKV",)


def test_what_stands_before_damage_is_added(store, tmp_path):
    path = tmp_path / "p.fasta"
    path.write_text(">a\nMKV\n> \nMKVA\n")
    with pytest.raises(FastaError, match="line 3"):
        add_fasta(store, path)
    assert store.execute("select query_id from proteins").fetchall() == [("a",)]


def test_hostile_ids_stay_text(store, results):
    run = results.plan(proteins=HOSTILE)
    for protein in run.members:
        results.finish(run, protein)
    from proteofold.store import import_run

    import_run(store, run.folder.path)
    stored = store.execute("select query_id, typeof(query_id) from protein_results order by position").fetchall()
    assert stored == [(name, "text") for name in HOSTILE]
    assert [name for (name,) in store.execute("select query_id from hits")].count("';drop/**/table/**/runs;--") == 1
    assert store.execute("select total, succeeded from runs").fetchall() == [(len(HOSTILE),) * 2]


def test_search_finds_parts_of_ids_genes_and_descriptions_and_follows_changes(store, tmp_path, results):
    path = tmp_path / "p.fasta"
    run = results.plan(proteins={"sp|P69905|HBA_HUMAN": "MKV", "other": "MV"})
    from proteofold.store import import_run

    import_run(store, run.folder.path)
    assert found(store, "hemoglobin") == set()
    path.write_text(">sp|P69905|HBA_HUMAN Hémoglobin alpha OS=Homo sapiens GN=F5\nMKV\n")
    assert add_fasta(store, path).described == 1
    for words in ("hemoglobin", "P69905", "HBA", "F5", "hemo*"):
        assert found(store, words) == {"sp|P69905|HBA_HUMAN"}
    store.execute("vacuum")
    assert found(store, "other") == {"other"}
    store.execute("delete from protein_results")
    store.execute("delete from proteins where query_id = 'other'")
    assert found(store, "other") == set()
    store.execute("insert into proteins_fts (proteins_fts, rank) values ('integrity-check', 1)")
