"""The search of the template library, one job a protein."""


def kept_files():
    """The intermediate files that the configuration keeps, as outputs of the search."""
    return {kind: run_file(f"{kind}/{{protein}}.{kind}") for kind in ("a3m", "hhr") if kind in RUN.settings["keep"]}


def keep_options(wildcards, output):
    """Options of the search step for the files that are kept."""
    return [word for kind in kept_files() for word in (f"--keep-{kind}", output[kind])]


rule search_templates:
    """Rank the library's templates for one protein: prediction to .a3m, hhsearch, hits to summary."""
    input:
        horiz=batch_horiz,
        # ancient: what the library holds is in params.result_key; touching its files changes no result
        library=ancient(f"{RUN.library.prefix}_cs219.ffindex"),
    output:
        **kept_files(),
        out=run_file("out/{protein}.out"),
        hits=run_file("hits/{protein}.csv.gz"),
        usage=run_file("benchmarks/search_templates/{protein}.tsv"),
    log:
        run_file("logs/search_templates/{protein}.log"),
    conda:
        "../envs/hhsuite.yaml"
    threads: 1
    resources:
        mem_mb=query_search_mem_mb,
    params:
        fasta=batch_fasta,
        library=RUN.library.prefix,
        longest_template=RUN.library.longest,
        mode=RUN.settings["mode"],
        result_key=lambda wildcards: RUN.result_key(RUN.members[wildcards.protein]),
        keep=keep_options,
    shell:
        "exec {PYTHON:q} -m proteofold.search_step --protein {wildcards.protein:q} --fasta {params.fasta:q}"
        " --horiz {input.horiz:q} --library {params.library:q} --longest-template {params.longest_template}"
        " --mode {params.mode} --threads {threads} --result-key {params.result_key} --out {output.out:q}"
        " --hits {output.hits:q} --usage {output.usage:q} --log {log:q} {params.keep:q}"
