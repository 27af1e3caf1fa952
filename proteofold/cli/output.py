"""Printing for people and scripts: tables that fit a terminal, and JSON."""

import json

import click

_GAP = 3  # between columns
_LEAST_OF_A_DESCRIPTION = 16


def print_json(value):
    """Rows or a dict as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(header, rows):
    """Print a table for a terminal; nothing without rows."""
    from rich.console import Console

    if rows:
        console = Console(highlight=False)
        console.print(make_table(header, rows, console.width))


def make_table(header, rows, width):
    """A table of rich for so many columns of text: numbers to the right, long texts wrapped."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    columns = {
        name: [_shown_evalue(row[place]) if name == "E-value" else _shown(row[place]) for row in rows]
        for place, name in enumerate(header)
    }
    if "description" in columns:
        # a template's description is long, and --json has all of it; other columns are shown in full
        others = sum(max(map(len, (name, *texts))) + _GAP for name, texts in columns.items() if name != "description")
        room = max(width - others, _LEAST_OF_A_DESCRIPTION)
        columns["description"] = [
            text if len(text) <= room else f"{text[: room - 1]}…" for text in columns["description"]
        ]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for place, name in enumerate(columns):
        number = all(isinstance(row[place], int | float | None) for row in rows)
        table.add_column(name, justify="right" if number else "left", no_wrap=number, overflow="fold")
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, cells))
    return table


def print_facts(facts):
    """Names and values, one a line; None is left out."""
    width = max(map(len, facts))
    for name, value in facts.items():
        if value is not None:
            click.echo(f"{name:<{width}}  {_shown(value)}")


def _shown(value):
    text = "" if value is None else str(value)
    return text if text.isprintable() else ascii(text)[1:-1]


def _shown_evalue(value):
    """An E-value; zero, which is below the smallest number that hhsearch prints, is shown as a bound."""
    return "< 1e-300" if value == 0 else _shown(value)


def time_shown(text):
    """A time of the store to the minute; None stays None."""
    return text and text[:16].replace("T", " ")


def print_verdict(verdict):
    """The sentence on a protein and the table of its domains; nothing if the verdict is None."""
    if verdict:
        click.echo(f"\n{verdict['sentence']}")
        columns = ("number", "query_start", "query_end", "template", "probability", "evalue", "identity")
        header = ("domain", "from", "to", "template", "prob. %", "E-value", "identity %")
        if any(domain.get("superfamily") for domain in verdict["domains"]):  # an older platform has none
            columns, header = (*columns, "superfamily"), (*header, "superfamily")
        print_table(header, [[domain[column] for column in columns] for domain in verdict["domains"]])
