"""What pages show and hand out beside the store: choices, health, machines, downloads, estimates; the commands."""

import io
import json
import os
import time
import zipfile

import pytest
from click.testing import CliRunner

from proteofold.cli.main import cli
from proteofold.run.config import load_config
from proteofold.run.inputs import read_queries
from proteofold.run.manifest import write_run
from proteofold.run.planning import plan_run
from proteofold.science.batches import make_batch
from proteofold.service import cache, choices, cluster, health
from proteofold.service.downloads import head_log, job_log, run_zip
from proteofold.service.estimates import estimate
from proteofold.service.heads import fasta_of
from proteofold.service.places import heads_folder, order_folder, working_folder
from proteofold.service.runner import Runner, runner_of
from proteofold.service.runs import NewRun, config_of, order_run
from proteofold.store import start_run, transaction
from proteofold.store.queries import NotFoundError
from proteofold.system.errors import UserError
from proteofold.system.files import write_aside


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(cache, "_kept", {})


def order(store, platform, run_id="one"):
    order_run(store, platform, NewRun(run_id, ["P1", "P2"], "alice", "demo", "lean", "demo"))


# --- choices ----------------------------------------------------------------------------------------


def test_runner_may_be_the_first_to_come(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Runner(tmp_path / "new" / "results" / "proteofold.db", log=lambda text: None).run(once=True)
    assert (tmp_path / "new" / "results" / "proteofold.db").is_file()


def test_without_a_configuration_what_is_there_is_offered(tmp_path, make_library):
    assert [choice.name for choice in choices.template_choices(tmp_path)] == ["demo"]
    assert [choice.name for choice in choices.weight_choices(tmp_path)] == ["demo"]
    make_library(tmp_path / "resources" / "templates" / "pdb70" / "pdb70", {"1ABC_A": 10})
    (tmp_path / "resources" / "s4pred" / "weights").mkdir(parents=True)
    for number in range(1, 6):
        (tmp_path / "resources" / "s4pred" / "weights" / f"weights_{number}.pt").touch()
    assert [choice.name for choice in choices.template_choices(tmp_path)] == ["pdb70", "demo"]
    assert [choice.name for choice in choices.weight_choices(tmp_path)] == ["official", "demo"]
    assert [choice.name for choice in choices.modes()] == ["lean", "reference", "hybrid", "fast"]


def test_configuration_names_the_choices(tmp_path):
    (tmp_path / "config").mkdir()
    path = tmp_path / "config" / "platform.yaml"
    path.write_text("templates:\n  mine: {words: My own, value: {build: folder}}\n  pdb70: pdb70\n")
    assert choices.template_choices(tmp_path) == [("mine", "My own", {"build": "folder"}), ("pdb70", "pdb70", "pdb70")]
    assert [choice.name for choice in choices.weight_choices(tmp_path)] == ["demo"]
    with pytest.raises(UserError, match="no templates 'x' here. Choose one of: mine, pdb70"):
        choices.value_of(choices.template_choices(tmp_path), "x", "templates")
    for text in ("templates: [a]", "templates: {1: a}", "{", "templates: 5"):
        path.write_text(text)
        with pytest.raises(UserError, match="platform.yaml"):
            choices.template_choices(tmp_path)


# --- health and machines ----------------------------------------------------------------------------


def services(store_path, monkeypatch):
    monkeypatch.setattr(cache, "_kept", {})
    seen = health.health(store_path)
    return {service["name"]: (service["ok"], service["words"]) for service in seen["services"]}, seen["workers"]


@pytest.mark.parametrize(
    ("down", "live", "state"),
    [
        ((), 1, "good"),
        (("runner",), 1, "quiet"),
        (("store",), 1, "bad"),
        (("runner", "Slurm"), 1, "bad"),
        ((), 0, "bad"),
    ],
)
def test_a_runner_that_is_off_alarms_no_reader(down, live, state):
    found = [{"name": name, "ok": name not in down, "words": ""} for name in ("store", "runner", "Slurm")]
    assert health.with_states(found, {"live": live, "total": 1, "words": ""})["state"] == state


def test_health_reports_in_words_what_works(store, platform, store_path, monkeypatch):
    order(store, platform)
    seen, workers = services(store_path, monkeypatch)
    assert seen["store"] == (True, "can be read") and seen["runner"][0] is False
    assert "has not been started" in seen["runner"][1]
    assert workers["live"] == workers["total"] == 1 and "core" in workers["words"]
    Runner(store_path)._sign_on(platform)
    assert services(store_path, monkeypatch)[0]["runner"] == (True, "0 running, 1 waiting")
    with transaction(platform):
        platform.execute("update runner set beat_at = beat_at - 100")
    assert "off since" in services(store_path, monkeypatch)[0]["runner"][1]
    assert runner_of(platform)["is_alive"] is False


def test_runner_that_was_ended_is_reported_at_once(store, platform, store_path, monkeypatch):
    Runner(store_path, log=lambda text: None).run(once=True)
    assert "off since" in services(store_path, monkeypatch)[0]["runner"][1]
    Runner(store_path)._sign_on(platform)
    assert services(store_path, monkeypatch)[0]["runner"][0] is True


def test_health_of_a_store_that_is_damaged_is_reported(store_path, monkeypatch):
    store_path.write_text("no store " * 1000)
    seen, _ = services(store_path, monkeypatch)
    assert seen["store"][0] is False and "cannot be read" in seen["store"][1]


def test_silent_slurm_is_reported_and_no_error(store, platform, store_path, monkeypatch, tmp_path):
    Runner(store_path, profile="cluster")._sign_on(platform)
    monkeypatch.setenv("PATH", str(tmp_path))
    seen, workers = services(store_path, monkeypatch)
    assert seen["Slurm"] == (False, "does not answer") and workers["words"] == "0 of 0 nodes can work"
    assert cluster.cluster(store, platform) == {
        "kind": "slurm",
        "words": "Slurm does not answer",
        "nodes": [],
        "queue": [],
        "other_queue": 0,
    }


def stand_in(folder, name, text):
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
    program.chmod(0o755)


def test_nodes_of_slurm_show_jobs_of_our_runs_and_count_those_of_others(
    store, platform, store_path, monkeypatch, tmp_path
):
    Runner(store_path, profile="cluster")._sign_on(platform)
    order(store, platform)
    bin_folder = tmp_path / "bin"
    stand_in(bin_folder, "sinfo", "n1|mixed|1/3/0/4|8000|2000|0.51|(null)|\nn2|down*|0/0/4/4|8000|0|N/A|(null)|")
    started = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() - 60))
    jobs = f"7|RUNNING|n1|1|500M|{started}|None|ann|proteofold one c-1-2|lib:P69905-0123abcd\n"
    jobs += "8|PENDING||1|500M|N/A|Priority|ann|proteofold one c-1-2|lib:P1-0123abcd\n"
    jobs += "9|RUNNING|n1|2|1G|N/A|None|bob|(null)|other | job\n"
    jobs += "10|PENDING||2|1G|N/A|Priority|bob|(null)|secret project\n"
    jobs += "12|PENDING||1|500M|N/A|Priority|ann|proteofold one c-1-2|uniref-n2:P2-0123abcd\n"
    jobs += "13|PENDING||1|500M|N/A|Priority|ann|proteofold one c-1-2|demo-1:0123456789abcdef\n"
    jobs += "14|PENDING||1|500M|N/A|Priority|ann|proteofold one c-1-2|build_template_library:lib/pdb70\n"
    # of a run that another store has, or of somebody who writes our comment
    jobs += f"11|RUNNING|n1|1|500M|{started}|None|bob|proteofold elsewhere c-1-2|lib:P9-0123abcd"
    stand_in(bin_folder, "squeue", jobs)
    monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
    with transaction(store):
        settings = json.dumps({"search": "lib", "predictions": "demo-1", "msa": {"alignments": "uniref-n2"}})
        store.execute("update runs set settings = ? where run_id = 'one'", (settings,))
    seen = cluster.cluster(store, platform)
    first, second = seen["nodes"]
    assert (first["cores"], first["cores_used"], first["memory_used_mb"], first["load"]) == (4, 1, 2000, 0.51)
    assert second["state"] == "down*" and second["load"] is None and second["jobs"] == []
    (ours,) = first["jobs"]
    assert (ours["run_id"], ours["name"], ours["step"]) == ("one", "P69905", "search") and 55 < ours["seconds"] < 90
    assert (first["other_jobs"], second["other_jobs"], seen["other_queue"]) == (2, 0, 1)
    assert not any(word in str(seen) for word in ("bob", "other | job", "secret project", "elsewhere", "P9"))
    assert [(job["name"], job["step"]) for job in seen["queue"]] == [
        ("P1", "search"),
        ("P2", "alignment"),
        ("0123456789abcdef", "secondary_structure"),
        ("lib/pdb70", None),
    ]
    assert {job["reason"] for job in seen["queue"]} == {"Priority"}
    assert services(store_path, monkeypatch)[1]["words"] == "1 of 2 nodes can work"


