"""What all rules share: the planned run, its paths and its limits."""

import functools
import os
import subprocess
from collections import Counter

from snakemake.io import IOFile
from snakemake.logging import logger

from proteofold import disks, hhsuite, interruption, nodes, paths, planning, runs, takeover
from proteofold.config import check_config_files
from proteofold.efficiency import note_machines
from proteofold.errors import UserError
from proteofold.files import existing_names
from proteofold.headlock import claim_run
from proteofold.outdated import drop_outdated
from proteofold.memory import available_mb
from proteofold.predict_step import PREDICTION_VERSION
from proteofold.runs import from_runs
from proteofold.search_step import SEARCH_STEP_MB

PYTHON = paths.PYTHON
os.environ.update(paths.SAFE_PATH)


def planned_run():
    """The run of the configuration; on a node, where nothing may be planned anew, as the head wrote it down."""
    if not workflow.is_main_process:
        return runs.load_run(runs.RESULTS / config["run"])
    try:
        check_config_files(workflow.configfiles)
        run, notes = planning.plan_run(config)
    except UserError as error:
        raise WorkflowError(str(error)) from None
    if DRY_RUN:
        notes += left_out_of_dry_run(run)
        tell_reused(takeover.taken_before(run))
    for note in notes:
        logger.warning(f"note: {note}")
    lengths = {member.protein: member.length for member in run.members.values()}
    logger.info(f"{len(lengths)} proteins", extra={"protein_lengths": lengths})
    return run


def tell_reused(proteins):
    """Tell the logger plugin which proteins have the result of another run (protein -> run)."""
    if proteins:
        logger.info(f"{len(proteins)} results of other runs", extra={"proteins_reused": proteins})


def left_out_of_dry_run(run):
    """Notes on what a start would do besides the jobs that a dry run lists."""
    notes = []
    if run.sources:
        counts = Counter(source.computed_in for source in run.sources.values())
        notes.append(
            f"{len(run.sources)} of {len(run.members)} proteins would be taken from other runs: {from_runs(counts)}. "
            "No job is listed for them."
        )
    if count := takeover.outdated(run):
        notes.append(
            f"results that were taken from other runs with other settings: {count}. They would be computed again, "
            "though no job is listed for them."
        )
    return notes


def keep_within_memory():
    """On one machine: jobs together ask for no more than its free memory, unless the user set a limit."""
    on_this_machine = workflow.is_main_process and workflow.resource_settings.nodes is None
    if on_this_machine and "mem_mb" not in workflow.global_resources:
        workflow.register_resource("mem_mb", available_mb())


def is_only_head():
    """Become the head of the run, unless another one is alive."""
    try:
        return claim_run(RUN.folder.path)
    except OSError as error:
        raise WorkflowError(disks.describe(error) or str(error)) from None


if workflow.is_main_process:
    interruption.exit_on_ctrl_c()
DRY_RUN = workflow.output_settings.dryrun
RUN = planned_run()
IS_HEAD = workflow.is_main_process and not DRY_RUN and is_only_head()
# a dry run copies nothing, so it must not list jobs for what it would copy
PROTEINS = [protein for protein in RUN.members if not (DRY_RUN and protein in RUN.sources)]
keep_within_memory()


wildcard_constraints:
    protein=r"[A-Za-z0-9_][A-Za-z0-9_.-]*",
    batch=r"[0-9]+-[0-9a-f]+",
    block=r"[0-9]+",


@functools.cache
def take_over_results():
    """Take what other runs have into the run's folder: once, at a real start, before Snakemake looks for files.

    Input functions call this. They are asked when the graph is built; a report or a summary builds one, too, but
    without settings of an execution.
    """
    if not IS_HEAD or workflow.execution_settings is None:
        return
    drop_outdated(RUN)
    try:
        taken = takeover.take_over(RUN)
    except (OSError, UserError) as error:
        raise WorkflowError(f"results of other runs cannot be copied: {error}") from None
    for path in taken.outputs:
        # records of an earlier run folder of this name would have these files made again
        workflow.persistence.cleanup_metadata(IOFile(str(path)))
    if taken.now:
        logger.warning(
            f"note: {len(taken.now)} of {len(RUN.members)} proteins were taken from other runs: "
            f"{from_runs(Counter(taken.now.values()))}. 'reuse: false' computes them anew."
        )
    if damaged := len(RUN.sources) - len(taken.now):
        logger.warning(f"note: proteins computed anew because their files in another run are damaged: {damaged}")
    tell_reused(taken.ever)


