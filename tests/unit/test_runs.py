"""A run's plan: batches that never change, an append-only manifest, and keys that tell results apart."""

import copy
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proteofold import inputs, planning, runs
from proteofold.errors import UserError
from proteofold.fasta import protein_stem, read_fasta
from proteofold.inputs import Query
from proteofold.planning import assign_batches, plan_run
from proteofold.runs import load_run, write_plan
from proteofold.weights import BATCH_RESIDUES, WEIGHT_FILES, batch_mem_mb


@pytest.fixture
def config(tmp_path, make_library, monkeypatch):
    """Configuration of a run whose weights are taken to be sound."""
    monkeypatch.setattr(planning, "check_tensors_once", lambda folder, digest: None)
    monkeypatch.setattr(inputs.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(planning.hhsuite, "hhsuite_version", lambda: "3.3.0")
    weights = tmp_path / "weights"
    weights.mkdir()
    for name in WEIGHT_FILES:
        (weights / name).write_text(name)
    return {
        "run": "test",
        "proteins": [str(tmp_path / "proteins.fasta")],
        "ids": None,
        "templates": make_library(tmp_path / "library" / "db", {"A": 10}),
        "s4pred": {"weights": str(weights), "device": "cpu", "precision": "fp32"},
        "search": {"mode": "lean"},
        "keep": [],
        "reuse": True,
    }


@pytest.fixture
def plan(tmp_path, config):
    """Function that plans and writes a run of these proteins: id -> sequence."""

    def planned(write=True, **proteins):
        text = "".join(f">{query_id}\n{sequence}\n" for query_id, sequence in proteins.items())
        (tmp_path / "proteins.fasta").write_text(text)
        run, _ = plan_run(config, tmp_path / "results")
        if write:
            write_plan(run)
        return run

    return planned


def batches(run):
    return {protein: member.batch for protein, member in run.members.items()}


def test_proteins_are_members_in_the_order_of_the_input(plan):
    run = plan(b="MKV", a="MKVL", c="M")
    assert list(run.members) == ["b", "a", "c"]
    assert [member.length for member in run.members.values()] == [3, 4, 1]


def test_same_input_gives_the_same_plan(plan):
    first = plan(a="MKV", b="MKVL")
    again = plan(a="MKV", b="MKVL")
    assert batches(again) == batches(first)
    assert again.new_batches == {}
    assert again.members_digest == first.members_digest


def test_added_protein_moves_no_other(plan):
    before = batches(plan(a="MKV", b="MKVL"))
    after = plan(c="MKVLA", a="MKV", b="MKVL")
    assert {protein: batch for protein, batch in batches(after).items() if protein != "c"} == before
    assert batches(after)["c"] not in before.values()
    assert [[query.query_id for query in queries] for queries in after.new_batches.values()] == [["c"]]


def test_removed_protein_moves_no_other_and_comes_back_to_its_batch(plan):
    before = batches(plan(a="MKV", b="MKVL", c="MKVLA"))
    without = batches(plan(a="MKV", c="MKVLA"))
    assert without == {protein: batch for protein, batch in before.items() if protein != "b"}
    back = plan(a="MKV", b="MKVL", c="MKVLA")
    assert batches(back) == before
    assert back.new_batches == {}


def test_changed_sequence_gets_a_new_batch_and_another_key(plan):
    before = plan(a="MKV", b="MKVL")
    after = plan(a="MKI", b="MKVL")
    assert batches(after)["b"] == batches(before)["b"]
    assert batches(after)["a"] not in batches(before).values()
    assert after.result_key(after.members["a"]) != before.result_key(before.members["a"])
    assert after.result_key(after.members["b"]) == before.result_key(before.members["b"])


def test_renamed_protein_is_another(plan):
    before, after = plan(**{"sp|P1|A": "MKV"}), plan(**{"sp|P1|B": "MKV"})
    assert batches(after) != batches(before)
    assert after.result_key(after.members["P1"]) != before.result_key(before.members["P1"])


def test_order_of_the_input_is_part_of_the_merge_and_not_of_the_batches(plan):
    before, after = plan(a="MKV", b="MKVL"), plan(b="MKVL", a="MKV")
    assert batches(after) == batches(before)
    assert after.members_digest != before.members_digest


def test_manifest_only_grows(plan):
    texts = []
    for proteins in ({"a": "MKV"}, {"b": "MKVL"}, {"b": "MKVL", "a": "MKI"}, {"a": "MKV"}):
        texts.append(plan(**proteins).folder.manifest.read_text())
    for earlier, later in zip(texts, texts[1:], strict=False):
        assert later.startswith(earlier)
    assert texts[-1] == texts[-2]
    assert texts[-1].splitlines()[0] == "query_id\tprotein\tlength\tmd5\tbatch"
    assert len(texts[-1].splitlines()) == 4


def test_members_of_today_are_beside_the_manifest(plan):
    plan(a="MKV", b="MKVL")
    run = plan(b="MKVL")
    assert [line.split("\t")[0] for line in run.folder.queries.read_text().splitlines()[1:]] == ["b"]


def test_planning_alone_writes_nothing(plan, tmp_path):
    plan(write=False, a="MKV")
    assert not (tmp_path / "results").exists()


def test_files_of_an_unchanged_plan_keep_their_times(plan, tmp_path):
    plan(a="MKV")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "results").rglob("*")}
    plan(a="MKV")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "results").rglob("*")} == before