@pytest.mark.parametrize(
    ("state", "live"),
    [("idle@", 1), ("idle!", 1), ("powered_down", 1), ("powering_up", 1), ("idle*", 0), ("idle$", 0), ("draining", 0)],
)
def test_health_counts_the_nodes_that_a_run_is_planned_for(
    store, platform, store_path, monkeypatch, tmp_path, state, live
):
    Runner(store_path, profile="cluster")._sign_on(platform)
    stand_in(tmp_path / "bin", "sinfo", f"n1|{state}|0/4/0/4|8000|0|0.1|(null)|")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert services(store_path, monkeypatch)[1]["live"] == live


def test_without_slurm_this_machine_is_shown_with_what_runs_and_waits(store, platform, results):
    start_run(store, results.plan("demo", ["P1", "P2", "P3"]))
    with transaction(store):
        store.execute(
            "update protein_results set phase = 'running', node = 'here', started_at = '2026-01-01T00:00:00.000Z'"
            " where query_id = 'P1'"
        )
    order(store, platform)
    seen = cluster.cluster(store, platform)
    (node,) = seen["nodes"]
    assert seen["kind"] == "machine" and node["memory_mb"] > node["memory_used_mb"] > 0
    assert [(job["run_id"], job["name"], job["step"]) for job in node["jobs"]] == [("demo", "P1", "search")]
    assert [(row["run_id"], row["name"], row["user"]) for row in seen["queue"]] == [("one", "2 proteins", "alice")]


