"""Merging the results of all proteins, and the pages of the report.

A profile may have failed steps tried again. These would fail in the same way, with damaged results removed once more.
"""


rule collect_block:
    """Collect the hits of up to a thousand proteins, and choose their domains.

    With the files of all proteins as its input the merge would take minutes in Snakemake, and reading them again for
    each protein that is added would take longer.
    """
    input:
        missing_of_block,
    output:
        hits=run_file("blocks/{block}.csv.gz"),
        verdicts=run_file("blocks/{block}.verdicts.jsonl.gz"),
    log:
        run_file("logs/collect_block/{block}.log"),
    retries: 0
    localrule: True
    params:
        run=run_folder,
    shell:
        "proteofold merge {params.run:q} --block {wildcards.block} 2> {log:q}"


rule write_mark:
    """Write an empty file whose name stands for something that the merge depends on."""
    output:
        touch(run_file("marks/{mark}")),
    localrule: True


rule merge_results:
    """Merge the results of all proteins into the run's tables, in the order of the input."""
    input:
        merge_inputs(),
    output:
        merged_tables(),
    log:
        run_file("logs/merge_results.log"),
    retries: 0
    localrule: True
    params:
        run=run_folder,
        marks=" ".join(f"--mark {mark}" for mark in marks()),
    shell:
        "proteofold merge {params.run:q} {params.marks} > {log:q} 2>&1"


rule draw_report:
    """Draw the pages and plots that 'snakemake --report report.zip' packs."""
    input:
        merged_tables(),
    output:
        [
            report(path, category=file.category, labels=file.labels, caption=f"../report/{file.caption}")
            for path, file in zip(report_files(), REPORT_FILES)
        ],
    log:
        run_file("logs/draw_report.log"),
    retries: 0
    localrule: True
    params:
        run=run_folder,
        # what the captions quote
        proteins=len(RUN.members),
        templates=RUN.library.templates,
        limit=f"{RUN.thresholds.max_evalue:g}",
    shell:
        "proteofold report {params.run:q} > {log:q} 2>&1"
