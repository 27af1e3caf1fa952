"""Pages of the store, with what the platform adds to them."""

from proteofold.run.layout import RESULTS
from proteofold.service.places import working_folder
from proteofold.service.runs import may_change, order_of
from website.actions import same
from website.pages import protein_page, run_pages
from website.requests.databases import ask_platform


async def runs_page(visit):
    """All runs, or those that the reader chooses."""
    return await run_pages.runs_page(visit.datasette, visit.request, {"same": same.runs(visit)})


async def protein(visit):
    """A protein, by its id in the path or by ``?id=``."""
    results = await ask_platform(visit.datasette, working_folder) / RESULTS

    async def may_retry(run_id):
        if not visit.actor or "run" not in visit.actor.rights:
            return False
        return await ask_platform(
            visit.datasette,
            lambda platform: bool(order_of(platform, run_id)) and may_change(None, platform, run_id, visit.user),
        )

    def more(query_id):
        return {"same": same.protein(visit, query_id)}

    return await protein_page.protein_page(visit.datasette, visit.request, [results], more, may_retry)
