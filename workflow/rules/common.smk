"""What all rules share: the planned run, its paths, and what happens when it begins and ends."""

import gc
import itertools
import os
import shlex
import subprocess
import time

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from proteofold.system import disks

from proteofold.run import interruption

from proteofold.run import layout

from proteofold.system import paths

from proteofold.run import planning

from proteofold.run import manifest as runs
from proteofold.run.cleaning import remove_old_a3m, remove_old_temporary
from proteofold.run.config import check_config_files, with_defaults
from proteofold.run.inputs import check_records
from proteofold.plan.efficiency import note_machines
from proteofold.system.errors import UserError, with_help
from proteofold.run.lock import claim_run
from proteofold.run.merge import MERGED
from proteofold.report.draw import REPORT_FILES, REPORT_VERSION, cut_files
from proteofold.slurm.cancel import cancel_head
from proteofold.slurm.jobs import HEAD_VARIABLE, become_head
from proteofold.slurm.tools import check_slurm


include: "snakemake.smk"


# A workflow that imports this one as a module gives a configuration of its own, for which Snakemake passes over
# `configfile`.
config = with_defaults(config)

PYTHON = shlex.join(paths.PYTHON)  # Snakemake fills it into the submit command of profiles/cluster
PROTEOFOLD = [*paths.PYTHON, "-m", "proteofold"]
os.environ.update(paths.SAFE_PATH)
# Wherever numpy is imported, also by the Snakemake of a job on a node, it would start a thread for each core. That costs
# more than the few sums for which a step needs it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# In the commands of the rules `proteofold` is that of this Python, whatever is on PATH, and takes the place of the
# shell. It ends when this process dies, whatever kills it (proteofold.system.process). In a rule's container it is the
# image's, which names it in PROTEOFOLD_IN_IMAGE; the process that started it there is not this one.
os.environ.pop("PROTEOFOLD_IN_IMAGE", None)  # if this Snakemake runs in an image, its rules run beside it
shell.prefix(
    f"export {PARENT_VARIABLE}={os.getpid()} {planning.METHODS_VARIABLE}={planning.METHODS}; "
    'proteofold() {{ [ -z "${{PROTEOFOLD_IN_IMAGE-}}" ] ||'
    ' {{ unset {PARENT_VARIABLE}; exec "$PROTEOFOLD_IN_IMAGE" "$@"; }};'
    ' exec {PROTEOFOLD:q} "$@"; }}; '
)


def workflow_error(error):
    """A UserError, or an OSError about a file of the run, as Snakemake's error."""
    if isinstance(error, OSError):
        of_disk = error.filename and disks.disk_error(error, error.filename)
        error = of_disk or UserError(disks.describe(error) or str(error), topic="damaged-run")
    return WorkflowError(with_help(error))


def planned():
    """The Plan of the configuration; on a node, where nothing is planned, the run as the head wrote it down."""
    if not IS_HEAD:
        run = runs.load_run(layout.RESULTS / config["run"])
        return planning.Plan(run, [], [])
    try:
        check_config_files(CONFIG_FILES)
        check_records()
        plan = planning.plan_run(config)
        plan.changed += cut_files(plan.run.folder.path)
    except (UserError, OSError) as error:
        raise workflow_error(error) from None
    for note in plan.notes:
        logger.warning(f"note: {note}")
    logger.info(f"{len(plan.run.members)} proteins", extra={"proteofold_plan": plan})
    return plan


if IS_HEAD:
    interruption.exit_on_ctrl_c()
    # The graph of jobs has millions of objects, which all stay. Looking for garbage among them takes a fifth of the
    # planning, and 7 s at the end of a run of 20,000 proteins. When the run begins they are set aside (begin_run).
    gc.disable()
BEGAN = time.time()  # what this start writes is newer
PLAN = planned()
RUN = PLAN.run
SEARCH, PREDICTIONS, ALIGNMENTS = RUN.search, RUN.predictions, RUN.alignments
MISSING = frozenset(PLAN.missing)


wildcard_constraints:
    entry=r"[A-Za-z0-9_][A-Za-z0-9_.-]*-[0-9a-f]{8}",
    xx=r"[0-9a-f]{2}",
    batch=r"[0-9a-f]{16}",
    block=r"[0-9a-f]{16}",
    mark=r"[0-9a-f]{16}",


def run_file(name):
    """Path of a file of the run."""
    return str(RUN.folder.path / name)


def run_folder(wildcards):
    """The run's folder, as a parameter of a command."""
    return str(RUN.folder.path)


def library_prefix(wildcards):
    """The files of the template library without their endings, as a parameter of a command."""
    return RUN.library.prefix


def shared_file(folder, name):
    """Path of a file that all runs share. It is never removed by Snakemake: another run may be using it."""
    return update(str(folder.path / name))


def not_in_run(name, kind):
    """The error of asking for a file whose name stands for nothing in the run."""
    return workflow_error(UserError(f"{name} names no {kind} of run {RUN.name}.", topic="requested-file"))


def member(wildcards):
    """The protein of the run whose results have this name."""
    protein = RUN.by_entry.get(wildcards.entry)
    if protein is None or wildcards.get("xx") not in (None, layout.digits_of(wildcards.entry)):
        raise not_in_run(wildcards.entry, "protein")
    return protein


def batch_size(wildcards):
    """(residues, longest) of a batch of the run."""
    try:
        return RUN.batch_size(wildcards.batch)
    except KeyError:
        raise not_in_run(wildcards.batch, "batch") from None


