"""Pages of the store, with what the platform adds to them."""

from proteofold.run.layout import RESULTS
from proteofold.service.places import working_folder
from proteofold.service.runs import may_change, order_of
from proteofold.service.structures import RCSB_FILES, Structures, copy_structure, structures_of
from proteofold.system.errors import UserError
from website.actions import same
from website.pages import protein_page, run_pages
from website.requests.databases import ask_platform
from website.requests.identity import client_of
from website.requests.policy import policy
from website.requests.streams import Streamed


async def runs_page(visit):
    """All runs, or those that the reader chooses."""
    return await run_pages.runs_page(visit.datasette, visit.request, {"same": same.runs(visit)})


async def protein(visit):
    """A protein, by its id in the path or by ``?id=``."""
    working, structures = await ask_platform(visit.datasette, places)

    async def may_retry(run_id):
        if not visit.actor or "run" not in visit.actor.rights:
            return False
        return await ask_platform(
            visit.datasette,
            lambda platform: bool(order_of(platform, run_id)) and may_change(None, platform, run_id, visit.user),
        )

    def more(query_id):
        return {"same": same.protein(visit, query_id), "structures": structures, "rcsb_files": RCSB_FILES}

    answer = await protein_page.protein_page(
        visit.datasette, visit.request, [working / RESULTS], more, may_retry, structures.folder
    )
    # no script of the page reaches another site unless the administrator allows it
    answer.headers["Content-Security-Policy"] = policy(connect=RCSB_FILES if structures.rcsb else "")
    return answer


def places(platform):
    """The working folder, and where it says that coordinates of templates come from."""
    working = working_folder(platform)
    try:
        return working, structures_of(working)
    except UserError:  # the page of a new run reports a damaged configuration
        return working, Structures(None, False)


async def structure(visit):
    """The coordinates of a PDB entry, as mmCIF."""
    _, structures = await ask_platform(visit.datasette, places)
    code = visit.named("code")
    sent = Streamed(
        lambda stream: copy_structure(structures.folder, code, stream), f"{code}.cif", "chemical/x-cif; charset=utf-8"
    )
    return await sent.begin(client_of(visit), visit.request.receive)
