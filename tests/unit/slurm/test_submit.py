"""The submit command of the cluster profile: what it asks of Slurm, what it refuses, and its patience."""

import os
import subprocess
from pathlib import Path

import pytest

from proteofold.slurm import submit as submit_module
from proteofold.slurm.registry import Job
from proteofold.slurm.submit import submit
from proteofold.slurm.tools import SlurmError


def no_pause(seconds):
    """In place of the pause between tries."""


def test_job_asks_for_its_memory_time_and_threads_under_the_name_of_run_and_protein(slurm):
    slurm.answer("sbatch", "1\n")
    submit(slurm.script(), slurm.registry)
    (words,) = slurm.calls("sbatch")
    assert {"--mem=700M", "--time=90", "--cpus-per-task=2", "--job-name=demo/P1", "--comment=k1"} <= set(words)
    assert {"--parsable", "--no-requeue", f"--output={os.path.relpath(slurm.registry.folder)}/out/P1.txt"} <= set(words)
    assert not any(word.startswith("--gres") for word in words)


def test_batch_asks_for_a_gpu_when_its_rule_does(slurm):
    slurm.answer("sbatch", "1\n")
    resources = {"mem_mb": 900, "gpus": 1}
    wildcards = {"batch": "0001-ab"}
    changes = {"rule": "predict_secondary_structure", "wildcards": wildcards, "resources": resources}
    submit(slurm.script(**changes), slurm.registry)
    (words,) = slurm.calls("sbatch")
    assert {"--gres=gpu:1", "--job-name=demo/predict_secondary_structure:0001-ab"} <= set(words)


def test_rule_that_names_its_command_is_run_without_snakemake_and_quoted(slurm, monkeypatch):
    slurm.answer("sbatch", "1\n")
    monkeypatch.setattr(submit_module.paths, "PYTHON", ("/opt/my python", "-P"))
    submit(slurm.script(), slurm.registry)
    text = slurm.script_file.read_text()
    assert "'/opt/my python' -P step.py --protein P1 --out 'a b;$(id).out' --threads 2\n" in text
    assert "exec_job" not in text


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("exec_job", {"params": {"result_key": "k1"}}),
        ("snakemake --software-deployment-method conda", {}),
    ],
    ids=["rule without a command", "software that Snakemake deploys"],
)
def test_other_jobs_start_snakemake_on_the_node(slurm, text, changes):
    slurm.answer("sbatch", "1\n")
    submit(slurm.script(text, **changes), slurm.registry)
    assert slurm.script_file.read_text().rstrip("\n").endswith(text)


def run_on_node(slurm, command, inputs=()):
    request = submit_module.read_request(slurm.script(input=list(inputs)).read_text(), "demo")
    request = request._replace(command=command)
    log = slurm.folder / "out.txt"
    text = submit_module.job_script(request, str(log))
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


def test_busy_controller_is_asked_again(slurm, capsys):
    slurm.answer("sbatch", "12\n")
    slurm.fail("sbatch", *["sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"] * 10)
    assert submit(slurm.script(), slurm.registry, pause=no_pause) == "12"
    assert len(slurm.calls("sbatch")) == 11
    assert "submitted again" in capsys.readouterr().err
    assert list(slurm.registry.read_submissions()) == ["12"]


def test_job_that_slurm_took_although_its_answer_was_lost_is_not_submitted_twice(slurm):
    slurm.fail("sbatch", "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation")
    slurm.jobs((99, "PENDING", "demo/P1", "", "k1"))
    assert submit(slurm.script(), slurm.registry, pause=no_pause) == "99"
    assert len(slurm.calls("sbatch")) == 1


def test_nothing_is_submitted_again_before_slurm_says_that_it_has_not_taken_the_job(slurm):
    slurm.fail("sbatch", "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation")
    slurm.fail("squeue", *["slurm_load_jobs error: Unable to contact slurm controller"] * 5)
    slurm.jobs((99, "PENDING", "demo/P1", "", "k1"))
    assert submit(slurm.script(), slurm.registry, pause=no_pause) == "99"
    assert (len(slurm.calls("sbatch")), len(slurm.calls("squeue"))) == (1, 6)


