"""The steps of the pipeline as commands. The rules of the workflow run these, and so can a person.

A step that is given an output file writes it whole or not at all, and does nothing if it is there already.
"""

import functools
import os
import sys
import traceback
from pathlib import Path

import click

from proteofold.science import hhsuite
from proteofold.science.weights import MEMORY_MB
from proteofold.system.errors import UserError, help_line, missing_extra, replaced

_FILE = click.Path(exists=True, dir_okay=False)
_OUTPUT = click.Path(dir_okay=False)
_SHOWN = 10  # ids in a message
_RUN = click.option("--run", default="", help="Name of the run, noted in --usage.")
_ID = click.option("--id", "query_id", help="The record to take when FASTA has several.")
_MD5 = click.option("--md5", help="Take the record with this MD5 of its sequence, and name it --id.")
_MEMORY = click.option(
    "--memory-mb",
    type=click.IntRange(1),
    default=MEMORY_MB,
    show_default=True,
    help="What S4PRED may take on a CPU: more memory, less time. A long protein may take more.",
)
_USAGE = click.option("--usage", type=_OUTPUT, help="Write time, memory and node to this table.")


def _step(function):
    """A command that ends with the Snakemake that started it; in a rule its failure is one last line ``Error: …``."""

    @functools.wraps(function)
    def run(*arguments, **options):
        from proteofold.system.disks import describe
        from proteofold.system.process import end_with_run

        end_with_run()
        try:
            if "PROTEOFOLD_IN_IMAGE" in os.environ:
                _refuse_other_methods()
            return function(*arguments, **options)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except UserError as error:
            if not _in_rule():
                raise  # the group `proteofold` shows it, one problem per line
            raise click.ClickException(" ".join(str(error).split())) from None
        except Exception as error:
            if missing_extra(error):
                raise  # the group `proteofold` reports it
            if isinstance(error, OSError) and (sentence := describe(error)):
                raise click.ClickException(sentence) from None
            traceback.print_exc()
            raise click.ClickException(" ".join(f"{type(error).__name__}: {error}".split())) from None

    return run


def _in_rule():
    """Whether a rule of the workflow runs this command, on this machine or in an image."""
    from proteofold.run.planning import METHODS_VARIABLE

    return METHODS_VARIABLE in os.environ


def _is_written(output):
    """Whether the output of a step is there already, so that there is nothing to do. This is reported."""
    if not output or not os.path.exists(output):
        return False
    _report_written(output)
    return True


def _report_written(output):
    click.echo(f"{output} exists: nothing to do. Delete it to compute it again.", err=True)


def _refuse_other_methods():
    """An image of another version would file its results under names that promise the methods of the checkout."""
    from proteofold.run.planning import METHODS, METHODS_VARIABLE

    expected = os.environ.get(METHODS_VARIABLE, METHODS)
    if expected != METHODS:
        raise UserError(
            f"the image has proteofold {METHODS}, the run needs {expected}: use an image of the same version"
        )


@click.command(short_help="Write the FASTA file of a batch of a run.")
@click.argument("run_folder", type=click.Path(exists=True, file_okay=False))
@click.argument("batch")
@click.argument("output", type=_OUTPUT)
@click.argument("proteins", type=_FILE, nargs=-1, required=True)
@_step
def batch(run_folder, batch, output, proteins):
    """Write the sequences of BATCH, as listed in the manifest of RUN_FOLDER, from the FASTA files PROTEINS to OUTPUT.

    \b
    Example:
      proteofold batch results/demo 0123456789abcdef batch.fas config/demo/proteins.fasta
    """
    from proteofold.run.inputs import read_queries
    from proteofold.run.manifest import load_run
    from proteofold.science.batches import make_batch
    from proteofold.system.files import write_aside

    if _is_written(output):
        return
    wanted = {member.query_id for member in load_run(run_folder).members.values() if member.batch == batch}
    if not wanted:
        raise UserError(f"{run_folder} has no batch {batch}. The names are in its manifest.tsv, column batch.")
    name, text = make_batch(read_queries(proteins, wanted)[0])
    if name != batch:
        raise UserError(f"the sequences of batch {batch} have changed in {', '.join(proteins)} since the run started")
    write_aside(output, text)


