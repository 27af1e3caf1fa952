"""Merging the results of all proteins, and the pages of the report."""

from proteofold.report import REPORT_FILES, REPORT_VERSION
from proteofold.report_data import LIMIT


def report_files():
    """The pages and plots of the run's report."""
    return [run_file(f"report/{file.name}") for file in REPORT_FILES]


rule complete_block:
    """Note that a block of proteins has all its results.

    With the files of all proteins as its input a job takes minutes in Snakemake, which goes through the jobs before it
    once for each of them, and hashes each once for every output.
    """
    input:
        block_results,
    output:
        touch(str(RUN.folder.block("{block}"))),
    localrule: True


rule merge_results:
    """Merge the results of all proteins into the run's tables, in the order of the input."""
    input:
        all_results,
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
    localrule: True
    params:
        members=RUN.members_digest,
        settings=RUN.settings["key"],
        folder=str(RUN.folder.path),
    shell:
        "exec {PYTHON:q} -m proteofold merge {params.folder:q} > {log:q} 2>&1"


rule draw_report:
    """Draw the pages and plots that 'snakemake --report report.zip' packs."""
    input:
        # stands for all tables, being written last; after a failure `proteofold merge --report` draws the same files
        run_file("overview.json"),
    output:
        [
            report(path, category=file.category, labels=file.labels, caption=f"../report/{file.caption}")
            for path, file in zip(report_files(), REPORT_FILES)
        ],
    log:
        run_file("logs/draw_report.log"),
    localrule: True
    params:
        version=REPORT_VERSION,
        folder=str(RUN.folder.path),
        # what the captions quote
        proteins=len(RUN.members),
        templates=RUN.library.templates,
        limit=LIMIT,
    shell:
        "exec {PYTHON:q} -m proteofold.report {params.folder:q} > {log:q} 2>&1"
