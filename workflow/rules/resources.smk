"""What jobs ask for. Only functions stand here; the models and their sources are in the package."""

import functools

from proteofold import cost
from proteofold.memory import RAISED, raised_mb

# A job may take so many times what its model says, and at least so many minutes, before Slurm ends it: nodes differ,
# and a hung file system must not hold a job for ever.
RUNTIME_MARGIN = 20
LEAST_MINUTES = 60

# snakemake-executor-plugin-slurm starts Snakemake on the node, and that another one: 118 MB each, and srun.
SNAKEMAKES_MB = 300


def prediction_mem_mb(wildcards, attempt):
    """PyTorch, one network and the batch."""
    return raised_mb(RUN.batch_mem_mb(wildcards.batch) + snakemakes_mb(), attempt, largest_node_mb())


def query_search_mem_mb(wildcards, attempt):
    """hhsearch by the measured model and the Python process around it."""
    length, shards = RUN.members[wildcards.protein].length, search_shards(wildcards, attempt)
    search = hhsuite.search_mem_mb(length, RUN.library, RUN.settings["mode"], shards=shards)
    return raised_mb(search + SEARCH_STEP_MB + snakemakes_mb(), attempt, largest_node_mb())


def snakemakes_mb():
    """What Snakemake takes around a job's command: two processes of it where another profile than ours starts jobs."""
    starts_jobs = workflow.executor_settings is not None and workflow.resource_settings.nodes is not None
    return SNAKEMAKES_MB if starts_jobs and not uses_slurm() else 0


def search_shards(wildcards, attempt):
    """In how many parts the library is searched: more than one only where the memory for all of it is not to be had.

    A search that was killed is tried in more of them if it asks for the largest node already.
    """
    most_mb = most_memory_mb()
    if most_mb is None:
        return 1
    length = RUN.members[wildcards.protein].length
    at_first_mb = most_mb / RAISED ** (attempt - 1) - SEARCH_STEP_MB
    return hhsuite.fewest_shards(length, RUN.library, RUN.settings["mode"], at_first_mb)


def most_memory_mb():
    """What one job can have, in MB: the largest node's memory, or on one machine that of all jobs; None if not known."""
    if uses_slurm() or workflow.resource_settings.nodes is not None:
        return largest_node_mb()
    limit = workflow.global_resources.get("mem_mb")
    return limit and limit.value


def prediction_minutes(wildcards, attempt):
    """Minutes after which a batch counts as hung."""
    expected_s = cost.prediction_cpu_s(*RUN.batch_size(wildcards.batch))
    # a GPU's batches are large, and it is much faster than a core: the margin is in that
    return _minutes(expected_s / (RUNTIME_MARGIN if RUN.settings["device"] == "gpu" else 1), attempt)


def search_minutes(wildcards, attempt):
    """Minutes after which a search counts as hung."""
    length = RUN.members[wildcards.protein].length
    return _minutes(cost.search_cpu_s(length, RUN.library, RUN.settings["mode"]), attempt)


def library_mem_mb(wildcards, attempt):
    """Building a library: hhmake takes 112 MB for 2,000 sequences of 5,000 columns, and Snakemake stands around it."""
    return raised_mb(500 + snakemakes_mb(), attempt, largest_node_mb())


def library_minutes(wildcards, attempt):
    """Minutes after which building a library counts as hung: hhmake takes about 0.1 s a template."""
    return _minutes(0.1 * RUN.library.templates, attempt)


def _minutes(expected_s, attempt):
    return attempt * max(LEAST_MINUTES, round(RUNTIME_MARGIN * expected_s / 60))


def prediction_gpus(wildcards):
    """One where the configuration wants a GPU, or takes one if the cluster has any."""
    return int(RUN.settings["device"] == "gpu" or (RUN.settings["device"] == "auto" and cluster_has_gpus()))


def attempt_number(wildcards, attempt):
    """Which try this is: by it the submit command tells a killed job from a repeated error."""
    return attempt


def prediction_priority(wildcards):
    """Before the searches that wait for it; the batches of the longest proteins first."""
    return _longest_by_batch()[wildcards.batch] + 1


@functools.cache
def _longest_by_batch():
    longest = {}
    for member in RUN.members.values():
        longest[member.batch] = max(longest.get(member.batch, 0), member.length)
    return longest


def search_priority(wildcards):
    """Longest proteins first: started last, one would keep the run waiting."""
    return RUN.members[wildcards.protein].length
