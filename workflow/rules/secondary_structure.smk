"""Prediction of secondary structure, a batch of proteins at a time."""


rule predict_secondary_structure:
    """Predict the secondary structure of a batch of proteins with S4PRED."""

    # The batch's FASTA and the weights are named by checksums (of the batch in its name, of the weights in params):
    # their times say nothing, and the FASTA is written when the run starts, after Snakemake has planned it.
    output:
        horiz=run_file("horiz/{batch}.horiz"),
        usage=run_file("benchmarks/predict_secondary_structure/{batch}.tsv"),
    log:
        run_file("logs/predict_secondary_structure/{batch}.log"),
    threads: 1
    resources:
        mem_mb=prediction_mem_mb,
    params:
        fasta=batch_fasta,
        weights=RUN.settings["weights"],
        weights_digest=RUN.settings["weights_digest"],
        version=PREDICTION_VERSION,
        device=RUN.settings["device"],
    shell:
        "exec {PYTHON:q} -m proteofold.predict_step --fasta {params.fasta:q} --weights {params.weights:q}"
        " --device {params.device} --threads {threads} --horiz {output.horiz:q} --usage {output.usage:q}"
        " --log {log:q}"
