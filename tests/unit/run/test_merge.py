"""Merging: rows in the order of the input, counts that add up, and nothing that is damaged or of another protein."""

import csv
import gzip
import json
import shutil

import pytest
import runfolders
from runfolders import make_hit, span_hit

from proteofold.run import merge
from proteofold.run.manifest import load_run
from proteofold.run.merge import MERGED, changed_tables, collect_block, merge_run
from proteofold.run.results import DamagedError, done, read_hits, read_out, remove, write_out
from proteofold.science.summary import summarise

IDS = ["sp|P3|C", "a,b", '"q"', "plain", "日本"]
GOOD = [
    make_hit(1, "T1", 1e-20, 100.0),
    make_hit(2, "T2", 1e-9, 49.0),
    make_hit(3, "T3", 1.0, 5.0, probability=10.0),
]
WEAK = [make_hit(1, "T9", 0.5, 12.0)]


@pytest.fixture
def runs(tmp_path):
    """The folder of all runs."""
    return runfolders.FolderOfRuns(tmp_path)


@pytest.fixture
def run(runs):
    """A run of five proteins of which none is done."""
    return runs.plan("my run", IDS)


@pytest.fixture
def complete(run, runs):
    """The run with all its results: two with significant hits, two without, one without any."""
    for protein, found in zip(run.members, [GOOD, WEAK, [], GOOD[:1], WEAK], strict=True):
        runs.finish(run, protein, found)
    return run


def table(run, name):
    with open(run.folder.path / name, encoding="utf-8", newline="") as handle:
        return list(csv.reader(handle))


def merged_hits(run):
    """(query_id, template) of the rows of hits.csv.gz."""
    text = gzip.decompress((run.folder.path / "hits.csv.gz").read_bytes()).decode()
    header, *rows = csv.reader(text.splitlines())
    assert header[:3] == ["query_id", "rank", "template"]
    return [(row[0], row[2]) for row in rows]


def entry(run, number):
    return list(run.members.values())[number].entry


def tables(run):
    return {name: (run.folder.path / name).read_bytes() for name in MERGED}


def collect(run):
    """Collect all blocks, as the workflow does before it merges."""
    return [collect_block(run.folder.path, name) for name in run.blocks]


HITS = [(IDS[0], "T1"), (IDS[0], "T2"), (IDS[0], "T3"), (IDS[1], "T9"), (IDS[3], "T1"), (IDS[4], "T9")]


def test_counts_add_up_and_rows_are_in_the_order_of_the_input(complete):
    assert merge_run(complete.folder.path) == {"proteins": 5, "with_hit": 2, "without_hit": 3, "failed": 0}
    header, *rows = table(complete, "merge_results.csv")
    assert header == [
        *("query_id", "best_hit", "best_evalue", "best_score", "score_mean", "score_std", "score_gmean"),
        *("domains", "coverage"),
    ]
    assert [row[0] for row in rows] == IDS
    assert rows[0][1:7] == ["T1", "1e-20", "100.0", "74.50", "25.50", "70.00"]
    assert rows[2][1:] == ["", "nan", "nan", "nan", "nan", "nan", "0", "0.0000"]


def test_first_seven_columns_are_those_of_the_out(complete):
    merge_run(complete.folder.path)
    lines = (complete.folder.path / "merge_results.csv").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines[1:]):
        assert line.startswith(complete.search.out(entry(complete, number)).read_text().splitlines()[1] + ",")


TWO_DOMAINS = [
    span_hit(1, 80, "T1", score=200.0, identity=31),
    span_hit(101, 180, "T2", rank=2, score=100.0, identity=28),
    span_hit(5, 75, "T3", rank=3, score=90.0),
    span_hit(90, 140, "T4", rank=4, score=8.0, evalue=2.0, probability=20.0),
]


@pytest.fixture
def long(runs):
    """A run of two proteins of 200 residues: one with two domains, one with noise only."""
    run = runs.plan("long", {"a,b": "MKVLI" * 40, "noise": "MKVLA" * 40})
    for protein, found in zip(run.members, [TWO_DOMAINS, TWO_DOMAINS[3:]], strict=True):
        runs.finish(run, protein, found)
    return run


