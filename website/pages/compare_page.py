"""Two runs side by side: the proteins that gained or lost a known structure, and those with another best template."""

from urllib.parse import urlencode

import numpy
from markupsafe import Markup

from proteofold.store import queries
from proteofold.system.words import counted
from website.drawing import plots, words
from website.pages import run_data
from website.pages.links import template_link
from website.pages.listing import Pager, one_of, page_of
from website.pages.paths import compare_path, differences_path, protein_path, run_path, runs_path
from website.pages.run_figures import FigureCache
from website.requests import answers

RUNS_OFFERED = 200

# How a protein may differ -> what the page calls it
KINDS = {
    "gained": "gained a domain",
    "lost": "lost all domains",
    "changed": "have another best template",
    "only_a": "finished in A only",
    "only_b": "finished in B only",
    "same": "same",
}

# Best hits of proteins without a domain in either run are noise: that they differ means nothing. Where a store of
# before has no domains, best hits are compared.
_PAIRS = """
    select a.query_id, a.position, a.best_hit as hit_a, b.best_hit as hit_b, a.best_evalue as evalue_a,
        b.best_evalue as evalue_b, a.coverage as coverage_a, b.coverage as coverage_b,
        case when b.query_id is null then 'only_a' when a.domains = 0 and b.domains > 0 then 'gained'
            when a.domains > 0 and b.domains = 0 then 'lost'
            when a.best_hit is not b.best_hit and coalesce(a.domains + b.domains, 1) > 0 then 'changed'
            else 'same' end as kind
    from protein_results as a
    left join protein_results as b on b.run_id = :b and b.query_id = a.query_id and b.phase = 'done'
    where a.run_id = :a and a.phase = 'done'
    union all
    select query_id, position, null, best_hit, null, best_evalue, null, coverage, 'only_b' from protein_results as b
    where run_id = :b and phase = 'done' and not exists (
        select 1 from protein_results as a where a.run_id = :a and a.query_id = b.query_id and a.phase = 'done')
"""

_drawn = FigureCache()


async def compare_page(datasette, request):
    """The page that compares the runs ``?a=`` and ``?b=``; without both, two lists to choose them from."""
    names = [(request.args.get(side) or "").strip() for side in "ab"]
    shown = one_of(request.args.get("show"), KINDS, "")
    page = page_of(request.args.get("page"))

    def read(conn):
        offered = [run["run_id"] for run in run_data.newest_runs(conn, RUNS_OFFERED)]
        if not all(names) or names[0] == names[1]:
            return {"offered": offered, "counts": None}
        runs = [queries.find_run(conn, name) for name in names]
        counts, scatter = _drawn.of(conn, runs, lambda: _draw(conn, *names))
        kind = shown or next((kind for kind in KINDS if counts[kind]), "same")
        pager = Pager(counts[kind], page)
        rows = _rows(conn, *names, kind, pager)
        return {"offered": offered, "counts": counts, "scatter": scatter, "shown": kind, "pager": pager, "rows": rows}

    try:
        found = await answers.ask(datasette, request, read)
    except queries.NotFoundError as error:
        context = {"name": " ".join(names), "reason": str(error), "runs": runs_path(datasette)}
        return await answers.page(datasette, request, "run_unknown.html", context, 404)
    here = compare_path(datasette)

    def path(**changes):
        arguments = {"a": names[0], "b": names[1]} | changes
        return f"{here}?{urlencode({name: value for name, value in arguments.items() if value})}"

    context = found | {
        "a": names[0],
        "b": names[1],
        "here": here,
        "kinds": KINDS,
        "path": path,
        "run_path": lambda name: run_path(datasette, name),
        "protein_path": lambda query_id: protein_path(datasette, query_id),
        "template_link": template_link,
        "words": words,
    }
    if found["counts"]:
        context["csv"] = differences_path(datasette, *names)
        context["pager"] = found["pager"].links(lambda page: path(show=found["shown"], page=page) + "#proteins")
    return await answers.page(datasette, request, "compare.html", context)


def _draw(conn, a, b):
    """(proteins of each of KINDS, the E-values of both runs as a plot)."""
    rows = conn.execute(f"select kind, evalue_a, evalue_b from ({_PAIRS})", {"a": a, "b": b}).fetchall()
    counts = dict.fromkeys(KINDS, 0)
    for kind, *_ in rows:
        counts[kind] += 1
    return counts, _scatter([row[1:] for row in rows if row[1] is not None and row[2] is not None])


def _scatter(pairs):
    """Exponents of the E-values of the best hits in both runs; nothing without a protein that has both."""
    if not pairs:
        return None
    # the smallest that is printed; smaller ones are given as 0
    a, b = numpy.log10(numpy.maximum(numpy.array(pairs, dtype=float), 1e-300)).T
    better, worse = int((b < a - 1).sum()), int((b > a + 1).sum())
    text = (
        f"{counted(len(pairs))} with a hit in both runs: the E-value is smaller in B by a factor of ten or more for "
        f"{better:,}, and in A for {worse:,}."
    )
    both = numpy.concatenate([a, b])
    scale = plots.Scale.of(both)
    svg = plots.cloud(
        f"E-values of the best hits in both runs. {text}",
        "significant",
        a,
        b,
        (scale, scale),
        lambda index: f"A: 1e{a[index]:.0f}, B: 1e{b[index]:.0f}",
        "log10 of the E-value in A",
        "log10 of the E-value in B",
        diagonal=True,
    )
    return Markup("<p>{}</p>{}").format(text, svg)


def _rows(conn, a, b, kind, pager):
    return run_data.rows(
        conn,
        f"select pairs.*, description, gene from (select * from ({_PAIRS}) where kind = :kind"
        " order by position, query_id limit :most offset :offset) as pairs join proteins using (query_id)"
        " order by position, query_id",
        a=a,
        b=b,
        kind=kind,
        most=pager.most,
        offset=pager.offset,
    )
