"""The whole report in one file, to mail or to keep: the proteome, all proteins, and plots that choose among them."""

import json
from collections import Counter
from html import escape

import numpy

from proteofold.report import pages
from proteofold.report.evalue_bins import evalue_bins
from proteofold.report.html_parts import bars, facts, page, parts_bar, plain_table, table
from proteofold.science.verdict import COVERAGE_CLASSES

COLUMNS = (
    {"name": "Protein", "kind": "text", "link": pages.UNIPROT},
    {"name": "Description", "kind": "text"},
    {"name": "Length", "kind": "integer", "falling": True},
    {"name": "Class", "kind": "text"},
    {"name": "Domains", "kind": "integer", "falling": True},
    {"name": "Covered (%)", "kind": "integer", "falling": True},
    {"name": "Template", "kind": "text", "link": pages.RCSB},
    {"name": "What it is", "kind": "text"},
    {"name": "E-value", "kind": "evalue"},
    {"name": "Probability (%)", "kind": "tenths", "falling": True},
    {"name": "Verdict", "kind": "text"},
    {"name": "Score", "kind": "tenths", "hidden": True},
)
_PLACE = {column["name"]: place for place, column in enumerate(COLUMNS)}

# class -> colour and what the tile says
_CLASSES = {
    **{name: (name, words) for name, words in pages.CLASS_WORDS.items()},
    "failed": ("bad", "failed"),
    "not merged": ("", "not merged yet"),
}
_LONGEST_WORDS = 80
_FAILED_SHOWN = 100
_MOST_DOMAINS = 10


def report(data):
    """Proteome, plots, table of all proteins, failures, settings and resources of a run as one page."""
    rows = _rows(data)
    counts = Counter(row[_PLACE["Class"]] for row in rows)
    choices = [{"name": "all proteins", "column": 0, "least": "", "most": None}]
    choices += [
        {"name": words, "column": _PLACE["Class"], "least": name, "most": name}
        for name, (_, words) in _CLASSES.items()
        if counts[name] or name in COVERAGE_CLASSES
    ]
    body = (
        _tiles(data, counts)
        + _plots(rows, data)
        + '<h2 id="proteins">Proteins</h2><p id="picked" role="group" aria-label="Filters"></p>'
        + table(COLUMNS, rows, choices, sorted_by=_PLACE["E-value"], whole="All columns are in the tables of the run.")
        + _failed(data)
        + pages.template_table(data)
        + pages.settings(data)
        + pages.resources(data)
    )
    return page(f"Run {data.settings['run']}", body, script=True)


def _rows(data):
    """A row of COLUMNS for each protein, those with a result first, most certain first."""
    rows = []
    for result in sorted(data.results, key=pages.certainty):
        rows.append(
            [
                result.query_id,
                _described(data, result.query_id),
                result.length,
                result.coverage_class,
                result.domains,
                pages.coverage_percent(result),
                result.main_template,
                _shortened(data.templates.get(result.main_template, "")),
                pages.number(result.best_evalue),
                pages.number(result.probability) if result.domains else None,
                result.verdict,
                pages.number(result.best_score),
            ]
        )
    of_failed = {row["query_id"]: f"{row['step']}: {row['reason']}" for row in data.failed}
    known = {result.query_id for result in data.results}
    for query_id, length in data.lengths.items():
        if query_id not in known:
            kind, words = ("failed", of_failed[query_id]) if query_id in of_failed else ("not merged", "")
            described = _described(data, query_id)
            rows.append([query_id, described, length, kind, None, None, "", "", None, None, words, None])
    return rows


def _described(data, query_id):
    # UniProt's names of organism and gene follow
    return _shortened(data.described.get(query_id, "").partition(" OS=")[0])


def _shortened(text):
    return text if len(text) <= _LONGEST_WORDS else f"{text[: _LONGEST_WORDS - 1]}…"


