"""Files of one protein, and tables, for other programs: each reads back as what the run holds."""

import csv
import io
import json

import pytest
from runfolders import span_hit

from proteofold.formats.fasta import read_fasta
from proteofold.formats.hhr import HIT_COLUMNS, read_hhr
from proteofold.run.merge import merge_run
from proteofold.run.results import read_hits
from proteofold.run.verdicts import DOMAIN_TABLE_COLUMNS, read_verdict
from proteofold.store.queries import NotFoundError
from proteofold.store.run_files import PROTEIN_FILES, export_protein, export_table, protein_file, verdict_in_files

QUERY = 'sp|P1|A "odd", id'
HITS = [span_hit(1, 80, "T1", score=200.0, identity=31), span_hit(101, 180, "T2", rank=2, score=100.0, identity=28)]


@pytest.fixture
def run(results):
    """A run of a protein with two domains, and one that is not done."""
    run = results.plan("demo", {QUERY: "MKVLI" * 40, "P2": "MKV"})
    results.finish(run, next(iter(run.members)), HITS)
    return run


@pytest.fixture
def member(run):
    return next(iter(run.members.values()))


def rows_of(run, name):
    return list(csv.reader(io.StringIO(protein_file(run.folder.path, QUERY, name).decode())))


def test_all_files_of_a_protein_are_named_by_it(run, member, tmp_path):
    paths = export_protein(run.folder.path, QUERY, tmp_path / "out")
    assert {path.name for path in paths} == {f"{member.protein}.{name}" for name in PROTEIN_FILES}
    assert all(path.read_bytes() == protein_file(run.folder.path, QUERY, path.name.partition(".")[2]) for path in paths)


def test_alignments_are_an_hhr_with_the_hits_of_the_run(run, member, tmp_path):
    path = tmp_path / "a.hhr"
    path.write_bytes(protein_file(run.folder.path, QUERY, "hhr"))
    assert read_hhr(path).hits == read_hits(run.search, member.entry)


def test_sequence_and_prediction_are_what_was_searched_with(run, tmp_path):
    for name, ids in (("fasta", [QUERY.split()[0]]), ("a3m", ["ss_pred", "ss_conf", QUERY.split()[0]])):
        path = tmp_path / name
        path.write_bytes(protein_file(run.folder.path, QUERY, name))
        records = list(read_fasta(path))
        assert [record.id for record in records] == ids
        assert records[-1].sequence == "MKVLI" * 40


def test_relatives_of_a_given_alignment_are_in_the_a3m(results, tmp_path):
    run = results.plan("demo", {"P1": "MKVLI"}, msa={"folder": str(tmp_path)})
    results.finish(run, "P1", [])
    with pytest.raises(NotFoundError, match="P1.a3m"):
        protein_file(run.folder.path, "P1", "a3m")
    (tmp_path / "P1.a3m").write_text(">q\nMKVLI\n>a\nM-VLI\n")
    assert protein_file(run.folder.path, "P1", "a3m").decode().endswith(">P1\nMKVLI\n>a\nM-VLI\n")


def test_kept_a3m_is_given_as_it_is(run, member):
    kept = run.folder.a3m(run.predictions.name, member.entry)
    kept.parent.mkdir(parents=True)
    kept.write_text(">with relatives\nMKV\n")
    assert protein_file(run.folder.path, QUERY, "a3m") == kept.read_bytes()


def test_hits_and_domains_are_tables_with_the_columns_of_the_run(run):
    header, *rows = rows_of(run, "hits.csv")
    assert tuple(header) == HIT_COLUMNS and [row[:3] for row in rows] == [[QUERY, "1", "T1"], [QUERY, "2", "T2"]]
    header, *rows = rows_of(run, "domains.csv")
    assert tuple(header) == DOMAIN_TABLE_COLUMNS and [row[:4] for row in rows] == [
        [QUERY, "1", "1", "80"],
        [QUERY, "2", "101", "180"],
    ]


def test_json_has_the_same_and_the_verdict(run, member):
    hits = json.loads(protein_file(run.folder.path, QUERY, "hits.json"))
    assert [list(hit) for hit in hits] == [list(HIT_COLUMNS)] * 2
    answer = json.loads(protein_file(run.folder.path, QUERY, "domains.json"))
    assert answer == {"query_id": QUERY} | read_verdict(run, member).described()
    assert answer["coverage"] == 0.8 and len(answer["domains"]) == 2


def test_what_is_not_there_is_not_found(run, member, tmp_path):
    for query_id, folder in (("P9", run.folder.path), ("P2", run.folder.path), (QUERY, tmp_path / "none")):
        with pytest.raises(NotFoundError):
            protein_file(folder, query_id, "hhr")
    run.predictions.horiz(member.batch).unlink()
    with pytest.raises(NotFoundError, match="no predicted secondary structure"):
        protein_file(run.folder.path, QUERY, "a3m")
    run.search.hhr(member.entry).write_bytes(b"no gzip")
    with pytest.raises(NotFoundError, match="damaged"):
        protein_file(run.folder.path, QUERY, "domains.json")


def test_verdict_comes_from_the_first_folder_that_has_the_result(run, tmp_path):
    assert verdict_in_files([tmp_path / "none", run.folder.path], QUERY).coverage_class == "covered"
    assert verdict_in_files([run.folder.path], "P2") is None
    assert verdict_in_files([], QUERY) is None


def test_table_is_copied_once_it_is_merged(run, tmp_path):
    with pytest.raises(NotFoundError, match="not merged"):
        export_table(run.folder.path, "domains.gff3", tmp_path)
    merge_run(run.folder.path)
    path = export_table(run.folder.path, "domains.gff3", tmp_path / "out")
    assert path.read_bytes() == (run.folder.path / "domains.gff3").read_bytes()
    with pytest.raises(NotFoundError):
        export_table(run.folder.path, "../secret", tmp_path)
