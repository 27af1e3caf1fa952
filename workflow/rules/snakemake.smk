"""What this workflow needs of Snakemake beyond its documented interface (docs/decisions.md).

tests/unit/test_snakemake_interface.py fails when Snakemake changes one of these, or when another file uses such.
"""

import functools

from proteofold.plan.nodes import NodeKind
from proteofold.slurm import nodes
from proteofold.system.memory import available_mb
from proteofold.system.process import PARENT_VARIABLE

# False in the Snakemake that runs one job, on a node of a cluster: it must not plan.
IS_HEAD = workflow.is_main_process

# Whether jobs run on other machines: their number is limited then, and not the cores of this machine.
ON_CLUSTER = workflow.resource_settings.nodes is not None


def submits_to_slurm():
    """Whether the jobs of this run are submitted by proteofold.slurm.submit, as profiles/cluster names it."""
    return "proteofold.slurm.submit" in (getattr(workflow.executor_settings, "submit_cmd", None) or "")


# The files of --configfile: what is wrong in one is reported with its line.
CONFIG_FILES = workflow.configfiles


def without_limit_of_starts():
    """Switch off Snakemake's limit of jobs started in a second, which no option can.

    Each look at the waiting jobs sets a timer for the next look, so that each job that ends adds one look a second for
    the rest of the run: after a few hundred proteins the head keeps a core busy with nothing else (docs/decisions.md).
    """
    workflow.scheduler.job_rate_limiter = None


@functools.cache
def machine_mem_mb():
    """The memory that jobs on this machine share, in MB; None on a cluster."""
    return None if ON_CLUSTER else available_mb()


def machines_of_run():
    """The NodeKinds that the run's jobs share; none where they are not known."""
    if not ON_CLUSTER:
        return [NodeKind("this machine", 1, workflow.resource_settings.cores, machine_mem_mb())]
    try:
        return nodes.slurm_nodes()
    except UserError:
        return []