def test_fasta_of_a_batch_holds_its_members_longest_first(plan):
    run = plan(a="MKV", b="mkvla*", c="MKVL")
    (batch,) = set(batches(run).values())
    records = list(read_fasta(run.folder.batch_fasta(batch)))
    assert [(record.id, record.sequence) for record in records] == [("b", "MKVLA"), ("c", "MKVL"), ("a", "MKV")]


def test_batches_are_cut_by_residues_and_a_long_protein_goes_alone(plan):
    long, half = "M" * (BATCH_RESIDUES + 1), "K" * (BATCH_RESIDUES // 2)
    run = plan(a=half, titin=long, b=half + "V", c=half)
    of = batches(run)
    assert [of["titin"], of["b"]] == sorted({of["titin"], of["b"], of["a"]})[:2]
    assert of["a"] == of["c"]
    assert run.batch_size(of["a"]) == (2 * len(half), len(half))
    assert len(set(of.values())) == 3


def test_residues_of_a_batch_count_members_that_left(plan):
    batch = batches(plan(a="MKV", b="MKVL"))["a"]
    assert plan(a="MKV").batch_size(batch) == (7, 4)


ODD_IDS = ['"quoted', '"', "'", "a,b", "a;b", "日本", "#a", "a\\tb", "$(id)", "-", "x" * 500]


def test_odd_ids_come_through_the_manifest(plan, tmp_path):
    proteins = {query_id: "MKV" for query_id in ODD_IDS}
    first = plan(**proteins)
    again = plan(**proteins)
    assert [member.query_id for member in again.members.values()] == ODD_IDS
    assert again.new_batches == {}
    assert load_run(tmp_path / "results" / "test").members == first.members


def test_run_is_read_as_it_was_written(plan, tmp_path):
    run = plan(a="MKV", b="MKVL")
    loaded = load_run(tmp_path / "results" / "test")
    assert (loaded.members, loaded.settings, loaded.library) == (run.members, run.settings, run.library)
    assert loaded.result_key(loaded.members["a"]) == run.result_key(run.members["a"])


def test_folder_that_is_no_run_is_told(tmp_path):
    with pytest.raises(UserError, match=r"settings\.json is missing"):
        load_run(tmp_path)


@pytest.mark.parametrize("settings", ["{}", "[]", '{"run": "test", "key": "x"}'])
def test_settings_that_were_damaged_are_told(plan, settings):
    folder = plan(a="MKV").folder
    folder.settings.write_text(settings)
    with pytest.raises(UserError, match=r"settings\.json is damaged: it must have key, library, mode, run"):
        load_run(folder.path)


@pytest.mark.parametrize("line", ["a\tb\n", "a\ta\tthree\tm\t0001-x\n", "<<<<<<< HEAD\n"])
def test_manifest_that_was_damaged_is_told_with_its_line(plan, line):
    manifest = plan(a="MKV").folder.manifest
    manifest.write_text(manifest.read_text() + line)
    with pytest.raises(UserError, match=r"manifest\.tsv, line 3"):
        plan(a="MKV")


@pytest.mark.parametrize(
    "change",
    [
        {"search": {"mode": "reference"}},
        {"templates": "other library"},
        {"s4pred": {"weights": "other weights"}},
        {"s4pred": {"precision": "bf16"}},
    ],
)
def test_settings_that_decide_results_change_the_key(plan, config, tmp_path, make_library, change):
    before = plan(a="MKV")
    if "templates" in change:
        change = {"templates": make_library(tmp_path / "other" / "db", {"A": 11})}
    if "weights" in change.get("s4pred", ()):
        weights = tmp_path / "other weights"
        weights.mkdir()
        for name in WEIGHT_FILES:
            (weights / name).write_text("other")
        change = {"s4pred": {"weights": str(weights)}}
    if "s4pred" in change:
        change = {"s4pred": config["s4pred"] | change["s4pred"]}
    config.update(change)
    after = plan(a="MKV")
    assert after.settings["key"] != before.settings["key"]
    assert after.result_key(after.members["a"]) != before.result_key(before.members["a"])
    assert (after.prediction_key != before.prediction_key) == ("s4pred" in change)


def test_settings_of_before_precision_could_be_chosen_are_fp32(plan):
    run = plan(a="MKV")
    key = run.prediction_key
    assert run.settings.pop("precision") == "fp32"
    assert run.prediction_key == key


def test_batches_for_a_gpu_are_larger_and_take_its_memory(plan, config):
    config["s4pred"]["device"] = "gpu"
    half = "K" * BATCH_RESIDUES
    run = plan(a=half, b=half, c=half)
    (batch,) = set(batches(run).values())
    assert run.batch_size(batch) == (3 * len(half), len(half))
    on_gpu = run.batch_mem_mb(batch)
    run.settings["device"] = "cpu"
    # on a CPU no more goes through at once than of other batches
    assert run.batch_mem_mb(batch) == batch_mem_mb(BATCH_RESIDUES, 1) != on_gpu


def test_settings_that_decide_no_result_leave_the_key(plan, config):
    before = plan(a="MKV").settings["key"]
    config.update(keep=["hhr"], s4pred=config["s4pred"] | {"device": "auto"})
    assert plan(a="MKV").settings["key"] == before


def test_missing_result_files_are_told_by_protein(plan):
    run = plan(a="MKV", b="MKVL", c="MK")
    others = (run.folder.hits, run.folder.alignments, partial(run.folder.usage, "search_templates"))
    for path in [run.folder.out("a"), run.folder.out("b"), *(of(name) for of in others for name in "ac")]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    assert run.missing_files(run.members) == {
        "b": [str(path_of("b")) for path_of in others],
        "c": [str(run.folder.out("c"))],
    }


def test_blocks_of_proteins_stay_when_others_are_added_or_go(plan, monkeypatch):
    monkeypatch.setattr(runs, "BLOCK", 2)
    first = plan(a="MKV", b="MKVL", c="MKVLA")
    write_plan(first)
    blocks = first.blocks(first.members)
    assert sorted(map(len, blocks.values())) == [1, 2]
    more = plan(new="M" * 50, a="MKV", b="MKVL", c="MKVLA")
    assert blocks == {"0": ["a", "b"], "1": ["c"]}
    assert more.blocks(more.members) == {"0": ["a", "b"], "1": ["new", "c"]}
    write_plan(more)
    fewer = plan(new="M" * 50, c="MKVLA", b="MKV")
    # b has another sequence, and is another row of the manifest
    assert fewer.blocks(fewer.members) == {"1": ["new", "c"], "2": ["b"]}


def test_problems_stop_the_plan_and_are_told_together(plan, config):
    config["keep"] = []
    with pytest.raises(UserError, match="3 problems in the inputs; nothing was run") as caught:
        plan(a="MK1", b="", c="M*K")
    assert all(f": {name}: " in str(caught.value) for name in "abc")


def test_unsound_weights_stop_the_plan_unless_all_is_predicted(plan, monkeypatch):
    def refuse(folder, digest):
        raise UserError("weights_1.pt is not whole")

    run = plan(a="MKV")
    monkeypatch.setattr(planning, "check_tensors_once", refuse)
    with pytest.raises(UserError, match="weights_1.pt is not whole"):
        plan(a="MKV")
    horiz = run.folder.horiz(batches(run)["a"])
    horiz.parent.mkdir(parents=True)
    horiz.write_text("")
    plan(a="MKV")


def test_wrong_configuration_is_told_before_anything_is_read(config):
    for change in ({"run": 5}, {"proteins": "x"}, {"run": None}):
        with pytest.raises(UserError, match="1 problem in the inputs"):
            plan_run(copy.deepcopy(config) | change)


def queries_of(proteins):
    return [
        Query(query_id, protein_stem(query_id), "M" * length, f"md5 of {version}")
        for query_id, (length, version) in proteins.items()
    ]


PROTEINS = st.dictionaries(
    st.sampled_from([f"p{number}" for number in range(12)]),
    st.tuples(st.sampled_from([1, 5000, 9000, 20_000]), st.integers(0, 1)),
    max_size=12,
)


@given(st.lists(PROTEINS, max_size=5))
def test_batches_never_change_whatever_is_added_changed_or_removed(inputs_in_turn):
    history, contents = [], {}
    for proteins in inputs_in_turn:
        members, new = assign_batches(queries_of(proteins), history, usable=history)
        assert list(members) == list(proteins)
        assert not new.keys() & contents.keys()
        contents |= {batch: [(query.query_id, query.md5) for query in queries] for batch, queries in new.items()}
        for member in members.values():
            assert (member.query_id, member.md5) in contents[member.batch]
            assert member.md5 == f"md5 of {proteins[member.query_id][1]}"
        history += [member for member in members.values() if member not in history]


def test_lost_batch_fasta_gives_unfinished_members_a_new_batch_and_leaves_finished_ones(plan):
    run = plan(a="MKV", b="MKVL")
    run.folder.batch_fasta(batches(run)["a"]).unlink()
    done = run.folder.out("a")
    done.parent.mkdir(parents=True)
    done.write_text("")
    again = plan(a="MKV", b="MKVL")
    assert batches(again)["a"] == batches(run)["a"]
    assert batches(again)["b"] != batches(run)["b"]


def test_missing_weights_are_told_once(plan, config, tmp_path):
    config["s4pred"] = {**config["s4pred"], "weights": str(tmp_path / "empty")}
    with pytest.raises(UserError, match="^1 problem in the inputs"):
        plan(a="MKV")


def test_proteins_to_be_taken_get_batches_of_their_own():
    queries = queries_of({"a": (5000, 0), "b": (4000, 0), "c": (3000, 0), "d": (2000, 0)})
    members, new = assign_batches(queries, [], [], reused={"b", "d"})
    assert [[query.query_id for query in batch] for batch in new.values()] == [["a", "c"], ["b", "d"]]
    assert list(members) == ["a", "b", "c", "d"]
    assert {members["b"].batch, members["d"].batch} == {list(new)[1]}


@pytest.fixture
def asked(monkeypatch):
    """What the plan asks other runs for; each time they have all of it."""
    asked = []

    def find(queries, settings, results):
        asked.append([query.query_id for query in queries])
        return {query.protein: "a source" for query in queries}, ""

    monkeypatch.setattr(planning, "find_sources", find)
    return asked


def test_only_new_proteins_are_looked_for_in_other_runs(plan, asked):
    plan(a="MKV", b="MKVL")
    run = plan(a="MKV", b="MKVLI", c="M")
    assert asked == [["a", "b"], ["c"]]
    assert run.sources == {"c": "a source"}


@pytest.mark.parametrize("change", [{"reuse": False}, {"keep": ["hhr"]}, {"keep": ["horiz", "a3m"]}])
def test_nothing_is_looked_for_where_nothing_may_be_taken(plan, config, asked, change):
    config.update(change)
    assert plan(a="MKV").sources == {}
    assert asked == []


def test_predictions_are_kept_anyway_and_hinder_nothing(plan, config, asked):
    config["keep"] = ["horiz"]
    assert plan(a="MKV").sources == {"a": "a source"}


def test_weights_are_not_loaded_when_all_is_taken(plan, asked, monkeypatch):
    def refuse(folder, digest):
        raise UserError("weights_1.pt is not whole")

    monkeypatch.setattr(planning, "check_tensors_once", refuse)
    assert plan(a="MKV").sources


def test_store_that_cannot_be_read_is_noted(plan, config, tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "proteofold.db").write_text("no store")
    (tmp_path / "proteins.fasta").write_text(">a\nMKV\n")
    run, notes = plan_run(config, tmp_path / "results")
    assert run.sources == {}
    (note,) = notes
    assert note.startswith("no results of other runs are taken: ") and "not a database" in note