def missing_of_block(wildcards):
    """The results of a block that are not there yet."""
    if wildcards.block not in RUN.blocks:
        raise not_in_run(wildcards.block, "block")
    return [str(SEARCH.out(protein.entry)) for protein in RUN.blocks[wildcards.block] if protein.entry in MISSING]


def batch_file(path_of):
    """An input function: the file of the batch that a protein's secondary structure is predicted in."""
    # ancient: the batch's name stands for what it holds, so its time says nothing
    return lambda wildcards: ancient(str(path_of(member(wildcards).batch)))


def made_alignment(wildcards):
    """The query alignment that align_query makes of a protein; nothing where it makes none."""
    return ancient(str(ALIGNMENTS.a3m(wildcards.entry))) if ALIGNMENTS else []


def alignment_option(wildcards):
    """The options of `proteofold a3m` that name a protein's query alignment; nothing where there is none."""
    path = RUN.alignment(member(wildcards))
    # what a user gave is not removed, but may be another one by now
    more = "--remove-damaged" if ALIGNMENTS else f"--entry={wildcards.entry}"
    return [f"--alignment={path}", more] if path else []


def missing_results():
    """The results that are not there: what is there needs no look at what is behind it."""
    return [str(SEARCH.out(entry)) for entry in PLAN.missing]


def a3m_file():
    """The output of write_a3m: removed after the search unless the configuration keeps it."""
    path = run_file(f"a3m/{RUN.made_of}/{{entry}}.a3m")
    return path if "a3m" in RUN.settings["keep"] else temp(path)


def kept_a3m():
    """The .a3m files that the configuration keeps."""
    kept = RUN.members.values() if "a3m" in RUN.settings["keep"] else ()
    return [str(RUN.a3m(protein.entry)) for protein in kept]


def marks():
    """Names of empty files that stand for what the merge makes its tables of, beside the blocks.

    One stands for the list of proteins, in its order, and for what the report shows of them; another for tables and pages
    that are not as the run left them. A mark that is not there makes the merge due, and the merge removes marks of other names.
    """
    found = [runs.checksum([RUN.members_digest, REPORT_VERSION])]
    return found + ([runs.checksum(PLAN.changed)] if PLAN.changed else [])


def merge_inputs():
    """What the tables are made of: the hits of all blocks, and the marks."""
    blocks = [str(RUN.folder.block(name)) for name in RUN.blocks]
    return blocks + [run_file(f"marks/{mark}") for mark in marks()]


def merged_tables():
    """The run's tables, and the counts."""
    return [run_file(name) for name in (*MERGED, RUN.folder.overview.name)]


def report_files():
    """The pages and plots of the run's report."""
    return [run_file(f"report/{file.name}") for file in REPORT_FILES]


def whole_run():
    """All files that `all` requests."""
    return [*missing_results(), *kept_a3m(), *merge_inputs(), *merged_tables(), *report_files()]


def is_whole():
    """Whether the run has all its files, each newer than what it is made of: a start may request less than `all`."""
    if not all(map(os.path.exists, whole_run())):
        return False
    steps = (merge_inputs(), merged_tables(), report_files())
    try:
        times = [[os.path.getmtime(path) for path in files] for files in steps]
    except FileNotFoundError:  # removed this moment
        return False
    return all(max(made_of) <= min(made) for made_of, made in itertools.pairwise(times))


def begin_run():
    """Become the one head of the run, and write down what was asked for."""
    gc.freeze()
    gc.enable()
    without_limit_of_starts()
    interruption.notice_termination()
    try:
        if submits_to_slurm():
            check_slurm()
        claim_run(RUN.folder.path)
        runs.write_run(RUN)
        if ON_CLUSTER:
            become_head(RUN.folder.slurm)
        note_machines(RUN.folder.path, machines_of_run())
    except (UserError, OSError) as error:
        raise workflow_error(error) from None
    logger.info("run starts", extra={"proteofold_run": RUN})


def cancel_jobs():
    """Cancel what this head left in Slurm: on Ctrl-C Snakemake cancels only the jobs that it holds at that moment."""
    if IS_HEAD and ON_CLUSTER and (head := os.environ.get(HEAD_VARIABLE)):
        try:
            cancel_head(head)
        except UserError as error:
            logger.warning(f"jobs may be left in Slurm: {error}")


def end_run(succeeded):
    """Report how the run ended. What an error or an interruption of the last steps has left undone may be there now."""
    if IS_HEAD:
        interruption.note_end_of_jobs()
        unfinished = "INTERRUPTED" if succeeded or interruption.interrupted() else "FAILED"
        status = "SUCCESS" if is_whole() else unfinished
        if status == "SUCCESS":
            # Until then jobs of an earlier head, which was killed, may continue: in Slurm, or in containers.
            remove_old_temporary(RUN.folder, BEGAN)
            if "a3m" not in RUN.settings["keep"]:
                remove_old_a3m(RUN.folder, BEGAN)
        if status == "INTERRUPTED" and succeeded:
            logger.warning("note: what was requested is there. Start without --until and file names for the rest.")
        logger.info("run ends", extra={"proteofold_end": (status, len(RUN.done()))})


def deliver_what_is_there():
    """After a failure: merge the proteins that are done, and list the others with their reasons."""
    if IS_HEAD:
        interruption.note_end_of_jobs()
        options = ["--report", *(["--interrupted"] if interruption.interrupted() else [])]
        command = [*PROTEOFOLD, "merge", str(RUN.folder.path), *options]
        subprocess.run(command, env=os.environ | {PARENT_VARIABLE: str(os.getpid())}, check=False)
