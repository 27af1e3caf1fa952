"""Secondary structure of sequences: the text of an HFORMAT file of the same order."""

from proteofold.formats import psipred


def predict_sequences(sequences, weights, *, device="cpu", precision="fp32", threads=1):
    """The HFORMAT text of sequences, in order; ``weights`` is a folder. Raises UserError."""
    import torch

    from proteofold.science import s4pred

    torch.set_num_threads(threads)
    predicted = s4pred.predict(sequences, weights, device=s4pred.device_for(device), precision=precision)
    blocks = []
    for sequence, (states, probabilities) in zip(sequences, predicted, strict=True):
        prediction = psipred.Prediction(sequence, states, psipred.confidence_digits(probabilities))
        blocks.append(psipred.format_horiz(prediction))
    return "".join(blocks)