def _tiles(data, counts):
    shown = [name for name in _CLASSES if counts[name] or name in COVERAGE_CLASSES]
    tiles = "".join(
        f'<li class="{_CLASSES[name][0]}"><button type="button" data-choice="{place}"><b>{counts[name]:,}</b> '
        f"{_percent(counts[name], data.proteins)} {escape(_CLASSES[name][1])}</button></li>"
        for place, name in enumerate(shown, 1)
    )
    found = data.proteome
    share = _percent(found["residues_in_domains"], found["residues"])
    tiles += f"<li><div><b>{share}</b> of {found['residues']:,} residues in {found['domains']:,} domains</div></li>"
    bar = parts_bar([(_CLASSES[name][0], counts[name]) for name in shown])
    rows = [
        ("Proteins", f"{data.proteins:,} with {data.residues:,} residues"),
        ("Search mode", data.settings["mode"]),
    ]
    return f'<ul class="tiles">{tiles}</ul>{bar}{facts(rows)}'


def _percent(count, whole):
    return f"{100 * count / whole:.1f}%" if whole else "0%"


def _plots(rows, data):
    done = [row for row in rows if row[_PLACE["Domains"]] is not None]
    if not done:
        return ""
    drawn = _coverage(done, data.proteome["thresholds"]["min_covered"]) + _domains(done)
    evalues = numpy.array([row[_PLACE["E-value"]] for row in done if row[_PLACE["E-value"]] is not None])
    if len(evalues):
        drawn += _evalues(evalues, data.max_evalue)
        kinds = escape(json.dumps({name: kind for name, (kind, _) in _CLASSES.items()}))
        drawn += (
            "<figure><figcaption><b>Score and length</b> of the best hit of each listed protein. Drag to choose a "
            "region, click a point for its protein.</figcaption>"
            f'<canvas data-x="{_PLACE["Length"]}" data-y="{_PLACE["Score"]}" data-kind="{_PLACE["Class"]}"'
            f' data-kinds="{kinds}" role="img" aria-label="Score of the best hit against the length of the protein">'
            '</canvas><p id="tip" class="soft" data-empty=""></p></figure>'
        )
    return (
        "<h2>Plots</h2><p>Click a bar to list its proteins; a second click lists all again.</p>"
        f'<div class="plots">{drawn}</div>'
    )


def _coverage(rows, least_covered):
    place = _PLACE["Covered (%)"]
    values = Counter(-1 if row[place] == 0 else min(row[place] // 10, 9) for row in rows)
    found = [("dark", "none", 0, 1, values[-1])]
    for low in range(0, 100, 10):
        kind, below = "covered" if low >= least_covered else "partly", None if low == 90 else low + 10
        found.append((kind, f"{low} to {low + 10}%", low or 1, below, values[low // 10]))
    return bars("Coverage", "part of each protein in domains", place, found)


def _domains(rows):
    counts = Counter(min(row[_PLACE["Domains"]], _MOST_DOMAINS) for row in rows)
    found = [
        (
            "covered" if number else "dark",
            f"{number}+" if number == _MOST_DOMAINS else str(number),
            number,
            None if number == _MOST_DOMAINS else number + 1,
            counts[number],
        )
        for number in range(max(counts) + 1)
    ]
    return bars("Domains", "per protein", _PLACE["Domains"], found)


def _evalues(values, max_evalue):
    bins = evalue_bins(values, max_evalue)
    found = [
        (
            "good" if bins.is_below(edge) else "none",
            f"1e{edge:.0f}" if abs(edge - round(edge)) < 1e-9 else "",
            10**edge,
            10 ** (edge + bins.width),
            count,
        )
        for edge, count in zip(bins.edges, bins.heights, strict=True)
    ]
    if bins.smaller:
        found.insert(0, ("good", f"below {10 ** bins.edges[0]:.1e}", None, 10 ** bins.edges[0], bins.smaller))
    return bars("E-value", f"of the best hit; below {max_evalue:g} it is significant", _PLACE["E-value"], found)


def _failed(data):
    if not data.failed:
        return f"<h2>Failed proteins</h2><p>No protein failed: {len(data.results):,} finished.</p>"
    rows = [[row[name] for name in ("query_id", "step", "reason", "log")] for row in data.failed[:_FAILED_SHOWN]]
    more = "" if len(data.failed) <= _FAILED_SHOWN else f"<p>{len(data.failed):,} in all: choose “failed” above.</p>"
    return f"<h2>Failed proteins</h2>{pages.reasons(data)}{plain_table(pages.FAILED, rows)}{more}"
