"""The page of a plan: one HTML file that needs no other."""

from html import escape

from proteofold.plan.text import at_once, cpu_shown, facts_of
from proteofold.report.html_parts import facts, page, table
from proteofold.system.words import counted, duration

_PROTEINS = (
    {"name": "Protein", "kind": "text"},
    {"name": "Length", "kind": "integer", "falling": True},
    {"name": "Search (CPU s)", "kind": "tenths", "falling": True},
    {"name": "Memory (MB)", "kind": "integer", "falling": True},
    {"name": "Nodes", "kind": "text"},
)
_MEMORY = 3


def plan_page(plan):
    """A Plan as HTML."""
    body = _counts(plan) + facts(facts_of(plan).items()) + _notes(plan) + _nodes(plan) + _classes(plan) + _left(plan)
    return page(f"Plan of run {plan.run}", body, script=bool(plan.left))


def _counts(plan):
    parts = [
        ("good", plan.done, "done"),
        ("open", len(plan.left) - len(plan.unfit), "to be searched"),
        ("bad", len(plan.unfit), "fit no node"),
    ]
    parts = [part for part in parts if part[1]]
    legend = "".join(
        f'<li><span class="swatch {kind}"></span><b>{count:,}</b> {escape(words)}</li>' for kind, count, words in parts
    )
    bar = "".join(f'<span class="{kind}" style="flex-grow:{count}"></span>' for kind, count, _ in parts)
    headline = f"About {duration(plan.wall_s)}, no less than {duration(plan.bound_s)}"
    return (
        f'<p class="sum"><b>{headline if plan.wall_s else "Nothing to do"}</b></p>'
        f'<div class="bar" aria-hidden="true">{bar}</div><ul class="legend">{legend}</ul>'
    )


def _notes(plan):
    words = list(plan.notes)
    if plan.unfit:
        words.append(
            f"{counted(len(plan.unfit))} {'fits' if len(plan.unfit) == 1 else 'fit'} no node. A node with "
            f"{plan.unfit[0].mem_mb:,} MB would take all; the table below shows what else helps."
        )
    return "".join(f'<p class="notice">{escape(note)}</p>' for note in words)


def _nodes(plan):
    rows = [(kind.name, kind.count, kind.cores, f"{kind.mem_mb:,}") for kind in plan.kinds]
    return f"<h2>Nodes</h2>{_table(('Kind', 'Nodes', 'Cores each', 'Memory each (MB)'), rows)}"


def _classes(plan):
    if not plan.classes:
        return ""
    names = [kind.name for kind in plan.kinds]
    head = ("Memory of a search", "Proteins", "CPU time", *(f"At once on {name}" for name in names))
    rows = [
        (
            f"up to {one.most_mb:,} MB",
            f"{one.proteins:,}",
            cpu_shown(one.cpu_s),
            *(at_once(one.at_once[name]) for name in names),
        )
        for one in plan.classes
    ]
    return (
        f"<h2>Memory</h2>{_table(head, rows)}"
        '<p class="soft">How many of the largest proteins of a class one node runs at once; – where none fits.</p>'
    )


def _left(plan):
    if not plan.left:
        return ""
    unfit = {one.query_id: one for one in plan.unfit}
    longest = [one for one in plan.longest if one.query_id not in unfit]
    costs = {one.query_id: one.cpu_s for one in plan.left}
    rows = [[one.query_id, one.length, round(costs[one.query_id], 1), one.mem_mb, _help(one)] for one in plan.unfit]
    rows += [[one.query_id, one.length, round(one.cpu_s, 1), one.mem_mb, _takers(plan, one)] for one in longest]
    choices = [{"name": "all", "column": _MEMORY, "least": 0, "most": None}]
    if unfit:
        largest = max(kind.mem_mb for kind in plan.kinds)
        choices.append({"name": "fit no node", "column": _MEMORY, "least": largest + 1, "most": None})
    whole = f"The longest of {counted(len(plan.left))} to be searched, and all that fit no node."
    return f"<h2>Longest proteins</h2>{table(_PROTEINS, rows, choices, sorted_by=None, whole=whole)}"


def _help(unfit):
    return f"none; {unfit.advice} would help"


def _takers(plan, protein):
    takers = ", ".join(kind.name for kind in plan.kinds if kind.mem_mb >= protein.mem_mb)
    return takers if protein.shards == 1 else f"{takers}, in {protein.shards} shards"


def _table(head, rows):
    """A small table; the first column holds names, the others numbers."""
    classes = ["", *[' class="number"'] * (len(head) - 1)]
    names = "".join(f'<th scope="col"{one}>{escape(name)}</th>' for one, name in zip(classes, head, strict=True))
    body = "".join(
        "<tr>"
        + "".join(
            f'<td data-name="{escape(name)}"{one}>{escape(str(cell))}</td>'
            for one, name, cell in zip(classes, head, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table></div>'
