"""Planning a run: its proteins, the names of their results, which are missing, and the batches of predictions."""

import copy
import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from runfolders import FolderOfRuns

from proteofold.cli.steps import batch as write_batch
from proteofold.formats.fasta import protein_stem, read_fasta
from proteofold.run import inputs, planning
from proteofold.run.inputs import Query
from proteofold.run.manifest import load_run, write_run
from proteofold.run.merge import MERGED, merge_run
from proteofold.run.planning import plan_run
from proteofold.science.batches import new_batches
from proteofold.science.weights import MEMORY_MB, WEIGHT_FILES, batch_mem_mb, batch_residues
from proteofold.system.errors import UserError
from proteofold.system.paths import DEFAULT_CONFIG

BATCH_RESIDUES = batch_residues()


@pytest.fixture
def config(tmp_path, make_library, monkeypatch):
    """Configuration of a run whose weights are taken to be sound."""
    monkeypatch.setattr(planning, "check_tensors", lambda folder: None)
    monkeypatch.setattr(inputs.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(planning.hhsuite, "hhsuite_version", lambda: "3.3.0")
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in WEIGHT_FILES:
        (folder / name).write_text(name)
    changes = {
        "run": "test",
        "proteins": [str(tmp_path / "proteins.fasta")],
        "templates": make_library(tmp_path / "library" / "db", {"A": 10}),
        "search": {"mode": "lean"},
    }
    config = yaml.safe_load(DEFAULT_CONFIG.read_text()) | changes
    config["s4pred"] |= {"weights": str(folder), "device": "cpu"}
    return config


@pytest.fixture
def plan(tmp_path, config):
    """Function that plans a run of these proteins: id -> sequence."""

    def planned(proteins, **changes):
        text = "".join(f">{query_id}\n{sequence}\n" for query_id, sequence in proteins.items())
        (tmp_path / "proteins.fasta").write_text(text)
        return plan_run(config | changes, tmp_path / "results")

    return planned


def finish(run, *proteins):
    """Write the results of these proteins of a run, and the prediction of their batches."""
    for protein in proteins:
        predict(run, run.members[protein].batch)
        FolderOfRuns.finish(run, protein)


def predict(run, batch):
    """Write a batch as the step does, and its prediction."""
    write_batch_of(run, batch)
    FolderOfRuns.predict(run, batch)


def write_batch_of(run, batch):
    """Write the FASTA file of a batch of a run as its rule does."""
    write_run(run)
    write_batch.callback(str(run.folder.path), batch, str(run.predictions.fasta(batch)), run.config["proteins"])


def put_batch(run, horiz=False, **proteins):
    """Write a batch of these proteins as another run may have done; returns its name."""
    (name,) = new_batches(queries_of(proteins), BATCH_RESIDUES)
    path = run.predictions.fasta(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f">{query_id}\n{sequence}\n" for query_id, sequence in proteins.items()))
    if horiz:
        FolderOfRuns.predict(run, name)
    return name


def queries_of(proteins):
    return [Query(name, protein_stem(name), sequence, sequence) for name, sequence in proteins.items()]


def batches_of(plan):
    return {protein: member.batch for protein, member in plan.run.members.items()}


def missing(plan):
    return [plan.run.by_entry[entry].protein for entry in plan.missing]