def test_domains_are_rows_in_the_order_of_the_protein(long):
    merge_run(long.folder.path)
    header, *rows = table(long, "domains.csv")
    assert header == [
        *("query_id", "number", "query_start", "query_end", "template", "description", "probability", "evalue"),
        *("score", "aligned_columns", "identity", "template_start", "template_end", "template_length"),
        *("superfamily", "superfamily_name"),
    ]
    assert rows == [
        [
            "a,b",
            "1",
            "1",
            "80",
            "T1",
            'about "T1", a; b',
            "99.0",
            "1e-20",
            "200.0",
            "80",
            "31",
            "1",
            "80",
            "90",
            "",
            "",
        ],
        [
            "a,b",
            "2",
            "101",
            "180",
            "T2",
            'about "T2", a; b',
            "99.0",
            "1e-20",
            "100.0",
            "80",
            "28",
            "1",
            "80",
            "90",
            "",
            "",
        ],
    ]
    assert [row[7:] for row in table(long, "merge_results.csv")[1:]] == [["2", "0.8000"], ["0", "0.0000"]]


def test_verdicts_state_what_is_known_of_each_protein(long):
    merge_run(long.folder.path)
    assert table(long, "verdicts.csv") == [
        ["query_id", "length", "class", "domains", "coverage", "domain_residues", "confident_residues", "verdict"],
        ["a,b", "200", "covered", "2", "0.8000", "160", "160"]
        + ["Two confident domains (1–80: T1; 101–180: T2) cover 80% of the protein."],
        ["noise", "200", "dark", "0", "0.0000", "0", "0"]
        + ["No significant template (best E-value 2): the listed hits are probably noise."],
    ]


def test_domains_are_features_of_the_proteins_that_have_a_result(long):
    merge_run(long.folder.path)
    head, *lines = (long.folder.path / "domains.gff3").read_text().splitlines()
    assert head == "##gff-version 3"
    assert [line.split("\t")[:5] for line in lines] == [
        ["##sequence-region a%2Cb 1 200"],
        ["a%2Cb", "proteofold", "polypeptide_domain", "1", "80"],
        ["a%2Cb", "proteofold", "polypeptide_domain", "101", "180"],
        ["##sequence-region noise 1 200"],
    ]


def test_domains_come_from_blocks_as_from_the_results_themselves(long):
    merge_run(long.folder.path)
    before = tables(long)
    collect(long)
    for member in long.members.values():  # all is in the block
        long.search.hhr(member.entry).unlink()
    merge_run(long.folder.path)
    assert tables(long) == before


def test_other_thresholds_are_other_blocks_and_give_other_domains(long, runs):
    merge_run(long.folder.path)
    before, blocks = tables(long), set(long.blocks)
    proteins = {"a,b": "MKVLI" * 40, "noise": "MKVLA" * 40}
    changed = runs.plan("long", proteins, domains={"max_evalue": 3.0})
    assert not blocks & set(changed.blocks) and changed.members_digest != long.members_digest
    merge_run(changed.folder.path)
    assert [row[0] for row in table(changed, "domains.csv")[1:]] == ["a,b", "a,b", "noise"]
    back = runs.plan("long", proteins, domains={})
    merge_run(back.folder.path)
    assert tables(back) == before and set(back.blocks) == blocks


def test_best_hits_and_profile_have_their_columns(complete):
    merge_run(complete.folder.path)
    best = [list(row) for row in zip(IDS, ["T1", "T9", "", "T1", "T9"], strict=True)]
    assert table(complete, "best_hits.csv") == [["fasta_id", "best_hit_id"], *best]
    assert table(complete, "profile_output.csv") == [["ave_std", "ave_gmean"], ["12.75", "85.00"]]


def test_all_hits_of_all_proteins_are_in_one_table(complete):
    merge_run(complete.folder.path)
    assert merged_hits(complete) == HITS
    text = gzip.decompress((complete.folder.path / "hits.csv.gz").read_bytes()).decode()
    assert text.count("query_id,rank,template") == 1 and text.endswith("\n")


def test_overview_has_the_counts_whether_or_not_all_succeeded(complete):
    for failed in (0, 1):
        merge_run(complete.folder.path)
        overview = json.loads(complete.folder.overview.read_text())
        assert (overview["proteins"], overview["with_hit"], overview["without_hit"]) == (5, 2, 3 - failed)
        assert overview["failed"] == failed
        complete.search.out(entry(complete, 1)).unlink(missing_ok=True)


