"""The alignment of a hit as text: blocks of columns with the rows of HH-suite, positions at both ends."""

import re

from markupsafe import Markup, escape

COLUMNS = 60
_LABEL = 12
_NUMBER = 6
_STATES = re.compile("[Hh]+|[Ee]+")


def alignment_text(alignment):
    """HTML for a <pre>: the rows that an Alignment has, in blocks of COLUMNS, helices and strands marked."""
    rows = (
        ("Q ss_pred", alignment.query_ss_pred, _marked, None),
        ("Q ss_conf", alignment.query_ss_conf, escape, None),
        ("Q protein", alignment.query_sequence, escape, alignment.query_start),
        ("Q consensus", alignment.query_consensus, escape, None),
        ("", alignment.match, escape, None),
        ("T consensus", alignment.template_consensus, escape, None),
        (f"T {alignment.template}"[: _LABEL - 1], alignment.template_sequence, escape, alignment.template_start),
        ("T ss_dssp", alignment.template_ss_dssp, _marked, None),
        ("T ss_pred", alignment.template_ss_pred, _marked, None),
        ("Confidence", alignment.confidence, escape, None),
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
                    f"{label:<{_LABEL}}", f"{before:>{_NUMBER}}", show(piece), after
                )
            )
        blocks.append(Markup("\n").join(lines))
    return Markup("\n\n").join(blocks)


def _marked(states):
    """Letters of secondary structure, runs of H and E as the drawing colours them."""
    parts, reached = [], 0
    for run in _STATES.finditer(states):
        letter = run[0][0].upper()
        parts += [escape(states[reached : run.start()]), Markup('<i class="{}">{}</i>').format(letter, run[0])]
        reached = run.end()
    return Markup("").join([*parts, escape(states[reached:])])
