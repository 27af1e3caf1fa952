"""PSIPRED's horizontal format (HFORMAT, ``.horiz``) as S4PRED 1.2.4 prints it."""

from typing import NamedTuple

from proteofold.system.errors import UserError

HEADER = "# PSIPRED HFORMAT (S4PRED V1.2.4)"
WIDTH = 60


class Prediction(NamedTuple):
    """Residues, predicted states (C, H, E) and confidence digits of one sequence: three strings of one length."""

    sequence: str
    states: str
    confidence: str


def confidence_digits(probabilities):
    """``floor(10 * p)`` of each residue's highest probability, in single precision; (length, 3) to a string.

    A probability of exactly 1 is written as 9: the two characters "10" that upstream prints there would shift
    every later digit against its residue (docs/decisions.md).
    """
    import numpy as np

    digits = np.floor(probabilities.max(axis=-1) * np.float32(10)).astype(int)
    return "".join(map(str, np.minimum(digits, 9)))


def format_horiz(prediction):
    """The HFORMAT block of one sequence, to the last blank as upstream prints it."""
    ruler = "".join(f"{10 * (i + 1):>10}" for i in range(len(prediction.sequence) // 10 + 1))
    lines = [HEADER]
    for start in range(0, len(prediction.sequence), WIDTH):
        piece = slice(start, start + WIDTH)
        lines += [
            "",
            f"Conf: {prediction.confidence[piece]}",
            f"Pred: {prediction.states[piece]}",
            f"  AA: {prediction.sequence[piece]}",
            f"      {ruler[piece]}",
            "",
        ]
    return "\n".join(lines) + "\n"


def read_horiz(path):
    """The predictions of an HFORMAT file, in order; PSIPRED's own files are read as well.

    Raises UserError, with file and line, where states, digits and residues do not match up.
    """
    predictions, parts = [], None
    with open(path, encoding="ascii", errors="replace") as handle:
        for number, line in enumerate(handle, 1):
            if line.startswith("# PSIPRED"):
                _finish(path, number, parts, predictions)
                parts = {"Conf:": [], "Pred:": [], "AA:": []}
                continue
            field, _, value = line.strip().partition(" ")
            if parts is None and field:
                raise UserError(
                    f"{path}, line {number}: not PSIPRED HFORMAT: expected '# PSIPRED HFORMAT' first, as in the .horiz "
                    "files that 'proteofold s4pred' writes."
                )
            if parts is not None and field in parts:
                parts[field].append(value.strip())
        _finish(path, "the last", parts, predictions)
    return predictions


def _finish(path, number, parts, predictions):
    if parts is None:
        return
    confidence, states, sequence = ("".join(part) for part in parts.values())
    if not len(confidence) == len(states) == len(sequence) or not sequence:
        raise UserError(
            f"{path}, block {len(predictions) + 1} (ends at line {number}): {len(sequence)} residues, "
            f"{len(states)} states and {len(confidence)} confidence digits. Is the file cut short?"
        )
    predictions.append(Prediction(sequence, states, confidence))