def test_failed_protein_is_a_row_with_step_reason_and_log(run, runs):
    runs.finish(run, "P3", GOOD)
    runs.fail(run, list(run.members)[1], 'no, "really"')
    assert merge_run(run.folder.path) == {"proteins": 5, "with_hit": 1, "without_hit": 0, "failed": 4}
    header, *rows = table(run, "failed.csv")
    assert header == ["query_id", "step", "reason", "log"]
    assert rows[0] == [IDS[1], "search", 'no, "really"', str(run.search.log("search", entry(run, 1)))]
    assert [row[0] for row in rows] == IDS[1:]
    assert rows[1][2:] == ["not started: the run ended before", ""]
    assert [row[0] for row in table(run, "merge_results.csv")[1:]] == IDS[:1]


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ("$ hhsearch\nError: hhsearch ended with exit code 3: no\n", 1),
        ("$ hhsearch\nError: hhsearch was killed (SIGKILL): most likely out of memory\n", 1),
        ("$ hhsearch\nError: hhsearch was stopped from outside (SIGINT)\n", 0),
        ("$ hhsearch\n", 0),
        ("Traceback (most recent call last):\nKeyboardInterrupt\n", 0),
        (None, 0),
    ],
)
def test_in_an_interrupted_run_only_a_job_with_an_error_of_its_own_has_failed(complete, text, failed):
    complete.search.out(entry(complete, 3)).unlink()
    if text:
        log = complete.search.log("search", entry(complete, 3))
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(text)
    counts = merge_run(complete.folder.path, interrupted=True)
    assert (counts["failed"], len(table(complete, "failed.csv"))) == (failed, 1 + failed)
    assert counts.get("unfinished", 0) == 1 - failed


def test_failed_table_has_only_its_header_when_none_failed(complete):
    merge_run(complete.folder.path)
    assert table(complete, "failed.csv") == [["query_id", "step", "reason", "log"]]


def test_run_without_any_result_is_merged(run):
    assert merge_run(run.folder.path)["failed"] == 5
    assert table(run, "profile_output.csv")[1] == ["nan", "nan"]
    assert merged_hits(run) == []


def test_blocks_give_the_same_bytes_as_the_results_themselves(complete):
    merge_run(complete.folder.path)
    before = tables(complete)
    assert collect(complete) == [{}]
    merge_run(complete.folder.path)
    assert tables(complete) == before and all(before.values())


def test_runs_of_several_blocks_are_merged_in_order(runs, monkeypatch):
    monkeypatch.setattr("proteofold.run.manifest.BLOCK", 2)
    run = runs.plan("my run", IDS)
    for protein in run.members:
        runs.finish(run, protein, WEAK)
    assert len(run.blocks) == 3
    merge_run(run.folder.path)
    expected = tables(run)
    assert merged_hits(run) == [(query_id, "T9") for query_id in IDS]
    collect(run)
    merge_run(run.folder.path)
    assert tables(run) == expected


DAMAGES = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "last byte lost": lambda content: content[:-1],
    "first byte lost": lambda content: content[1:],
    "one bit": lambda content: content[:20] + bytes([content[20] ^ 1]) + content[21:],
    "zeros": lambda content: bytes(len(content)),
    "more": lambda content: content + b"x",
    "twice": lambda content: content + content,
    "no text": lambda content: b"\xff\xfe\0\n" * 20,
}


@pytest.mark.parametrize("collected", [False, True], ids=["not collected", "collected"])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_out_is_removed_and_listed_and_does_not_stop_the_others(complete, runs, damage, collected):
    merge_run(complete.folder.path)
    whole = tables(complete)
    if collected:
        collect(complete)
    out, hhr = complete.search.out(entry(complete, 3)), complete.search.hhr(entry(complete, 3))
    out.write_bytes(damage(out.read_bytes()))
    assert merge_run(complete.folder.path) == {"proteins": 5, "with_hit": 1, "without_hit": 3, "failed": 1}
    log = str(complete.search.log("summary", entry(complete, 3)))
    assert table(complete, "failed.csv")[1:] == [[IDS[3], "summary", "damaged, removed; rerun", log]]
    assert merged_hits(complete) == [row for row in HITS if row[0] != IDS[3]]
    assert not out.exists() and hhr.exists()
    runs.finish(complete, list(complete.members)[3], GOOD[:1])
    collect(complete)
    merge_run(complete.folder.path)
    assert tables(complete) == whole