@click.command(short_help="Predict secondary structure: .fas to .horiz.")
@click.argument("fasta", type=_FILE)
@click.argument("horiz", type=_OUTPUT, required=False)
@click.option("--weights", default="demo", show_default=True, help="demo, official or a folder of weights.")
@click.option("--weights-key", help="Fail if the weights have another SHA-256: they were replaced during a run.")
@click.option("--device", type=click.Choice(["cpu", "gpu", "auto"]), default="cpu", show_default=True)
@click.option(
    "--precision", type=click.Choice(["fp32", "bf16"]), default="fp32", show_default=True, help="bf16 is not identical."
)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@_MEMORY
@_RUN
@_USAGE
@click.option("--check-name", is_flag=True, help="Fail if FASTA is not the batch that its name stands for: damaged.")
@_step
def s4pred(fasta, horiz, weights, weights_key, device, precision, threads, memory_mb, run, usage, check_name):
    """Predict the secondary structure of each sequence of FASTA with S4PRED, in PSIPRED's HFORMAT.

    Sequences are checked and corrected as in a run: upper case, no '*' at the end, letters of amino acids only. Writes
    HORIZ, or prints the result if it is not given.

    \b
    Example:
      proteofold s4pred --weights official my.fasta my.horiz
    """
    import time

    from proteofold.run.config import weights_folder
    from proteofold.science.batches import read_batch
    from proteofold.science.prediction import predict_sequences
    from proteofold.science.weights import weights_digest
    from proteofold.system.files import write_aside
    from proteofold.system.memory import slurm_memory_mb
    from proteofold.system.process import format_usage, own_usage, write_lost_usage

    if _is_written(horiz):
        write_lost_usage(usage, run)
        return
    started = time.monotonic()
    if check_name and read_batch(Path(fasta)) is None:
        raise UserError(f"{fasta}: damaged, not the batch that its name stands for")
    folder = weights_folder(weights)
    sequences = [query.sequence for query in _queries_of(fasta)]
    memory_mb = min(memory_mb, slurm_memory_mb() or memory_mb)  # where no node has as much as the rule asks for
    options = {"device": device, "precision": precision, "threads": threads, "memory_mb": memory_mb}
    text = predict_sequences(sequences, folder, **options)
    if weights_key and weights_digest(folder) != weights_key:
        raise replaced(f"the weights in {folder} were")
    if usage:
        write_aside(usage, format_usage(own_usage(started, run)))
    _write(horiz, text)


@click.command(short_help="Align a query with its relatives: .fas to .a3m.gz.")
@click.argument("fasta", type=_FILE)
@click.argument("a3m", type=_OUTPUT)
@click.option("--database", required=True, help="An HH-suite database of sequences, without _cs219.ffdata and so on.")
@click.option("--database-key", help="Fail if the database has another checksum: it was replaced during a run.")
@click.option("--iterations", type=click.IntRange(1, 8), default=2, show_default=True, help="Searches of the database.")
@_ID
@_MD5
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@_RUN
@_USAGE
@_step
def align(fasta, a3m, database, database_key, iterations, query_id, md5, threads, run, usage):
    """Align the sequence in FASTA with its relatives in a sequence database, by hhblits; writes A3M, compressed.

    'proteofold a3m --alignment' joins it with the secondary structure. Sequences are corrected as by 's4pred'.

    \b
    Example:
      proteofold align my.fasta my.alignment.a3m.gz --database /data/UniRef30_2023_02
    """
    from proteofold.science.alignment import align_query

    queries = _queries_of(fasta)
    query = queries[_place_of(queries, fasta, query_id, md5)]
    options = {"threads": threads, "usage": usage, "run": run, "database_key": database_key}
    if not align_query(query_id or query.query_id, query.sequence, a3m, database, iterations, **options):
        _report_written(a3m)


