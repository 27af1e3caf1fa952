"""A run's folder: what is written of a run is read again, what is damaged is named, and blocks have stable names."""

import json
import shutil
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runfolders import FolderOfRuns

from proteofold.run import manifest as runs
from proteofold.run.manifest import load_run, write_run
from proteofold.system.errors import UserError

ODD_IDS = ['"quoted', '"', "'", "a,b", "a;b", "日本", "#a", "a\\tb", "$(id)", "-", "x" * 500]


@pytest.fixture
def plan(tmp_path):
    """Function that writes a run as its head does when it starts."""
    return FolderOfRuns(tmp_path).plan


def test_run_is_read_as_it_was_written(plan):
    run = plan(proteins={"sp|P1|A": "MKV", "b": "MKVL"})
    loaded = load_run(run.folder.path)
    assert (loaded.members, loaded.settings, loaded.library) == (run.members, run.settings, run.library)
    assert list(loaded.members) == ["P1", "b"]
    assert loaded.search.path == run.folder.path.parent / "shared" / "searches" / run.settings["search"]
    assert loaded.predictions.path == run.folder.path.parent / "shared" / "predictions" / run.settings["predictions"]


def test_manifest_is_a_table_of_one_row_per_protein(plan):
    run = plan(proteins={"sp|P1|A": "MKV", "b": "MKVL"})
    header, *rows = [line.split("\t") for line in run.folder.manifest.read_text().splitlines()]
    assert tuple(header) == ("query_id", "protein", "length", "md5", "entry", "batch", "description")
    assert [row[:3] for row in rows] == [["sp|P1|A", "P1", "3"], ["b", "b", "4"]]


def test_odd_ids_come_through_the_manifest(plan):
    run = plan(proteins={query_id: "MKV" for query_id in ODD_IDS})
    assert [member.query_id for member in load_run(run.folder.path).members.values()] == ODD_IDS


def test_unchanged_run_keeps_the_times_of_its_files(plan, tmp_path):
    run = plan()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    write_run(run)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_damaged_files_are_written_again(plan):
    run = plan()
    files = (run.folder.settings, run.folder.manifest, run.folder.config, run.search.settings, run.predictions.settings)
    texts = [path.read_text() for path in files]
    for path in files:
        path.write_text(path.read_text()[:-4])
    write_run(run)
    assert [path.read_text() for path in files] == texts


def test_settings_of_shared_folders_explain_their_names(plan):
    depends_on = {"predictions": {"weights": "abc"}, "search": {"mode": "lean"}}
    run = plan(depends_on=depends_on)
    assert '"weights": "abc"' in run.predictions.settings.read_text()
    assert '"mode": "lean"' in run.search.settings.read_text()


def test_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path} is not the folder of a run: .*settings.json is missing"):
        load_run(tmp_path)


@pytest.mark.parametrize("settings", [b"", b"{", b"{}", b"[]", b"\xff\x00", b'{"run": "demo", "search": "x"}'])
def test_damaged_settings_are_named_with_what_to_do(plan, settings):
    folder = plan().folder
    folder.settings.write_bytes(settings)
    with pytest.raises(UserError, match=r"settings\.json is damaged. Rerun the snakemake command"):
        load_run(folder.path)


@pytest.mark.parametrize(
    "change",
    [
        *(
            {name: value}
            for name in ("search", "predictions")
            for value in (None, 5, {}, "", "..", "/etc", "../x", "a/b")
        ),
        *({"library": value} for value in (None, "x", [])),
        *({"mode": value} for value in ("\ud800", float("nan"), [float("inf")])),
        *({"msa": value} for value in (None, "x", {"alignments": 5}, {"alignments": "../x"})),
    ],
)
def test_settings_that_lead_elsewhere_or_hold_values_of_another_kind_are_damaged(plan, change):
    run = plan()
    run.folder.settings.write_text(json.dumps(run.settings | change))
    with pytest.raises(UserError, match=r"settings\.json is damaged"):
        load_run(run.folder.path)


def test_settings_of_any_depth_are_damaged_and_no_fault(plan):
    folder = plan().folder
    folder.settings.write_text('{"a":' + "[" * 100_000)
    with pytest.raises(UserError, match=r"settings\.json is damaged"):
        load_run(folder.path)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda data: b"", 1),
        (lambda data: data[:10], 1),
        (lambda data: data[:-1], 4),
        (lambda data: data[:-9], 4),
        (lambda data: data.replace(b"description", b"key"), 1),
        (lambda data: b"\0" * len(data), 1),
        (lambda data: data + b"a\tb\n", 5),
        (lambda data: data + b"a\t../a\t5\t0\ta-12345678\t0\t\n", 5),
        (lambda data: data + b"a\ta\t5\t0\t/etc/a-12345678\t0\t\n", 5),
        (lambda data: data + b"a\ta\t5\t0\ta-12345678\t../0\t\n", 5),
        (lambda data: data + b"<<<<<<< HEAD\n", 5),
        (lambda data: data + b"\n", 5),
        (lambda data: data.replace(b"\t3\t", b"\tthree\t", 1), 2),
        (lambda data: data.replace(b"P2\t", b"P\xff\t", 1), 3),
    ],
)
def test_damaged_manifest_is_named_with_its_line_and_what_to_do(plan, change, line):
    manifest = plan().folder.manifest
    manifest.write_bytes(change(manifest.read_bytes()))
    with pytest.raises(UserError, match=rf"manifest\.tsv, line {line}: .*Rerun the snakemake command"):
        load_run(manifest.parent)


