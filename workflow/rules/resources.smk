"""What jobs ask for. Only functions stand here; the models and their sources are in the package."""


def prediction_mem_mb(wildcards, attempt):
    """PyTorch, one network and the batch; half as much again after each kill."""
    return round(batch_mem_mb(RUN.batch_residues(wildcards.batch)) * 1.5 ** (attempt - 1))


def query_search_mem_mb(wildcards, attempt):
    """hhsearch by the measured model and the Python process around it; half as much again after each kill."""
    length = RUN.members[wildcards.protein].length
    search = hhsuite.search_mem_mb(length, RUN.library, RUN.settings["mode"])
    return round((search + SEARCH_STEP_MB) * 1.5 ** (attempt - 1))