@functools.cache
def missing_files():
    """The result files that are not there, by protein: looked for once, after those of other runs were taken."""
    take_over_results()
    return RUN.missing_files(PROTEINS)


@functools.cache
def blocks():
    """The run's proteins by block; only who builds the whole graph asks, not a job on a node."""
    return RUN.blocks(PROTEINS)


def block_results(wildcards):
    """The result files that a block of proteins needs.

    Snakemake makes a missing file again only if it is asked for; asking for those that are there costs time, so of them
    it is the ``.out`` alone.
    """
    proteins = blocks()[wildcards.block]
    missing = [path for protein in proteins for path in missing_files().get(protein, ())]
    return list(dict.fromkeys([str(RUN.folder.out(protein)) for protein in proteins] + missing))


def all_results(wildcards):
    """What stands for the results of all proteins: their blocks, and what complete blocks have lost since."""
    missing, complete = missing_files(), existing_names(RUN.folder.complete)
    done = (protein for block, proteins in blocks().items() if block in complete for protein in proteins)
    lost = [path for protein in done for path in missing.get(protein, ())]
    return [str(RUN.folder.block(block)) for block in blocks()] + lost


def run_file(name):
    """Path of a file of the run."""
    return str(RUN.folder.path / name)


def as_words(options):
    """Options of a step as words of its command line."""
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


def batch_horiz(wildcards):
    """The prediction file that holds a protein."""
    take_over_results()
    return str(RUN.folder.horiz(RUN.members[wildcards.protein].batch))


def machines_of_run():
    """The NodeKinds that the run's jobs share; none where nobody knows."""
    if uses_slurm():
        return machines_of_slurm()
    if workflow.resource_settings.nodes is not None:
        return []
    mem_mb = workflow.global_resources["mem_mb"].value
    return [nodes.NodeKind("this machine", 1, workflow.resource_settings.cores, mem_mb)]


def run_longest_first(run, jobs, executor=None):
    """Start jobs by priority: Snakemake chooses them by it, but hands them to Slurm, which keeps the order, in any.

    None on a disk that takes no more: there all would fail within a moment.
    """
    if not disks.may_start_more():
        raise KeyboardInterrupt  # as Ctrl-C does here: jobs that run end on this machine, and are cancelled in Slurm
    run(sorted(jobs, key=lambda job: job.priority, reverse=True), executor=executor)


def begin_run():
    """Write the plan down, now that the run really starts, and tell the logger plugin which run it records."""
    if workflow.is_main_process:
        # Its limit of starts a second wakes Snakemake's scheduler each second, once for every job that ever ended
        workflow.scheduler.job_rate_limiter = None
        workflow.scheduler.run = functools.partial(run_longest_first, workflow.scheduler.run)
        interruption.notice_termination()
        try:
            runs.write_plan(RUN)
            if uses_slurm():
                begin_on_slurm()
            note_machines(RUN.folder.path, machines_of_run())
        except UserError as error:
            raise WorkflowError(str(error)) from None
        except OSError as error:
            raise WorkflowError(disks.describe(error) or str(error)) from None
        logger.info("run starts", extra={"proteofold_run": RUN})


def end_run(status):
    """Tell the logger plugin how the run ended."""
    if workflow.is_main_process:
        if uses_slurm():
            end_on_slurm()
        logger.info("run ends", extra={"proteofold_end": status})


def deliver_what_is_there():
    """After a failure or an interruption: merge the proteins that are done, and list those that failed."""
    if workflow.is_main_process:
        options = ["--report", *(["--interrupted"] if interruption.interrupted() else [])]
        subprocess.run([*PYTHON, "-m", "proteofold", "merge", str(RUN.folder.path), *options], check=False)
