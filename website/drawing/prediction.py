"""A protein's sequence on its page, with the secondary structure that was predicted for it."""

from website.drawing.sequence import composition, drawn_sequence


def structure_shown(protein, latest, prediction, draws=True):
    """For a page: the predicted ``states``, their ``composition``, and, if it ``draws``, the sequence ``drawn``.

    ``latest`` is the result that the prediction belongs to; that of another sequence is not shown, and ``changed``
    is true then.
    """
    sequence, states = protein["sequence"] or "", (prediction or {}).get("secondary_structure")
    changed = bool(latest) and latest["md5"] != protein["md5"]
    if changed or not states or len(states) != len(sequence):
        drawn = drawn_sequence(sequence) if draws else None
        return {"drawn": drawn, "states": None, "composition": [], "changed": changed}
    drawn = drawn_sequence(sequence, states, prediction["confidence"]) if draws else None
    return {"drawn": drawn, "states": states, "composition": composition(states), "changed": False}
