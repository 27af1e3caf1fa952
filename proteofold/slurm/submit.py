"""Submitting one job of Snakemake to Slurm.

The job script that Snakemake writes holds the job's properties as JSON; what to ask for is read from them. A rule that
names its command (``params.command``) is run by Slurm directly: the Snakemake that would otherwise start on the node
costs a second of CPU and 110 MB a job, and would remove and record files behind the head's back. Any other rule's
script is submitted as it is.
"""

import json
import os
import shlex
import sys
import time
from collections import namedtuple
from pathlib import Path

from proteofold import paths
from proteofold.failures import must_fail_again
from proteofold.files import write_aside
from proteofold.process import ERROR_MARK
from proteofold.slurm.registry import Submission, ask_slurm, job_name
from proteofold.slurm.tools import SlurmError, SlurmSilentError, call

# A restart of the controller takes seconds, its upgrade minutes, a site's maintenance hours.
PATIENCE_S = 6 * 3600
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1, 30

# Files that another node wrote may take this long to be seen over NFS.
_WAIT_FOR_INPUT_S = 60


class Request(
    namedtuple("Request", "name key rule threads attempt shards mem_mb minutes gpus inputs output log command")
):
    """What a job asks of Slurm.

    ``mem_mb`` and ``minutes`` are None where the site's defaults shall hold; with an empty ``command`` the script is
    run as it is.
    """

    __slots__ = ()


def read_request(script, run):
    """The Request in the text of a job script; ValueError if it holds no properties."""
    line = next((line for line in script.splitlines() if line.startswith("# properties = ")), None)
    if line is None:
        raise ValueError("the job script has no line '# properties = ...'")
    job = json.loads(line.partition("=")[2])
    params, resources = job.get("params") or {}, job.get("resources") or {}
    wildcards = job.get("wildcards") or {}
    rule = job.get("rule") or job.get("groupid") or "job"
    # software that Snakemake deploys is found by Snakemake alone
    deployed = " --software-deployment-method " in script
    return Request(
        name=job_name(run, rule, *map(str, wildcards.values())),
        key=str(params.get("result_key") or "-"),
        rule=rule,
        threads=int(job.get("threads") or 1),
        attempt=int(resources.get("attempt") or 1),
        shards=int(resources.get("shards") or 1),
        mem_mb=resources.get("mem_mb"),
        minutes=resources.get("runtime"),
        gpus=int(resources.get("gpus") or 0),
        inputs=tuple(job.get("input") or ()),
        output=(job.get("output") or [""])[0],
        log=(job.get("log") or [""])[0],
        command=() if deployed else tuple(map(str, params.get("command") or ())),
    )


def job_script(request, log):
    """The script that runs a request's command on a node; ``log`` is what Slurm writes its output to."""
    words = [*paths.PYTHON, *request.command, "--threads", str(request.threads)]
    if request.shards > 1:
        words += ["--shards", str(request.shards)]
    command = shlex.join(words)
    waiting = "\n".join(
        f"n=0; while [ ! -e {shlex.quote(path)} ] && [ $n -lt {_WAIT_FOR_INPUT_S} ]; do n=$((n+1)); sleep 1; done"
        for path in request.inputs
    )
    # what a step has to say is in its own log; an empty one of Slurm would only be one more file a protein
    return (
        f"#!/bin/sh\n{waiting}\n{command}\ncode=$?\n[ -s {shlex.quote(log)} ] || rm -f {shlex.quote(log)}\nexit $code\n"
    )


def sbatch_command(request, log):
    """The sbatch call of a request; the script is its last argument, or comes from stdin if there is none."""
    words = [
        "sbatch",
        "--parsable",
        # Snakemake tries again itself, and knows that it did
        "--no-requeue",
        f"--job-name={request.name}",
        f"--comment={request.key}",
        f"--chdir={os.getcwd()}",
        f"--output={log}",
        "--open-mode=truncate",
        f"--cpus-per-task={request.threads}",
    ]
    if request.mem_mb:
        words.append(f"--mem={request.mem_mb}M")
    if request.minutes:
        words.append(f"--time={request.minutes}")
    if request.gpus:
        words.append(f"--gres=gpu:{request.gpus}")
    return words


def submit(script_path, registry, largest_node_mb=0, patience_s=PATIENCE_S, pause=time.sleep):
    """Submit a job script, or find the job of an earlier head that does the same; returns the job's id.

    While Slurm is busy or down it is asked again, after a ``pause`` of some seconds, which is to return True if nobody
    wants the job any more. SlurmError, with the reason also in the job's log, if the job must not or cannot be
    submitted; ``largest_node_mb`` is 0 where nobody knows it.
    """
    script = Path(script_path).read_text(encoding="utf-8", errors="surrogateescape")
    request = read_request(script, registry.run)
    if adopted := registry.adopt(request.name, request.key):
        return adopted
    try:
        _check(request, largest_node_mb)
        job_id = _sbatch(request, script, registry, patience_s, pause)
    except SlurmError as error:
        if request.log and not must_fail_again(request.log):
            write_aside(request.log, f"{ERROR_MARK} submit: {error}\n")
        raise
    registry.add(Submission(job_id, request.name, request.key, time.time(), request.output))
    return job_id


def _check(request, largest):
    """SlurmError for a job that would be in vain."""
    if request.attempt > 1 and request.log and must_fail_again(request.log):
        raise SlurmError(f"not tried again: {request.log} tells an error that more memory does not mend")
    if largest and (request.mem_mb or 0) > largest:
        in_shards = ""
        if request.shards > 1:
            in_shards = (
                f" even with the templates searched in {request.shards} parts, for its length and the longest template"
            )
        raise SlurmError(
            f"needs {request.mem_mb} MB of memory{in_shards}, the largest node has {largest} MB: add a node with more "
            "memory"
        )


def _sbatch(request, script, registry, patience_s, pause):
    folder = registry.folder / "out"
    folder.mkdir(parents=True, exist_ok=True)
    # relative: Slurm reads % as a pattern, which the working directory may hold, names of runs and proteins not
    log = os.path.relpath(folder / f"{request.name.partition('/')[2]}.txt")
    if request.command:
        script = job_script(request, log)
    command, seconds, is_lost = sbatch_command(request, log), _FIRST_PAUSE_S, False
    deadline = time.monotonic() + patience_s
    while True:
        try:
            # Slurm may have taken the job although its answer was lost: until it says no, nothing is submitted again
            if is_lost and (found := _already_there(request)):
                return found
            return call(command, stdin=script).split(";")[0].strip()
        except SlurmSilentError as error:
            if time.monotonic() + seconds > deadline:
                raise SlurmError(f"{error}; tried for {patience_s} s") from None
            print(f"{error}; {request.name} is submitted again in {seconds} s", file=sys.stderr, flush=True)
            if pause(seconds):
                raise SlurmError(f"{error}; the run ended before Slurm answered") from None
            seconds, is_lost = min(2 * seconds, _LONGEST_PAUSE_S), True


def _already_there(request):
    """The id of a request's job that waits or runs, or None."""
    jobs = ask_slurm(request.name.partition("/")[0])
    return next((job.job_id for job in jobs if (job.name, job.key) == (request.name, request.key)), None)
