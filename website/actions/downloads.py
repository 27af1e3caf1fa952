"""Files of a run: the zip of its results, the pages of its report, the last lines of its logs."""

import contextlib
import csv
import itertools
import mimetypes
import re

from datasette import Response

from proteofold.formats.fasta import protein_stem
from proteofold.report.draw import REPORT_FILES, WHOLE_REPORT
from proteofold.service.downloads import copy_file, head_log, job_log, run_zip
from proteofold.service.downloads import report_file as read_report_file
from proteofold.service.places import run_folder
from proteofold.store import queries, run_files
from proteofold.store.database import open_for_reading
from proteofold.store.proteins import format_protein
from proteofold.store.queries import NotFoundError
from proteofold.system.errors import UserError
from proteofold.system.words import without_folders
from website.actions import same
from website.drawing import words
from website.pages import run_data
from website.pages.listing import Listing
from website.pages.paths import protein_path, run_path
from website.requests import answers
from website.requests.databases import ask_platform, store_path
from website.requests.identity import client_of
from website.requests.streams import Streamed
from website.requests.threads import at_length
from website.requests.visit import NEVER_KEPT

LAST_LINES = 12
_TABLE_TYPES = {"csv": "text/csv", "csv.gz": "application/gzip", "gff3": "text/plain", "json": "application/json"}


async def folder_of(visit):
    """The folder of the run of the address; NotFoundError unless the store has the run, and it can have a folder."""
    run_id = visit.named("run_id")
    await answers.ask(visit.datasette, visit.request, queries.find_run, run_id)
    try:
        return await ask_platform(visit.datasette, run_folder, run_id)
    except UserError:
        raise NotFoundError(f"The files of run {run_id!r} are not among those of this site.") from None


async def zipped(visit):
    """The zip of a run's results."""
    folder = await folder_of(visit)
    # the name of a run's folder has no quotes and no line ends: run_folder sees to it
    sent = Streamed(lambda stream: run_zip(folder, stream), f"{folder.name}.zip", "application/zip")
    return await sent.begin(client_of(visit), visit.request.receive)


async def table_file(visit):
    """A table of a run, as it is in the zip."""
    folder, name = await folder_of(visit), visit.named("file")
    path = await at_length(run_files.table_file, folder, name)
    kind = _TABLE_TYPES[name.partition(".")[2]]
    return await Streamed(lambda stream: copy_file(path, stream), f"{folder.name}.{name}", kind).begin(
        client_of(visit), visit.request.receive
    )


async def protein_file(visit):
    """A file of a protein of a run."""
    folder, name = await folder_of(visit), visit.named("file")
    if name not in run_files.PROTEIN_FILES:
        raise NotFoundError(f"A protein has no file {name[:80]!r}. Choose one of {', '.join(run_files.PROTEIN_FILES)}.")
    query_id = visit.named("query_id")
    data = await at_length(run_files.protein_file, folder, query_id, name)
    headers = NEVER_KEPT | {"Content-Disposition": f'attachment; filename="{protein_stem(query_id)}.{name}"'}
    kind = run_files.PROTEIN_FILES[name].media_type
    return Response(data, headers=headers, content_type=f"{kind}; charset=utf-8")


async def protein_fasta(visit):
    """The sequence of a protein as FASTA, whether it has a result or not."""
    query_id = visit.named("query_id")
    found = await answers.ask(visit.datasette, visit.request, queries.proteins_of, [query_id])
    if not found or not found[0]["sequence"]:
        raise NotFoundError(f"There is no sequence of {query_id!r} in the store.")
    headers = NEVER_KEPT | {"Content-Disposition": f'attachment; filename="{protein_stem(query_id)}.fasta"'}
    return Response(format_protein(found[0]), headers=headers, content_type=f"{_KINDS['fasta']}; charset=utf-8")


# --- Proteins ---------------------------------------------------------------------------------------

PROTEIN_COLUMNS = (
    *("query_id", "gene", "description", "length", "phase", "coverage_class", "domains", "coverage", "templates"),
    *("superfamilies", "best_hit", "best_evalue", "probability", "best_score", "helix", "strand", "coil", "reason"),
)
_KINDS = {"fasta": "text/x-fasta", "csv": "text/csv", "txt": "text/plain"}
_AT_ONCE = 500


async def proteins_file(visit):
    """The proteins that the list of a run shows, all pages of it: FASTA, CSV, or ids."""
    run_id, ending, listing = visit.named("run_id"), visit.named("format"), Listing(visit.request.args)
    if ending not in _KINDS:
        raise NotFoundError(f"There is no such format: {ending!r}. Expected {', '.join(_KINDS)}.")
    await answers.ask(visit.datasette, visit.request, queries.find_run, run_id)
    path = store_path(visit.datasette)
    write = {"fasta": _write_fasta, "csv": _write_csv, "txt": _write_ids}[ending]

    def send(stream):
        with contextlib.closing(open_for_reading(path)) as conn:
            ids = iter(run_data.ids_of(conn, run_id, listing.chosen, listing.sort, listing.backwards))
            write(_Text(stream), conn, run_id, iter(lambda: list(itertools.islice(ids, _AT_ONCE)), []))

    name = f"{re.sub(r'[^A-Za-z0-9._-]', '_', run_id)}-{listing.shown}.{ending}"
    return await Streamed(send, name, f"{_KINDS[ending]}; charset=utf-8").begin(client_of(visit), visit.request.receive)


