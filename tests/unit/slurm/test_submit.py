"""The submit command of the cluster profile: what it asks of Slurm, what it refuses, and its patience."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from proteofold.slurm import submit as submit_module
from proteofold.slurm.registry import Job
from proteofold.slurm.submit import LARGEST_NODE_VARIABLE, submit
from proteofold.slurm.tools import SlurmError

SUBMIT = Path(__file__).parents[3] / "profiles/cluster/submit.sh"
PARAMS = {"result_key": "k1", "command": ["step.py", "--protein", "P1", "--out", "a b;$(id).out"]}
LOG = "results/demo/logs/search_templates/P1.log"


def script(folder, text="exec_job", **changes):
    """A job script as Snakemake writes it."""
    job = {
        "type": "single",
        "rule": "search_templates",
        "input": ["results/demo/horiz/1.horiz"],
        "output": ["results/demo/out/P1.out", "results/demo/hits/P1.csv.gz"],
        "wildcards": {"protein": "P1"},
        "params": PARAMS,
        "log": [LOG],
        "threads": 2,
        "resources": {"mem_mb": 700, "runtime": 90, "attempt": 1},
    } | changes
    path = folder / "snakejob.sh"
    path.write_text(f"#!/bin/sh\n# properties = {json.dumps(job)}\n{text}\n")
    return path


@pytest.fixture
def quick(monkeypatch):
    """No pauses between tries."""
    monkeypatch.setattr(submit_module.time, "sleep", lambda seconds: None)


def test_submit_command_prints_one_job_id(slurm, tmp_path):
    slurm.answer("sbatch", "4711;cluster\n")
    done = subprocess.run(f'{SUBMIT} "{script(tmp_path)}"', shell=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("4711\n", "", 0)


def test_job_asks_for_its_memory_time_and_threads_under_the_name_of_run_and_protein(slurm, tmp_path):
    slurm.answer("sbatch", "1\n")
    submit(script(tmp_path), slurm.registry, sys.executable)
    (words,) = slurm.calls("sbatch")
    assert {"--mem=700M", "--time=90", "--cpus-per-task=2", "--job-name=demo/P1", "--comment=k1"} <= set(words)
    assert {"--parsable", "--no-requeue", f"--output={os.path.relpath(slurm.registry.folder)}/out/P1.txt"} <= set(words)
    assert not any(word.startswith("--gres") for word in words)


def test_batch_asks_for_a_gpu_when_its_rule_does(slurm, tmp_path):
    slurm.answer("sbatch", "1\n")
    resources = {"mem_mb": 900, "gpus": 1}
    wildcards = {"batch": "0001-ab"}
    changes = {"rule": "predict_secondary_structure", "wildcards": wildcards, "resources": resources}
    submit(script(tmp_path, **changes), slurm.registry, sys.executable)
    (words,) = slurm.calls("sbatch")
    assert {"--gres=gpu:1", "--job-name=demo/predict_secondary_structure:0001-ab"} <= set(words)


def test_rule_that_names_its_command_is_run_without_snakemake_and_quoted(slurm, tmp_path):
    slurm.answer("sbatch", "1\n")
    submit(script(tmp_path), slurm.registry, "/opt/my python")
    text = slurm.script_file.read_text()
    assert "'/opt/my python' step.py --protein P1 --out 'a b;$(id).out' --threads 2\n" in text
    assert "exec_job" not in text


@pytest.mark.parametrize(
    ("text", "params"),
    [("exec_job", {"result_key": "k1"}), ("snakemake --software-deployment-method conda", PARAMS)],
    ids=["rule without a command", "software that Snakemake deploys"],
)
def test_other_jobs_start_snakemake_on_the_node(slurm, tmp_path, text, params):
    slurm.answer("sbatch", "1\n")
    submit(script(tmp_path, text, params=params), slurm.registry, sys.executable)
    assert slurm.script_file.read_text().rstrip("\n").endswith(text)


def run_on_node(slurm, command, inputs=()):
    request = submit_module.read_request(script(slurm.folder, input=list(inputs)).read_text(), "demo")
    request = request._replace(command=command)
    log = slurm.folder / "out.txt"
    text = submit_module.job_script(request, sys.executable, str(log))
    with open(log, "w") as output:
        code = subprocess.run(["sh", "-c", text], stdout=output, stderr=output).returncode
    return code, log


def test_empty_output_of_a_job_leaves_no_file_and_its_exit_code_is_told(slurm):
    code, log = run_on_node(slurm, ("-m", "this"))
    assert (code, log.exists()) == (0, True)
    code, log = run_on_node(slurm, ("-c", "pass"))
    assert (code, log.exists()) == (0, False)
    code, log = run_on_node(slurm, ("-m", "proteofold.no_such_step"))
    assert code == 1
    assert "no_such_step" in log.read_text()


def test_busy_controller_is_asked_again(slurm, tmp_path, quick, capsys):
    slurm.answer("sbatch", "12\n")
    slurm.fail("sbatch", *["sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"] * 10)
    assert submit(script(tmp_path), slurm.registry, sys.executable) == "12"
    assert len(slurm.calls("sbatch")) == 11
    assert "submitted again" in capsys.readouterr().err
    assert list(slurm.registry.read_submissions()) == ["12"]


def test_job_that_slurm_took_although_its_answer_was_lost_is_not_submitted_twice(slurm, tmp_path, quick):
    slurm.fail("sbatch", "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation")
    slurm.jobs((99, "PENDING", "demo/P1", "", "k1"))
    assert submit(script(tmp_path), slurm.registry, sys.executable) == "99"
    assert len(slurm.calls("sbatch")) == 1


def test_refusal_for_good_is_told_in_the_log_of_the_protein(slurm, tmp_path):
    slurm.fail("sbatch", "sbatch: error: invalid partition specified: nonsense")
    with pytest.raises(SlurmError, match="invalid partition"):
        submit(script(tmp_path), slurm.registry, sys.executable)
    assert Path(LOG).read_text() == "ERROR submit: sbatch: sbatch: error: invalid partition specified: nonsense\n"


def test_patience_ends(slurm, tmp_path, quick):
    slurm.fail("sbatch", *["Unable to contact slurm controller"] * 50)
    with pytest.raises(SlurmError, match="Unable to contact"):
        submit(script(tmp_path), slurm.registry, sys.executable, patience_s=0)


def test_protein_that_fits_no_node_is_not_submitted_and_says_what_would_help(slurm, tmp_path, monkeypatch):
    monkeypatch.setenv(LARGEST_NODE_VARIABLE, "600")
    with pytest.raises(SlurmError):
        submit(script(tmp_path), slurm.registry, sys.executable)
    assert Path(LOG).read_text().startswith("ERROR submit: needs 700 MB of memory, the largest node has 600 MB")
    assert slurm.calls("sbatch") == []


def second_try(slurm, tmp_path, log):
    slurm.answer("sbatch", "2\n")
    Path(LOG).parent.mkdir(parents=True)
    Path(LOG).write_text(log)
    return submit(script(tmp_path, resources={"mem_mb": 900, "attempt": 2}), slurm.registry, sys.executable)


def test_error_of_the_tool_is_not_repeated_with_more_memory(slurm, tmp_path):
    log = "STEP search\nERROR search: hhsearch ended with exit code 1: no such database\n"
    with pytest.raises(SlurmError, match="not tried again"):
        second_try(slurm, tmp_path, log)
    assert Path(LOG).read_text() == log
    assert slurm.calls("sbatch") == []


@pytest.mark.parametrize(
    "log",
    ["STEP search\n", "STEP search\nERROR search: hhsearch was killed (SIGKILL): most likely for want of memory\n", ""],
)
def test_killed_job_is_tried_again(slurm, tmp_path, log):
    assert second_try(slurm, tmp_path, log) == "2"
    assert "--mem=900M" in slurm.calls("sbatch")[0]


def test_error_of_an_earlier_start_does_not_hinder_a_first_try(slurm, tmp_path):
    slurm.answer("sbatch", "2\n")
    Path(LOG).parent.mkdir(parents=True)
    Path(LOG).write_text("ERROR search: disk full\n")
    assert submit(script(tmp_path), slurm.registry, sys.executable) == "2"


def test_job_of_an_earlier_head_is_adopted_once(slurm, tmp_path):
    slurm.answer("sbatch", "2\n")
    slurm.registry.write_adoptable(
        [Job("77", "RUNNING", "n", "demo/P1", "k1"), Job("78", "RUNNING", "n", "demo/P11", "k2")]
    )
    assert submit(script(tmp_path), slurm.registry, sys.executable) == "77"
    assert submit(script(tmp_path), slurm.registry, sys.executable) == "2"


def test_job_with_another_key_is_not_adopted(slurm, tmp_path):
    slurm.answer("sbatch", "2\n")
    slurm.registry.write_adoptable([Job("77", "RUNNING", "n", "demo/P1", "other")])
    assert submit(script(tmp_path), slurm.registry, sys.executable) == "2"


def test_limits_of_a_job_around_the_head_are_not_handed_on(slurm, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "100")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm/slurm.conf")
    (slurm.folder / "sbatch").write_text(
        '#!/bin/sh\ncat >/dev/null\n[ -z "$SLURM_MEM_PER_CPU" ] && [ -n "$SLURM_CONF" ] && echo 5\n'
    )
    assert submit(script(tmp_path), slurm.registry, sys.executable) == "5"