def test_finished_runs_report_what_they_took(store, platform, results):
    start_run(store, results.plan("demo", ["P1", "P2", "P3"]))
    with transaction(store):
        store.execute("update protein_results set cpu_s = 1800, computed_in = 'demo'")
        store.execute("update protein_results set computed_in = 'another' where query_id = 'P3'")
        store.execute("update runs set status = 'SUCCESS', duration_s = 7200, date_finished = '2026'")
    (seen,) = cluster.finished_runs(store, platform)
    assert (seen["cpu_hours"], seen["wall_hours"], seen["efficiency"], seen["proteins"]) == (
        1.0,
        2.0,
        None,
        3,
    )


def test_kept_answers_are_asked_for_once_in_a_while(monkeypatch):
    asked = []
    for _ in range(3):
        assert cache.cached("key", 60, lambda: asked.append(1) or "answer") == "answer"
    assert len(asked) == 1
    cache.cached("key", 0, lambda: asked.append(1))
    assert len(asked) == 2


# --- downloads and logs -----------------------------------------------------------------------------


def test_zip_has_tables_report_and_a_readme_and_no_links(tmp_path):
    folder = tmp_path / "demo"
    (folder / "report" / "figures").mkdir(parents=True)
    (folder / "merge_results.csv").write_text("fasta_id\nP1\n" * 1000)
    (folder / "hits.csv.gz").write_bytes(b"\x1f\x8b")
    (folder / "report" / "index.html").write_text("<p>")
    (folder / "report" / "figures" / "a.svg").write_text("<svg>")
    (tmp_path / "secret").write_text("secret")
    (folder / "report" / "link.html").symlink_to(tmp_path / "secret")
    (folder / "failed.csv").symlink_to(tmp_path / "secret")
    stream = io.BytesIO()

    class OnlyWrites:
        write = staticmethod(stream.write)

    run_zip(folder, OnlyWrites())
    archive = zipfile.ZipFile(stream)
    assert archive.testzip() is None
    assert sorted(archive.namelist()) == [
        "demo/README.txt",
        "demo/hits.csv.gz",
        "demo/merge_results.csv",
        "demo/report/figures/a.svg",
        "demo/report/index.html",
    ]
    assert archive.read("demo/merge_results.csv") == (folder / "merge_results.csv").read_bytes()
    readme = archive.read("demo/README.txt").decode()
    assert "Missing" in readme and "failed.csv" in readme
    with pytest.raises(NotFoundError, match="no results to download yet"):
        run_zip(tmp_path, io.BytesIO())


@pytest.mark.parametrize("seconds", [-86_400, 0, 7_258_118_400])
def test_dates_that_no_zip_can_hold_do_not_cost_the_download(tmp_path, seconds):
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "merge_results.csv").write_text("query_id\n")
    os.utime(folder / "merge_results.csv", (seconds, seconds))
    run_zip(folder, stream := io.BytesIO())
    assert zipfile.ZipFile(stream).read("demo/merge_results.csv") == b"query_id\n"


