"""Merging the results of all proteins, and the pages of the report."""


rule merge_results:
    """Merge the results of all proteins into the run's tables, in the order of the input."""
    input:
        expand(run_file("out/{protein}.out"), protein=RUN.members),
    output:
        run_file("merge_results.csv"),
        run_file("best_hits.csv"),
        run_file("profile_output.csv"),
        run_file("hits.csv.gz"),
        run_file("failed.csv"),
        # only a merge of all proteins writes it: after one with failures this rule is due again
        overview=run_file("overview.json"),
    log:
        run_file("logs/merge_results.log"),
    params:
        members=RUN.members_digest,
        settings=RUN.settings["key"],
        folder=str(RUN.folder.path),
    shell:
        "exec {PYTHON:q} -m proteofold merge {params.folder:q} > {log:q} 2>&1"
