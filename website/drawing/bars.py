"""Small drawings in one line: the parts of a whole, and the domains of a protein. Colours are classes of the style."""

from markupsafe import Markup

_STRIP = 10


def parts_bar(parts, total, kind=""):
    """A bar of (class, count) pairs, each as wide as its part of ``total``; what is left over stays empty."""
    rect = Markup('<rect class="{0}" data-part="{0}" x="{1:.3f}%" width="{2:.3f}%" height="100%"/>')
    drawn, start = [], 0.0
    for name, count in parts:
        width = 100 * count / total if total else 0
        drawn.append(rect.format(name, start, width))
        start += width
    return Markup('<svg class="parts {}" aria-hidden="true">{}</svg>').format(kind, Markup("").join(drawn))


def domain_strip(length, spans, words):
    """A protein of so many residues as a line, with its domains; ``words`` say the same to who cannot see it."""
    box = Markup(
        '<rect class="d{}" x="{:.2f}%" width="{:.2f}%" height="{}" rx="2"><title>{}\u2013{}: {}</title></rect>'
    )
    line = Markup('<line x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(_STRIP / 2)
    boxes = [
        box.format(
            1 + number % 2,
            100 * (span["query_start"] - 1) / length,
            100 * (span["query_end"] - span["query_start"] + 1) / length,
            _STRIP,
            *(span["query_start"], span["query_end"], span["template"]),
        )
        for number, span in enumerate(spans)
    ]
    return Markup('<svg class="domains" role="img" aria-label="{}" height="{}">{}{}</svg>').format(
        words, _STRIP, line, Markup("").join(boxes)
    )
