"""Plots as SVG for pages of any width, in light and dark: a histogram, and a cloud of points or of their density.

The drawing area takes the width it is given, positions along it are in percent, and text keeps its size; colours are
classes of static/proteofold.css. An axis's labels stand outside the area, in the margin that the style leaves.
"""

import math
from dataclasses import dataclass

import numpy
from markupsafe import Markup

HEIGHT = 220
# Beyond, single points hide each other and the page grows: cells of a grid show how many there are.
MOST_POINTS = 400
_ACROSS, _UP = 48, 30
# A cell's class d1 to d5 means that it has at least this many of the fullest cell's points, as a power of them
SHADES = 5
_MOST_LABELS = 6


@dataclass(frozen=True, slots=True)
class Scale:
    """Places values from ``low`` to ``high`` between 0 and 1."""

    low: float
    high: float
    logarithmic: bool

    @classmethod
    def of(cls, values):
        """The scale of an array of values: logarithmic where they differ widely, with a margin at both ends."""
        low, high = float(values.min()), float(values.max())
        logarithmic = low > 0 and high > 3 * low
        if logarithmic:
            margin = (high / low) ** 0.03
            return cls(low / margin, high * margin, True)
        margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
        return cls(low - margin, high + margin, False)

    def place(self, value):
        """Where values are: 0 to 1; a number or an array."""
        if self.logarithmic:
            return numpy.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self):
        """Round values within the scale, at most _MOST_LABELS."""
        return self._round_powers() if self.logarithmic else round_steps(self.low, self.high)

    def _round_powers(self):
        decades = range(math.floor(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
        for digits in ((1, 2, 5), (1, 3), (1,)):
            ticks = [digit * 10.0**power for power in decades for digit in digits]
            ticks = [tick for tick in ticks if self.low <= tick <= self.high]
            if len(ticks) <= _MOST_LABELS:
                break
        return ticks[:: math.ceil(len(ticks) / _MOST_LABELS)] if len(ticks) > 1 else round_steps(self.low, self.high)


def round_steps(low, high):
    """Multiples of 1, 2 or 5 times a power of ten from low to high, at most _MOST_LABELS."""
    power = 10.0 ** math.floor(math.log10((high - low) / _MOST_LABELS))
    for step in (power, 2 * power, 5 * power, 10 * power, 20 * power):
        multiples = range(math.ceil(low / step), math.floor(high / step) + 1)
        if len(multiples) <= _MOST_LABELS:
            break
    return [number * step for number in multiples]


def histogram(label, bars, ticks, limit, x_label, y_label):
    """Bars side by side over the whole width.

    ``bars`` are (class, height, tip); ``ticks`` (place from 0 to 1, text); ``limit`` is the place of a dashed line,
    None without one.
    """
    scale = Scale(0, 1.05 * max(height for _, height, _ in bars), False)
    width = 100 / len(bars)
    parts = [y_axis([(tick, scale.place(tick)) for tick in scale.ticks() if tick == int(tick)], y_label)]
    for place, (kind, height, tip) in enumerate(bars):
        if height:
            # a bar of few proteins beside one of thousands stays visible
            tall = max(HEIGHT * scale.place(height), 2)
            parts.append(
                Markup(
                    '<rect class="{}" x="{:.2f}%" y="{:.1f}" width="{:.2f}%" height="{:.1f}"><title>{}</title></rect>'
                ).format(kind, place * width, HEIGHT - tall, width, tall, tip)
            )
    if limit is not None:
        line = Markup('<line class="limit" x1="{0:.2f}%" x2="{0:.2f}%" y1="0" y2="{1}"/>')
        parts.append(line.format(100 * limit, HEIGHT))
    return drawing(label, [*parts, x_axis(ticks, x_label)])


def cloud(label, kind, x, y, scales, tips, x_label, y_label, diagonal=False):
    """Points of class ``kind``, or where there are many of them their density.

    ``x`` and ``y`` are arrays, ``scales`` the Scales of both; ``tips(index)`` is what a point says of itself.
    With ``diagonal`` a dashed line shows where both are equal.
    """
    x_scale, y_scale = scales
    across, up = x_scale.place(x), y_scale.place(y)
    draw = _cells if len(x) > MOST_POINTS else _points
    parts = [
        y_axis([(tick, y_scale.place(tick)) for tick in y_scale.ticks()], y_label),
        draw(kind, across, up, tips),
        Markup('<line class="limit" x1="0" y1="{}" x2="100%" y2="0"/>').format(HEIGHT) if diagonal else "",
        x_axis([(x_scale.place(tick), plain(tick)) for tick in x_scale.ticks()], x_label),
    ]
    return drawing(label, parts)


def plain(value):
    """A number of an axis: 0.5, 20, 1,000."""
    return f"{value:,.10g}"


def _points(kind, across, up, tips):
    circle = Markup('<circle class="{}" cx="{:.2f}%" cy="{:.1f}" r="3.5"><title>{}</title></circle>')
    return Markup("").join(
        circle.format(kind, 100 * across[index], HEIGHT * (1 - up[index]), tips(index)) for index in range(len(across))
    )


def _cells(kind, across, up, _):
    """One path for each shade: the cells of a grid, stretched over the drawing area."""
    columns = numpy.minimum((across * _ACROSS).astype(int), _ACROSS - 1)
    rows = numpy.minimum(((1 - up) * _UP).astype(int), _UP - 1)
    cells, numbers = numpy.unique(rows * _ACROSS + columns, return_counts=True)
    shades = 1 + numpy.floor((SHADES - 1) * numpy.log(numbers) / max(math.log(numbers.max()), 1)).astype(int)
    paths = []
    for shade in range(1, SHADES + 1):
        found = _runs(cells[shades == shade])
        squares = "".join(f"M{first % _ACROSS} {first // _ACROSS}h{width}v1h-{width}z" for first, width in found)
        if squares:
            paths.append(Markup('<path class="d{}" d="{}"/>').format(shade, squares))
    return Markup(
        '<svg class="cells {}" width="100%" height="{}" viewBox="0 0 {} {}" preserveAspectRatio="none">{}</svg>'
    ).format(kind, HEIGHT, _ACROSS, _UP, Markup("").join(paths))


def _runs(cells):
    """(first, number) of neighbours in a row among sorted numbers of cells."""
    found = []
    for cell in cells.tolist():
        if found and cell == sum(found[-1]) and cell % _ACROSS:
            found[-1][1] += 1
        else:
            found.append([cell, 1])
    return found


def y_axis(ticks, label):
    """Lines across the area, with their values on the left; ``ticks`` are (value, place)."""
    line = Markup('<line class="grid" x1="0" x2="100%" y1="{0:.1f}" y2="{0:.1f}"/>')
    text = Markup('<text class="tick" x="-6" y="{:.1f}" text-anchor="end">{}</text>')
    parts = []
    for value, place in ticks:
        y = HEIGHT * (1 - place)
        parts += [line.format(y), text.format(y + 4, plain(value))]
    return Markup("").join([*parts, Markup('<text x="-52" y="-12">{}</text>').format(label)])


def x_axis(ticks, label, height=HEIGHT):
    """The base line with values below; ``ticks`` are (place, text)."""
    parts = [Markup('<line class="axis" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(height)]
    for place, text in ticks:
        anchor = "end" if place > 0.95 else "middle"
        parts.append(
            Markup(
                '<line class="axis" x1="{0:.2f}%" x2="{0:.2f}%" y1="{1}" y2="{2}"/>'
                '<text class="tick" x="{0:.2f}%" y="{3}" text-anchor="{4}">{5}</text>'
            ).format(100 * place, height, height + 4, height + 17, anchor, text)
        )
    return Markup("").join(
        [*parts, Markup('<text x="100%" y="{}" text-anchor="end">{}</text>').format(height + 34, label)]
    )


def drawing(label, parts, height=HEIGHT):
    """An SVG with an area of so many pixels in height; ``label`` says what is on it."""
    return Markup('<svg class="plot" role="img" aria-label="{}" height="{}">{}</svg>').format(
        label, height, Markup("").join(parts)
    )