def test_manifest_cut_anywhere_within_a_line_is_noticed(plan):
    manifest = plan().folder.manifest
    data = manifest.read_bytes()
    for length in range(len(data)):
        if data[:length].endswith(b"\n"):
            continue
        manifest.write_bytes(data[:length])
        with pytest.raises(UserError, match=r"manifest\.tsv, line"):
            load_run(manifest.parent)


def test_missing_manifest_is_named(plan):
    manifest = plan().folder.manifest
    manifest.unlink()
    with pytest.raises(UserError, match=r"manifest\.tsv is missing. Rerun"):
        load_run(manifest.parent)


def test_done_are_the_entries_whose_result_is_there(plan, tmp_path):
    run = plan()
    assert run.done() == set()
    FolderOfRuns(tmp_path).finish(run, "P2")
    assert run.done() == {run.members["P2"].entry}


def test_size_of_a_batch_of_another_run_counts_all_that_its_file_holds(plan):
    other = plan("other", {"P1": "MKV", "P2": "MKVLLA" * 10})
    run = plan("mine", {"P1": "MKV"})
    batch = other.members["P1"].batch
    run.members["P1"] = replace(run.members["P1"], batch=batch)
    assert run.batch_size(batch) == (63, 60)
    assert run.batch_mem_mb(batch) == other.batch_mem_mb(batch)


def test_size_of_a_batch_counts_the_members_of_the_run(plan):
    run = plan(proteins={"a": "MKV", "b": "MKVL", "c": "MKVLA"})
    (batch,) = {member.batch for member in run.members.values()}
    assert run.batch_size(batch) == (12, 5)


# Blocks: the proteins whose hits are collected in one file


@pytest.fixture
def blocks_of(plan, monkeypatch):
    """Function that gives the blocks of a run of these proteins: name -> proteins."""
    monkeypatch.setattr(runs, "BLOCK", 2)

    def blocks(proteins, **settings):
        run = plan(proteins=dict.fromkeys(proteins, "MKV"), **settings)
        return {name: "".join(member.protein for member in members) for name, members in run.blocks.items()}

    return blocks


def test_blocks_hold_neighbours_in_the_order_of_the_input(blocks_of):
    assert list(blocks_of("bacde").values()) == ["ba", "cd", "e"]


def test_protein_added_at_the_end_changes_the_last_block_alone(blocks_of):
    before, after = blocks_of("abc"), blocks_of("abcd")
    assert list(after.values()) == ["ab", "cd"]
    assert [name in before for name in after] == [True, False]


@pytest.mark.parametrize("proteins", ["bacd", "acd", "abdc"])
def test_moved_or_removed_protein_changes_its_blocks(blocks_of, proteins):
    before, after = blocks_of("abcd"), blocks_of(proteins)
    assert all((after[name] == before[name]) for name in after.keys() & before.keys())
    assert after.keys() != before.keys()


def test_blocks_of_another_search_have_other_names(blocks_of):
    assert not blocks_of("abcd").keys() & blocks_of("abcd", search="other.lean.76543210").keys()


def test_names_do_not_depend_on_where_the_results_are(plan, tmp_path, monkeypatch):
    run = plan()
    moved = shutil.copytree(tmp_path / "results", tmp_path / "elsewhere" / "results")
    monkeypatch.chdir(moved)
    relative = load_run("demo")
    assert (list(relative.blocks), relative.members_digest) == (list(run.blocks), run.members_digest)


def test_digest_stands_for_the_list_its_order_and_the_search(plan):
    digests = [
        plan(proteins=dict(proteins), **settings).members_digest
        for proteins, settings in [
            ([("a", "MKV"), ("b", "MKVL")], {}),
            ([("b", "MKVL"), ("a", "MKV")], {}),
            ([("a", "MKV")], {}),
            ([("a", "MKV"), ("b", "MKVI")], {}),
            ([("a", "MKV"), ("b", "MKVL")], {"search": "other.lean.76543210"}),
        ]
    ]
    assert len(set(digests)) == len(digests)
    assert plan(proteins={"a": "MKV", "b": "MKVL"}).members_digest == digests[0]


@given(st.lists(st.sampled_from([f"p{number}" for number in range(9)]), unique=True, min_size=1))
def test_blocks_hold_each_protein_once(tmp_path_factory, proteins):
    run = FolderOfRuns(tmp_path_factory.mktemp("runs")).plan(proteins=proteins)
    assert [member.protein for members in run.blocks.values() for member in members] == proteins
