"""How the report's pages are made: the frame, lists of facts, and tables that sort, search and page themselves.

Ids, names and reasons come from users' files. They are escaped where they are written, the browser puts them in as
text, and a page's Content-Security-Policy lets no script run but the page's own.
"""

import base64
import hashlib
import json
import re
from html import escape

ROWS_WITHOUT_SCRIPT = 100


def facts(rows):
    """Pairs of a name and a value as a list."""
    cells = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in rows)
    return f"<dl>{cells}</dl>"


def plain_table(columns, rows):
    """A table of a few rows, as plain HTML."""
    head = "".join(f'<th scope="col"{_class(column)}>{escape(column["name"])}</th>' for column in columns)
    body = "".join(f"<tr>{''.join(map(_cell, columns, row))}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def table(columns, rows, choices, *, sorted_by, whole):
    """A table with its first rows as plain HTML, and all of them as JSON for the script to sort, search and page.

    A page has one such table at most.
    """
    content = {"columns": columns, "choices": choices, "sorted": sorted_by, "rows": rows}
    # no "<" may stand in the element: "</script>" in an id would end it
    data = json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    shown = min(len(rows), ROWS_WITHOUT_SCRIPT)
    return (
        '<div id="controls" hidden></div>'
        f'<p id="status" role="status">Rows 1 to {shown:,} of {len(rows):,}. '
        f"Sorting, searching and paging need JavaScript. {escape(whole)}</p>"
        f"{plain_table(columns, rows[:ROWS_WITHOUT_SCRIPT])}"
        f'<div id="pages" hidden></div><p class="soft">{escape(whole)}</p>'
        f'<script type="application/json" id="data">{data}</script>'
    )


def _cell(column, value):
    shown = escape(_shown(column["kind"], value))
    link = column.get("link")
    if link and (found := re.match(link["pattern"], value)):
        shown = f'<a href="{link["address"]}{found[1]}" target="_blank" rel="noopener noreferrer">{shown}</a>'
    return f'<td data-name="{escape(column["name"])}"{_class(column)}>{shown}</td>'


def _class(column):
    return "" if column["kind"] == "text" else ' class="number"'


def _shown(kind, value):
    """A value as it stands in the table; ``shown`` in the script does the same."""
    if value is None or value == "":
        return "–"
    if kind == "evalue" and value == 0:
        return "< 1e-300"
    if kind == "evalue":
        return f"{value:.1e}".replace("e-0", "e-") if 0 < value < 0.001 else f"{float(f'{value:.2g}'):g}"
    if kind == "tenths":
        return f"{value:.1f}"
    return str(value)


def page(title, body, script=False):
    """A whole page around ``body``, which is HTML; ``script`` for a page that holds a table."""
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    allowed = f"script-src 'sha256-{digest}'; " if script else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; {allowed}'
        "style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style></head>\n"
        f"<body><main><h1>{escape(title)}</h1>{body}</main>\n"
        + (f"<script>{_SCRIPT}</script>\n" if script else "")
        + "</body></html>\n"
    )


_STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --soft: #57606a; --line: #d0d7de; --back: #fff; --panel: #f3f5f7;
  --link: #005a9c; --good: #0072b2; --none: #e69f00; --bad: #d55e00; --open: #8c8c8c; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e9ed; --soft: #a3acb6; --line: #3b434c; --back: #14181d; --panel: #1f252c; --link: #7cc4f5;
    --good: #2b94d1; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
main { max-width: 90rem; margin: 0 auto; padding: 1rem 1.25rem 3rem; }
h1 { font-size: 1.6rem; margin: .5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; overflow-wrap: anywhere; }
p, li { max-width: 48rem; overflow-wrap: anywhere; }
a { color: var(--link); }
.soft { color: var(--soft); }
.sum { font-size: 1.5rem; margin: .5rem 0; }
.bar { display: flex; gap: 2px; height: 1.5rem; }
.bar span { min-width: 3px; }
.good { background: var(--good); } .none { background: var(--none); }
.bad { background: var(--bad); } .open { background: var(--open); }
.legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; margin: .5rem 0 1rem; }
.swatch { display: inline-block; width: .9em; height: .9em; margin-right: .4em; vertical-align: -.1em; }
.notice { border-left: 4px solid var(--bad); background: var(--panel); padding: .5rem .75rem; }
dl { margin: 0; border-top: 1px solid var(--line); }
dl div { display: grid; grid-template-columns: 17rem 1fr; gap: 0 1rem; padding: .3rem 0;
  border-bottom: 1px solid var(--line); }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
#controls, #pages { display: flex; flex-wrap: wrap; gap: .5rem .75rem; align-items: center; margin: .75rem 0; }
#controls[hidden], #pages[hidden] { display: none; }
label { color: var(--soft); }
input, select, button { font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--line);
  border-radius: 4px; padding: .3rem .6rem; min-height: 2.4rem; max-width: 100%; }
input { width: 16rem; margin-left: .4rem; } select { margin-left: .4rem; }
button { cursor: pointer; } button:disabled { opacity: .45; cursor: default; }
:focus-visible { outline: 3px solid var(--none); outline-offset: 1px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: anywhere; }
th { background: var(--panel); vertical-align: bottom; overflow-wrap: normal; }
th button { border: 0; padding: .2rem 0; font-weight: bold; text-align: inherit; background: none; width: 100%; }
th[aria-sort=ascending] button::after { content: " \\25B2"; } th[aria-sort=descending] button::after {
  content: " \\25BC"; }