@click.command(short_help="Join a sequence and its prediction: .fas and .horiz to .a3m.")
@click.argument("fasta", type=_FILE)
@click.argument("horiz", type=_FILE)
@click.argument("a3m", type=_OUTPUT, required=False)
@_ID
@_MD5
@click.option("--alignment", type=click.Path(), help="A3M file of the sequence and its relatives, used for the search.")
@click.option("--entry", help="Fail if this name stands for another alignment: it was replaced during a run.")
@click.option("--remove-damaged", is_flag=True, help="Delete a damaged alignment, so that it is recomputed.")
@_step
def a3m(fasta, horiz, a3m, query_id, md5, alignment, entry, remove_damaged):
    """Write the A3M file that hhsearch reads: secondary structure, its confidence, and the sequence of FASTA.

    HORIZ holds the predictions of the records of FASTA, in the same order. Sequences are corrected as by 's4pred'.
    Writes A3M, or prints the result if it is not given.

    \b
    Example:
      proteofold a3m my.fasta my.horiz my.a3m
    """
    from proteofold.formats.a3m import format_a3m, read_relatives
    from proteofold.formats.psipred import read_horiz

    if _is_written(a3m):
        return
    queries, predictions = _queries_of(fasta), read_horiz(horiz)
    place = _place_of(queries, fasta, query_id, md5)
    query = queries[place]
    if len(queries) != len(predictions):
        raise UserError(f"{fasta} has {len(queries)} records, {horiz} has {len(predictions)} predictions.")
    relatives = ()
    if alignment:
        if not os.path.isfile(alignment):
            raise UserError(
                f"{alignment}: there is no alignment of {query_id or query.query_id}. Add it and start again."
            )
        try:
            relatives = read_relatives(alignment, query.sequence)
        except UserError as error:
            if not remove_damaged:
                raise
            raise UserError(_removed(alignment, error)) from None
        if entry and _entry_with(alignment, query_id or query.query_id, query) != entry:
            raise replaced(f"the alignment {alignment} was")
    # nothing checks it later: with one cut short by a power cut, a search would succeed and report other hits
    _write(a3m, format_a3m(query_id or query.query_id, query.sequence, predictions[place], relatives), sync=True)


@click.command(short_help="Search a template library: .a3m to .hhr.gz.")
@click.argument("a3m", type=_FILE)
@click.argument("hhr", type=_OUTPUT)
@click.option("--library", required=True, help="An HH-suite database, without _hhm.ffdata and so on.")
@click.option("--library-key", help="Fail if the library has another checksum: it was replaced during a run.")
@click.option("--id", "query_id", help="Fail if A3M is not of the query with this id.")
@click.option("--md5", help="Fail if the query's sequence in A3M has another MD5.")
@click.option(
    "--mode",
    type=click.Choice(list(hhsuite.SEARCH_MODES)),
    default="lean",
    show_default=True,
    help="How the library is searched: config/README.md.",
)
@click.option(
    "--alternatives",
    type=click.IntRange(1),
    default=hhsuite.ALTERNATIVES,
    show_default=True,
    help="Largest number of alignments reported per template.",
)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--memory-mb", type=click.IntRange(1), help="Search in parts of the library if one search needs more.")
@click.option(
    "--attempt", type=click.IntRange(1), default=1, help="Above 1 after a killed attempt: search in more parts."
)
@_RUN
@_USAGE
@_step
def search(a3m, hhr, library, library_key, query_id, md5, mode, alternatives, threads, memory_mb, attempt, run, usage):
    """Rank the templates of a library by their similarity to the query in A3M; writes HHR, compressed.

    Alignments beyond the 50 best and the confident hits are shortened; the list of hits is complete.

    \b
    Example:
      proteofold search my.a3m my.hhr.gz --library /data/pdb70/pdb70
    """
    from proteofold.science.search import search_templates

    options = {"threads": threads, "memory_mb": memory_mb, "attempt": attempt, "alternatives": alternatives}
    options |= {"query_id": query_id, "md5": md5, "library_key": library_key}
    if not search_templates(a3m, hhr, library, mode, usage=usage, run=run, **options):
        _report_written(hhr)


