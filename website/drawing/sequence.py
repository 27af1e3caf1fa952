"""A protein's sequence with its predicted secondary structure drawn above it, in blocks that any width can wrap.

A helix is a zigzag, a strand an arrow, a coil a line: shape and colour show the same. Everything is drawn by runs of
residues and a block at a time, so that the longest human protein, 34,350 residues, takes less than a megabyte.
"""

from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

BLOCK = 30
_TEN = 10
# residues and the gaps between tens
_COLUMNS = BLOCK + BLOCK // _TEN - 1
NAMES = {"H": "helix", "E": "strand", "C": "coil"}
_HALF_TURN = 0.9  # residues: half of what a turn of an alpha helix takes


@dataclass(frozen=True, slots=True)
class Segment:
    """Residues ``first`` to ``last``, from 1 and ends included, of one predicted state: H, E or C."""

    state: str
    first: int
    last: int


def segments(states):
    """The Segments of a string of states, whatever is neither H nor E being coil."""
    found, first = [], 1
    for state, run in groupby(state if state in "HE" else "C" for state in states):
        last = first + sum(1 for _ in run) - 1
        found.append(Segment(state, first, last))
        first = last + 1
    return found


def composition(states):
    """For each state that occurs: (name, number of segments, percent of the residues, ranges as text)."""
    found = segments(states)
    summary = []
    for state, name in NAMES.items():
        of_state = [segment for segment in found if segment.state == state]
        if of_state:
            residues = sum(segment.last - segment.first + 1 for segment in of_state)
            ranges = ", ".join(
                f"{one.first}–{one.last}" if one.last > one.first else str(one.first) for one in of_state
            )
            summary.append((name, len(of_state), 100 * residues / len(states), ranges))
    return summary


def drawn_sequence(sequence, states=None, confidence=None):
    """HTML of the blocks: numbers, the drawing, residues in tens, and digits of confidence, as far as given."""
    by_block = _in_blocks(segments(states)) if states else {}
    parts = []
    for number, start in enumerate(range(0, len(sequence), BLOCK)):
        residues = sequence[start : start + BLOCK]
        lines = [Markup('<span class="ruler" aria-hidden="true">{}</span>').format(_ruler(start, len(residues)))]
        if states:
            lines.append(_drawing(by_block[number], start, len(sequence)))
        lines.append(Markup('<span class="residues">{}</span>').format(_in_tens(residues)))
        if confidence:
            digits = _in_tens(confidence[start : start + BLOCK])
            lines.append(Markup('<span class="confidence" aria-hidden="true">{}</span>').format(digits))
        parts.append(Markup("<div>{}</div>").format(Markup("").join(lines)))
    return Markup("\n").join(parts)


def _in_blocks(found):
    """Block number -> the segments that reach into it."""
    blocks = {}
    for segment in found:
        for number in range((segment.first - 1) // BLOCK, (segment.last - 1) // BLOCK + 1):
            blocks.setdefault(number, []).append(segment)
    return blocks


def _ruler(start, count):
    """The number of each tenth residue, above it."""
    return " ".join(f"{start + place + _TEN:>{_TEN}}" for place in range(0, count - count % _TEN, _TEN))


def _in_tens(text):
    return " ".join(text[place : place + _TEN] for place in range(0, len(text), _TEN))


def _drawing(found, start, length):
    """The part of the drawing that lies over one block; a unit is one character across and a tenth of it up."""
    paths = {}
    for segment in found:
        first, last = max(segment.first - 1 - start, 0), min(segment.last - start, BLOCK)
        left, right = _column(first), _column(last - 1) + 1
        # what continues in the next block has no end here
        goes_on = segment.last > start + BLOCK
        paths.setdefault(segment.state, []).append(_SHAPES[segment.state](left, right, goes_on))
    inside = Markup("").join(
        Markup('<path class="{}" d="{}"/>').format(state, "".join(pieces)) for state, pieces in paths.items()
    )
    width = _column(min(BLOCK, length - start) - 1) + 1
    return Markup(
        '<svg aria-hidden="true" width="{0}ch" viewBox="0 0 {0} 10" preserveAspectRatio="none">{1}</svg>'
    ).format(width, inside)


def _column(residue):
    """The column of a residue of a block, both from 0."""
    return residue + residue // _TEN


def _helix(left, right, goes_on):
    """A zigzag from the middle line to the middle line."""
    points, x, up = [f"M{left} 5"], left + _HALF_TURN / 2, True
    while x < right:
        points.append(f"L{x:.4g} {1 if up else 9}")
        x, up = x + _HALF_TURN, not up
    return "".join([*points, f"L{right} 5"])


def _strand(left, right, goes_on):
    """An arrow; without its head where the strand continues."""
    if goes_on:
        return f"M{left} 3H{right}V7H{left}z"
    neck = max(right - 1.5, left)
    return f"M{left} 3H{neck:g}V1L{right} 5L{neck:g} 9V7H{left}z"


def _coil(left, right, goes_on):
    return f"M{left} 5H{right}"


_SHAPES = {"H": _helix, "E": _strand, "C": _coil}
