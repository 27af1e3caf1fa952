"""What all rules share: the planned run, its paths and its limits."""

import subprocess
import sys

from snakemake.logging import logger

from proteofold import hhsuite, runs
from proteofold.errors import UserError
from proteofold.headlock import claim_run
from proteofold.memory import available_mb
from proteofold.predict_step import PREDICTION_VERSION
from proteofold.search_step import SEARCH_STEP_MB
from proteofold.weights import batch_mem_mb

PYTHON = sys.executable


def planned_run():
    """The run of the configuration; on a node, where nothing may be planned anew, as the head wrote it down."""
    if not workflow.is_main_process:
        return runs.load_run(runs.RESULTS / config["run"])
    try:
        run, notes = runs.plan_run(config)
    except UserError as error:
        raise WorkflowError(str(error)) from None
    for note in notes:
        logger.warning(f"note: {note}")
    lengths = {member.protein: member.length for member in run.members.values()}
    logger.info(f"{len(lengths)} proteins", extra={"protein_lengths": lengths})
    return run


def keep_within_memory():
    """On one machine: jobs together ask for no more than its free memory, unless the user set a limit."""
    on_this_machine = workflow.is_main_process and workflow.resource_settings.nodes is None
    if on_this_machine and "mem_mb" not in workflow.global_resources:
        workflow.register_resource("mem_mb", available_mb())


RUN = planned_run()
if workflow.is_main_process and not workflow.output_settings.dryrun:
    claim_run(RUN.folder.path)
keep_within_memory()


wildcard_constraints:
    protein=r"[A-Za-z0-9_][A-Za-z0-9_.-]*",
    batch=r"[0-9]+-[0-9a-f]+",


def run_file(name):
    """Path of a file of the run."""
    return str(RUN.folder.path / name)


def batch_horiz(wildcards):
    """The prediction file that holds a protein."""
    return str(RUN.folder.horiz(RUN.members[wildcards.protein].batch))


def batch_fasta(wildcards):
    """The FASTA file that the batch of a protein, or a batch itself, was cut to."""
    batch = wildcards.get("batch") or RUN.members[wildcards.protein].batch
    return str(RUN.folder.batch_fasta(batch))


def begin_run():
    """Write the plan down, now that the run really starts, and tell the logger plugin which run it records."""
    if workflow.is_main_process:
        runs.write_plan(RUN)
        logger.info("run starts", extra={"proteofold_run": RUN})


def end_run(status):
    """Tell the logger plugin how the run ended."""
    if workflow.is_main_process:
        logger.info("run ends", extra={"proteofold_end": status})


def deliver_what_is_there():
    """After a failure: merge the proteins that are done, list the others, and say where to look."""
    if workflow.is_main_process:
        subprocess.run([PYTHON, "-m", "proteofold", "merge", str(RUN.folder.path), "--report"], check=False)
