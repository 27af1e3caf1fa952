"""The plan of a run: what is left, what fits where, how long it takes, and how it is printed."""

import json
import os
import shutil
import subprocess
from collections import Counter

import pytest
from click.testing import CliRunner

from proteofold.cli.main import cli
from proteofold.formats.fasta import protein_stem
from proteofold.plan import cost, nodes
from proteofold.plan.efficiency import achieved_bound_s, measured_jobs
from proteofold.plan.nodes import NodeKind
from proteofold.plan.plan import make_plan
from proteofold.plan.schedule import Job
from proteofold.plan.text import as_json, bytes_shown, facts_of
from proteofold.report.plan_page import plan_page
from proteofold.run import inputs, planning
from proteofold.run.layout import RunFolder
from proteofold.run.manifest import Member, Run, load_run, write_run
from proteofold.run.results import write_out
from proteofold.science.hhsuite import Library, fewest_shards, search_mem_mb
from proteofold.science.search import SEARCH_STEP_MB
from proteofold.science.summary import summarise
from proteofold.science.weights import WEIGHT_FILES, batch_mem_mb
from proteofold.system import paths
from proteofold.system.process import Usage, format_usage

PDB70 = Library("pdb70/pdb70", 92_111, 23_000_000, 5_000, "feed")
# the researchers' machines
NODES = [NodeKind("worker", 4, 2, 3500), NodeKind("client", 1, 4, 7400)]
MUC16, TITIN = ("sp|Q8WXI7|MUC16_HUMAN", 14_507), ("sp|Q8WZ42|TITIN_HUMAN", 34_350)


@pytest.fixture
def make_run(tmp_path):
    """Function that makes a run of proteins, id -> length; each four of them, in their order, are a batch."""
    weights = tmp_path / "weights"
    weights.mkdir()
    for name in WEIGHT_FILES:
        with open(weights / name, "wb") as handle:
            handle.truncate(89_753_620)  # the official size; a hole takes no room

    def make(lengths, library=PDB70, mode="lean", keep=()):
        settings = {
            "run": "small",
            "search": f"pdb70.{mode}.01234567",
            "predictions": "weights-89abcdef",
            "depends_on": {"predictions": {}, "search": {}},
            "mode": mode,
            "keep": list(keep),
            "library": library._asdict(),
            "library_source": None,
            "weights": str(weights),
            "device": "cpu",
            "versions": {"proteofold": "0.1.0", "hhsuite": "3.3.0"},
        }
        members = {}
        for number, (query_id, length) in enumerate(lengths.items()):
            stem = protein_stem(query_id)
            members[stem] = Member(query_id, stem, length, "0" * 32, f"{stem}-{number:08x}", f"batch{number // 4 + 1}")
        return Run(RunFolder(tmp_path / "results" / "small"), members, settings)

    return make


