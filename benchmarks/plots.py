"""Plots of the tables in results.md: one for each section that has a series to look at."""

import re
from pathlib import Path

FOLDER = Path(__file__).with_name("plots")


def draw(name, text):
    """Draw a section's table; returns the line of Markdown that shows the plot, '' for a section without one."""
    if name not in _DRAWERS:
        return ""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.hashsalt": "proteofold", "svg.fonttype": "none", "font.size": 9}
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.4), layout="constrained")
    title = _DRAWERS[name](axes, _rows(text))
    axes.spines[["top", "right"]].set_visible(False)
    FOLDER.mkdir(exist_ok=True)
    figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})
    pyplot.close(figure)
    return f"![{title}](plots/{name}.svg)"


def _rows(text):
    """The rows of the first table of a text, as dictionaries by the words of its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    head, _, *rows = ([cell.strip().strip("*`") for cell in line.strip("| ").split(" | ")] for line in lines)
    return [dict(zip(head, row, strict=False)) for row in rows]


def _number(cell):
    return float(re.sub(r"[^\d.]", "", cell))


def _graph(axes, rows):
    proteins = [_number(row["proteins"]) for row in rows]
    axes.plot(proteins, [_number(row["CPU s"]) for row in rows], "o-", label="CPU seconds")
    axes.plot(proteins, [_number(row["peak memory, MB"]) / 10 for row in rows], "s--", label="memory, 10 MB")
    axes.set(xlabel="proteins", xlim=(0, None), ylim=(0, None))
    axes.legend(frameon=False)
    return "CPU time and memory of a dry run grow in proportion to the proteins"


def _memory(axes, rows):
    for mode, mark in (("lean", "o"), ("reference", "s"), ("fast", "^")):
        of_mode = [row for row in rows if row["mode"] == mode]
        used, asked = ([_number(row[column]) for row in of_mode] for column in ("used, MB", "asked, MB"))
        axes.plot(used, asked, mark, label=mode)
    axes.axline((100, 100), (1000, 1000), color="grey", linewidth=0.8)
    axes.set(xlabel="used, MB", ylabel="asked for, MB", xscale="log", yscale="log")
    axes.legend(frameon=False)
    return "Memory asked for beside memory used; the line is where both are equal"


def _modes(axes, rows):
    parts = list(dict.fromkeys(row["templates, queries"] for row in rows))
    modes = list(dict.fromkeys(row["mode"] for row in rows))
    for place, mode in enumerate(modes):
        of_mode = {row["templates, queries"]: _number(row["CPU s a query"]) for row in rows if row["mode"] == mode}
        heights = [of_mode.get(part, 0) for part in parts]
        axes.bar([number + 0.2 * place for number in range(len(parts))], heights, 0.18, label=mode)
    axes.set(ylabel="CPU seconds a query", yscale="log")
    axes.set_xticks([number + 0.3 for number in range(len(parts))], parts)
    axes.legend(frameon=False, ncols=len(modes), loc="lower center", bbox_to_anchor=(0.5, 1))  # no bar is behind it
    return "CPU seconds a query in each mode"


def _alternatives(axes, rows):
    identities = [column for column in rows[0] if column.endswith("%")]
    marks = ("o-", "s-", "^-", "D-", "v--", "x--", "+:", "*:")
    for row, mark in zip(rows, marks, strict=False):
        axes.plot(
            [_number(column) for column in identities],
            [_number(row[column]) for column in identities],
            mark,
            label=row["search"].replace("`", ""),
            markersize=4,
        )
    axes.set(xlabel="identity of the planted relatives, percent", ylabel="found, percent", ylim=(-3, 103))
    axes.invert_xaxis()
    axes.legend(frameon=False, fontsize=7)
    return "Planted relatives that each search finds at an equal number of false hits"


_DRAWERS = {"alternatives": _alternatives, "graph": _graph, "memory": _memory, "modes": _modes}
