"""Models of proteins: one as mmCIF or PDB, and a zip of all of a run."""

import threading

from proteofold.formats.fasta import protein_stem
from proteofold.service.models import FORMATS, send_model, send_models
from proteofold.store.queries import NotFoundError
from proteofold.system.errors import UserError
from website.actions.downloads import folder_of
from website.actions.lists import places
from website.requests.databases import ask_platform
from website.requests.identity import client_of
from website.requests.streams import BusyError, Streamed

# Each takes a core for a second, or as long as a reader takes a zip: the rest of the site needs the others.
_MODELS, _ZIPS = threading.BoundedSemaphore(2), threading.BoundedSemaphore(2)
_PATIENCE_S = 30

_TYPES = {"cif": "chemical/x-cif", "pdb": "chemical/x-pdb"}


async def model(visit):
    """The model of a protein of a run on the template of one of its domains or hits."""
    ending, domain, rank = visit.named("format"), visit.argument("domain"), visit.argument("hit")
    if ending not in FORMATS:
        raise NotFoundError(f"Models are not available as {ending[:20]!r}. Choose one of {', '.join(FORMATS)}.")
    if domain and rank:
        raise UserError("domain and hit: give one of them.")
    folder, query_id, structures = await folder_of(visit), visit.named("query_id"), await _structures(visit)
    chosen = {"domain": int(domain or 0) or None, "rank": int(rank or 0) or None}

    def write(stream):
        send_model(folder, structures, stream, query_id, ending, **chosen)

    name = f"{protein_stem(query_id)}-{f'hit{rank}' if rank else f'domain{domain or 1}'}.{ending}"
    sent = Streamed(_in_turn(_MODELS, _PATIENCE_S, write), name, f"{_TYPES[ending]}; charset=utf-8")
    return await sent.begin(client_of(visit), visit.request.receive)


async def models_zip(visit):
    """The zip of the models of all domains of a run."""
    folder, structures = await folder_of(visit), await _structures(visit)
    write = _in_turn(_ZIPS, 0, lambda stream: send_models(folder, structures, stream))
    sent = Streamed(write, f"{folder.name}-models.zip", "application/zip")
    # beside other downloads, but not two of the few at once
    return await sent.begin(("models", client_of(visit)), visit.request.receive, most=1)


async def _structures(visit):
    """The folder of the structures; NotFoundError where the site has none."""
    _, structures = await ask_platform(visit.datasette, places)
    if not structures.folder:
        raise NotFoundError("This site has no structures of templates, so there are no models.")
    return structures.folder


def _in_turn(turns, patience_s, write):
    """``write`` once it is its turn; BusyError if that does not come."""

    def write_in_turn(stream):
        if not turns.acquire(timeout=patience_s):
            raise BusyError("Too many models are being made on this site. Try again in a minute.", 503)
        try:
            write(stream)
        finally:
            turns.release()

    return write_in_turn