@pytest.mark.parametrize("damage", [*DAMAGES.values(), None], ids=[*DAMAGES, "missing"])
def test_damaged_hhr_is_removed_and_listed_and_does_not_stop_the_others(complete, damage):
    out, hhr = complete.search.out(entry(complete, 3)), complete.search.hhr(entry(complete, 3))
    hhr.write_bytes(damage(hhr.read_bytes())) if damage else hhr.unlink()
    assert merge_run(complete.folder.path)["failed"] == 1
    assert table(complete, "failed.csv")[1][0] == IDS[3]
    assert merged_hits(complete) == [row for row in HITS if row[0] != IDS[3]]
    assert not out.exists() and not hhr.exists()


@pytest.mark.parametrize("kind", ["out", "hhr"])
def test_result_of_another_protein_is_not_merged(complete, kind):
    path_of = getattr(complete.search, kind)
    shutil.copy(path_of(entry(complete, 0)), path_of(entry(complete, 1)))
    assert merge_run(complete.folder.path)["failed"] == 1
    assert table(complete, "failed.csv")[1][:3] == [IDS[1], "summary", "damaged, removed; rerun"]


def test_result_of_another_search_is_not_merged(complete, runs):
    other = runs.plan("other", IDS, search="few.fast.01234567")
    runs.finish(other, "plain", WEAK)
    shutil.copy(other.search.out(entry(other, 3)), complete.search.out(entry(complete, 3)))
    assert merge_run(complete.folder.path)["failed"] == 1
    assert other.search.out(entry(other, 3)).exists()


def test_damaged_result_has_failed_in_an_interrupted_run_too(complete):
    complete.search.out(entry(complete, 3)).write_bytes(b"")
    counts = merge_run(complete.folder.path, interrupted=True)
    assert (counts["failed"], counts.get("unfinished", 0)) == (1, 0)


def test_result_that_is_removed_stays_out_of_all_tables_though_its_block_was_collected(complete):
    collect(complete)
    complete.search.out(entry(complete, 0)).unlink()
    assert merge_run(complete.folder.path)["failed"] == 1
    assert merged_hits(complete) == [row for row in HITS if row[0] != IDS[0]]
    assert complete.search.hhr(entry(complete, 0)).exists()  # the summary alone is to be made again


@pytest.mark.parametrize("damaged", [True, False])
def test_block_with_a_result_that_the_tables_lack_is_removed(complete, runs, damaged):
    collect(complete)
    out = complete.search.out(entry(complete, 0))
    out.write_bytes(b"") if damaged else out.unlink()
    merge_run(complete.folder.path)
    assert list(complete.folder.blocks.glob("*.csv.gz")) == []  # so that the next start collects it, and merges


def test_a3m_of_a_failed_search_is_removed(complete, runs):
    names = [entry(complete, number) for number in (0, 1)]
    for name in names:
        complete.a3m(name).parent.mkdir(parents=True, exist_ok=True)
        complete.a3m(name).touch()
    complete.search.out(names[0]).unlink()
    runs.fail(complete, complete.by_entry[names[0]].protein)
    merge_run(complete.folder.path)
    assert [complete.a3m(name).exists() for name in names] == [False, True]


def test_tables_are_newer_than_the_blocks_that_the_merge_has_written(run, runs):
    for protein in run.members:
        runs.finish(run, protein, [make_hit(rank, f"T{rank}") for rank in range(1, 900)])
    merge_run(run.folder.path)
    (name,) = run.blocks
    assert run.folder.block(name).stat().st_mtime_ns <= (run.folder.path / "hits.csv.gz").stat().st_mtime_ns


@pytest.mark.parametrize("kind", ["block", "block_verdicts"])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_block_is_not_merged(complete, damage, kind):
    merge_run(complete.folder.path)
    whole = tables(complete)
    collect(complete)
    (name,) = complete.blocks
    block = getattr(complete.folder, kind)(name)
    block.write_bytes(damage(block.read_bytes()))
    assert merge_run(complete.folder.path)["failed"] == 0
    assert tables(complete) == whole
    collect(complete)
    assert merge_run(complete.folder.path)["failed"] == 0
    assert tables(complete) == whole


@pytest.mark.parametrize("kinds", [["block"], ["block_verdicts"], ["block", "block_verdicts"]])
def test_block_of_other_proteins_is_not_merged(run, complete, runs, kinds):
    other = runs.plan("other", [f"other{number}" for number in range(len(IDS))])
    for protein in other.members:
        runs.finish(other, protein, WEAK)
    merge_run(complete.folder.path)
    whole = tables(complete)
    for one in (complete, other):
        collect(one)
    for kind in kinds:
        of_run, of_other = (getattr(one.folder, kind)(next(iter(one.blocks))) for one in (complete, other))
        of_run.write_bytes(of_other.read_bytes())
    assert merge_run(complete.folder.path)["failed"] == 0
    assert tables(complete) == whole


