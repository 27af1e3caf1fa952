"""How the report's pages are made: the frame, lists of facts, and tables that sort, search and page themselves.

Ids, names and reasons come from users' files. They are escaped where they are written, the browser puts them in as
text, and a page's Content-Security-Policy lets no script run but the page's own.
"""

import base64
import gzip
import hashlib
import json
import re
from html import escape
from pathlib import Path

ROWS_WITHOUT_SCRIPT = 100
# Larger tables are packed: a browser unpacks 41,339 rows in a blink, and the page is a fifth of the size.
_PACKED_FROM = 1000

_ABSENT = "–"

_STYLE, _SCRIPT = (Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))


def facts(rows):
    """Pairs of a name and a value as a list."""
    cells = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in rows)
    return f"<dl>{cells}</dl>"


def plain_table(columns, rows):
    """A table of a few rows, as plain HTML; columns that are ``hidden`` are for plots only."""
    shown = [place for place, column in enumerate(columns) if not column.get("hidden")]
    head = "".join(f'<th scope="col"{_class(columns[place])}>{escape(columns[place]["name"])}</th>' for place in shown)
    body = "".join(f"<tr>{''.join(_cell(columns[place], row[place]) for place in shown)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def table(columns, rows, choices, *, sorted_by, whole):
    """A table with its first rows as plain HTML, and all of them as JSON for the script to sort, search and page.

    A page has one such table at most.
    """
    content = {"columns": columns, "choices": choices, "sorted": sorted_by, "rows": rows}
    shown = min(len(rows), ROWS_WITHOUT_SCRIPT)
    return (
        '<div id="controls" hidden></div>'
        f'<p id="status" role="status">Rows 1 to {shown:,} of {len(rows):,}. '
        f"Sorting, searching and paging need JavaScript. {escape(whole)}</p>"
        f"{plain_table(columns, rows[:ROWS_WITHOUT_SCRIPT])}"
        f'<div id="pages" hidden></div><p class="soft">{escape(whole)}</p>'
        f"{_data(content, len(rows) >= _PACKED_FROM)}"
    )


def _data(content, is_packed):
    """The element that the script reads: JSON, or gzip of it in base64."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    if is_packed:
        packed = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
        return f'<script type="application/gzip" id="data">{packed}</script>'
    # no "<" may be in the element: "</script>" in an id would end it
    text = text.replace("<", "\\u003c")
    return f'<script type="application/json" id="data">{text}</script>'


def parts_bar(parts):
    """A bar of (class, count) pairs, each as wide as its part of all."""
    total, start, drawn = sum(count for _, count in parts) or 1, 0.0, []
    for kind, count in parts:
        width = 100 * count / total
        drawn.append(f'<rect class="{kind}" x="{start:.3f}%" width="{width:.3f}%" height="100%"/>')
        start += width
    return f'<svg class="parts" aria-hidden="true">{"".join(drawn)}</svg>'


_WIDTH, _HEIGHT, _LEFT = 400, 160, 44


def bars(title, words, column, found):
    """A histogram whose bars choose rows of the page's table: those with a value of ``column`` in the bar.

    ``found`` are (class, label, least, below, count) from left to right; a bar holds least <= value < below, where None
    is no limit. A label of '' is not written below its bar.
    """
    most = max((count for *_, count in found), default=0) or 1
    width, drawn = (_WIDTH - _LEFT) / max(len(found), 1), []
    for place, (kind, label, least, below, count) in enumerate(found):
        x, height = _LEFT + place * width, max(_HEIGHT * count / most, 2 if count else 0)
        limits = {"least": least, "below": below}
        limits = "".join(f' data-{name}="{value!r}"' for name, value in limits.items() if value is not None)
        tip = escape(f"{title}: {label or f'{least:g} to {below:g}'}")
        drawn.append(
            f'<g class="pick" data-column="{column}"{limits} data-words="{tip}">'
            f"<title>{tip}: {count:,} proteins</title>"
            f'<rect class="reach" x="{x:.1f}" y="0" width="{width:.1f}" height="{_HEIGHT}"/>'
            f'<rect class="{kind}" x="{x + 0.5:.1f}" y="{_HEIGHT - height:.1f}" width="{max(width - 1, 0.5):.1f}"'
            f' height="{height:.1f}"/></g>'
        )
        if place % max(1, round(len(found) / 8)) == 0 and not label.startswith("below"):
            # of a range its end is enough
            drawn.append(_text(x + width / 2, _HEIGHT + 14, "middle", label.rpartition(" to ")[2]))
    axis = _text(_LEFT - 4, 10, "end", f"{most:,}") + _text(_LEFT - 4, _HEIGHT, "end", "0")
    base = f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{_HEIGHT}" y2="{_HEIGHT}"/>'
    title, words = escape(title), escape(words)
    return (
        f"<figure><figcaption><b>{title}</b> {words}</figcaption>"
        f'<svg class="bars" viewBox="0 0 {_WIDTH} {_HEIGHT + 20}" role="group" aria-label="{title}: {words}">'
        f"{axis}{base}{''.join(drawn)}</svg></figure>"
    )


def _text(x, y, anchor, text):
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _cell(column, value):
    text = _shown(column["kind"], value)
    shown = escape(text).replace("|", "|<wbr>")  # an id is broken between its parts
    link = column.get("link")
    if link and (found := re.match(link["pattern"], value)):
        shown = f'<a href="{link["address"]}{found[1]}" target="_blank" rel="noopener noreferrer">{shown}</a>'
    return f'<td data-name="{escape(column["name"])}"{_class(column, text == _ABSENT)}>{shown}</td>'


def _class(column, is_absent=False):
    names = ["number"] * (column["kind"] != "text") + ["evalue"] * (column["kind"] == "evalue") + ["absent"] * is_absent
    return f' class="{" ".join(names)}"' if names else ""


def _shown(kind, value):
    """A value as shown in the table; ``shown`` in the script does the same."""
    if value is None or value == "":
        return _ABSENT
    if kind == "evalue" and value == 0:
        return "< 1e-300"
    if kind == "evalue":
        return f"{value:.1e}".replace("e-0", "e-") if 0 < value < 0.001 else f"{float(f'{value:.2g}'):g}"
    if kind == "tenths":
        return f"{value:,.1f}"
    if kind == "integer":
        return f"{value:,}"
    return str(value)


def page(title, body, script=False):
    """A whole page around ``body``, which is HTML; ``script`` for a page that holds a table."""
    allowed = f"script-src '{_digest(_SCRIPT)}'; " if script else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; {allowed}'
        f"style-src '{_digest(_STYLE)}'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style></head>\n"
        f"<body><main><h1>{escape(title)}</h1>{body}</main>\n"
        + (f"<script>{_SCRIPT}</script>\n" if script else "")
        + "</body></html>\n"
    )


def _digest(text):
    """How a Content-Security-Policy names the only script or style that it allows."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