@pytest.fixture
def finish():
    """Function that writes what finished proteins and batches leave; the CPU seconds are a function of the length."""

    def put(path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def write(run, proteins, cpu_s=lambda length: 10.0, batches=(), computed_in="small"):
        write_run(run)
        for protein in proteins:
            member, search = run.members[protein], run.search
            usage = Usage(20.0, cpu_s(member.length), 300.0, "worker1", computed_in)
            put(search.usage(member.entry), format_usage(usage))
            write_out(search.out(member.entry), member.entry, search.name, summarise(member.query_id, []), "0" * 64)
        for batch, seconds in dict(batches).items():
            put(run.predictions.horiz(batch), "")
            put(run.predictions.usage(batch), format_usage(Usage(20.0, seconds, 300.0, "worker1", computed_in)))

    return write


def test_muc16_goes_to_the_client_and_to_no_worker(make_run):
    made = make_plan(make_run(dict([MUC16, ("a", 400), ("b", 62)])), NODES)
    assert made.unfit == []
    giant = made.classes[-1]
    assert (giant.proteins, giant.at_once) == (1, {"worker": 0, "client": 1})
    assert 4600 <= made.left[0].mem_mb <= 7400
    assert {one.proteins: one.at_once for one in made.classes[:-1]} == {2: {"worker": 2, "client": 4}}
    # the longest protein, its prediction and its search, is the bound however many cores there are
    batch_s = cost.prediction_cpu_s(14_507 + 400 + 62, 14_507)
    assert made.bound_s == pytest.approx(batch_s + cost.search_cpu_s(14_507, PDB70, "lean"))
    assert made.bound_s < made.wall_s < made.bound_s + 2


def test_giant_that_fits_no_node_is_searched_in_shards(make_run):
    made = make_plan(make_run(dict([TITIN, ("a", 400)])), NODES)
    assert made.unfit == []
    (giant,) = made.in_shards
    assert (giant.query_id, giant.shards) == (TITIN[0], 2)
    assert giant.mem_mb <= 7400 < search_mem_mb(34_350, PDB70, "lean") + SEARCH_STEP_MB
    assert "TITIN_HUMAN in 2 (" in facts_of(made)["in shards"]
    assert "client, in 2 shards" in plan_page(made)


def test_query_alignments_are_counted_until_they_are_there(make_run):
    plain = make_plan(make_run({"a": 400, "b": 300}), NODES)
    run = make_run({"a": 400, "b": 300})
    database = Library("uniref", 30_000_000, 6_000_000_000, 20_000, "key")
    run.settings["msa"] = {"alignments": "uniref-n2", "iterations": 2, "library": database._asdict()}
    made = make_plan(run, NODES)
    expected = sum(cost.alignment_cpu_s(length, database, 2) for length in (400, 300))
    assert made.alignment_cpu_s == pytest.approx(expected) and plain.alignment_cpu_s == 0
    assert made.wall_s > plain.wall_s + cost.alignment_cpu_s(400, database, 2) - 1
    assert "for query alignments" in facts_of(made)["CPU time"]
    assert made.left[0].mem_mb > plain.left[0].mem_mb
    there = run.alignments.a3m(run.members["a"].entry)
    there.parent.mkdir(parents=True)
    there.write_bytes(b"")
    assert make_plan(run, NODES).alignment_cpu_s == pytest.approx(cost.alignment_cpu_s(300, database, 2))


def test_what_fits_no_node_is_named_with_what_would_help(make_run):
    made = make_plan(make_run(dict([TITIN, ("a", 400)])), [NodeKind("worker", 4, 2, 2000)])
    (giant,) = made.unfit
    assert giant.query_id == TITIN[0]
    shards = fewest_shards(34_350, PDB70, "lean", 2000 - SEARCH_STEP_MB)
    assert giant.mem_mb == search_mem_mb(34_350, PDB70, "lean", shards=shards) + SEARCH_STEP_MB > 2000
    assert giant.modes == {"fast": search_mem_mb(34_350, PDB70, "fast") + SEARCH_STEP_MB}
    assert giant.advice == f"a node with {giant.mem_mb:,} MB, or mode fast ({giant.modes['fast']:,} MB)"
    # it counts in no time: it will not run
    assert made.search_cpu_s == pytest.approx(cost.search_cpu_s(400, PDB70, "lean"))
    assert sum(one.proteins for one in made.classes) == 1
    assert [one.query_id for one in made.longest] == [TITIN[0], "a"]


def test_modes_that_do_not_help_are_not_advised(make_run):
    (giant,) = make_plan(make_run(dict([TITIN]), mode="fast"), [NodeKind("tiny", 1, 1, 1000)]).unfit
    assert (giant.modes, giant.advice) == ({}, f"a node with {giant.mem_mb:,} MB")
    # here fast would fit, but not the prediction of the batch: no mode changes that
    lengths = {name: 5000 for name in "abcd"}
    unfit = make_plan(make_run(lengths), [NodeKind("tiny", 1, 1, 1000)]).unfit
    assert search_mem_mb(5000, PDB70, "fast") + SEARCH_STEP_MB < 1000 < batch_mem_mb(20_000, 5000)
    assert [one.modes for one in unfit] == [{}] * 4


def test_plan_reports_that_nothing_fits(make_run):
    made = make_plan(make_run({"a": 400, "b": 500}), [NodeKind("tiny", 3, 1, 300)])
    assert [one.query_id for one in made.unfit] == ["b", "a"]
    assert (made.classes, made.batches, made.wall_s, made.bound_s) == ([], 0, 0, 0)
    assert "2 for which no node has the memory" in facts_of(made)["proteins"]
    assert "2 proteins fit no node" in plan_page(made)


def test_bound_is_work_over_cores_when_proteins_are_alike(make_run):
    made = make_plan(make_run({f"p{number}": 300 for number in range(480)}), NODES)
    work = 480 * cost.search_cpu_s(300, PDB70, "lean") + 120 * cost.prediction_cpu_s(1200, 300)
    assert made.search_cpu_s + made.prediction_cpu_s == pytest.approx(work)
    assert made.bound_s == pytest.approx(work / 12)
    assert made.bound_s <= made.wall_s <= 1.06 * made.bound_s


def test_run_without_proteins_left_takes_no_time(make_run, finish):
    run = make_run({"a": 400, "b": 500})
    finish(run, ["a", "b"])
    made = make_plan(run, NODES)
    assert (made.done, made.left, made.wall_s, made.bound_s, made.disk.run_bytes) == (2, [], 0, 0, 0)
    assert "wall time" not in facts_of(made)
    assert "Nothing to do" in plan_page(made)
    assert as_json(made)["longest"] == []


def test_only_new_proteins_count(make_run, finish):
    run = make_run({name: 400 for name in "abcdefgh"})
    finish(run, "abc", batches={"batch1": 30.0})
    finish(run, "de", computed_in="another")
    made = make_plan(run, NODES)
    assert (made.proteins, made.done, len(made.left)) == (8, 5, 3)
    assert made.batches == 1  # that of f, g and h


def test_results_of_another_search_are_not_done_and_its_predictions_serve(make_run, finish):
    run = make_run({name: 400 for name in "abcd"})
    finish(run, "abcd", batches={"batch1": 30.0})
    run = make_run({name: 400 for name in "abcd"}, mode="fast")
    made = make_plan(run, NODES)
    assert (made.done, made.batches) == (0, 0)
    run = make_run({name: 400 for name in "abcd"}, mode="fast")
    run.settings["predictions"] = "others-89abcdef"
    assert make_plan(run, NODES).batches == 1


def test_usage_that_is_lost_or_damaged_corrects_nothing(make_run, finish):
    run = make_run({name: 400 for name in "abcd"})
    finish(run, "abcd", batches={"batch1": float("nan")})
    run.search.usage(run.members["a"].entry).write_text("")
    run.search.usage(run.members["b"].entry).unlink()
    usage = run.search.usage(run.members["c"].entry)
    usage.write_text(usage.read_text().replace("10.0", "x"))
    usage = run.search.usage(run.members["d"].entry)
    usage.write_text(usage.read_text().replace("10.0", "nan"))
    made = make_plan(run, NODES)
    assert (made.done, made.search_calibration, made.prediction_calibration) == (
        4,
        cost.Calibration(),
        cost.Calibration(),
    )


def test_finished_proteins_correct_the_model(make_run, finish):
    lengths = {f"p{number}": 200 + 10 * number for number in range(12)}
    run = make_run(lengths)
    before = make_plan(run, NODES)
    finish(
        run,
        [f"p{number}" for number in range(8)],
        cpu_s=lambda length: 0.5 * cost.search_cpu_s(length, PDB70, "lean"),
        batches={f"batch{number}": 2 * cost.prediction_cpu_s(1000, 250) for number in (1, 2)},
    )
    made = make_plan(run, NODES)
    assert made.search_calibration.jobs == 8
    assert made.search_calibration.ratio == pytest.approx(0.5, rel=1e-3)
    assert made.prediction_calibration == cost.Calibration()  # two are too few
    costs = {one.query_id: one.cpu_s for one in before.left}
    assert {one.query_id for one in made.left} == {"p8", "p9", "p10", "p11"}
    assert all(one.cpu_s == pytest.approx(0.5 * costs[one.query_id], rel=1e-3) for one in made.left)
    assert facts_of(made)["estimated by"] == "8 finished searches (0.50 times the cost model)"


def test_classes_are_split_where_a_node_ends(make_run):
    lengths = {f"p{length}": length for length in range(100, 15_000, 250)}
    made = make_plan(make_run(lengths), NODES)
    for one in made.classes:
        assert one.most_mb in (512, 1024, 2048, 3500, 4096, 7400)
        assert (one.at_once["worker"] > 0) == (one.most_mb <= 3500)
    assert sum(one.proteins for one in made.classes) == len(lengths)
    assert sum(one.cpu_s for one in made.classes) == pytest.approx(made.search_cpu_s)


def test_kept_files_take_disk(make_run):
    lean = make_plan(make_run({"a": 400}), NODES).disk
    kept = make_plan(make_run({"a": 400}, keep=["a3m"]), NODES).disk
    assert 100_000 < lean.run_bytes < 400_000  # 500 hits, most of it the .hhr.gz
    assert 1000 < kept.run_bytes - lean.run_bytes < 10_000
    assert not lean.library_is_there and lean.library_bytes > 3e9 and lean.free_bytes > 0


def test_library_that_is_there_is_measured(make_run, make_library, tmp_path):
    prefix = make_library(tmp_path / "db", {"A": 1000, "B": 3000})
    made = make_plan(make_run({"a": 40}, Library(prefix, 2, 4000, 3000, "k")), NODES)
    assert made.disk.library_is_there
    assert made.disk.library_bytes == sum(path.stat().st_size for path in tmp_path.glob("db_*"))


def test_device_that_is_no_cpu_is_reported(make_run):
    run = make_run({"a": 400})
    assert make_plan(run, NODES).notes == []
    run.settings["device"] = "gpu"
    assert "counted as on CPU cores" in make_plan(run, NODES).notes[0]


def test_hostile_names_are_text_in_the_page(make_run):
    evil = "</script><script>alert(1)</script>"
    run = make_run({f"sp|{evil}": 34_350, "<img src=x onerror=alert(1)>": 400})
    run.settings["run"] = "<b>run"
    text = plan_page(make_plan(run, [NodeKind("<i>node", 1, 2, 7400)]))
    assert text.count("<script") == 2  # the data and the page's own
    assert text.count("</script>") == 2
    assert not any(tag in text for tag in ("<img", "<i>", "<b>run"))
    assert "&lt;i&gt;node" in text and "&lt;img src=x" in text


def test_page_lists_each_protein_once(make_run):
    text = plan_page(make_plan(make_run(dict([TITIN, MUC16, ("a", 400)])), NODES))
    rows = json.loads(text.partition('id="data">')[2].partition("</script>")[0])["rows"]
    assert Counter(row[0] for row in rows) == {TITIN[0]: 1, MUC16[0]: 1, "a": 1}
    assert {row[0]: row[4] for row in rows}[MUC16[0]] == "client"
    assert {row[0]: row[4] for row in rows}["a"] == "worker, client"


def test_script_of_the_page_leaves_the_small_tables_alone(make_run, tmp_path):
    if not (chromium := shutil.which("chromium")):
        pytest.skip("chromium is not installed")
    page = tmp_path / "plan.html"
    page.write_text(plan_page(make_plan(make_run(dict([TITIN, MUC16, ("a", 400)])), NODES)))
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/chromium"]
    shown = subprocess.run([*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, check=True).stdout
    assert "<button" in shown  # the script has run
    assert all(f'<th scope="col">{name}</th>' in shown for name in ("Kind", "Memory of a search"))
    assert shown.count('<td data-name="Kind">worker</td>') == 1


def test_bytes_are_shown_in_the_unit_that_matters():
    assert [bytes_shown(count) for count in (0, 2_340_000, 45_600_000, 3_210_000_000)] == [
        *("0.1 MB", "2.3 MB", "46 MB", "3.2 GB")
    ]


def test_bound_of_jobs_that_ran_is_that_of_their_machines():
    assert achieved_bound_s([Job(10, 1000)] * 24, NODES) == pytest.approx(20)
    # a job that no node should have held did run: on the largest
    assert achieved_bound_s([Job(10, 9999)], NODES) == pytest.approx(10)


def test_measured_jobs_are_those_of_this_run(make_run, finish):
    run = make_run({name: 400 for name in "abcdefgh"})
    finish(run, "abcd", cpu_s=lambda length: 12.5, batches={"batch1": 30.0})
    finish(run, "ef", cpu_s=lambda length: 99.0, batches={"batch2": 99.0}, computed_in="another")
    jobs = measured_jobs(load_run(run.folder.path))
    need = search_mem_mb(400, PDB70, "lean") + SEARCH_STEP_MB
    assert jobs[0] == Job(30.0, batch_mem_mb(1600, 400))
    assert jobs[1:] == [Job(12.5, need, 0)] * 4
    assert achieved_bound_s(jobs, NODES) == pytest.approx(42.5)  # 30 and 12.5 one after the other


def test_jobs_of_an_earlier_start_can_be_left_out(make_run, finish):
    run = make_run({name: 400 for name in "abcd"})
    finish(run, "abcd", batches={"batch1": 30.0})
    for path in (run.predictions.usage("batch1"), run.search.usage(run.members["a"].entry)):
        os.utime(path, (1000, 1000))
    assert [job.after for job in measured_jobs(run, since=2000)] == [None] * 3
    assert len(measured_jobs(run)) == 5


@pytest.fixture
def call(tmp_path, make_library, tiny_networks, monkeypatch):
    """Function that calls ``proteofold plan`` with a configuration of two proteins and these words."""
    monkeypatch.setattr(inputs.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(planning, "check_tensors", lambda folder: None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.fasta").write_text(f">sp|P1|A_HUMAN\n{'MKVLA' * 80}*\n>big\n{'MKVLA' * 600}\n")
    config = {
        "proteins": ["p.fasta"],
        "templates": make_library(tmp_path / "my lib" / "db", {"A": 10, "B": 20}),
        "s4pred": {"weights": str(tiny_networks)},
    }
    (tmp_path / "my.yaml").write_text(json.dumps(config))
    (tmp_path / "nodes.yaml").write_text("- {name: worker, count: 2, cores: 2, mem_mb: 3500}\n")

    def run(*words):
        outcome = CliRunner().invoke(cli, ["plan", "--configfile", "my.yaml", *words])
        assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
        return outcome

    return run


def test_plan_is_printed_and_nothing_is_written(call, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    outcome = call("--nodes", "nodes.yaml")
    assert outcome.exit_code == 0
    assert "note: p.fasta: 1 record with a '*' at the end" in outcome.stdout
    assert "4 cores: worker (2 × 2 cores with 3,500 MB)" in outcome.stdout
    assert "wall time     about " in outcome.stdout
    assert outcome.stdout.rindex("big ") < outcome.stdout.rindex("sp|P1|A_HUMAN ")
    assert sorted(tmp_path.rglob("*")) == before


def test_demo_is_planned(call, tmp_path):
    (tmp_path / "config").symlink_to(paths.CHECKOUT / "config")
    outcome = CliRunner().invoke(cli, ["plan", "--configfile", "config/demo/config.yaml", "--json"])
    answer = json.loads(outcome.stdout)
    assert (outcome.exit_code, answer["run"], answer["left"], answer["fit_no_node"]) == (0, "demo", 20, [])
    assert answer["search_cpu_s"] < 60 and not answer["disk"]["library_is_there"]


def test_plan_without_nodes_is_for_this_machine(call, monkeypatch):
    monkeypatch.setattr(nodes, "available_mb", lambda: 2345)
    assert "this machine (1 × " in call().stdout and " with 2,345 MB)" in call().stdout


def test_json_can_be_read_and_the_page_is_written(call, tmp_path):
    outcome = call("--nodes", "nodes.yaml", "--json", "--html", "out/my plan.html")
    answer = json.loads(outcome.stdout)
    assert answer["nodes"] == [{"name": "worker", "count": 2, "cores": 2, "mem_mb": 3500}]
    assert (answer["proteins"], answer["left"], answer["residues"]) == (2, 2, 3400)
    assert 0 < answer["bound_s"] <= answer["wall_s"]
    assert "<title>Plan of run demo</title>" in (tmp_path / "out" / "my plan.html").read_text()


def test_protein_that_fits_no_node_shows_in_the_exit_code(call, tmp_path):
    (tmp_path / "nodes.yaml").write_text("- {name: tiny, count: 1, cores: 1, mem_mb: 200}\n")
    outcome = call("--nodes", "nodes.yaml")
    assert outcome.exit_code == 2
    assert "Fit no node: 2" in outcome.stdout and "a node with 7" in outcome.stdout


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (["--nodes", "nodes.yaml", "--slurm"], 2, "Give --nodes or --slurm, not both."),
        (["--nodes", "none.yaml"], 2, "does not exist"),
        (["--configfile", "nodes.yaml"], 1, "configuration nodes.yaml: expected 'key: value' lines."),
    ],
)
def test_errors_come_without_a_traceback(call, words, code, what):
    outcome = call(*words)
    assert outcome.exit_code == code
    assert what in outcome.stderr


def test_bad_inputs_are_listed_as_check_lists_them(call, tmp_path):
    (tmp_path / "p.fasta").write_text(">a\nMK-V\n>a b\nMKV1\n")
    outcome = call("--nodes", "nodes.yaml")
    assert outcome.exit_code == 1
    assert "problems in the inputs; nothing was run" in outcome.stderr and "'-' at position 3" in outcome.stderr
