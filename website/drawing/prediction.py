"""What a result shows on a protein's page beside its hits: the drawn sequence, and the alignments of the hits."""

from pathlib import PurePath

from proteofold.formats.packed_hhr import read_alignments
from proteofold.run.layout import RunFolder
from proteofold.run.results import read_out, read_packed_hhr
from proteofold.system.errors import UserError
from website.drawing.alignment_text import alignment_text
from website.drawing.sequence import composition, drawn_sequence

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


def alignments_shown(results, latest, asked):
    """For a page: ``alignments``, rank -> HTML, or None where it has no room; ``not_shown`` tells why there are none.

    They are read from the files of the result ``latest``, which are in one of the folders ``results``. The alignment
    of the rank ``asked`` for, a text or None, is drawn wherever it is.
    """
    told = {"alignments": {}, "not_shown": None, "asked": asked}
    if not latest or not latest["hits"]:
        return told
    try:
        found = _read(results, latest)
    except FileNotFoundError:
        return told | {"not_shown": "Their file is not on this machine, or was removed; a rerun of the run makes it."}
    except (UserError, OSError, ValueError) as error:
        return told | {"not_shown": f"{error}. 'proteofold store import' of its run removes it, and a rerun makes it."}
    shown, room = told["alignments"], MOST_CHARACTERS
    for alignment in found:
        text = alignment_text(alignment) if room > 0 or str(alignment.rank) == asked else None
        room -= len(text or "")
        shown[alignment.rank] = text
    return told


def _read(results, latest):
    """The Alignments of a row of protein_results; FileNotFoundError, or another error for a damaged file."""
    name, entry = latest["search"] or "", latest["entry"]
    if PurePath(name).name == name and PurePath(entry).name == entry:
        for folder in results:
            search = RunFolder(folder / latest["run_id"]).search(name)
            if search.out(entry).exists():
                return read_alignments(read_packed_hhr(search, entry, read_out(search, entry)))
    raise FileNotFoundError
