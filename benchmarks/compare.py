"""Compare two files of results: what costs more than noise explains."""

import re
from pathlib import Path

# A column, or a row of two columns, whose numbers are a time or memory: less is better.
_COST = re.compile(r"CPU|wall|\bs\b|\bms\b|µs|seconds|hours|memory|\bMB\b", re.IGNORECASE)
_NO_COST = re.compile(r"/|times|equal|found|jobs submitted|asked|recorded|residues|bound")
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def slower(old, new, noise):
    """Costs in both texts of results that rose by more than the part ``noise``: (section, what, before, after)."""
    before, after = costs(old), costs(new)
    return [
        (section, what, before[section, what], value)
        for (section, what), value in after.items()
        if (section, what) in before and value > (1 + noise) * before[section, what]
    ]


def costs(text):
    """The costs in the tables of a text of results: (section, row and column) -> number."""
    found = {}
    for section, body in re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL):
        lines = [line for line in body.splitlines() if line.startswith("| ")]
        if len(lines) < 2:
            continue
        head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
        cost_columns = [place for place, name in enumerate(head) if place and _is_cost(name)]
        first = min(cost_columns, default=1)
        for row in rows:
            label = ", ".join(row[:first])
            for place in cost_columns or range(1, len(row)):
                number = _NUMBER.search(row[place]) if place < len(row) else None
                if number and (cost_columns or _is_cost(f"{label} {row[place]}")):
                    what = f"{label}: {head[place]}".rstrip(": ")
                    found[section, what] = float(number[0].replace(",", ""))
    return found


def _is_cost(text):
    return bool(_COST.search(text)) and not _NO_COST.search(text)


def report(old, new, noise):
    """What is slower in the file ``new`` than in ``old``, as text; '' if nothing is."""
    found = slower(Path(old).read_text(), Path(new).read_text(), noise)
    return "\n".join(
        f"{section}: {what}: {before:g} -> {value:g} ({value / before - 1 if before else 1:+.0%})"
        for section, what, before, value in found
    )