def test_job_that_nobody_wants_any_more_is_not_submitted_again(slurm):
    slurm.fail("sbatch", *["sbatch: error: Socket timed out on send/recv operation"] * 9)
    with pytest.raises(SlurmError, match="the run ended before Slurm answered"):
        submit(slurm.script(), slurm.registry, pause=lambda seconds: True)
    assert len(slurm.calls("sbatch")) == 1


def test_refusal_for_good_is_told_in_the_log_of_the_protein(slurm):
    slurm.fail("sbatch", "sbatch: error: invalid partition specified: nonsense")
    with pytest.raises(SlurmError, match="invalid partition"):
        submit(slurm.script(), slurm.registry)
    assert Path(slurm.log).read_text() == "ERROR submit: sbatch: sbatch: error: invalid partition specified: nonsense\n"


def test_patience_ends(slurm):
    slurm.fail("sbatch", *["Unable to contact slurm controller"] * 50)
    with pytest.raises(SlurmError, match="Unable to contact"):
        submit(slurm.script(), slurm.registry, patience_s=0)


def test_protein_that_fits_no_node_is_not_submitted_and_says_what_would_help(slurm):
    with pytest.raises(SlurmError):
        submit(slurm.script(), slurm.registry, largest_node_mb=600)
    assert Path(slurm.log).read_text().startswith("ERROR submit: needs 700 MB of memory, the largest node has 600 MB")
    assert slurm.calls("sbatch") == []


def second_try(slurm, log):
    slurm.answer("sbatch", "2\n")
    Path(slurm.log).parent.mkdir(parents=True)
    Path(slurm.log).write_text(log)
    return submit(slurm.script(resources={"mem_mb": 900, "attempt": 2}), slurm.registry)


def test_error_of_the_tool_is_not_repeated_with_more_memory(slurm):
    log = "STEP search\nERROR search: hhsearch ended with exit code 1: no such database\n"
    with pytest.raises(SlurmError, match="not tried again"):
        second_try(slurm, log)
    assert Path(slurm.log).read_text() == log
    assert slurm.calls("sbatch") == []


@pytest.mark.parametrize(
    "log",
    ["STEP search\n", "STEP search\nERROR search: hhsearch was killed (SIGKILL): most likely for want of memory\n", ""],
)
def test_killed_job_is_tried_again(slurm, log):
    assert second_try(slurm, log) == "2"
    assert "--mem=900M" in slurm.calls("sbatch")[0]


def test_error_of_an_earlier_start_does_not_hinder_a_first_try(slurm):
    slurm.answer("sbatch", "2\n")
    Path(slurm.log).parent.mkdir(parents=True)
    Path(slurm.log).write_text("ERROR search: disk full\n")
    assert submit(slurm.script(), slurm.registry) == "2"


def test_job_of_an_earlier_head_is_adopted_once(slurm):
    slurm.answer("sbatch", "2\n")
    slurm.registry.write_adoptable(
        [Job("77", "RUNNING", "n", "demo/P1", "k1"), Job("78", "RUNNING", "n", "demo/P11", "k2")]
    )
    assert submit(slurm.script(), slurm.registry) == "77"
    assert submit(slurm.script(), slurm.registry) == "2"


def test_job_with_another_key_is_not_adopted(slurm):
    slurm.answer("sbatch", "2\n")
    slurm.registry.write_adoptable([Job("77", "RUNNING", "n", "demo/P1", "other")])
    assert submit(slurm.script(), slurm.registry) == "2"


def test_limits_of_a_job_around_the_head_are_not_handed_on(slurm, monkeypatch):
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "100")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm/slurm.conf")
    (slurm.folder / "sbatch").write_text(
        '#!/bin/sh\ncat >/dev/null\n[ -z "$SLURM_MEM_PER_CPU" ] && [ -n "$SLURM_CONF" ] && echo 5\n'
    )
    assert submit(slurm.script(), slurm.registry) == "5"
