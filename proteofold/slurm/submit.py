"""Submitting one job of Snakemake to Slurm; ``python -m proteofold.slurm.submit OPTIONS... SCRIPT`` prints its id.

Snakemake formats the options from the job's properties (profiles/cluster/config.yaml). The script that it wrote starts
Snakemake on the node, which runs the command of the rule.
"""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from proteofold.run.failures import ERROR_MARK, must_fail_again
from proteofold.slurm.jobs import FOLDER_VARIABLE, HEAD_VARIABLE, JobFolder, Submission, comment_of, is_at_work
from proteofold.slurm.tools import WITHOUT_SLURM, SlurmAbsentError, SlurmError, SlurmSilentError, call
from proteofold.system.files import write_aside
from proteofold.system.process import die_with

# A restart of the controller takes seconds, its upgrade minutes, a site's maintenance hours.
PATIENCE_S = 6 * 3600
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1, 30


def submit(script, job, job_folder, head, patience_s=PATIENCE_S):
    """Submit a job script, or adopt the job that does the same already; returns the job's id.

    ``job`` has what the command line says of it. While Slurm is silent it is asked again. SlurmError, with the reason
    also in the job's log, if the job must not or cannot be submitted.
    """
    if job.attempt > 1 and job.log and must_fail_again(job.log):
        raise SlurmError(f"not tried again: {job.log} reports an error that more memory does not fix")
    try:
        job_id, mem_mb = _find_or_submit(script, job, job_folder, head, patience_s)
    except SlurmError as error:
        if job.log:
            write_aside(job.log, f"{ERROR_MARK}submit: {error}\n")
        raise
    job_folder.note(Submission(job_id, job.name, time.time(), mem_mb, job.output))
    return job_id


def _find_or_submit(script, job, job_folder, head, patience_s):
    """(id, memory) of the job."""
    submissions = job_folder.submissions() if job.attempt > 1 else []
    earlier = [submission for submission in submissions if submission.name == job.name]
    deadline, pause_s, newer_than = time.time() + patience_s, _FIRST_PAUSE_S, 0.0
    while True:
        try:
            answered, jobs = job_folder.ask(newer_than)
            if answered is None:
                # before the first job of a run; later, Slurm is waited for
                if isinstance(job_folder.error, SlurmAbsentError) and not job_folder.submissions():
                    raise SlurmAbsentError(f"{job_folder.error}. {WITHOUT_SLURM}")
                raise SlurmSilentError("squeue does not answer")
            mem_mb = _memory(job, earlier, jobs, job_folder)
            # also one that Slurm took although its answer to sbatch was lost
            for known in jobs.values():
                if known.name == job.name and is_at_work(known):
                    return known.job_id, mem_mb
            newer_than = time.time()
            if job.attempt == 1 and job.log:
                Path(job.log).unlink(missing_ok=True)  # it is of an earlier start
            # killed here, this process must not leave an sbatch that keeps trying
            command = _sbatch(job, mem_mb, job_folder, head)
            printed = call(command, stdin=_job_script(script, job, job_folder), dies_with_us=True)
            return printed.split(";")[0].strip(), mem_mb
        except SlurmSilentError as error:
            if time.time() + pause_s > deadline:
                raise SlurmError(f"{error}; tried for {patience_s} s") from None
            print(f"{error}; {job.name} is submitted again in {pause_s} s", file=sys.stderr, flush=True)
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _memory(job, earlier, jobs, job_folder):
    """What to ask for in MB: what the rule says, and no more than the largest node has.

    It is what the last try had if a user cancelled that: a job of another head that this one had adopted.
    """
    largest = job_folder.largest_node_mb() or job.mem_mb
    asked = min(job.mem_mb, largest)
    if earlier and (last := jobs.get(earlier[-1].job_id)) and last.state == "CANCELLED":
        asked = min(asked, earlier[-1].mem_mb)
    return asked


def _sbatch(job, mem_mb, job_folder, head):
    words = [
        "sbatch",
        "--parsable",
        "--no-requeue",  # Snakemake tries again itself, and knows that it did
        f"--job-name={job.name}",
        f"--comment={comment_of(job_folder.run, head)}",
        f"--chdir={os.getcwd()}",
        f"--output={job_folder.output(job.name)}",
        "--open-mode=truncate",
        f"--cpus-per-task={job.threads}",
        f"--mem={mem_mb}M",
        f"--time={job.minutes}",
        f"--nice={job.nice}",
    ]
    if job.gpu:
        words.append(f"--gres=gpu:{job.gpu}")
    return words


def _job_script(script, job, job_folder):
    """Snakemake's script, and the removal of its output if it succeeds: it would not be read."""
    output = job_folder.output(job.name)
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    text = Path(script).read_text(encoding="utf-8", errors="surrogateescape")
    return f"#!/bin/sh\n(\n{text}\n) || exit\nrm -f '{output}'\n"


def _options(arguments):
    parser = argparse.ArgumentParser(prog="python -m proteofold.slurm.submit")
    parser.add_argument("--name", help="what the job makes; its first output if that is empty")
    parser.add_argument("--attempt", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--mem", dest="mem_mb", metavar="MB", type=int, required=True)
    parser.add_argument("--time", dest="minutes", metavar="MINUTES", type=int, required=True)
    parser.add_argument("--gpu", type=int, default=0)
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--log", nargs="*", default=[])
    parser.add_argument("--output", nargs="*", default=[])
    parser.add_argument("script")
    job = parser.parse_args(arguments)
    job.name = (job.name or job.output[0]).replace(" ", "_")
    job.log = next(iter(job.log), None)
    return job


def main():
    """Entry point of the submit command."""
    die_with(os.getppid())
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a message
    job = _options(sys.argv[1:])
    try:
        print(submit(job.script, job, JobFolder(os.environ[FOLDER_VARIABLE]), os.environ[HEAD_VARIABLE]))
    except (SlurmError, OSError) as error:
        sys.exit(f"proteofold: {error}")


if __name__ == "__main__":
    main()
