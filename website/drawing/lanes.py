"""Plots over time: how many are finished, and how busy each node is. As plots.py draws them, at any width."""

from datetime import UTC, datetime

from markupsafe import Markup

from website.drawing import plots

_LANE = 24  # height of a lane in pixels: its name, and its cells below
_CELLS = 9
_STEPS_S = (10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400, 172800, 604800, 2419200)
_MOST_TICKS = 3  # their labels stay apart on phones
_DAY_S = 86400


def finished_over_time(label, edges, counts):
    """An area of how many were finished (``counts``) at each of ``edges``, seconds since 1970."""
    scale = plots.Scale(0, 1.05 * max(float(counts[-1]), 1), False)
    top = [f"{place} {plots.HEIGHT * (1 - scale.place(float(count))):.1f}" for place, count in enumerate(counts)]
    width = len(edges) - 1
    area = Markup(
        '<svg class="cells use" width="100%" height="{0}" viewBox="0 0 {1} {0}" preserveAspectRatio="none">'
        '<path d="M0 {0}L{2}L{1} {0}z"/></svg>'
    ).format(plots.HEIGHT, width, "L".join(top))
    ticks = [(tick, scale.place(tick)) for tick in scale.ticks() if tick == int(tick)]
    return plots.drawing(label, [plots.y_axis(ticks, "proteins finished"), area, _times(edges, plots.HEIGHT)])


def lanes(label, edges, busy):
    """A lane for each node: ``busy`` maps its name to the mean number of jobs between each two of ``edges``.

    The shade of a cell is its part of the largest number of all.
    """
    most = max(float(values.max()) for values in busy.values()) or 1  # 0 if none ran between the edges
    parts = []
    for row, (name, values) in enumerate(busy.items()):
        lane = Markup('<text x="0" y="{}">{}: at most {:.0f} at the same time</text>').format(
            row * _LANE + 10, name, max(float(values.max()), 1)
        )
        parts += [lane, _cells(row, values / most)]
    height = _LANE * len(busy)
    return plots.drawing(label, [*parts, _times(edges, height)], height)


def _cells(row, parts):
    """The cells of a lane, stretched over the width: one path for each shade."""
    shades = [0 if part <= 0 else min(plots.SHADES, 1 + int(plots.SHADES * part)) for part in parts.tolist()]
    paths = [
        Markup('<path class="d{}" d="{}"/>').format(
            shade, "".join(f"M{place} 0h1v1h-1z" for place, found in enumerate(shades) if found == shade)
        )
        for shade in range(1, plots.SHADES + 1)
        if shade in shades
    ]
    return Markup(
        '<svg class="cells use" y="{}" width="100%" height="{}" viewBox="0 0 {} 1" preserveAspectRatio="none">{}</svg>'
    ).format(row * _LANE + _LANE - _CELLS - 2, _CELLS, len(shades), Markup("").join(paths))


def _times(edges, height):
    """The axis of time, in UTC: with the day where it spans more than one."""
    first, last = float(edges[0]), float(edges[-1])
    step = next((step for step in _STEPS_S if (last - first) / step <= _MOST_TICKS), _STEPS_S[-1])
    if last - first < _DAY_S:
        shown = "%H:%M" if step >= 60 else "%H:%M:%S"
    else:
        shown = "%d %b" if step >= _DAY_S else "%a %H:%M"
    begun = -(-first // step) * step
    ticks = [
        ((at - first) / (last - first), datetime.fromtimestamp(at, UTC).strftime(shown))
        for at in (begun + number * step for number in range(_MOST_TICKS + 1))
        if at <= last
    ]
    return plots.x_axis(ticks, "time (UTC)", height)
