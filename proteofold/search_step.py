"""One protein's way from prediction to summary, in one process: ``.a3m``, hhsearch, ``.hhr``, hits, ``.out``.

Started once for every protein, so what it imports is counted in CPU-milliseconds (docs/decisions.md): no package but
this one, of the standard library only what starts fast. What hhsearch reads and writes stays in memory unless it is
kept, so a killed job leaves nothing behind. Results are written aside and moved: a file that is there is whole.
"""

import os
from types import SimpleNamespace

from proteofold import hhsuite, hits
from proteofold.a3m import format_a3m
from proteofold.alignments import pack_alignments
from proteofold.errors import UserError
from proteofold.fasta import protein_stem, read_fasta
from proteofold.files import MemoryFile, write_aside
from proteofold.hhsuite_log import search_problem
from proteofold.process import JobLog, measured_run, usage_tsv
from proteofold.psipred import read_horiz

# Memory of this process beside hhsearch: Python, the hits of one query and its .hhr.
SEARCH_STEP_MB = 40

REQUIRED = (
    *("protein", "fasta", "horiz", "library", "longest-template", "mode", "result-key"),
    *("out", "hits", "alignments", "usage", "log"),
)
OPTIONAL = {"threads": "1", "shards": "1", "keep-a3m": "", "keep-hhr": ""}


def search_protein(options, log):
    """Make ``.out``, hits, alignments, usage and what is kept of one protein."""
    log.step("a3m")
    query, prediction = batch_member(options.fasta, options.horiz, options.protein)
    a3m = format_a3m(query.id, query.sequence, prediction)
    if options.keep_a3m:
        write_aside(options.keep_a3m, a3m)
    usage = None
    for search in hhsuite.SEARCH_MODES[options.mode]:
        log.step("search")
        used, result, hhr = run_search(search, query, a3m, options, log)
        usage = usage + used if usage else used
        if any(hit.evalue < hhsuite.FALLBACK_EVALUE for hit in result.hits):
            break
    if options.keep_hhr:
        write_aside(options.keep_hhr, hhr)
    write_aside(options.hits, hits.hits_csv_gz(query.id, result.hits))
    write_aside(options.alignments, pack_alignments(hhr))
    write_aside(options.usage, usage_tsv(usage))
    # last: who sees it knows that the others are there
    write_aside(options.out, hits.format_summary(hits.summarise(query.id, result.hits)))


def run_search(search, query, a3m, options, log):
    """Make one search with the text of an ``.a3m``; returns its Usage, SearchResult and the bytes of the ``.hhr``."""
    length, shards = len(query.sequence), int(options.shards)
    with MemoryFile("query.a3m", a3m) as read, MemoryFile("query.hhr") as written:
        what = {
            "query_length": length,
            "maxres": hhsuite.maxres(length, int(options.longest_template)),
            "threads": int(options.threads),
        }
        if shards > 1 and search != "fast":
            from proteofold.shards import search_in_shards  # here, because few proteins need it and all would pay

            links = os.path.join(os.path.dirname(options.out), f".{options.protein}.shards")
            place = (read.path, written.path, options.library, links)
            usage = search_in_shards(search, *place, log, count=shards, result_key=options.result_key, **what)
        else:
            command = hhsuite.search_command(search, read.path, options.library, written.path, **what)
            usage = measured_run(command, log, options.result_key, search_problem)
        log.step("summary")
        result = hits.read_hhr(written.path, name=f"{options.protein}.hhr")
        if result.table_rows != len(result.hits):
            raise UserError(f"{search} search lists {result.table_rows} hits but aligns {len(result.hits)}: not whole")
        return usage, result, written.read_bytes()


def batch_member(fasta, horiz, protein):
    """The record of a protein in its batch's FASTA and the prediction at the same place in the ``.horiz``."""
    predictions = read_horiz(horiz)
    records = list(read_fasta(fasta))
    if len(records) != len(predictions):
        raise UserError(f"{horiz} has {len(predictions)} predictions for the {len(records)} proteins of {fasta}")
    for record, prediction in zip(records, predictions, strict=True):
        if protein_stem(record.id) == protein:
            return record, prediction
    raise UserError(f"{fasta} does not hold {protein}")


def read_options(words):
    """The command line, pairs of ``--name value``, as attributes of text; SystemExit tells what is wrong with it.

    Only the rule search_templates writes it, and argparse would take a tenth of this process.
    """
    given = {name.removeprefix("--"): value for name, value in zip(words[::2], words[1::2], strict=False)}
    missing = [name for name in REQUIRED if name not in given]
    unknown = [name for name in given if name not in (*REQUIRED, *OPTIONAL)]
    if missing or unknown or len(words) % 2:
        raise SystemExit(f"search_step: expected pairs of --name value; missing: {missing}, unknown: {unknown}")
    return SimpleNamespace(**{name.replace("-", "_"): value for name, value in {**OPTIONAL, **given}.items()})


def main(words):
    """Entry point of the rule search_templates: exit code 0, or 1 with the reason as the log's last line."""
    options = read_options(words)
    with JobLog(options.log) as log:
        search_protein(options, log)
    return log.exit_code
