"""A protein as a strip: its domains, secondary structure, coverage and hits along the sequence, as SVG.

Positions across are percent of the width, so that the page may be as narrow as a phone and text stays readable. Bars
are links to alignments: nothing needs JavaScript.
"""

from collections import Counter
from itertools import groupby, pairwise

from markupsafe import Markup

from website.drawing.sequence import segments
from website.drawing.words import evalue

# Lower limits of probability in percent, and the class that colours such a bar: static/protein.css
PROBABILITY_STEPS = ((95, "p1"), (80, "p2"), (50, "p3"), (20, "p4"), (0, "p5"))

# Heights in pixels
_AXIS, _LABEL, _DOMAIN, _STRUCTURE, _COVERAGE, _HIT = 18, 16, 20, 10, 26, 15
# More bars than these are drawn without names, so that the table below stays in reach.
_NAMED_BARS, _UNNAMED_HIT = 25, 7
_STRUCTURE_LABEL = Markup(
    'Predicted secondary structure: <tspan class="H">■ helix</tspan> <tspan class="E">■ strand</tspan>'
)
# Coverage is drawn by so many parts of the sequence at most, the highest value of each.
_PARTS = 400
# Secondary structure by so many at most, the most frequent state of each.
_STATES = 1500
# Pixels that a strip is wide at least: on phones, and in windows of 60rem or more (static/protein.css).
_NARROW, _WIDE = 340, 848
# Pixels that a letter takes at most, and the margins of a text
_LETTER, _MARGINS = 7, 10


def step_of(probability):
    """The class of a probability's colour."""
    return next(name for least, name in PROBABILITY_STEPS if (probability or 0) >= least)


def legend():
    """(class, range of probability) of each colour, the highest first."""
    upper = 100
    for least, name in PROBABILITY_STEPS:
        yield name, f"{least}–{upper}%"
        upper = least


def overview(domains, significant, length, states, path):
    """Axis, domains, secondary structure and coverage, as SVG; None where nothing is known.

    ``domains`` and ``significant`` are Hits, ``states`` the predicted secondary structure or None; ``path(hit)`` is the
    address of the alignment of a hit.
    """
    tracks = [_axis_labels(length)]
    y = _AXIS
    if domains:
        drawn = (_domain(hit, number, y + _LABEL, length, path) for number, hit in enumerate(domains, 1))
        tracks += [_track_label("Domains", y), *drawn]
        y += _LABEL + _DOMAIN
    if states:
        tracks += [_track_label(_STRUCTURE_LABEL, y), _structure(states, y + _LABEL)]
        y += _LABEL + _STRUCTURE
    if depths := _depths(significant, length):
        most = max(depths)
        label = f"Coverage: up to {most:,} significant hit{'' if most == 1 else 's'} (square-root scale)"
        tracks += [_track_label(label, y), _coverage(depths, y + _LABEL)]
        y += _LABEL + _COVERAGE
    if len(tracks) == 1:
        return None
    name = f"Domains, secondary structure and coverage along {length:,} residues"
    return _svg("overview", name, y + 2, [_grid(length, y + 2), *tracks])


def hit_bars(hits, significant, length, region, path):
    """One bar per hit, as SVG; None where no hit has a range. Bars of hits that are not ``significant`` are thin."""
    drawn = [hit for hit in hits if hit.query_start is not None]
    if not drawn:
        return None
    is_named = len(drawn) <= _NAMED_BARS
    row_height = _HIT if is_named else _UNNAMED_HIT
    height = _AXIS + row_height * len(drawn)
    parts = [_grid(length, height), _axis_labels(length)]
    if region:
        left, width = _across(*region, length)
        parts.append(
            Markup('<rect class="region" x="{:.2f}%" y="0" width="{:.2f}%" height="{}"/>').format(left, width, height)
        )
    ranks = {hit.rank for hit in significant}
    for row, hit in enumerate(drawn):
        bar = _named_bar if is_named else _unnamed_bar
        parts.append(bar(hit, _AXIS + row * row_height, length, hit.rank in ranks, path))
    return _svg("bars", f"Aligned regions of {len(drawn)} hits; the table has the same numbers", height, parts)


def _svg(kind, name, height, parts):
    head = Markup('<svg class="along {}" role="group" aria-label="{}" width="100%" height="{}">').format(
        kind, name, height
    )
    return Markup("\n").join([head, *parts, Markup("</svg>")])


def _across(start, end, length):
    """Left edge and width of a range of residues, in percent. A single residue of a long protein is seen, too."""
    left = 100 * (start - 1) / length
    return left, max(100 * min(end, length) / length - left, 0.3)


def _track_label(text, y):
    return Markup('<text class="track" x="0" y="{}">{}</text>').format(y + _LABEL - 4, text)


def _axis_labels(length):
    return Markup("").join(
        Markup('<text class="tick" x="{:.2f}%" y="12" text-anchor="{}">{}</text>').format(
            x, "start" if x < 4 else "end" if x > 96 else "middle", f"{tick:,}"
        )
        for tick, x in _ticks(length)
    )


def _grid(length, height):
    return Markup("").join(
        Markup('<line class="grid" x1="{0:.2f}%" x2="{0:.2f}%" y1="{1}" y2="{2}"/>').format(x, _AXIS - 3, height)
        for _, x in _ticks(length)
    )


