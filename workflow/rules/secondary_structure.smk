"""Prediction of secondary structure, a batch of proteins at a time."""


def prediction_command(wildcards, output):
    """What predicts a batch, as words for Python; ``--threads`` is added where it is started."""
    options = {
        "fasta": RUN.folder.batch_fasta(wildcards.batch),
        "weights": RUN.settings["weights"],
        "device": RUN.settings["device"],
        "precision": RUN.settings["precision"],
        "result-key": RUN.prediction_key,
        "horiz": output.horiz,
        "usage": output.usage,
        "log": RUN.folder.log("predict_secondary_structure", wildcards.batch),
    }
    return ["-m", "proteofold.predict_step", *as_words(options)]


rule predict_secondary_structure:
    """Predict the secondary structure of a batch of proteins with S4PRED."""

    # The batch's FASTA and the weights are named by checksums (of the batch in its name, of the weights in params):
    # their times say nothing, and the FASTA is written when the run starts, after Snakemake has planned it.
    output:
        horiz=run_file("horiz/{batch}.horiz"),
        usage=run_file("benchmarks/predict_secondary_structure/{batch}.tsv"),
    log:
        run_file("logs/predict_secondary_structure/{batch}.log"),
    priority: prediction_priority
    threads: 1
    resources:
        mem_mb=prediction_mem_mb,
        runtime=prediction_minutes,
        gpus=prediction_gpus,
        attempt=attempt_number,
    params:
        # all that decides the result; the command is made from output, so Snakemake does not compare it
        result_key=RUN.prediction_key,
        command=prediction_command,
    shell:
        "exec {PYTHON:q} {params.command:q} --threads {threads} 2>> {log:q}"