class _Text:
    """A stream of bytes that takes text."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, text):
        return self._stream.write(text.encode())


def _write_ids(text, conn, run_id, parts):
    for ids in parts:
        text.write("".join(f"{query_id}\n" for query_id in ids))


def _write_fasta(text, conn, run_id, parts):
    for ids in parts:
        for row in queries.proteins_of(conn, ids):
            if row["sequence"]:
                text.write(format_protein(row))


def _write_csv(text, conn, run_id, parts):
    table = csv.writer(text, lineterminator="\n")
    table.writerow(PROTEIN_COLUMNS)
    for ids in parts:
        for row in run_data.proteins_of(conn, run_id, ids):
            row |= {name: f"{part:.3f}" for name, part in row["structure"].items()}
            row["templates"] = " ".join(span["template"] for span in row["spans"])
            row["superfamilies"] = " ".join(span["superfamily"] for span in row["spans"] if span["superfamily"])
            table.writerow([row.get(name) for name in PROTEIN_COLUMNS])


# --- Report -----------------------------------------------------------------------------------------


async def report_page(visit):
    """What the report of a run has."""
    folder = await folder_of(visit)
    run_id = visit.named("run_id")
    here = run_path(visit.datasette, run_id)
    there = await at_length(
        lambda: {file.name: file for file in REPORT_FILES if (folder / "report" / file.name).is_file()}
    )
    parts = {}
    for file in there.values():
        part = file.category.partition(" ")[2]
        parts.setdefault(part, []).append((f"{here}/report/{file.name}", _unnumbered(file.title)))
    whole = f"{here}/report/{WHOLE_REPORT}"
    context = {"run_id": run_id, "here": here, "parts": parts, "whole": whole if WHOLE_REPORT in there else None}
    return await visit.page("report.html", context)


def _unnumbered(title):
    number, _, words = title.partition(" ")
    return words if number.isdigit() else title


async def report_file(visit):
    """A page or plot of the report, as it was drawn."""
    name = visit.named("file")
    data = await at_length(read_report_file, await folder_of(visit), name)
    kind = mimetypes.guess_type(name)[0]
    # isolated: nothing in it can act for the reader on this site
    sandbox = "sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox"
    headers = NEVER_KEPT | {
        "Content-Security-Policy": f"{sandbox}; frame-ancestors 'self'",
        "X-Frame-Options": "SAMEORIGIN",  # the page of the report shows it below the menu
    }
    return Response(data, headers=headers, content_type=f"{kind}; charset=utf-8")


# --- Logs -------------------------------------------------------------------------------------------


def lines_of(folder, row, **limit):
    """The last lines of the log of a protein's job, by its row of protein_results; NotFoundError if it has none."""
    return _without_folder(job_log(folder, row["step"] or "search", protein_stem(row["query_id"]), **limit), folder)


def _without_folder(text, folder):
    """A log without folders of the server: paths of runs begin with ``results/``, others are their last part."""
    return without_folders(text.replace(f"{folder.parent.parent}/", ""))


async def last_lines(visit, run_id, failures):
    """The last lines of the log of each of some failed proteins; nothing where there is no log."""

    def read(platform):
        found = {}
        for row in failures:
            try:
                found[row["query_id"]] = lines_of(run_folder(platform, run_id), row, lines=LAST_LINES)
            except UserError:
                continue
        return found

    return await ask_platform(visit.datasette, read)


async def _log(visit):
    """(what it is the log of, its last lines, None if there is no log); NotFoundError for a job that is not there."""
    run_id, query_id, job = visit.named("run_id"), visit.argument("protein"), visit.argument("job")
    folder = await folder_of(visit)
    if job:
        text = await _found(at_length(job_log, folder, visit.argument("step"), job))
        return job, text and _without_folder(text, folder)
    if not query_id:
        text = await _found(ask_platform(visit.datasette, head_log, run_id))
        return "the Snakemake process", text and _without_folder(text, folder)

    def read(conn):
        query = "select query_id, step from protein_results where run_id = ? and query_id = ?"
        row = conn.execute(query, (run_id, query_id)).fetchone()
        if row is None:
            raise NotFoundError(f"Run {run_id!r} has no protein {query_id!r}.")
        return dict(zip(("query_id", "step"), row, strict=True))

    row = await answers.ask(visit.datasette, visit.request, read)
    return query_id, await _found(at_length(lines_of, folder, row))


async def _found(reading):
    try:
        return await reading
    except NotFoundError:
        return None


async def log_page(visit):
    """The last lines of a log, for people."""
    of, text = await _log(visit)
    run_id, query_id = visit.named("run_id"), visit.argument("protein")
    run = await answers.ask(visit.datasette, visit.request, queries.find_run, run_id)
    context = {
        "run_id": run_id,
        "here": run_path(visit.datasette, run_id),
        "of": of,
        "text": text,
        "active": run["status"] in words.ACTIVE,
        "protein": protein_path(visit.datasette, query_id) if query_id else None,
        "same": same.log(visit, run_id, query_id),
    }
    return await visit.page("log.html", context)


async def log(visit):
    """The last lines of a log."""
    of, text = await _log(visit)
    if text is None:
        raise NotFoundError(f"There is no log of {of!r}.")
    return visit.json({"of": of, "text": text})