def test_names_in_a_zip_differ_in_more_than_case(results):
    run = results.plan("demo", ["abc", "ABC", "Ab"])
    for protein in ("abc", "ABC", "Ab"):
        results.finish(run, protein)
    (run.folder.path / "failed.csv").write_text("query_id\n")
    run_zip(run.folder.path, stream := io.BytesIO())
    names = [name.lower() for name in zipfile.ZipFile(stream).namelist()]
    assert len(set(names)) == len(names) == 2 + 2 * 3 and "demo/alignments/ab.hhr.gz" in names


def test_zip_holds_alignments_and_predictions_of_the_finished_proteins(results):
    run = results.plan("demo", ["P1", "P2", "P3", "damaged"])
    for protein in ("P1", "P2", "damaged"):
        results.finish(run, protein)
    run.search.hhr(run.members["damaged"].entry).write_bytes(b"no gzip")
    (run.folder.path / "failed.csv").write_text("query_id\n")
    stream = io.BytesIO()
    run_zip(run.folder.path, stream)
    archive = zipfile.ZipFile(stream)
    members = [name for name in archive.namelist() if name.startswith(("demo/alignments/", "demo/predictions/"))]
    assert sorted(members) == [
        *("demo/alignments/P1.hhr.gz", "demo/alignments/P2.hhr.gz"),
        *("demo/predictions/P1.a3m", "demo/predictions/P2.a3m"),
    ]
    packed = run.search.hhr(run.members["P1"].entry).read_bytes()
    assert archive.read("demo/alignments/P1.hhr.gz") == packed
    assert archive.read("demo/predictions/P1.a3m").decode() == ">ss_pred\nHEC\n>ss_conf\n012\n>P1\nMKV\n"


def test_logs_of_a_runs_own_steps_are_found_and_no_others(results, tmp_path):
    run = results.plan("demo", ["P1", "P2"])
    entry, batch = run.members["P1"].entry, run.members["P1"].batch
    logs = {
        ("search", "P1"): run.search.log("search", entry),
        ("summary", "P1"): run.search.log("summary", entry),
        ("a3m", "P1"): run.folder.log("write_a3m", entry),
        ("secondary_structure", "P1"): run.predictions.log(batch),
        ("secondary_structure", batch): run.predictions.log(batch),
        ("batch", batch): run.folder.log("write_batch", batch),
    }
    for path in set(logs.values()):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"line {n}\n" for n in range(500)) + f"{path.name}\n")
    for (step, name), path in logs.items():
        assert job_log(run.folder.path, step, name, lines=2) == f"line 499\n{path.name}\n"
    other = results.plan("other", {"P3": "MKVL"})
    results.fail(other, "P3")
    (tmp_path / "secret.log").write_text("secret")
    run.search.log("search", run.members["P2"].entry).parent.mkdir(parents=True, exist_ok=True)
    run.search.log("search", run.members["P2"].entry).symlink_to(tmp_path / "secret.log")
    for step, name in (
        *(
            ("search", name)
            for name in ("../../../secret", "..", "P2", "P3", "absent", "/etc/passwd", "", "a\0b", ".x")
        ),
        *((step, "P1") for step in ("", "../search", "search_templates")),
        *(("secondary_structure", name) for name in ("", other.members["P3"].batch)),
    ):
        with pytest.raises(NotFoundError):
            job_log(run.folder.path, step, name)
    with pytest.raises(NotFoundError):
        job_log(tmp_path / "no run", "search", "P1")


def test_log_of_the_latest_head_is_shown(platform):
    with pytest.raises(NotFoundError):
        head_log(platform, "one")
    folder = heads_folder(platform, "one")
    folder.mkdir(parents=True)
    for number in (2, 10):
        (folder / f"head-{number}.log").write_text(f"start {number}\n")
    assert head_log(platform, "one") == "start 10\n"


# --- estimates --------------------------------------------------------------------------------------


def planned(store, working, new_run):
    """The planned run of an order, with the batches of its proteins."""
    fasta, config = working / "ordered.fasta", working / "ordered.yaml"
    fasta.write_text(fasta_of(store, new_run.ids))
    config.write_text(json.dumps(config_of(working, new_run, str(fasta))))
    run = plan_run(load_config(config)).run
    write_run(run)
    batch, text = make_batch(read_queries([fasta])[0])
    write_aside(run.predictions.fasta(batch), text)
    return run