def test_block_is_collected_from_the_results_of_today(complete, runs):
    collect(complete)
    runs.finish(complete, "plain", WEAK)
    collect(complete)
    merge_run(complete.folder.path)
    assert merged_hits(complete) == [(query_id, "T9" if query_id == "plain" else name) for query_id, name in HITS]


@pytest.mark.parametrize("kind", ["out", "hhr"])
def test_block_with_a_damaged_result_is_not_collected(complete, kind):
    path = getattr(complete.search, kind)(entry(complete, 1))
    path.write_bytes(path.read_bytes()[:-5])
    assert collect(complete) == [{IDS[1]: "damaged, removed; rerun"}]
    assert str(path) in complete.search.log("summary", entry(complete, 1)).read_text()
    assert not complete.folder.blocks.exists()
    assert done(complete.search, complete.by_entry) == set(complete.by_entry) - {entry(complete, 1)}


@pytest.mark.parametrize("kind", ["out", "hhr"])
def test_result_that_cannot_be_read_fails_alone_and_stays(complete, kind):
    path = getattr(complete.search, kind)(entry(complete, 1))
    path.unlink()
    path.mkdir()  # root may read any file
    reason = f"{path}: Is a directory."
    assert collect(complete) == [{IDS[1]: reason}]
    assert merge_run(complete.folder.path) == {"proteins": 5, "with_hit": 2, "without_hit": 2, "failed": 1}
    assert table(complete, "failed.csv")[1:] == [[IDS[1], "summary", reason, ""]]
    assert path.is_dir()


def test_damaged_result_that_cannot_be_removed_fails_alone(complete):
    complete.search.out(entry(complete, 1)).write_bytes(b"")
    hhr = complete.search.hhr(entry(complete, 1))
    hhr.unlink()
    hhr.mkdir()
    merge_run(complete.folder.path)
    assert table(complete, "failed.csv")[1:] == [[IDS[1], "summary", f"{hhr}: Is a directory.", ""]]


@pytest.mark.parametrize("kind", ["fasta", "horiz"])
def test_prediction_that_cannot_be_read_or_removed_does_not_stop_the_others(run, runs, kind):
    runs.finish(run, "P3", GOOD)
    batch = list(run.members.values())[1].batch
    path = getattr(run.predictions, kind)(batch)
    path.unlink()
    path.mkdir()
    assert merge_run(run.folder.path)["failed"] == 4
    assert f"{path}: Is a directory." in [row[2] for row in table(run, "failed.csv")]


def test_protein_that_left_the_input_leaves_the_tables_and_its_block(complete, runs):
    collect(complete)
    merge_run(complete.folder.path)
    fewer = runs.plan("my run", [query_id for query_id in IDS if query_id != "a,b"])
    collect(fewer)
    assert merge_run(fewer.folder.path)["proteins"] == 4
    assert "a,b" not in [row[0] for row in table(fewer, "merge_results.csv")]
    assert "a,b" not in [row[0] for row in merged_hits(fewer)]
    names = {f"{name}{ending}" for name in fewer.blocks for ending in (".csv.gz", ".verdicts.jsonl.gz")}
    assert {path.name for path in fewer.folder.blocks.iterdir()} == names


def test_marks_of_what_was_merged_before_are_removed(complete):
    complete.folder.marks.mkdir()
    for name in ("old", "now", "too"):
        (complete.folder.marks / name).touch()
    merge_run(complete.folder.path)
    assert len(list(complete.folder.marks.iterdir())) == 3  # a merge by hand knows of no marks
    merge_run(complete.folder.path, ["now", "too"])
    assert sorted(path.name for path in complete.folder.marks.iterdir()) == ["now", "too"]