@click.command(short_help="Summarise the hits of a search: .hhr to .out.")
@click.argument("hhr", type=_FILE)
@click.argument("out", type=_OUTPUT, required=False)
@click.option("--id", "query_id", help="The query's id, if it is longer than HHR has it.")
@click.option("--entry", help="Name of the protein's results, noted in OUT; HHR must then be of the query --id.")
@click.option("--search", "search_name", default="", help="Name of the search, noted in OUT.")
@click.option("--remove-damaged", is_flag=True, help="Delete a damaged HHR, so that it is recomputed.")
@_step
def summarise(hhr, out, query_id, entry, search_name, remove_damaged):
    """Summarise the hits in HHR, of HH-suite 2 or 3 or the HHpred server, compressed or not: header and row.

    Writes OUT, or prints the result if it is not given.

    \b
    Example:
      proteofold summarise my.hhr.gz
    """
    from proteofold.formats.hhr import is_of_query, read_hhr
    from proteofold.run.results import sha256, write_out
    from proteofold.science.summary import format_summary
    from proteofold.science.summary import summarise as summary_of

    if _is_written(out):
        return
    data = Path(hhr).read_bytes()
    try:
        result = read_hhr(hhr)
        if result.table_rows > len(result.hits):
            raise UserError(f"{hhr} lists {result.table_rows} hits and aligns {len(result.hits)}: cut short")
        if entry and query_id and not is_of_query(result, query_id):
            raise UserError(f"{hhr} is the result of another query: {result.query[:80]}")
    except UserError as error:
        if not remove_damaged:
            raise
        raise UserError(_removed(hhr, error)) from None
    summary = summary_of(query_id or result.query_id, result.hits)
    if out:
        write_out(out, entry or Path(hhr).name, search_name, summary, sha256(data))
    else:
        click.echo(format_summary(summary), nl=False)


