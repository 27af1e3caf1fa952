"""Secondary structure of sequences: as Predictions, or as the text of an HFORMAT file of the same order."""

from proteofold.formats import psipred
from proteofold.science.weights import MEMORY_MB


def predict_structures(sequences, weights, *, device="cpu", precision="fp32", threads=1, memory_mb=MEMORY_MB):
    """The Prediction of each sequence, in order; ``weights`` is a folder. Raises UserError.

    On a CPU as many residues go through a network at once as fit into ``memory_mb``; a long protein may take more.
    """
    import torch

    from proteofold.science import s4pred

    torch.set_num_threads(threads)
    device = s4pred.device_for(device)
    predicted = s4pred.predict(sequences, weights, device=device, precision=precision, memory_mb=memory_mb)
    return [
        psipred.Prediction(sequence, states, psipred.confidence_digits(probabilities))
        for sequence, (states, probabilities) in zip(sequences, predicted, strict=True)
    ]


def predict_sequences(sequences, weights, **options):
    """The HFORMAT text of sequences, in order; arguments as of ``predict_structures``."""
    return "".join(map(psipred.format_horiz, predict_structures(sequences, weights, **options)))