def test_interrupted_merge_leaves_the_tables_as_they_were(complete, monkeypatch):
    merge_run(complete.folder.path)
    before = tables(complete)
    complete.search.out(entry(complete, 0)).unlink()
    monkeypatch.setattr(merge, "failure_of", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        merge_run(complete.folder.path)
    assert tables(complete) == before
    assert not list(complete.folder.path.glob(".*.part"))


def changed(run):
    return [name for name, _ in changed_tables(load_run(run.folder.path))]


def test_tables_as_the_run_left_them_are_not_changed(complete):
    assert changed(complete) == []  # never merged
    merge_run(complete.folder.path)
    assert changed(complete) == []


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("name", MERGED)
def test_changed_table_is_found(complete, name, damage):
    merge_run(complete.folder.path)
    path = complete.folder.path / name
    path.write_bytes(damage(path.read_bytes()))
    assert changed(complete) == [name]


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"sha256": []}', b'{"sha256": 1}', b"\xff", bytes(90)])
def test_damaged_overview_is_found(complete, content):
    merge_run(complete.folder.path)
    complete.folder.overview.write_bytes(content)
    assert changed(complete) == ["overview.json"]


def test_every_change_has_a_name_of_its_own(complete):
    """So that what was changed, merged and changed again is merged again."""
    merge_run(complete.folder.path)
    path = complete.folder.path / "best_hits.csv"
    found = []
    for text in ("one", "two"):
        path.write_text(text)
        found.append(changed_tables(complete))
    assert found[0] != found[1]


def test_manifest_that_is_damaged_or_missing_is_found_beside_a_changed_table(complete):
    merge_run(complete.folder.path)
    manifest, best = complete.folder.manifest, complete.folder.path / "best_hits.csv"
    manifest.write_text(complete.manifest_text[:-30])
    assert [name for name, _ in changed_tables(complete)] == ["manifest.tsv"]
    best.write_text("x")
    assert [name for name, _ in changed_tables(complete)] == ["best_hits.csv", "manifest.tsv"]
    manifest.unlink()
    assert [name for name, _ in changed_tables(complete)] == ["best_hits.csv", "manifest.tsv"]


@pytest.mark.parametrize("query_id", IDS)
def test_out_is_read_as_it_was_written(complete, query_id):
    member = next(member for member in complete.members.values() if member.query_id == query_id)
    out = read_out(complete.search, member.entry)
    expected = summarise(query_id, read_hits(complete.search, member.entry, out))
    assert out.row[:2] == [query_id, expected.best_hit]
    assert len(out.row) == 7


def test_out_that_is_cut_anywhere_is_damaged(complete):
    path = complete.search.out(entry(complete, 0))
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(DamagedError):
            read_out(complete.search, entry(complete, 0))


def test_out_of_which_any_byte_is_changed_is_damaged_or_leads_to_no_hits(complete):
    name = entry(complete, 0)
    path = complete.search.out(name)
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(DamagedError):
            read_hits(complete.search, name, read_out(complete.search, name))


def test_result_that_is_not_there_is_no_damage(run):
    with pytest.raises(FileNotFoundError):
        read_out(run.search, entry(run, 0))
    with pytest.raises(DamagedError):
        read_hits(run.search, entry(run, 0))


def test_template_with_an_odd_name_comes_through_the_out(complete):
    name = entry(complete, 0)
    write_out(
        complete.search.out(name), name, complete.search.name, summarise("# q", [make_hit(1, '# "T", #')]), "0" * 64
    )
    assert read_out(complete.search, name).row[:2] == ["# q", '# "T", #']


def test_removed_result_is_not_done_and_its_log_has_the_reason(complete):
    member = next(iter(complete.members.values()))
    name = member.entry
    complete.search.hhr(name).write_bytes(b"")
    remove(complete.search, member, "why it was")
    assert name not in done(complete.search, complete.by_entry)
    assert not complete.search.hhr(name).exists()
    assert "why it was" in complete.search.log("summary", name).read_text()
    remove(complete.search, member, "again")  # which is no error


def test_hhr_of_a_damaged_out_stays_only_if_it_is_whole(complete):
    name = entry(complete, 0)
    complete.search.out(name).write_bytes(b"")
    complete.search.hhr(name).write_bytes(complete.search.hhr(name).read_bytes()[:-9])
    remove(complete.search, complete.by_entry[name], "why it was")
    assert not complete.search.out(name).exists() and not complete.search.hhr(name).exists()


def test_done_is_reported_of_many_as_of_few(complete, monkeypatch):
    complete.search.out(entry(complete, 2)).unlink()
    few = done(complete.search, complete.by_entry)
    monkeypatch.setattr("proteofold.run.results._WORTH_READING_FOLDERS", 1)
    assert done(complete.search, complete.by_entry) == few == set(complete.by_entry) - {entry(complete, 2)}