@click.command(short_help="Build a template library from FASTA or A3M files.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False))
@click.argument("prefix", type=_OUTPUT)
@click.option(
    "--predict",
    metavar="WEIGHTS",
    help="Predict secondary structure where a template has none: demo, official or a folder of S4PRED weights.",
)
@_MEMORY
@_step
def build_library(folder, prefix, predict, memory_mb):
    """Build an HH-suite database from the FASTA and A3M files of FOLDER, in a folder of its own.

    PREFIX is the path of its files without _hhm.ffdata and so on; the folder around it must be empty or absent.

    \b
    Example:
      proteofold build-library my_templates libraries/mine/mine --predict official
    """
    from proteofold.run.config import weights_folder
    from proteofold.science.library_build import build_library as build

    build(folder, prefix, predict and weights_folder(predict), memory_mb)


@click.command(short_help="Merge the results of a run.")
@click.argument("run_folder", type=click.Path(exists=True, file_okay=False), required=False)
@click.option(
    "--configfile",
    "config_files",
    type=_FILE,
    multiple=True,
    help="Merge the run of this configuration; may be repeated.",
)
@click.option(
    "--block", help="Collect the hits of one block of proteins only; the workflow does this before it merges."
)
@click.option(
    "--mark", "marks", multiple=True, help="Marks of what is merged (workflow/rules/common.smk); others are removed."
)
@click.option("--report", is_flag=True, help="Also draw the pages of the report.")
@click.option("--interrupted", is_flag=True, help="The run was interrupted: unfinished proteins have not failed.")
@_step
def merge(run_folder, config_files, block, marks, report, interrupted):
    """Write the merged tables of RUN_FOLDER from the proteins that are done, as each run does at its end.

    With --configfile the run need not have been started: its proteins are those of the configuration, and their results
    are those that other runs, such as its parts, have computed with the same settings.

    Proteins without a result are listed in failed.csv; the exit code is 2 if there are any.

    \b
    Example, after 'proteofold parts my.yaml --size 40000' and all parts:
      proteofold merge --configfile my.yaml
    """
    if bool(run_folder) == bool(config_files):
        raise click.UsageError("Give a run folder or --configfile.")
    from proteofold.plan.efficiency import write_efficiency
    from proteofold.run.lock import claim_run
    from proteofold.run.manifest import load_run
    from proteofold.run.merge import collect_block, merge_run
    from proteofold.system.process import PARENT_VARIABLE

    if config_files:
        run_folder = _folder_of(config_files)
    elif PARENT_VARIABLE not in os.environ:  # a rule's run is locked by its Snakemake
        claim_run(run_folder)
    if block:
        if failed := collect_block(run_folder, block):
            shown = [f"{query_id}: {reason}" for query_id, reason in list(failed.items())[:_SHOWN]]
            raise UserError("; ".join([*shown, *(["..."] if len(failed) > _SHOWN else [])]))
        return
    counts = merge_run(run_folder, marks, interrupted)
    try:
        write_efficiency(load_run(run_folder))
    except UserError as error:
        click.echo(f"note: how well the machines were used is not known: {error}", err=True)
    if report:
        from proteofold.report.draw import draw_report

        draw_report(run_folder)
    succeeded = counts["with_hit"] + counts["without_hit"]
    if marks and succeeded < counts["proteins"]:  # in a rule all were there
        lacking = counts["proteins"] - succeeded
        raise UserError(f"{lacking} of {counts['proteins']} results cannot be read: see {run_folder}/failed.csv; rerun")
    click.echo(f"{succeeded} of {counts['proteins']} proteins merged into {run_folder}/merge_results.csv")
    if counts["failed"]:
        again = "rerun the parts, then merge" if config_files else "rerun the same command"
        click.echo(f"{counts['failed']} failed: see {run_folder}/failed.csv; {again} to compute only those")
        click.echo(help_line("failed-proteins"))
    if succeeded < counts["proteins"]:
        sys.exit(2)


def _folder_of(config_files):
    """Write the folder of the run that a configuration describes, as its head would; returns its path."""
    from proteofold.run.config import load_config
    from proteofold.run.lock import claim_run
    from proteofold.run.manifest import write_run
    from proteofold.run.planning import plan_run

    run = plan_run(load_config(*config_files)).run
    claim_run(run.folder.path)
    write_run(run)
    return run.folder.path


@click.command(short_help="Draw the report of a run.")
@click.argument("run_folder", type=click.Path(exists=True, file_okay=False))
@_step
def report(run_folder):
    """Draw the pages and plots of RUN_FOLDER/report from its merged tables, as each run does at its end.

    \b
    Example:
      proteofold report results/demo
    """
    from proteofold.report.draw import REPORT_FILES, draw_report

    draw_report(run_folder)
    click.echo(f"{len(REPORT_FILES)} pages and plots drawn into {run_folder}/report")


def _entry_with(alignment, query_id, query):
    """The name of the results of a query, of this id, and the alignment that is given of it."""
    from dataclasses import replace

    from proteofold.formats.fasta import protein_stem
    from proteofold.run.alignments import alignment_digest
    from proteofold.run.planning import entry_of

    named = replace(query, query_id=query_id, protein=protein_stem(query_id))
    return entry_of(named, alignment_digest(os.path.dirname(alignment), named.protein))


def _place_of(queries, fasta, query_id, md5):
    """Place of the query of a FASTA file that has this MD5, or else this id, or is the only one."""
    if md5:
        chosen = [place for place, query in enumerate(queries) if query.md5 == md5][:1]
    else:
        chosen = [place for place, query in enumerate(queries) if query_id in (None, query.query_id)]
    if len(chosen) != 1:
        ids = ", ".join(query.query_id for query in queries[:_SHOWN])
        raise UserError(f"{fasta}: choose one record with --id: {ids}{', ...' if len(queries) > _SHOWN else ''}")
    return chosen[0]


def _queries_of(fasta):
    """The records of a FASTA file as in a run; what was corrected is shown on standard error."""
    from proteofold.run.inputs import read_queries

    queries, notes = read_queries([fasta])
    for note in notes:
        click.echo(f"note: {note}", err=True)
    return queries


def _removed(path, error):
    """Remove a damaged file; returns the reason of the failed step. What was wrong with it is shown before."""
    from proteofold.run.failures import DAMAGED

    print(error, file=sys.stderr)
    os.unlink(path)
    return f"{path}: {DAMAGED}"


def _write(path, text, sync=False):
    from proteofold.system.files import write_aside

    if path:
        write_aside(path, text, sync)
    else:
        click.echo(text, nl=False)
