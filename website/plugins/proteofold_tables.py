"""Datasette plugin: what our links and words add to Datasette's own pages of tables and rows."""

import re

from datasette import hookimpl
from markupsafe import Markup

from website.drawing.words import evalue
from website.pages.links import accession_links, is_accession, link, structure_url, template_link
from website.pages.paths import protein_path, results_path, run_path
from website.pages.table_html import fold_descriptions, label_controls, lead_to_pages, shortened
from website.requests.databases import DATABASE

# Columns whose text may be as long as a protein
_LETTERS = ("sequence", "secondary_structure", "confidence", "settings")
_SHORT = 40


@hookimpl
def prepare_jinja2_environment(env, datasette):
    """For templates/table.html."""

    def improved(html, database, table):
        html = fold_descriptions(label_controls(str(html)))
        html = lead_to_pages(html, datasette, table) if database == DATABASE else html
        return Markup(html)

    env.filters["improved"] = improved


@hookimpl
def render_cell(value, column, table, database, datasette):
    """Links to structures, UniProt, proteins and runs; E-values in scientific notation, others to four decimals."""
    if database != DATABASE:
        return None
    if isinstance(value, dict):  # a foreign key, of which Datasette has looked up the label
        value = value["value"]
    if isinstance(value, str) and value:
        if column.startswith(("best_hit", "template")) and structure_url(value):
            return template_link(value)
        if column == "accession" and is_accession(value):
            return accession_links(value)
        if column == "query_id":
            return link(protein_path(datasette, value), value)
        if column in _LETTERS and len(value) > _SHORT:
            return shortened(value)
        if column in ("run_id", "computed_in"):
            return link(run_path(datasette, value), value)
    if isinstance(value, float) and re.search(r"(?:e|p)value", column):
        return evalue(value)
    if isinstance(value, float) and table and abs(value) >= 0.001 and round(value, 4) != value:
        return f"{value:.4f}"
    return None


@hookimpl
def top_row(datasette, database, table, row):
    """From the row of a protein, a run or a result to the page with more."""
    if database != DATABASE:
        return None
    if table == "proteins":
        links = [(protein_path(datasette, row["query_id"]), "Page of this protein: hit map and hits")]
    elif table == "runs":
        run_id = row["run_id"]
        # without a value a protein sorts first
        best = {"_sort": "best_evalue", "best_evalue__notnull": 1}
        links = [
            (run_path(datasette, run_id), "Page of this run"),
            (results_path(datasette, run_id), "all its proteins"),
            (results_path(datasette, run_id, **best), "by E-value of the best hit"),
            (results_path(datasette, run_id, status="FAILED"), "those that failed"),
        ]
    elif table == "protein_results":
        links = [
            (protein_path(datasette, row["query_id"]), "Page of this protein"),
            (run_path(datasette, row["run_id"]), "page of this run"),
        ]
    else:
        return None
    return Markup('<p class="ways">{}</p>').format(Markup(" · ").join(link(*pair) for pair in links))