td { min-width: 7rem; }
td:first-child { min-width: 17rem; }
td[data-name=Verdict] { min-width: 22rem; }
.number { min-width: 0; text-align: right; }
td.number { white-space: nowrap; }
tbody tr:hover { background: var(--panel); }
.phone { display: none; }
@media (max-width: 44rem) {
  dl div { grid-template-columns: 1fr; }
  .phone { display: inline; }
  table, tbody, tr, td { display: block; } thead { display: none; }
  tr { border-bottom: 2px solid var(--line); padding: .4rem 0; }
  td, td:first-child, td[data-name=Verdict] { min-width: 0; border: 0; display: flex; justify-content: space-between;
    gap: 1rem; padding: .1rem 0; text-align: right; white-space: normal; }
  td::before { content: attr(data-name); color: var(--soft); text-align: left; flex: none; }
  input { width: 12rem; } }
"""

_SCRIPT = """
"use strict";
const PAGE = 100;
const {columns, choices, sorted, rows} = JSON.parse(document.getElementById("data").textContent);
const box = document.querySelector("#status + .scroll");
const texts = rows.map(row => row.filter(value => typeof value === "string").join(" ").toLowerCase());
let shownRows = rows.map((_, index) => index), order = shownRows, by = sorted, falling = false, page = 0;

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}
function shown(kind, value) {
  if (value === null || value === "") return "\\u2013";
  if (kind === "evalue") {
    if (value === 0) return "< 1e-300";
    return value > 0 && value < 0.001 ? value.toExponential(1) : String(Number(value.toPrecision(2)));
  }
  return kind === "tenths" ? value.toFixed(1) : String(value);
}
function cell(column, value) {
  const found = column.link && new RegExp(column.link.pattern).exec(value);
  const text = shown(column.kind, value);
  const content = found ? make("a", {href: column.link.address + found[1], target: "_blank",
    rel: "noopener noreferrer"}, text) : text;
  const element = make("td", {className: column.kind === "text" ? "" : "number"}, content);
  element.dataset.name = column.name;
  return element;
}
function compare(a, b) {
  const x = rows[a][by], y = rows[b][by];
  if (x === y) return a - b;
  if (x === null || x === "") return 1;
  if (y === null || y === "") return -1;
  return (x < y ? -1 : 1) * (falling ? -1 : 1);
}
function draw() {
  const pages = Math.max(1, Math.ceil(shownRows.length / PAGE));
  page = Math.min(Math.max(page, 0), pages - 1);
  const part = shownRows.slice(page * PAGE, (page + 1) * PAGE);
  box.querySelector("tbody").replaceChildren(...part.map(index =>
    make("tr", {}, ...columns.map((column, place) => cell(column, rows[index][place])))));
  const count = number => number.toLocaleString("en");
  const found = part.length ? `Rows ${count(page * PAGE + 1)} to ${count(page * PAGE + part.length)} of ` +
    count(shownRows.length) : "Nothing found";
  document.getElementById("status").textContent = found +
    (shownRows.length < rows.length ? `; ${count(rows.length)} in all.` : ".");
  document.getElementById("pages").hidden = pages === 1;
  first.disabled = previous.disabled = page === 0;
  next.disabled = last.disabled = page === pages - 1;
  where.textContent = `page ${count(page + 1)} of ${count(pages)}`;
}
function select() {
  const words = search.value.toLowerCase().split(/\\s+/).filter(word => word);
  const wanted = choices[choice.selectedIndex];
  shownRows = order.filter(index => words.every(word => texts[index].includes(word)) && (!wanted ||
    rows[index][wanted.column] >= wanted.least && (wanted.most === null || rows[index][wanted.column] <= wanted.most)));
  page = 0;
  draw();
}
function sortBy(column, descending) {
  by = column;
  falling = descending;
  order = rows.map((_, index) => index);
  if (by !== null) order.sort(compare);
  headings.forEach((heading, place) => heading.ariaSort = place !== by ? null : falling ? "descending" : "ascending");
  sortChoice.value = by === null ? "" : String(by);
  select();
}
function turn(pages) {
  page += pages;
  draw();
  document.getElementById("status").scrollIntoView();
}

const search = make("input", {type: "search", oninput: select});
const choice = make("select", {onchange: select}, ...choices.map(one => make("option", {}, one.name)));
const sortChoice = make("select", {onchange: () => sortBy(...(sortChoice.value === "" ? [null, false] :
  [Number(sortChoice.value), Boolean(columns[sortChoice.value].falling)]))}, make("option", {value: ""}, "none"),
  ...columns.map((column, place) => make("option", {value: place}, column.name)));
document.getElementById("controls").append(make("label", {}, "Search", search));
if (choices.length) document.getElementById("controls").append(make("label", {}, "Show", choice));
document.getElementById("controls").append(make("label", {className: "phone"}, "Sort by", sortChoice));
const headings = [...box.querySelectorAll("th")];
headings.forEach((heading, place) => heading.replaceChildren(make("button", {type: "button",
  onclick: () => sortBy(place, place === by ? !falling : Boolean(columns[place].falling))}, columns[place].name)));
const first = make("button", {type: "button", onclick: () => turn(-Infinity)}, "First");
const previous = make("button", {type: "button", onclick: () => turn(-1)}, "Previous");
const next = make("button", {type: "button", onclick: () => turn(1)}, "Next");
const last = make("button", {type: "button", onclick: () => turn(Infinity)}, "Last");
const where = make("span", {});
document.getElementById("pages").append(first, previous, where, next, last);
document.getElementById("controls").hidden = false;
sortBy(by, false);
"""
