"""The verdict on a protein of a run, from the files of the run."""

from pathlib import PurePath

from proteofold.run.layout import RESULTS
from proteofold.service.places import working_folder
from proteofold.store.run_files import verdict_in_files
from website.requests.databases import ask_platform, store_path
from website.requests.threads import at_length


async def verdict_on(visit, run_id, query_id):
    """The verdict as JSON can hold it; None where the files of the run are not among those of this site, or damaged."""
    if PurePath(run_id).name != run_id:  # such a run leads elsewhere
        return None
    results = await ask_platform(visit.datasette, working_folder) / RESULTS
    folders = [folder / run_id for folder in (store_path(visit.datasette).parent, results)]
    verdict = await at_length(verdict_in_files, folders, query_id)
    return verdict and verdict.described()
