"""The list of runs, as the platform shows it."""

from proteofold_site import run_pages
from proteofold_site.platform import same


async def runs_page(visit):
    """All runs, or those that the reader chooses."""
    return await run_pages.runs_page(visit.datasette, visit.request, {"same": same.runs(visit)})
