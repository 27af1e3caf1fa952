"""Query alignments: a protein with its relatives in a sequence database. Off unless the configuration wants them."""

if ALIGNMENTS:

    rule align_query:
        """Align a protein with its relatives in a sequence database."""
        input:
            fasta=batch_file(PREDICTIONS.fasta),
            # the checksum of its index is in the name of the alignments; touching it repeats nothing
            database=ancient(f"{RUN.settings['msa']['library']['prefix']}_cs219.ffindex"),
        output:
            a3m=shared_file(ALIGNMENTS, "a3m/{xx}/{entry}.a3m.gz"),
            usage=shared_file(ALIGNMENTS, "usage/{xx}/{entry}.tsv"),
        log:
            str(ALIGNMENTS.path / "logs/{xx}/{entry}.align.log"),
        priority: protein_priority
        conda:
            "../envs/hhsuite.yaml"
        container:
            config["container"]
        threads: 1
        resources:
            mem_mb=alignment_mem_mb,
            runtime=alignment_minutes,
            job_name=lambda wildcards: job_name(ALIGNMENTS.name, wildcards.entry),
            nice=lambda wildcards: nice(member(wildcards).length),
        params:
            query_id=lambda wildcards: member(wildcards).query_id,
            md5=lambda wildcards: member(wildcards).md5,
            database=RUN.settings["msa"]["library"]["prefix"],
            # the demo library is named after what it was built of, and nothing replaces it
            database_key=(
                []
                if config["msa"]["database"] == "demo"
                else [f"--database-key={RUN.settings['msa']['library']['key']}"]
            ),
            iterations=RUN.settings["msa"]["iterations"],
            run=RUN.name,
        shell:
            "proteofold align {input.fasta:q} {output.a3m:q}"
            " --database {params.database:q} {params.database_key}"
            " --iterations {params.iterations}"
            " --id {params.query_id:q}"
            " --md5 {params.md5}"
            " --threads {threads}"
            " --usage {output.usage:q}"
            " --run {params.run:q}"
            " 2> {log:q}"
