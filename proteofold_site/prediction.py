"""What a stored prediction shows on a protein's page: the drawn sequence, and the alignments of its hits."""

from proteofold.alignments import read_alignments
from proteofold.errors import UserError
from proteofold_site.alignment_text import alignment_text
from proteofold_site.sequence import composition, drawn_sequence

# Of alignments on a page; those of further hits are drawn when they are asked for. Fifty of 330 columns fit.
MOST_CHARACTERS = 300_000


def structure_shown(protein, latest, prediction):
    """For a page: the sequence ``drawn``, and the ``composition`` of its secondary structure.

    ``latest`` is the result that the prediction belongs to; that of another sequence is not drawn, and ``changed``
    tells so.
    """
    sequence, states = protein["sequence"] or "", (prediction or {}).get("secondary_structure")
    changed = bool(latest) and latest["md5"] != protein["md5"]
    if changed or not states or len(states) != len(sequence):
        return {"drawn": drawn_sequence(sequence), "composition": [], "changed": changed}
    drawn = drawn_sequence(sequence, states, prediction["confidence"])
    return {"drawn": drawn, "composition": composition(states), "changed": False}


def alignments_shown(prediction, asked):
    """For a page: ``alignments``, rank -> HTML, or None where it has no room; ``damaged`` tells why there are none.

    The alignment of the rank ``asked`` for, a text or None, is drawn wherever it stands.
    """
    if not prediction or not prediction["alignments"]:
        return {"alignments": {}, "damaged": None, "asked": asked}
    try:
        found = read_alignments(prediction["alignments"])
    except UserError as error:
        return {"alignments": {}, "damaged": str(error), "asked": asked}
    shown, room = {}, MOST_CHARACTERS
    for alignment in found:
        text = alignment_text(alignment) if room > 0 or str(alignment.rank) == asked else None
        room -= len(text or "")
        shown[alignment.rank] = text
    return {"alignments": shown, "damaged": None, "asked": asked}