def files_below(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


# Proteins and the names of their results


def test_proteins_are_members_in_the_order_of_the_input(plan):
    members = plan({"b": "MKV", "a": "MKVL", "c": "M"}).run.members
    assert list(members) == ["b", "a", "c"]
    assert [member.length for member in members.values()] == [3, 4, 1]


def test_entry_is_the_stem_and_a_checksum_of_id_and_sequence(plan):
    def entry(**proteins):
        (member,) = plan(proteins).run.members.values()
        return member.entry

    first = entry(**{"sp|P1|A": "MKV"})
    assert first.startswith("P1-") and len(first) == len("P1-") + 8
    assert entry(**{"sp|P1|A": "mkv*"}) == first  # as it is searched
    assert entry(**{"sp|P1|A": "MKI"}) != first
    assert entry(**{"sp|P1|B": "MKV"}) != first


def test_description_is_kept_on_one_line(plan, tmp_path, config):
    (tmp_path / "proteins.fasta").write_text(">a Alpha\tof \x1c many\n MKV\n")
    assert plan_run(config, tmp_path / "results").run.members["a"].description == "Alpha of many"


def test_run_uses_the_classification_that_is_in_use(plan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert plan({"a": "MKV"}).run.settings["classification"] is None
    (tmp_path / "resources/classification/cath-20261101").mkdir(parents=True)
    (tmp_path / "resources/classification/cath").symlink_to("cath-20261101")
    assert plan({"a": "MKV"}).run.settings["classification"] == "resources/classification/cath-20261101"


def test_planning_writes_nothing(plan, tmp_path):
    plan({"a": "MKV"})
    assert not (tmp_path / "results").exists()
    run = plan({"a": "MKV", "b": "MKVL"}).run
    finish(run, "a", "b")
    merge_run(run.folder.path)
    before = files_below(tmp_path / "results")
    plan({"a": "MKI", "b": "MKVL"}, search={"mode": "fast"})
    plan({"a": "MKV", "b": "MKVL"})
    assert files_below(tmp_path / "results") == before


# What is missing


def test_all_are_missing_at_first_and_none_when_all_are_done(plan):
    first = plan({"a": "MKV", "b": "MKVL"})
    assert missing(first) == ["a", "b"]
    finish(first.run, "a", "b")
    assert missing(plan({"a": "MKV", "b": "MKVL"})) == []


def test_added_removed_changed_and_moved_proteins_cost_their_own(plan):
    finish(plan({"a": "MKV", "b": "MKVL"}).run, "a", "b")
    assert missing(plan({"new": "MK", "a": "MKV", "b": "MKVL"})) == ["new"]
    assert missing(plan({"b": "MKVL"})) == []
    assert missing(plan({"b": "MKVL", "a": "MKV"})) == []
    assert missing(plan({"a": "MKI", "b": "MKVL"})) == ["a"]
    assert missing(plan({"renamed": "MKV", "b": "MKVL"})) == ["renamed"]


def test_results_of_other_runs_are_done(plan):
    finish(plan({"a": "MKV"}, run="other").run, "a")
    assert missing(plan({"a": "MKV", "b": "MKVL"})) == ["b"]


def test_result_without_its_summary_is_missing(plan):
    run = plan({"a": "MKV", "b": "MKVL"}).run
    finish(run, "a", "b")
    run.search.out(run.members["a"].entry).unlink()
    assert missing(plan({"a": "MKV", "b": "MKVL"})) == ["a"]


def test_switching_the_mode_and_back_misses_nothing(plan):
    finish(plan({"a": "MKV"}).run, "a")
    assert missing(plan({"a": "MKV"}, search={"mode": "fast"})) == ["a"]
    assert missing(plan({"a": "MKV"})) == []


# The names of the shared folders


@pytest.mark.parametrize(
    ("change", "search_changes", "predictions_change"),
    [
        ({"search": {"mode": "reference"}}, True, False),
        ({"templates": "other library"}, True, False),
        ({"s4pred": {"weights": "other weights"}}, True, True),
        ({"s4pred": {"precision": "bf16"}}, True, True),
        ({"s4pred": {"device": "auto"}}, False, False),
        ({"s4pred": {"memory_mb": 4000}}, False, False),
        ({"run": "another"}, False, False),
        ({"keep": ["a3m"]}, False, False),
    ],
)
def test_folders_change_with_what_decides_results(
    plan, config, tmp_path, make_library, change, search_changes, predictions_change
):
    before = plan({"a": "MKV"}).run
    if "templates" in change:
        change = {"templates": make_library(tmp_path / "other" / "db", {"A": 11})}
    if "s4pred" in change:
        if "weights" in change["s4pred"]:
            folder = shutil.copytree(tmp_path / "weights", tmp_path / "other" / "weights")
            (folder / WEIGHT_FILES[0]).write_text("other")
            change = {"s4pred": {"weights": str(folder)}}
        change = {"s4pred": config["s4pred"] | change["s4pred"]}
    after = plan({"a": "MKV"}, **change).run
    assert (after.search.name != before.search.name) == search_changes
    assert (after.predictions.name != before.predictions.name) == predictions_change


@pytest.mark.parametrize(
    ("constant", "search_changes", "predictions_change"),
    [("SEARCH_VERSION", True, False), ("PREDICTION_VERSION", True, True)],
)
def test_folders_change_with_the_versions_of_the_methods(
    plan, monkeypatch, constant, search_changes, predictions_change
):
    before = plan({"a": "MKV"}).run
    monkeypatch.setattr(planning, constant, 99)
    after = plan({"a": "MKV"}).run
    assert (after.search.name != before.search.name) == search_changes
    assert (after.predictions.name != before.predictions.name) == predictions_change


def test_moved_or_touched_library_and_weights_leave_the_folders(plan, config, tmp_path):
    before = plan({"a": "MKV"}).run
    library = Path(config["templates"])
    moved = shutil.copytree(library.parent, tmp_path / "moved" / "library")
    folder = shutil.copytree(tmp_path / "weights", tmp_path / "moved" / "weights")
    for path in [*moved.iterdir(), *folder.iterdir()]:
        path.touch()
    s4pred = config["s4pred"] | {"weights": str(folder)}
    after = plan({"a": "MKV"}, templates=str(moved / library.name), s4pred=s4pred).run
    assert (after.search.name, after.predictions.name) == (before.search.name, before.predictions.name)


def test_names_show_library_and_mode(plan):
    run = plan({"a": "MKV"}).run
    assert run.search.name.startswith("db.lean.")
    assert run.predictions.name.startswith("weights-")


def test_odd_folder_of_weights_makes_a_harmless_name(plan, config, tmp_path):
    folder = shutil.copytree(tmp_path / "weights", tmp_path / "..my 'weights' $(id)")
    name = plan({"a": "MKV"}, s4pred=config["s4pred"] | {"weights": str(folder)}).run.predictions.name
    assert name.replace("_", "").replace("-", "").isalnum()


# Batches


def test_new_proteins_are_batches_by_length(plan):
    long, half = "M" * (BATCH_RESIDUES + 1), "K" * (BATCH_RESIDUES // 2)
    planned = plan({"a": half, "titin": long, "b": half + "VV", "c": half})
    of = batches_of(planned)
    assert of["a"] == of["c"]
    assert len(set(of.values())) == 3
    assert planned.run.batch_size(of["a"]) == (2 * len(half), len(half))


def test_planned_batch_is_written_with_its_members_longest_first(plan):
    run = plan({"a": "MKV", "b": "mkvla*", "c": "MKVL"}).run
    (batch,) = {member.batch for member in run.members.values()}
    write_batch_of(run, batch)
    records = list(read_fasta(run.predictions.fasta(batch)))
    assert [(record.id, record.sequence) for record in records] == [("b", "MKVLA"), ("c", "MKVL"), ("a", "MKV")]


def test_sequence_under_two_ids_is_predicted_once(plan):
    planned = plan({"a": "MKV", "b": "MKV", "c": "MKVL"})
    of = batches_of(planned)
    assert of["a"] == of["b"]
    write_batch_of(planned.run, of["a"])
    assert [record.id for record in read_fasta(planned.run.predictions.fasta(of["a"]))] == ["c", "a"]
    assert batches_of(plan({"b": "MKV", "a": "MKV", "c": "MKVL"})) == of


def test_plan_stays_while_its_batches_are_being_predicted(plan):
    proteins = {f"p{number}": "K" * (BATCH_RESIDUES // 2 - number) for number in range(6)}
    first = plan(proteins)
    of = batches_of(first)
    assert len(set(of.values())) == 3
    assert batches_of(plan(proteins)) == of
    for batch in set(of.values()):
        predict(first.run, batch)
        assert batches_of(plan(proteins)) == of
    finish(first.run, "p0", "p4")
    assert batches_of(plan(proteins)) == of


def test_proteins_are_found_in_the_batches_of_other_runs(plan):
    run = plan({"a": "MKV"}).run
    there = put_batch(run, horiz=True, a="MKV", other="MMM")
    of = batches_of(plan({"renamed": "MKV", "b": "MKVL"}))
    assert of["renamed"] == there != of["b"]


def test_first_batch_with_a_prediction_is_chosen(plan):
    run = plan({"a": "MKV"}).run
    names = sorted(put_batch(run, a="MKV", **{other: "MMM"}) for other in ("x", "y", "z"))
    assert batches_of(plan({"a": "MKV"}))["a"] == names[0]
    FolderOfRuns.predict(run, names[2])
    assert batches_of(plan({"a": "MKV"}))["a"] == names[2]
    FolderOfRuns.predict(run, names[1])
    assert batches_of(plan({"a": "MKV"}))["a"] == names[1]


@pytest.mark.parametrize("damage", [b"", b">a\nMK", b"\xff\x00\x01", b">a\nMKVV\n", b">x\nMKV\n"])
def test_damaged_batch_is_not_used(plan, damage):
    run = plan({"a": "MKV"}).run
    name = put_batch(run, a="MKV", other="MMM")
    run.predictions.fasta(name).write_bytes(damage)
    assert batches_of(plan({"a": "MKV"}))["a"] not in ("", name)


def test_files_that_are_no_batches_are_not_used(plan):
    run = plan({"a": "MKV"}).run
    name = put_batch(run, a="MKV")
    folder = run.predictions.fasta(name).parent
    shutil.copy(folder / f"{name}.fas", folder / "0.fas")
    shutil.copy(folder / f"{name}.fas", folder / f".{name}.fas.1.part")
    (folder / "00.fas").mkdir()
    assert batches_of(plan({"a": "MKV"}))["a"] == name


def test_finished_protein_whose_prediction_was_removed_is_not_predicted_again(plan):
    run = plan({"a": "MKV", "b": "MKVL"}).run
    finish(run, "a")
    shutil.rmtree(run.predictions.path)
    of = batches_of(plan({"a": "MKV", "b": "MKVL"}))
    assert of["a"] == "" != of["b"]


def test_kept_a3m_that_is_missing_needs_a_batch(plan):
    run = plan({"a": "MKV"}).run
    finish(run, "a")
    shutil.rmtree(run.predictions.path)
    assert batches_of(plan({"a": "MKV"}, keep=["a3m"]))["a"]


def test_memory_of_a_prediction_decides_how_much_a_batch_holds(plan, config):
    proteins = {f"p{number}": "K" * (BATCH_RESIDUES // 2 - number) for number in range(4)}
    wide = plan(proteins, s4pred=config["s4pred"] | {"memory_mb": 2 * MEMORY_MB})
    narrow = plan(proteins)
    assert (len(set(batches_of(wide).values())), len(set(batches_of(narrow).values()))) == (1, 2)
    for planned, most in ((wide, 2 * MEMORY_MB), (narrow, MEMORY_MB)):
        asked = [planned.run.batch_mem_mb(batch) for batch in set(batches_of(planned).values())]
        assert max(asked) <= most


def test_batches_for_a_gpu_are_larger_and_take_its_memory(plan, config):
    half = "K" * BATCH_RESIDUES
    run = plan({"a": half, "b": half + "V", "c": half + "L"}, s4pred=config["s4pred"] | {"device": "gpu"}).run
    (batch,) = {member.batch for member in run.members.values()}
    assert run.batch_size(batch) == (3 * len(half) + 2, len(half) + 1)
    on_gpu = run.batch_mem_mb(batch)
    run.settings["device"] = "cpu"
    # on a CPU no more goes through at once than of other batches
    assert run.batch_mem_mb(batch) == batch_mem_mb(BATCH_RESIDUES, 1) != on_gpu


PROTEINS = st.dictionaries(
    st.sampled_from([f"p{number}" for number in range(12)]),
    st.tuples(st.sampled_from([1, 5000, 9000, 20_000]), st.sampled_from("KV")),
    max_size=12,
)


@given(PROTEINS, st.randoms())
def test_batches_hold_each_sequence_once_whatever_ids_and_order(proteins, random):
    sequences = [letter * length for length, letter in proteins.values()]
    made = new_batches(queries_of(dict(zip(proteins, sequences, strict=True))), BATCH_RESIDUES)
    assert sorted(query.sequence for members in made.values() for query in members) == sorted(set(sequences))
    for members in made.values():
        assert len(members) == 1 or sum(len(query.sequence) for query in members) <= BATCH_RESIDUES
    random.shuffle(sequences)
    renamed = new_batches(queries_of({f"q{place}": text for place, text in enumerate(sequences)}), BATCH_RESIDUES)
    assert [(name, [query.sequence for query in members]) for name, members in renamed.items()] == [
        (name, [query.sequence for query in members]) for name, members in made.items()
    ]


# What is wrong


def test_problems_stop_the_plan_and_are_reported_together(plan):
    with pytest.raises(UserError, match="3 problems in the inputs; nothing was run") as caught:
        plan({"a": "MK1", "b": "", "c": "M*K"})
    assert all(f": {name}: " in str(caught.value) for name in "abc")


def test_unsound_weights_stop_a_plan_that_needs_them(plan, monkeypatch):
    def refuse(folder):
        raise UserError("weights_1.pt is not whole")

    run = plan({"a": "MKV"}).run
    monkeypatch.setattr(planning, "check_tensors", refuse)
    with pytest.raises(UserError, match="weights_1.pt is not whole"):
        plan({"a": "MKV"})
    put_batch(run, horiz=True, a="MKV")
    assert missing(plan({"a": "MKV"})) == ["a"]


def test_weights_are_checked_once(plan, monkeypatch):
    checked = []
    monkeypatch.setattr(planning, "check_tensors", checked.append)
    write_run(plan({"a": "MKV"}).run)
    plan({"a": "MKV"})
    plan({"b": "MKVL"}, run="another")
    assert len(checked) == 1


def test_missing_weights_are_reported_once(plan, config, tmp_path):
    with pytest.raises(UserError, match="^1 problem in the inputs"):
        plan({"a": "MKV"}, s4pred=config["s4pred"] | {"weights": str(tmp_path / "empty")})


def test_wrong_configuration_is_reported_before_anything_is_read(config):
    for change in ({"run": 5}, {"proteins": "x"}, {"run": None}, {"run": "shared"}):
        with pytest.raises(UserError, match="1 problem in the inputs"):
            plan_run(copy.deepcopy(config) | change)


# Files of the run that are not as it left them


@pytest.fixture
def merged(plan):
    """A run of two proteins that is done and merged."""
    run = plan({"a": "MKV", "b": "MKVL"}).run
    finish(run, "a", "b")
    merge_run(run.folder.path)
    return run


def test_nothing_is_changed_after_a_merge(plan, merged):
    assert plan({"a": "MKV", "b": "MKVL"}).changed == []


@pytest.mark.parametrize("name", [*MERGED, "overview.json", "manifest.tsv", "settings.json", "config.yaml"])
@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-3], lambda data: data + b"x"])
def test_damaged_file_of_the_run_is_noticed(plan, merged, name, damage):
    path = merged.folder.path / name
    path.write_bytes(damage(path.read_bytes()))
    assert plan({"a": "MKV", "b": "MKVL"}).changed


def test_manifest_of_other_proteins_is_noticed(plan, merged):
    path = merged.folder.manifest
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert load_run(merged.folder.path)
    assert [name for name, _ in plan({"a": "MKV", "b": "MKVL"}).changed] == ["manifest.tsv"]


@pytest.mark.parametrize("name", ["manifest.tsv", "settings.json", "config.yaml"])
def test_lost_description_of_the_run_is_noticed(plan, merged, name):
    (merged.folder.path / name).unlink()
    assert [name for name, _ in plan({"a": "MKV", "b": "MKVL"}).changed] == [name]


def test_alternatives_are_another_search_and_the_default_is_the_search_of_before(plan):
    names = [
        plan({"a": "MKV"}, search=search).run.search.name
        for search in ({"mode": "lean"}, {"mode": "lean", "alternatives": 4}, {"mode": "lean", "alternatives": 20})
    ]
    assert names[0] == names[1] != names[2]
    assert plan({"a": "MKV"}, search={"mode": "lean"}).run.settings["depends_on"]["search"].keys() == {
        *("library", "templates", "columns", "mode", "predictions", "version")
    }
