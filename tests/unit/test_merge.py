"""Merging: rows in the order of the input, counts that add up, and nothing of other settings or sequences."""

import csv
import gzip
import json

import pytest

from proteofold import merge
from proteofold.hits import Hit, format_summary, hits_csv_gz, summarise
from proteofold.merge import MERGED, merge_run, read_hits
from proteofold.process import Usage, usage_tsv
from proteofold.runs import Member, Run, RunFolder, write_plan

SETTINGS = {"run": "my run", "key": "settings", "mode": "lean", "library": {}}
IDS = ["sp|P3|C", "a,b", '"q"', "plain", "日本"]


@pytest.fixture
def run(tmp_path):
    """A run of five proteins of which none is done."""
    members = {
        f"p{number}": Member(query_id, f"p{number}", 10 + number, f"md5-{number}", "0001-ab")
        for number, query_id in enumerate(IDS)
    }
    planned = Run(RunFolder(tmp_path / "results" / "my run"), members, SETTINGS, {}, [])
    write_plan(planned)
    return planned


def done(run, protein, hits, key=None):
    """Put the result files of a protein there."""
    member, folder = run.members[protein], run.folder
    usage = Usage(1, 1, 1, "node", key or run.result_key(member))
    for path, content in [
        (folder.out(protein), format_summary(summarise(member.query_id, hits)).encode()),
        (folder.hits(protein), hits_csv_gz(member.query_id, hits)),
        (folder.usage("search_templates", protein), usage_tsv(usage).encode()),
    ]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def hit(template, evalue, score):
    return Hit(1, template, 'a "strange", one', evalue=evalue, score=score)


GOOD = [hit("T1", 1e-20, 100.0), hit("T2", 1e-9, 49.0), hit("T3", 1.0, 5.0)]
WEAK = [hit("T9", 0.5, 12.0)]


@pytest.fixture
def complete(run):
    """The run with all its results: two with significant hits, two without, one without any."""
    for protein, hits in zip(run.members, [GOOD, WEAK, [], GOOD[:1], WEAK], strict=True):
        done(run, protein, hits)
    return run


def table(run, name):
    with open(run.folder.path / name, encoding="utf-8", newline="") as handle:
        return list(csv.reader(handle))


def test_counts_add_up_and_rows_are_in_the_order_of_the_input(complete):
    assert merge_run(complete.folder.path) == {"proteins": 5, "with_hit": 2, "without_hit": 3, "failed": 0}
    header, *rows = table(complete, "merge_results.csv")
    assert header == ["query_id", "best_hit", "best_evalue", "best_score", "score_mean", "score_std", "score_gmean"]
    assert [row[0] for row in rows] == IDS
    assert rows[0][1:] == ["T1", "1e-20", "100.0", "74.50", "25.50", "70.00"]
    assert rows[2][1:] == ["", "nan", "nan", "nan", "nan", "nan"]


def test_best_hits_and_profile_have_their_columns(complete):
    merge_run(complete.folder.path)
    assert table(complete, "best_hits.csv") == [
        ["fasta_id", "best_hit_id"],
        *zip_lists(IDS, ["T1", "T9", "", "T1", "T9"]),
    ]
    assert table(complete, "profile_output.csv") == [["ave_std", "ave_gmean"], ["12.75", "85.00"]]


def zip_lists(*columns):
    return [list(row) for row in zip(*columns, strict=True)]


def test_all_hits_of_all_proteins_are_in_one_table(complete):
    merge_run(complete.folder.path)
    rows = list(read_hits(complete.folder.path / "hits.csv.gz"))
    assert [(row["query_id"], row["template"]) for row in rows] == [
        (IDS[0], "T1"),
        (IDS[0], "T2"),
        (IDS[0], "T3"),
        (IDS[1], "T9"),
        (IDS[3], "T1"),
        (IDS[4], "T9"),
    ]
    assert rows[0]["description"] == 'a "strange", one'


def test_overview_is_there_only_when_none_failed(complete):
    overview = complete.folder.path / "overview.json"
    merge_run(complete.folder.path)
    assert json.loads(overview.read_text()) == {"proteins": 5, "with_hit": 2, "without_hit": 3, "failed": 0}
    complete.folder.out("p1").unlink()
    merge_run(complete.folder.path)
    assert not overview.exists()