def _ticks(length):
    """(residue, percent across) of 1, the length, and round numbers between them, none near either end."""
    step = next(step for power in range(9) for step in (10**power, 2 * 10**power, 5 * 10**power) if step * 5 >= length)
    ticks = [1, *range(step, length - step // 2, step), length] if length > 1 else [1]
    return [(tick, 100 * (tick - 0.5) / length) for tick in ticks]


def _tip(hit):
    values = [f"residues {hit.query_start} to {hit.query_end}", f"E-value {evalue(hit.evalue)}"]
    if hit.probability is not None:
        values.insert(1, f"probability {hit.probability:g}%")
    return f"{hit.template}: {', '.join(values)}"


def _domain(hit, number, y, length, path):
    left, width = _across(hit.query_start, hit.query_end, length)
    step, template = step_of(hit.probability), f": {hit.template}"
    name = _where_it_fits(template, width, also=str(number))
    if name:
        name = Markup('<tspan class="{}">{}</tspan>').format(name, template)
    if where := _where_it_fits(str(number), width):
        # what is inside an <svg> is cut where it ends
        name = Markup(
            '<svg x="{:.2f}%" y="{}" width="{:.2f}%" height="{}"><text class="on-{} {}" x="6" y="14">{}{}</text></svg>'
        ).format(left, y, width, _DOMAIN, step, where, number, name)
    return Markup(
        '<a href="{}" tabindex="-1" data-rank="{}"><title>Domain {}, {}</title>'
        '<rect class="{}" x="{:.2f}%" y="{}" width="{:.2f}%" height="{}" rx="4"/>{}</a>'
    ).format(path(hit), hit.rank, number, _tip(hit), step, left, y, width, _DOMAIN, name)


def _where_it_fits(text, width, also=""):
    """The class of a text after another in a bar of ``width`` percent: it fits always, in wide strips, or never."""
    need = _MARGINS + _LETTER * len(also + text)
    return "always" if need <= width * _NARROW / 100 else "wide" if need <= width * _WIDE / 100 else ""


def _structure(states, y):
    """Helices and strands as boxes on a line."""
    states = _shortened(states)
    paths = {"H": [], "E": []}
    for segment in segments(states):
        if segment.state in paths:
            width = segment.last - segment.first + 1
            paths[segment.state].append(f"M{segment.first - 1} 0h{width}v10h-{width}z")
    inside = Markup("").join(
        Markup('<path class="{}" d="{}"/>').format(state, "".join(pieces)) for state, pieces in paths.items() if pieces
    )
    return Markup(
        '<svg class="structure" y="{0}" width="100%" height="{1}" viewBox="0 0 {2} 10" preserveAspectRatio="none">'
        '<path class="C" d="M0 5H{2}"/>{3}</svg>'
    ).format(y, _STRUCTURE, len(states), inside)


def _shortened(states):
    """At most _STATES states, each the most frequent one of its part of the sequence."""
    if len(states) <= _STATES:
        return states
    ends = [part * len(states) // _STATES for part in range(_STATES + 1)]
    return "".join(Counter(states[start:end]).most_common(1)[0][0] for start, end in pairwise(ends))


def _depths(hits, length):
    """How many hits cover the sequence, by parts of equal length from its start: the highest number of each part."""
    changes = [0] * (length + 1)
    for hit in hits:
        if hit.query_start is not None:
            changes[hit.query_start - 1] += 1
            changes[min(hit.query_end, length)] -= 1
    parts, depth = [0] * min(length, _PARTS), 0
    for residue, change in enumerate(changes[:-1]):
        depth += change
        part = residue * len(parts) // length
        parts[part] = max(parts[part], depth)
    return parts if any(parts) else []


def _coverage(depths, y):
    """Steps, as high as the square root of the number of hits: one hit is seen beside hundreds."""
    path, x = [f"M0 {_COVERAGE}"], 0
    for depth, run in groupby(depths):
        x_next = x + sum(1 for _ in run)
        path.append(f"V{_COVERAGE * (1 - (depth / max(depths)) ** 0.5):.3g}H{x_next}")
        x = x_next
    return Markup(
        '<svg class="coverage" y="{}" width="100%" height="{}" viewBox="0 0 {} {}" preserveAspectRatio="none">'
        '<path d="{}V{}z"/></svg>'
    ).format(y, _COVERAGE, len(depths), _COVERAGE, "".join(path), _COVERAGE)


def _named_bar(hit, top, length, is_significant, path):
    left, width = _across(hit.query_start, hit.query_end, length)
    right = left + width
    # the name stands behind the bar, before it, or in it: where there is room on a narrow screen, too
    if right < 75:
        place, x, anchor, shift = "beside", right, "start", 4
    elif left > 25:
        place, x, anchor, shift = "beside", left, "end", -4
    else:
        place, x, anchor, shift = f"on-{step_of(hit.probability)}", left, "start", 4
    height = _HIT - 3 if is_significant or place != "beside" else 5
    name = Markup('<text class="{}" x="{:.2f}%" dx="{}" y="{}" text-anchor="{}">{}</text>').format(
        place, x, shift, top + _HIT - 4, anchor, hit.template
    )
    return _bar(hit, left, width, top + (_HIT - height) / 2, height, path, name)


def _unnamed_bar(hit, top, length, is_significant, path):
    height = _UNNAMED_HIT - 2 if is_significant else 2
    return _bar(
        hit, *_across(hit.query_start, hit.query_end, length), top + (_UNNAMED_HIT - height) / 2, height, path, ""
    )


def _bar(hit, left, width, y, height, path, name):
    return Markup(
        '<a href="{}" tabindex="-1" data-rank="{}"><title>{}. {}</title>'
        '<rect class="{}" x="{:.2f}%" y="{:g}" width="{:.2f}%" height="{}"/>{}</a>'
    ).format(path(hit), hit.rank, hit.rank, _tip(hit), step_of(hit.probability), left, y, width, height, name)
