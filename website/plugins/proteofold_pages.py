"""Datasette plugin: what the front page tells, and the menu."""

from datasette import hookimpl

from website.pages import run_data, words
from website.pages.paths import DATABASE, run_path, runs_path
from website.requests import answers

NEWEST_RUNS = 10


@hookimpl
def menu_links(datasette, actor, request):
    """The runs, from every page; only for those who may see them."""

    async def links():
        return [{"href": runs_path(datasette), "label": "Runs"}] if await answers.may_read(datasette, request) else []

    return links


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
        questions = await datasette.list_queries(DATABASE, actor=request.actor, limit=50)
        told = {"runs": runs, "runs_path": runs_path(datasette), "questions": questions.queries}
        return told | {"database": DATABASE, "words": words}

    return front_page
