"""Secondary structure of sequences: as Predictions, or as the text of an HFORMAT file of the same order."""

from proteofold.formats import psipred


def predict_structures(sequences, weights, *, device="cpu", precision="fp32", threads=1):
    """The Prediction of each sequence, in order; ``weights`` is a folder. Raises UserError."""
    import torch

    from proteofold.science import s4pred

    torch.set_num_threads(threads)
    predicted = s4pred.predict(sequences, weights, device=s4pred.device_for(device), precision=precision)
    return [
        psipred.Prediction(sequence, states, psipred.confidence_digits(probabilities))
        for sequence, (states, probabilities) in zip(sequences, predicted, strict=True)
    ]


def predict_sequences(sequences, weights, **options):
    """The HFORMAT text of sequences, in order; arguments as of ``predict_structures``."""
    return "".join(map(psipred.format_horiz, predict_structures(sequences, weights, **options)))
