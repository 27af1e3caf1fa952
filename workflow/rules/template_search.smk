"""The search of the template library, one job a protein."""

# Started by its path and without site-packages (-I -S): `python -m` costs each protein 8 CPU-ms more.
SEARCH_TEMPLATES = paths.CHECKOUT / "workflow" / "scripts" / "search_templates.py"


def kept_files():
    """The intermediate files that the configuration keeps, as outputs of the search."""
    return {kind: run_file(f"{kind}/{{protein}}.{kind}") for kind in ("a3m", "hhr") if kind in RUN.settings["keep"]}


def search_command(wildcards, input, output):
    """What searches for a protein, as words for Python; ``--threads`` and ``--shards`` are added where it is started."""
    member = RUN.members[wildcards.protein]
    options = {
        "protein": member.protein,
        "fasta": RUN.folder.batch_fasta(member.batch),
        "horiz": input.horiz,
        "library": RUN.library.prefix,
        "longest-template": RUN.library.longest,
        "mode": RUN.settings["mode"],
        "result-key": RUN.result_key(member),
        "out": output.out,
        "hits": output.hits,
        "alignments": output.alignments,
        "usage": output.usage,
        "log": RUN.folder.log("search_templates", member.protein),
    }
    options |= {f"keep-{kind}": output[kind] for kind in kept_files()}
    return ["-I", "-S", str(SEARCH_TEMPLATES), *as_words(options)]


rule search_templates:
    """Rank the library's templates for one protein: prediction to .a3m, hhsearch, hits to summary."""
    input:
        horiz=batch_horiz,
        library=library_to_search,
    output:
        **kept_files(),
        out=run_file("out/{protein}.out"),
        hits=run_file("hits/{protein}.csv.gz"),
        alignments=run_file("alignments/{protein}.hhr.gz"),
        usage=run_file("benchmarks/search_templates/{protein}.tsv"),
    log:
        run_file("logs/search_templates/{protein}.log"),
    priority: search_priority
    conda:
        "../envs/hhsuite.yaml"
    threads: 1
    resources:
        mem_mb=query_search_mem_mb,
        runtime=search_minutes,
        attempt=attempt_number,
        shards=search_shards,
    params:
        # all that decides the result; the command is made from output, so Snakemake does not compare it
        result_key=lambda wildcards: RUN.result_key(RUN.members[wildcards.protein]),
        command=search_command,
    shell:
        "exec {PYTHON:q} {params.command:q} --threads {threads} --shards {resources.shards} 2>> {log:q}"