def test_failed_protein_is_a_row_with_step_reason_and_log(run):
    done(run, "p0", GOOD)
    log = run.folder.log("search_templates", "p1")
    log.parent.mkdir(parents=True)
    log.write_text('STEP search\nERROR search: no, "really"\n')
    horiz = run.folder.horiz("0001-ab")
    horiz.parent.mkdir()
    horiz.write_text("")
    assert merge_run(run.folder.path) == {"proteins": 5, "with_hit": 1, "without_hit": 0, "failed": 4}
    header, *rows = table(run, "failed.csv")
    assert header == ["query_id", "step", "reason", "log"]
    assert rows[0] == [IDS[1], "search", 'no, "really"', str(log)]
    assert [row[0] for row in rows] == IDS[1:]
    assert rows[1][1:] == ["search", "not started: the run ended before", ""]
    assert [row[0] for row in table(run, "merge_results.csv")[1:]] == IDS[:1]


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ("STEP search\nERROR search: hhsearch ended with exit code 3: no\n", 1),
        ("STEP search\nERROR search: hhsearch was killed (SIGKILL): most likely for want of memory\n", 1),
        ("STEP search\nERROR search: hhsearch was stopped from outside (SIGINT)\n", 0),
        ("STEP search\n$ hhsearch\n", 0),
        ("Traceback (most recent call last):\nKeyboardInterrupt\n", 0),
        (None, 0),
    ],
)
def test_in_an_interrupted_run_only_a_job_with_an_error_of_its_own_has_failed(complete, text, failed):
    complete.folder.out("p3").unlink()
    horiz = complete.folder.horiz("0001-ab")
    horiz.parent.mkdir(exist_ok=True)
    horiz.write_text("")
    log = complete.folder.log("search_templates", "p3")
    log.unlink(missing_ok=True)
    if text:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(text)
    counts = merge_run(complete.folder.path, interrupted=True)
    assert (counts["failed"], len(table(complete, "failed.csv"))) == (failed, 1 + failed)
    assert not (complete.folder.path / "overview.json").exists()


def test_failed_table_has_only_its_header_when_none_failed(complete):
    merge_run(complete.folder.path)
    assert table(complete, "failed.csv") == [["query_id", "step", "reason", "log"]]


def test_run_without_any_result_is_merged(run):
    assert merge_run(run.folder.path)["failed"] == 5
    assert table(run, "profile_output.csv")[1] == ["nan", "nan"]
    assert list(read_hits(run.folder.path / "hits.csv.gz")) == []


def test_result_of_other_settings_or_another_sequence_is_not_merged(complete):
    done(complete, "p0", GOOD, key="of other settings")
    counts = merge_run(complete.folder.path)
    assert counts["failed"] == 1
    assert table(complete, "failed.csv")[1][0] == IDS[0]
    assert IDS[0] not in {row["query_id"] for row in read_hits(complete.folder.path / "hits.csv.gz")}


@pytest.mark.parametrize("kind", ["out", "hits", "usage"])
def test_protein_that_lacks_a_file_is_not_merged(complete, kind):
    paths = {
        "out": complete.folder.out("p3"),
        "hits": complete.folder.hits("p3"),
        "usage": complete.folder.usage("search_templates", "p3"),
    }
    paths[kind].unlink()
    assert merge_run(complete.folder.path)["failed"] == 1


@pytest.mark.parametrize("content", [b"", b"query_id\n", b"a\nb\nc\n", b"\xff\xfe\n\0", b"h\nq,T1\n"])
@pytest.mark.parametrize("kind", ["out", "usage"])
def test_damaged_file_of_one_protein_does_not_stop_the_others(complete, kind, content):
    path = complete.folder.out("p3") if kind == "out" else complete.folder.usage("search_templates", "p3")
    path.write_bytes(content)
    assert merge_run(complete.folder.path) == {"proteins": 5, "with_hit": 1, "without_hit": 3, "failed": 1}
    assert table(complete, "failed.csv")[1][0] == IDS[3]


def test_protein_that_left_the_input_leaves_the_tables(complete):
    merge_run(complete.folder.path)
    del complete.members["p1"]
    write_plan(complete)
    assert merge_run(complete.folder.path)["proteins"] == 4
    assert IDS[1] not in [row[0] for row in table(complete, "merge_results.csv")]


def test_same_results_are_the_same_bytes(complete):
    merge_run(complete.folder.path)
    before = {name: (complete.folder.path / name).read_bytes() for name in MERGED}
    merge_run(complete.folder.path)
    assert {name: (complete.folder.path / name).read_bytes() for name in MERGED} == before
    assert all(before.values())


def test_interrupted_merge_leaves_the_tables_as_they_were(complete, monkeypatch):
    merge_run(complete.folder.path)
    before = {path: path.read_bytes() for path in complete.folder.path.glob("*.csv*")}
    monkeypatch.setattr(merge.shutil, "copyfileobj", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        merge_run(complete.folder.path)
    assert {path: path.read_bytes() for path in complete.folder.path.glob("*.csv*")} == before
    assert not list(complete.folder.path.glob(".*.part"))
    # without it Snakemake knows that merging is due
    assert not (complete.folder.path / "overview.json").exists()


def test_joined_hits_are_one_gzip_file(complete):
    merge_run(complete.folder.path)
    text = gzip.decompress((complete.folder.path / "hits.csv.gz").read_bytes()).decode()
    assert text.count("query_id,rank,template") == 1
    assert text.endswith("\n")
