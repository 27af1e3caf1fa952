"""The alignment of a hit as text: blocks of columns with the rows of HH-suite, positions at both ends, coloured."""

from functools import partial
from itertools import groupby, zip_longest

from markupsafe import Markup, escape

from proteofold.formats.hhr import THREE_STATES

COLUMNS = 60
_LABEL = 12
_NUMBER = 6

# Residues by what their side chains are like -> the class of their colour (static/protein.css), and what it is called
RESIDUES = (
    ("AVLIMC", "r1", "aliphatic or Cys"),
    ("FWY", "r2", "aromatic"),
    ("KRH", "r3", "positive"),
    ("DE", "r4", "negative"),
    ("STNQ", "r5", "polar"),
    ("GP", "r6", "Gly or Pro"),
)
_RESIDUE_CLASSES = {letter: name for letters, name, _ in RESIDUES for letter in letters}


def alignment_text(alignment):
    """HTML for a <pre>: the rows that an Alignment has, in blocks of COLUMNS.

    Residues are coloured by kind; helices and strands are marked, and shaded where query and template agree.
    """
    structure = partial(_structure, _agreement(alignment))
    rows = (
        ("Q ss_pred", alignment.query_ss_pred, structure, None),
        ("Q ss_conf", alignment.query_ss_conf, _plain, None),
        ("Q protein", alignment.query_sequence, _residues, alignment.query_start),
        ("Q consensus", alignment.query_consensus, _plain, None),
        ("", alignment.match, _plain, None),
        ("T consensus", alignment.template_consensus, _plain, None),
        (f"T {alignment.template}"[: _LABEL - 1], alignment.template_sequence, _residues, alignment.template_start),
        ("T ss_dssp", alignment.template_ss_dssp, structure, None),
        ("T ss_pred", alignment.template_ss_pred, structure, None),
        ("Confidence", alignment.confidence, _plain, None),
    )
    rows = [row for row in rows if row[1] is not None]
    reached = {label: start for label, _, _, start in rows if start}
    blocks = []
    for begin in range(0, max(len(text) for _, text, _, _ in rows), COLUMNS):
        lines = []
        for label, text, show, start in rows:
            piece = text[begin : begin + COLUMNS]
            before = after = ""
            if start:
                residues = sum(letter != "-" for letter in piece)
                # a piece of gaps only has no residue to count
                if residues:
                    before, after = reached[label], f" {reached[label] + residues - 1}"
                reached[label] += residues
            lines.append(
                Markup('<span class="label">{}</span>{} {}{}').format(
                    f"{label:<{_LABEL}}", f"{before:>{_NUMBER}}", show(piece, begin), after
                )
            )
        blocks.append(Markup("\n").join(lines))
    return Markup("\n\n").join(blocks)


def match_quality(alignment):
    """One character per residue of the template, from the first aligned one: how well it matches, as HH-suite says.

    That is = (very bad), -, ., + or | (very good); a blank where no residue of the query is aligned.
    """
    match = (alignment.match or "").ljust(len(alignment.template_sequence))
    columns = zip(alignment.template_sequence, alignment.query_sequence, match, strict=True)
    # what is aligned without a mark counts as neutral
    return "".join(
        (mark.strip() or ".") if of_query != "-" else " "
        for of_template, of_query, mark in columns
        if of_template != "-"
    )


def _state(letter):
    """H or E, or nothing for any other letter of secondary structure."""
    state = letter.translate(THREE_STATES)
    return state if state in "HE" else ""


def _agreement(alignment):
    """For each column whether query and template are both helix or both strand there.

    The observed structure of the template counts, and the predicted one where none was observed.
    """
    rows = [row or "" for row in (alignment.query_ss_pred, alignment.template_ss_dssp, alignment.template_ss_pred)]
    found = []
    for of_query, seen, predicted in zip_longest(*rows, fillvalue=" "):
        state = _state(of_query)
        found.append(state != "" and state == _state(predicted if seen in " -" else seen))
    return found


def _structure(agree, states, begin):
    states_and_agreement = zip(states, agree[begin : begin + len(states)], strict=True)
    return _marked(states, [f"{_state(letter)}{' same' * same}".strip() for letter, same in states_and_agreement])


def _plain(text, begin):
    return escape(text)


def _residues(text, begin):
    return _marked(text, [_RESIDUE_CLASSES.get(letter, "") for letter in text])


def _marked(text, classes):
    """Letters, those of a class in <i>, neighbours of one class together."""
    parts = []
    for name, run in groupby(zip(text, classes, strict=True), key=lambda pair: pair[1]):
        letters = escape("".join(letter for letter, _ in run))
        parts.append(Markup('<i class="{}">{}</i>').format(name, letters) if name else letters)
    return Markup("").join(parts)
