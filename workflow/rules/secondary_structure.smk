"""Prediction of secondary structure, a batch of proteins at a time."""


rule write_batch:
    """Write the sequences of a batch."""

    # The user's FASTA files are no input: a touched one must repeat nothing.
    output:
        shared_file(PREDICTIONS, "fas/{batch}.fas"),
    log:
        run_file("logs/write_batch/{batch}.log"),
    priority: batch_priority
    localrule: True
    params:
        run=run_folder,
        proteins=lambda wildcards: config["proteins"],  # names of files, in which braces are no wildcards
    shell:
        "proteofold batch {params.run:q} {wildcards.batch} {output:q} {params.proteins:q} 2> {log:q}"


rule predict_secondary_structure:
    """Predict the secondary structure of a batch of proteins with S4PRED."""
    input:
        ancient(str(PREDICTIONS.path / "fas/{batch}.fas")),
    output:
        horiz=shared_file(PREDICTIONS, "horiz/{batch}.horiz"),
        usage=shared_file(PREDICTIONS, "usage/{batch}.tsv"),
    log:
        str(PREDICTIONS.path / "logs/{batch}.log"),
    priority: batch_priority
    threads: 1
    resources:
        mem_mb=prediction_mem_mb,
        runtime=prediction_minutes,
        gpu=prediction_gpus,
        job_name=lambda wildcards: job_name(PREDICTIONS.name, wildcards.batch),
        nice=lambda wildcards: nice(batch_size(wildcards)[1]),
    params:
        weights=RUN.settings["weights"],
        weights_key=RUN.settings["depends_on"]["predictions"]["weights"],
        device=RUN.settings["device"],
        precision=RUN.settings["precision"],
        memory_mb=lambda wildcards, resources: resources.mem_mb - BESIDE_MB,
        run=RUN.name,
    shell:
        "proteofold s4pred {input:q} {output.horiz:q}"
        " --weights {params.weights:q}"
        " --weights-key {params.weights_key}"
        " --device {params.device}"
        " --precision {params.precision}"
        " --threads {threads}"
        " --memory-mb {params.memory_mb}"
        " --usage {output.usage:q}"
        " --run {params.run:q}"
        " --check-name"
        " 2> {log:q}"


rule write_a3m:
    """Join a protein's sequence and its predicted secondary structure."""
    input:
        fasta=batch_file(PREDICTIONS.fasta),
        horiz=batch_file(PREDICTIONS.horiz),
        made=made_alignment,
    output:
        a3m_file(),
    log:
        run_file("logs/write_a3m/{entry}.log"),
    priority: protein_priority
    # It may remove its alignment, if that is damaged: see summarise_hits.
    retries: 0
    localrule: True
    params:
        query_id=lambda wildcards: member(wildcards).query_id,
        md5=lambda wildcards: member(wildcards).md5,
        alignment=alignment_option,
    shell:
        "proteofold a3m {input.fasta:q} {input.horiz:q} {output:q}"
        " --id {params.query_id:q}"
        " --md5 {params.md5}"
        " {params.alignment:q}"
        " 2> {log:q}"
