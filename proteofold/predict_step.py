"""Secondary structure of one batch of proteins: a FASTA file to an HFORMAT file of the same order."""

import argparse
import sys
import time

from proteofold import psipred
from proteofold.errors import UserError
from proteofold.fasta import read_fasta
from proteofold.files import write_aside
from proteofold.process import JobLog, end_with_run, own_usage, usage_tsv

# Raised when the same sequences and weights give another prediction.
PREDICTION_VERSION = 1


def predict_fasta(fasta, weights, *, device="cpu", precision="fp32", threads=1):
    """The HFORMAT text of all records of a FASTA file, in order; residues go to the networks as they are written."""
    records = list(read_fasta(fasta))
    if not records:
        raise UserError(f"{fasta}: holds no FASTA record (no line starts with '>').")
    for record in records:
        if not record.sequence:
            raise UserError(f"{fasta}, line {record.line}: {record.id}: no sequence. Add it or remove the record.")
    sequences = [record.sequence for record in records]
    return predict_sequences(sequences, weights, device=device, precision=precision, threads=threads)


def predict_sequences(sequences, weights, *, device="cpu", precision="fp32", threads=1):
    """The HFORMAT text of sequences, in order."""
    import torch

    from proteofold import s4pred

    torch.set_num_threads(threads)
    predicted = s4pred.predict(sequences, weights, device=s4pred.device_for(device), precision=precision)
    blocks = []
    for sequence, (states, probabilities) in zip(sequences, predicted, strict=True):
        prediction = psipred.Prediction(sequence, states, psipred.confidence_digits(probabilities))
        blocks.append(psipred.format_horiz(prediction))
    return "".join(blocks)


def main(words=None):
    """Entry point of the rule predict_secondary_structure: exit code 0, or 1 with the reason in the log."""
    parser = argparse.ArgumentParser(prog="python -m proteofold.predict_step", description=__doc__)
    for name in ("fasta", "weights", "device", "precision", "result-key", "horiz", "log", "usage"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args(words)
    with JobLog(arguments.log) as log:
        log.step("secondary_structure")
        started = time.monotonic()
        how = {name: getattr(arguments, name) for name in ("device", "precision", "threads")}
        text = predict_fasta(arguments.fasta, arguments.weights, **how)
        # first, so that the prediction never stands beside a key that is not its own
        write_aside(arguments.usage, usage_tsv(own_usage(started, arguments.result_key)))
        write_aside(arguments.horiz, text)
    return log.exit_code


if __name__ == "__main__":
    end_with_run()
    sys.exit(main())
