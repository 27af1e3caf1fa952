"""Runs on Slurm through profiles/cluster: what the head does when a run begins and ends."""

from pathlib import Path

from proteofold.slurm import head as slurm_head
from proteofold.slurm.registry import PREDICTION, SEARCH, job_name

# Known when the run has begun on Slurm:
_cluster = None  # a slurm.head.Cluster
_desk = None  # a slurm.desk.Desk


def uses_slurm():
    """Whether jobs go to Slurm through profiles/cluster."""
    return Path(getattr(workflow.executor_settings, "submit_cmd", None) or "").parent.name == "cluster"


def begin_on_slurm():
    """Find the jobs of an earlier head that still run, before any is submitted."""
    global _cluster, _desk
    run, members = RUN.folder.path.name, RUN.members.values()
    keys = {job_name(run, SEARCH, member.protein): RUN.result_key(member) for member in members}
    keys |= {job_name(run, PREDICTION, member.batch): RUN.prediction_key for member in members}
    try:
        _cluster, _desk, adopted = slurm_head.begin(RUN.folder.slurm, keys)
    except UserError as error:
        raise WorkflowError(str(error)) from None
    if adopted:
        logger.warning(f"note: {len(adopted)} jobs of an earlier start still wait or run in Slurm; they go on.")


def end_on_slurm():
    """Leave no job of the run in Slurm: after Ctrl-C Snakemake cancels only those it holds at that moment."""
    try:
        slurm_head.end(RUN.folder.slurm, _desk)
    except UserError as error:
        logger.warning(f"note: jobs of the run may be left in Slurm: {error}")


def machines_of_slurm():
    """The nodes of the cluster as NodeKinds."""
    try:
        return nodes.slurm_nodes()
    except UserError as error:
        logger.warning(f"note: how well the run uses the cluster will not be known: {error}")
        return []


def largest_node_mb():
    """Memory of the cluster's largest node in MB; None on one machine."""
    return _cluster and _cluster.largest_node_mb


def cluster_has_gpus():
    """Whether Slurm knows of a node with GPUs."""
    return bool(_cluster and _cluster.has_gpus)
