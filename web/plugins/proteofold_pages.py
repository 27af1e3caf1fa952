"""Datasette plugin: links and E-values in tables, the front page, and the page of a protein.

It only reads. Links within the site are made by ``datasette.urls``, so that nothing depends on where it is served.
"""

import re
from urllib.parse import quote, unquote

from datasette import Forbidden, Response, hookimpl
from datasette.database import Database
from datasette.resources import DatabaseResource
from datasette.utils import tilde_encode
from markupsafe import Markup, escape

from proteofold.store import queries

DATABASE = "proteofold"
HITS_SHOWN = 50
BARS_SHOWN = 30
# A writer holds the store's lock for less than a second; this is for a machine that stands still.
BUSY_TIMEOUT_MS = 15_000
# Lower limits of probability in percent, and the class that colours such a bar: static/proteofold.css
PROBABILITY_STEPS = ((95, "p1"), (80, "p2"), (50, "p3"), (20, "p4"), (0, "p5"))

_PDB_CHAIN = re.compile(r"([1-9][A-Za-z0-9]{3})_[A-Za-z0-9]+")
# as UniProt defines it
_ACCESSION = re.compile(r"[OPQ][0-9][A-Z0-9]{3}[0-9]|[A-NR-Z][0-9](?:[A-Z][A-Z0-9]{2}[0-9]){1,2}")
_ROW_HEIGHT, _AXIS_HEIGHT = 18, 22


@hookimpl
def prepare_connection(conn):
    """Wait for a writer rather than fail."""
    conn.execute(f"pragma busy_timeout = {BUSY_TIMEOUT_MS}")


@hookimpl
def startup(datasette):
    """Give the only store its name of the configuration, whatever its file is called."""
    stores = {name: db for name, db in datasette.databases.items() if db.path}
    if len(stores) == 1 and DATABASE not in stores:
        ((name, db),) = stores.items()
        datasette.remove_database(name)
        datasette.add_database(Database(datasette, path=db.path, is_mutable=True), name=DATABASE)


# --- Cells ------------------------------------------------------------------------------------------


def structure_url(template):
    """Page of a template's structure, or None for a name that is no PDB entry and chain."""
    entry = _PDB_CHAIN.fullmatch(template or "")
    return f"https://www.rcsb.org/structure/{entry[1].upper()}" if entry else None


def link(url, text):
    """A link, text and address escaped."""
    return Markup('<a href="{}">{}</a>').format(url, text)


def template_link(template):
    """A template's name, as a link to its structure where it has one."""
    url = structure_url(template)
    return link(url, template) if url else escape(template or "")


def accession_links(accession):
    """An accession with its pages of UniProt and of the AlphaFold Protein Structure Database; plain if it is none."""
    if not _ACCESSION.fullmatch(accession or ""):
        return escape(accession or "")
    uniprot = link(f"https://www.uniprot.org/uniprotkb/{accession}", accession)
    model = link(f"https://alphafold.ebi.ac.uk/entry/{accession}", "AlphaFold DB")
    return Markup('{} <span class="also">{}</span>').format(uniprot, model)


def scientific(value):
    """1.5e-20; hhsearch gives two digits."""
    return "" if value is None else f"{value:.1e}" if value else "0"


def protein_path(datasette, query_id):
    """Where a protein's page is."""
    return datasette.urls.path("/-/protein/" + quote(query_id, safe=""))


def run_path(datasette, run_id):
    """Where a run's page is."""
    return datasette.urls.row(DATABASE, "runs", tilde_encode(run_id))


def table_path(datasette, table, **arguments):
    """A table's page, filtered: names and values of the query string."""
    pairs = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in arguments.items())
    return f"{datasette.urls.table(DATABASE, table)}?{pairs}"


@hookimpl
def render_cell(value, column, table, database, datasette):
    """Links to structures, UniProt, proteins and runs; E-values in scientific notation."""
    if database != DATABASE:
        return None
    if isinstance(value, dict):  # a foreign key, of which Datasette has looked up the label
        value = value["value"]
    if isinstance(value, str) and value:
        if column.startswith(("best_hit", "template")) and structure_url(value):
            return template_link(value)
        if column == "accession" and _ACCESSION.fullmatch(value):
            return accession_links(value)
        if column == "query_id":
            return link(protein_path(datasette, value), value)
        if column in ("run_id", "reused_from"):
            return link(run_path(datasette, value), value)
    if isinstance(value, float) and re.search(r"(?:e|p)value", column):
        return scientific(value)
    return None


# --- Datasette's own pages --------------------------------------------------------------------------


