"""What jobs ask for. Only functions stand here; the models and their sources are in the package."""

import functools

from proteofold.plan import cost, plan as models

from proteofold.system.memory import RAISED, SNAKEMAKE_MB
from proteofold.science.weights import batch_mem_mb

# A job may take so many times what its model says, and at least so many minutes, before Slurm ends it: nodes differ,
# and a hung file system must not hold a job for ever.
RUNTIME_MARGIN = 20
LEAST_MINUTES = 60

# On a cluster Snakemake starts Snakemake on the node, which runs the command of the job.
BESIDE_MB = SNAKEMAKE_MB if ON_CLUSTER else 0

# Slurm starts the job with the lowest niceness first. Longer proteins than this are so few that their order among
# themselves is no matter; with a larger number jobs would wait behind those of all other users of a site.
NICEST_LENGTH = 5000


def within_machine(needed_mb, attempt):
    """What a job asks for: half as much again after each kill, and no more than this machine gives to jobs."""
    return round(min(needed_mb * RAISED ** (attempt - 1), machine_mem_mb() or float("inf")))


def prediction_mem_mb(wildcards, attempt):
    """PyTorch, one network and the batch."""
    return within_machine(RUN.batch_mem_mb(wildcards.batch) + BESIDE_MB, attempt)


def search_mem_mb(wildcards, attempt):
    """hhsearch by the measured model, and the Python process around it.

    What is more than a machine or node has is not given; `proteofold search` then takes parts of the library.
    """
    needed = models.search_mem_mb(member(wildcards), RUN, RUN.settings["mode"])
    return within_machine(needed + BESIDE_MB, attempt)


def alignment_mem_mb(wildcards, attempt):
    """hhblits by its model, and the Python process around it."""
    return within_machine(models.alignment_mem_mb(member(wildcards), RUN) + BESIDE_MB, attempt)


def prediction_minutes(wildcards, attempt):
    """Minutes after which a batch counts as hung."""
    expected_s = cost.prediction_cpu_s(*batch_size(wildcards))
    # a GPU's batches are large, and it is much faster than a core: the margin is in that
    return _minutes(expected_s / (RUNTIME_MARGIN if RUN.settings["device"] == "gpu" else 1), attempt)


def search_minutes(wildcards, attempt):
    """Minutes after which a search counts as hung."""
    return _minutes(cost.search_cpu_s(member(wildcards).length, RUN.library, RUN.settings["mode"]), attempt)


def alignment_minutes(wildcards, attempt):
    """Minutes after which the alignment of a query counts as hung."""
    expected_s = cost.alignment_cpu_s(member(wildcards).length, RUN.database, RUN.settings["msa"]["iterations"])
    return _minutes(expected_s, attempt)


def library_mem_mb(wildcards, attempt):
    """Building a library: hhmake takes 112 MB for 2,000 sequences of 5,000 columns, a prediction what a batch takes."""
    library, predicts = RUN.library, RUN.settings["library_weights"]
    needed = batch_mem_mb(library.columns, library.longest, RUN.settings["memory_mb"]) if predicts else 0
    return within_machine(max(500, needed) + BESIDE_MB, attempt)


def library_minutes(wildcards, attempt):
    """Minutes after which building a library counts as hung: hhmake takes about 0.1 s for a template."""
    library, predicts = RUN.library, RUN.settings["library_weights"]
    predicted_s = cost.prediction_cpu_s(library.columns, library.longest) if predicts else 0
    return _minutes(0.1 * library.templates + predicted_s, attempt)


def _minutes(expected_s, attempt):
    return attempt * max(LEAST_MINUTES, round(RUNTIME_MARGIN * expected_s / 60))


@functools.cache
def cluster_has_gpus():
    """Whether Slurm has nodes with GPUs; asked once."""
    return nodes.cluster_has_gpus()


def prediction_gpus(wildcards):
    """One where the configuration wants a GPU, or takes one if the cluster has any."""
    device = RUN.settings["device"]
    return int(device == "gpu" or (device == "auto" and ON_CLUSTER and cluster_has_gpus()))


def attempt_number(wildcards, attempt):
    """Which try this is."""
    return attempt


def job_name(folder, what):
    """The name of a job in Slurm, by what it makes: a job of this name is not submitted a second time."""
    return f"{folder}:{what}"


def nice(longest):
    """Slurm's niceness of a job, by its longest protein: the longest first."""
    return max(0, NICEST_LENGTH - longest)


# What is begun is finished before more is begun, so that results appear from the first minutes on: a search goes before
# the steps that lead to others, a summary before all. Within a step the longest protein goes first: started last, it
# would keep the run waiting.
LATER_STEP = 100_000  # more residues than the longest protein has


def batch_priority(wildcards):
    """The batches of the longest proteins first."""
    return batch_size(wildcards)[1] + 1  # before the proteins of batches that are done


def protein_priority(wildcards):
    """The longest proteins first."""
    return member(wildcards).length


def search_priority(wildcards):
    """Before anything that leads to a search."""
    return LATER_STEP + member(wildcards).length


def summary_priority(wildcards):
    """Before all searches."""
    return 2 * LATER_STEP
