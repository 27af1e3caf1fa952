"""One protein's way from prediction to summary, in one process: ``.a3m``, hhsearch, ``.hhr``, hits, ``.out``.

Started once for every protein, so nothing heavy is imported here. Intermediate files live in the job's temporary
folder unless they are kept. Results are written aside and moved: a file that is there is whole.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from proteofold import hhsuite, hits
from proteofold.a3m import format_a3m
from proteofold.errors import UserError
from proteofold.fasta import protein_stem, read_fasta
from proteofold.files import write_aside
from proteofold.process import JobLog, die_with_parent, measured_run, usage_tsv
from proteofold.psipred import read_horiz

# Memory of this process beside hhsearch: Python and the hits of one query.
SEARCH_STEP_MB = 40


def search_protein(arguments, log):
    """Make ``.out``, hits and what is kept of one protein; returns what the search used."""
    with tempfile.TemporaryDirectory(prefix="proteofold-") as scratch:
        a3m, hhr = Path(scratch, "query.a3m"), Path(scratch, "query.hhr")
        log.step("a3m")
        query, prediction = batch_member(arguments.fasta, arguments.horiz, arguments.protein)
        a3m.write_text(format_a3m(query.id, query.sequence, prediction), encoding="utf-8")
        if arguments.keep_a3m:
            write_aside(arguments.keep_a3m, a3m.read_bytes())
        usage = None
        for search in hhsuite.SEARCH_MODES[arguments.mode]:
            log.step("search")
            used, result = run_search(search, query, a3m, hhr, arguments, log)
            usage = usage + used if usage else used
            if any(hit.evalue < hhsuite.FALLBACK_EVALUE for hit in result.hits):
                break
        if arguments.keep_hhr:
            write_aside(arguments.keep_hhr, hhr.read_bytes())
    write_aside(arguments.hits, hits.hits_csv_gz(query.id, result.hits))
    write_aside(arguments.out, hits.format_summary(hits.summarise(query.id, result.hits)))
    return usage


def run_search(search, query, a3m, hhr, arguments, log):
    """Make one search and read its hits; returns (Usage, SearchResult)."""
    length = len(query.sequence)
    command = hhsuite.search_command(
        search,
        a3m,
        arguments.library,
        hhr,
        query_length=length,
        maxres=hhsuite.maxres(length, arguments.longest_template),
        threads=arguments.threads,
    )
    usage = measured_run(command, log, arguments.result_key)
    log.step("summary")
    result = hits.read_hhr(hhr)
    if result.table_rows != len(result.hits):
        raise UserError(f"{search} search lists {result.table_rows} hits but aligns {len(result.hits)}: not whole")
    return usage, result


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


def main(words=None):
    """Entry point of the rule search_templates: exit code 0, or 1 with the reason as the log's last line."""
    parser = argparse.ArgumentParser(prog="python -m proteofold.search_step", description=__doc__)
    for name in ("protein", "fasta", "horiz", "library", "mode", "out", "hits", "log", "usage", "result-key"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--longest-template", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--keep-a3m")
    parser.add_argument("--keep-hhr")
    arguments = parser.parse_args(words)
    with JobLog(arguments.log) as log:
        usage = search_protein(arguments, log)
        write_aside(arguments.usage, usage_tsv(usage))
    return log.exit_code


if __name__ == "__main__":
    die_with_parent()
    sys.exit(main())
