"""The map of a protein's hits: where each lies along the protein, coloured by its probability."""

from markupsafe import Markup

from website.pages.words import evalue

# Lower limits of probability in percent, and the class that colours such a bar: static/proteofold.css
PROBABILITY_STEPS = ((95, "p1"), (80, "p2"), (50, "p3"), (20, "p4"), (0, "p5"))
_ROW_HEIGHT, _AXIS_HEIGHT = 18, 22


def step_of(probability):
    """The class of a probability's colour."""
    return next(name for least, name in PROBABILITY_STEPS if (probability or 0) >= least)


def legend():
    """(class, range of probability) of each colour, the likeliest first."""
    upper = 100
    for least, name in PROBABILITY_STEPS:
        yield name, f"{least}–{upper} %"
        upper = least


def hit_map(hits, length):
    """The aligned region of each hit along the query, as SVG; None where no hit tells its region.

    Positions are in percent of the width, so that the page may be as narrow as a phone and text stays readable.
    """
    drawn = [hit for hit in hits if hit["query_start"] and hit["query_end"]]
    if not drawn or not length:
        return None
    height = _ROW_HEIGHT * len(drawn) + _AXIS_HEIGHT
    parts = [
        Markup('<svg class="hit-map" role="img" aria-labelledby="map-title map-desc" width="100%" height="{}">').format(
            height
        ),
        Markup('<title id="map-title">Where the best {} hits lie along the protein</title>').format(len(drawn)),
        Markup('<desc id="map-desc">{} {}</desc>').format(
            f"One bar a hit, from residue 1 on the left to {length} on the right, the best on top, coloured by "
            "probability. The table below has the same numbers.",
            " ".join(f"{hit['template']}: {hit['query_start']} to {hit['query_end']}." for hit in drawn[:10]),
        ),
    ]
    for tick in _ticks(length):
        x = 100 * (tick - 0.5) / length
        anchor = "start" if x < 4 else "end" if x > 96 else "middle"
        parts.append(
            Markup(
                '<line class="grid" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="{y}"/>'
                '<text class="tick" x="{x:.2f}%" y="{text_y}" text-anchor="{anchor}">{tick}</text>'
            ).format(x=x, y=height - _AXIS_HEIGHT + 4, text_y=height - 5, anchor=anchor, tick=f"{tick:,}")
        )
    for row, hit in enumerate(drawn):
        parts.append(_bar(hit, row * _ROW_HEIGHT, length))
    return Markup("\n").join([*parts, Markup("</svg>")])


def _bar(hit, top, length):
    left, right = 100 * (hit["query_start"] - 1) / length, 100 * min(hit["query_end"], length) / length
    step = step_of(hit["probability"])
    # the name stands behind the bar, before it, or in it: where there is room on a narrow screen, too
    if right < 75:
        place, x, anchor, shift = "beside", right, "start", 4
    elif left > 25:
        place, x, anchor, shift = "beside", left, "end", -4
    else:
        place, x, anchor, shift = f"inside {step}", left, "start", 4
    tip = (
        f"{hit['rank']}. {hit['template']}: residues {hit['query_start']} to {hit['query_end']}, "
        f"probability {hit['probability']} %, E-value {evalue(hit['evalue'])}"
    )
    return Markup(
        '<g><title>{tip}</title><rect class="{step}" x="{left:.2f}%" y="{y}" width="{width:.2f}%" height="{height}"/>'
        '<text class="{place}" x="{x:.2f}%" dx="{shift}" y="{text_y}" text-anchor="{anchor}">{name}</text></g>'
    ).format(
        tip=tip,
        step=step,
        left=left,
        y=top + 2,
        # a single residue of a long protein is drawn, too
        width=max(right - left, 0.3),
        height=_ROW_HEIGHT - 4,
        place=place,
        x=x,
        shift=shift,
        text_y=top + _ROW_HEIGHT - 5,
        anchor=anchor,
        name=hit["template"],
    )


def _ticks(length):
    """1, the length, and round numbers between them, none near either end."""
    step = next(step for power in range(9) for step in (10**power, 2 * 10**power, 5 * 10**power) if step * 5 >= length)
    return [1, *range(step, length - step // 2, step), length] if length > 1 else [1]
