"""The search of the template library, and the summary of what it found, one protein at a time."""


rule search_templates:
    """Search the template library with one query."""
    input:
        # ancient: a kept .a3m that is written again must not repeat the search
        a3m=ancient(run_file(f"a3m/{RUN.made_of}/{{entry}}.a3m")),
        # the checksum of its index is in the name of the search; touching it repeats nothing
        library=ancient(f"{RUN.library.prefix}_cs219.ffindex"),
    output:
        hhr=shared_file(SEARCH, "hhr/{xx}/{entry}.hhr.gz"),
        usage=shared_file(SEARCH, "usage/{xx}/{entry}.tsv"),
    log:
        str(SEARCH.path / "logs/{xx}/{entry}.search.log"),
    priority: search_priority
    conda:
        "../envs/hhsuite.yaml"
    container:
        config["container"]
    threads: 1
    resources:
        mem_mb=search_mem_mb,
        runtime=search_minutes,
        attempt=attempt_number,
        job_name=lambda wildcards: job_name(SEARCH.name, wildcards.entry),
        nice=lambda wildcards: nice(member(wildcards).length),
    params:
        library=library_prefix,
        # one that was built here is named after what it was built of, and nothing replaces it
        library_key=[] if RUN.settings["library_source"] else [f"--library-key={RUN.library.key}"],
        query_id=lambda wildcards: member(wildcards).query_id,
        md5=lambda wildcards: member(wildcards).md5,
        mode=RUN.settings["mode"],
        alternatives=RUN.settings["alternatives"],
        run=RUN.name,
    shell:
        "proteofold search {input.a3m:q} {output.hhr:q}"
        " --library {params.library:q} {params.library_key}"
        " --id {params.query_id:q}"
        " --md5 {params.md5}"
        " --mode {params.mode}"
        " --alternatives {params.alternatives}"
        " --threads {threads}"
        " --memory-mb {resources.mem_mb}"
        " --attempt {resources.attempt}"
        " --usage {output.usage:q}"
        " --run {params.run:q}"
        " 2> {log:q}"


rule summarise_hits:
    """Summarise the hits of one query: its best hit, and statistics of the scores."""
    input:
        str(SEARCH.path / "hhr/{xx}/{entry}.hhr.gz"),
    output:
        shared_file(SEARCH, f"{SEARCH.out_folder.name}/{{xx}}/{{entry}}.out"),
    log:
        str(SEARCH.path / "logs/{xx}/{entry}.summary.log"),
    priority: summary_priority
    # It removes a damaged input. At another try Snakemake would miss that, and end the run.
    retries: 0
    localrule: True
    params:
        query_id=lambda wildcards: member(wildcards).query_id,
        search=SEARCH.name,
    shell:
        "proteofold summarise {input:q} {output:q}"
        " --id {params.query_id:q}"
        " --entry {wildcards.entry}"
        " --search {params.search:q}"
        " --remove-damaged"
        " 2> {log:q}"