@hookimpl
def top_row(datasette, database, table, row):
    """From the row of a protein to its page, from that of a run to its results."""
    if database != DATABASE:
        return None
    if table == "proteins":
        links = [(protein_path(datasette, row["query_id"]), "Page of this protein: hit map and hits")]
    elif table == "runs":
        run_id = row["run_id"]
        # without a value a protein sorts first
        best = {"_sort": "best_evalue", "best_evalue__notnull": 1}
        links = [
            (_results_path(datasette, run_id), "All proteins of this run"),
            (_results_path(datasette, run_id, **best), "by E-value of the best hit"),
            (_results_path(datasette, run_id, status="FAILED"), "those that failed"),
        ]
    else:
        return None
    return Markup('<p class="ways">{}</p>').format(Markup(" · ").join(link(*pair) for pair in links))


def _results_path(datasette, run_id, **arguments):
    """The results of a run, without two columns that only programs read: the best hit comes into sight."""
    path = table_path(datasette, "protein_results", run_id=run_id, **arguments)
    return f"{path}&_nocol=result_id&_nocol=md5"


@hookimpl
def extra_template_vars(datasette, view_name, request):
    """The newest runs, for the front page."""
    if view_name != "index" or DATABASE not in datasette.databases:
        return {}

    async def newest_runs():
        if not await _may_read(datasette, request):
            return {"runs": None}
        rows = await datasette.get_database(DATABASE).execute(
            "select run_id, status, date_started, author, mode, total, succeeded, failed from runs"
            " order by date_started desc limit 10"
        )
        runs = [dict(row) | {"path": run_path(datasette, row["run_id"])} for row in rows]
        questions = await datasette.list_queries(DATABASE, actor=request.actor, limit=50)
        return {"runs": runs, "questions": questions.queries, "database": DATABASE}

    return newest_runs


# --- The page of a protein --------------------------------------------------------------------------


@hookimpl
def register_routes():
    return [
        (r"^/-/protein/(?P<query_id>.+)$", protein_page),
        # what the form of the front page asks for
        (r"^/-/protein$", protein_page),
    ]


async def _may_read(datasette, request):
    return await datasette.allowed(
        action="view-database", resource=DatabaseResource(database=DATABASE), actor=request.actor
    )


async def protein_page(datasette, request):
    """What the store has of a protein: given by its id in the path, or by id or accession in ``?id=``."""
    if not await _may_read(datasette, request):
        raise Forbidden("You may not see the proteins of this store.")
    # Datasette hands over the path as it came, still quoted
    in_path = request.url_vars.get("query_id")
    name = unquote(in_path) if in_path else (request.args.get("id") or "").strip()
    try:
        found = await datasette.get_database(DATABASE).execute_fn(lambda conn: _gather(conn, name))
    except queries.NotFoundError as error:
        return await _respond(datasette, request, "protein_unknown.html", {"name": name, "reason": str(error)}, 404)
    if isinstance(found, list):
        choices = [(protein_path(datasette, query_id), query_id) for query_id in found]
        return await _respond(datasette, request, "protein_unknown.html", {"name": name, "choices": choices}, 200)
    protein, results, latest, hits = found
    for result in results:
        result["path"] = run_path(datasette, result["run_id"])
    context = {
        "protein": protein,
        "accession": accession_links(protein["accession"]),
        "row_path": datasette.urls.row(DATABASE, "proteins", tilde_encode(protein["query_id"])),
        "results": results,
        "latest": latest,
        "hits": hits,
        "hit_map": hit_map(hits[:BARS_SHOWN], protein["length"]) if hits else None,
        "bars": min(len(hits), BARS_SHOWN),
        "steps": _legend(),
        "scientific": scientific,
        "template_link": template_link,
        "step_of": step_of,
    }
    if latest:
        run_id = latest["run_id"]
        context["run_path"] = run_path(datasette, run_id)
        context["all_hits"] = table_path(datasette, "hits", run_id=run_id, query_id=protein["query_id"])
    return await _respond(datasette, request, "protein.html", context, 200)


async def _respond(datasette, request, template, context, status):
    text = await datasette.render_template(template, context, request=request)
    return Response.html(text, status=status)


def _gather(conn, name):
    """Protein, its results, the latest finished one and its hits; a list of ids where an accession has several."""
    proteins = queries.find_proteins(conn, name)
    if len(proteins) > 1:
        return [protein["query_id"] for protein in proteins]
    (protein,) = proteins
    results = queries.results_of(conn, protein["query_id"])
    finished = [result for result in results if result["phase"] == "done"]
    latest = max(finished, key=lambda result: result["finished_at"] or "", default=None)
    hits = queries.hits_of(conn, latest["run_id"], protein["query_id"], HITS_SHOWN) if latest else []
    return protein, results, latest, hits


def step_of(probability):
    """The class of a probability's colour."""
    return next(name for least, name in PROBABILITY_STEPS if (probability or 0) >= least)


def _legend():
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
            ).format(x=x, y=height - _AXIS_HEIGHT + 4, text_y=height - 5, anchor=anchor, tick=tick)
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
        f"probability {hit['probability']} %, E-value {scientific(hit['evalue'])}"
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