@pytest.mark.hhsuite
def test_estimate_counts_what_is_new_and_writes_nothing(store, platform, results, tmp_path):
    before = sorted(path.name for path in results.path.iterdir())
    seen = estimate(store, platform, NewRun("one", ["P1", "sp|P69905|HBA_HUMAN"], "alice", "demo", "lean", "demo"))
    assert (seen["total"], seen["new"], seen["already_predicted"], seen["residues"]) == (2, 2, 0, 13)
    assert seen["longest"] == {"query_id": "sp|P69905|HBA_HUMAN", "length": 10}
    assert seen["expected_s"] > 0 and seen["cpu_hours"] > 0 and seen["not_fitting"] == [] and seen["ahead"] == 0
    assert seen["machine"].startswith("this machine: 1 ×")
    assert sorted(path.name for path in results.path.iterdir()) == before
    run = planned(store, working_folder(platform), NewRun("other", ["P1"], "alice", "demo", "lean", "demo"))
    results.finish(run, "P1")
    seen = estimate(store, platform, NewRun("one", ["P1", "P2"], "alice", "demo", "lean", "demo"))
    assert (seen["total"], seen["new"], seen["already_predicted"]) == (2, 1, 1)
    with pytest.raises(UserError, match="no weights"):
        estimate(store, platform, NewRun("one", ["P1"], "alice", "demo", "lean", "x"))


# --- commands ---------------------------------------------------------------------------------------


def admin(*words, **options):
    return CliRunner().invoke(cli, ["admin", *words], **options)


def test_accounts_are_kept_from_the_command_line(results, cheap):
    added = admin("add-user", "alice", "--admin", "--password-stdin", input="a long password\n")
    assert added.output == "added: alice (administrator)\n"
    prompted = admin("add-user", "bob", input="b long password\nb long password\n")
    assert prompted.exit_code == 0 and "b long password" not in prompted.output
    assert admin("add-user", "bob", "--password-stdin", input="b long password\n").exit_code == 1
    assert admin("set-password", "bob", "--password-stdin", input="short\n").exit_code == 1
    assert admin("set-password", "bob", "--password-stdin", input="another password\n").exit_code == 0
    assert admin("add-user", "carol", "--no-password").output == "added: carol\n"
    assert admin("disable-user", "bob").exit_code == 0
    listed = admin("list-users").output
    assert "administrator" in listed and "closed 20" in listed
    assert admin("enable-user", "bob").output == "enabled: bob\n"
    assert admin("disable-user", "nobody").exit_code == 1


def test_tokens_are_listed_and_revoked_from_the_command_line(platform, users, cheap):
    from proteofold.service.accounts import add_user
    from proteofold.service.tokens import create_token, token_actor

    add_user(platform, "alice", "a long password")
    secret = create_token(platform, users["alice"], "script", ["read", "run"])
    listed = admin("tokens").output
    assert "script" in listed and "read run" in listed and secret not in listed
    assert admin("revoke-token", "1").output == "revoked: token 1\n"
    assert token_actor(platform, secret) is None and admin("revoke-token", "1").exit_code == 1


def test_runner_of_a_store_elsewhere_works_in_the_given_folder(tmp_path, monkeypatch):
    from proteofold.service.database import open_platform, platform_path

    (tmp_path / "work").mkdir()
    (tmp_path / "disk").mkdir()
    store_path = tmp_path / "disk" / "my.db"
    monkeypatch.chdir(tmp_path)
    options = ["--store", str(store_path), "--directory", str(tmp_path / "work"), "--once"]
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert CliRunner().invoke(cli, ["runner", *options]).exit_code == 0
    platform = open_platform(platform_path(store_path))
    assert working_folder(platform) == tmp_path / "work"
    # among the runs, not beside the store: jobs on other machines read the configuration
    assert order_folder(platform, "one") == tmp_path / "work/results/.platform/orders/one"
    platform.close()


@pytest.mark.parametrize(
    "options, typed, left",
    [
        ([], "b new password\nb new password\ny\n", 0),
        ([], "b new password\nb new password\nn\n", 1),
        (["--revoke-tokens"], "b new password\nb new password\n", 0),
        (["--password-stdin"], "b new password\n", 1),
        (["--password-stdin", "--revoke-tokens"], "b new password\n", 0),
    ],
)
def test_a_new_password_asks_what_becomes_of_tokens(platform, users, cheap, options, typed, left):
    from proteofold.service.accounts import add_user
    from proteofold.service.tokens import create_token, list_tokens

    add_user(platform, "bob", "b long password")
    create_token(platform, users["bob"], "script", ["read"])
    done = admin("set-password", "bob", *options, input=typed)
    assert done.exit_code == 0 and ("Revoke them" in done.output) == (options == []), done.output
    assert len(list_tokens(platform, users["bob"])) == left
