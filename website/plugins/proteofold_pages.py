"""Datasette plugin: what the front page shows, and the menu."""

from datasette import hookimpl
from datasette.jump import JumpSQL

from proteofold.store import lookup
from website.drawing import words
from website.pages import run_data, run_pages
from website.pages.paths import protein_path, run_path, runs_path
from website.requests import answers
from website.requests.databases import DATABASE

NEWEST_RUNS = 10
PROTEINS_TO_JUMP_TO = 8


@hookimpl
def menu_links(datasette, actor, request):
    """The runs, from every page; only for those who may see them."""

    async def links():
        return [{"href": runs_path(datasette), "label": "Runs"}] if await answers.may_read(datasette, request) else []

    return links


@hookimpl
def jump_items_sql(datasette, actor, request):
    """Proteins in the box that the key "/" opens, found as on the search page."""

    async def items():
        text = (request.args.get("q") or "").strip()
        if not text or not await answers.may_read(datasette, request):
            return []
        found = await answers.ask(datasette, request, lookup.search, text, PROTEINS_TO_JUMP_TO)
        return [
            JumpSQL.menu_item(
                label=query_id,
                url=protein_path(datasette, query_id),
                description="Protein",
                # Datasette keeps what has the text in it
                search_text=f"{query_id} {text}",
                item_type="protein",
            )
            for query_id in found
        ]

    return items


@hookimpl
def extra_template_vars(datasette, view_name, request):
    """The newest runs and the saved queries, for the front page."""
    if view_name != "index" or DATABASE not in datasette.databases:
        return {}

    async def front_page():
        if not await answers.may_read(datasette, request):
            return {"runs": None}
        runs = await answers.ask(datasette, request, run_data.newest_runs, NEWEST_RUNS)
        for run in runs:
            run["path"] = run_path(datasette, run["run_id"])
            run["bar"] = run_pages.run_bar(run)
        questions = await datasette.list_queries(DATABASE, actor=request.actor, limit=50)
        context = {"runs": runs, "runs_path": runs_path(datasette), "questions": questions.queries}
        return context | {"database": DATABASE, "words": words}

    return front_page
