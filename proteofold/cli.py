"""The command ``proteofold``: each step of the pipeline by hand, and the checks. Imports wait until they are needed."""

import os
import sys

import click

from proteofold import __version__, cli_platform, paths
from proteofold.cli_fetch import fetch
from proteofold.cli_plan import plan
from proteofold.cli_remote import remote
from proteofold.cli_store import add_commands, store_error
from proteofold.cli_top import top
from proteofold.disks import describe
from proteofold.errors import UserError

_FILE = click.Path(exists=True, dir_okay=False)


class _Group(click.Group):
    """Shows a UserError, or a store that cannot be used, as one message without a traceback; exit code 1."""

    def invoke(self, context):
        try:
            return super().invoke(context)
        except UserError as error:
            raise click.ClickException(str(error)) from None
        except Exception as error:
            if told := store_error(context, error) or (isinstance(error, OSError) and describe(error)):
                raise click.ClickException(told) from None
            raise


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="proteofold")
def cli():
    """Find, for every protein of a proteome, the known 3D structures it resembles.

    Runs are started with Snakemake (see the README); these commands do single steps by hand.
    """


@cli.command(short_help="Predict secondary structure; prints PSIPRED HFORMAT.")
@click.argument("fasta", type=_FILE)
@click.option("--weights", default="demo", show_default=True, help="demo, official or a folder of weights.")
@click.option("--device", type=click.Choice(["cpu", "gpu", "auto"]), default="cpu", show_default=True)
@click.option(
    "--precision", type=click.Choice(["fp32", "bf16"]), default="fp32", show_default=True, help="bf16 is not identical."
)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
def s4pred(fasta, weights, device, precision, threads):
    """Predict the secondary structure of each sequence of FASTA with S4PRED and print PSIPRED HFORMAT.

    Sequences are checked and corrected as in a run: upper case, no '*' at the end, letters of amino acids only.

    \b
    Example:
      proteofold s4pred --weights official my.fasta > my.horiz
    """
    from proteofold.config import weights_folder
    from proteofold.predict_step import predict_sequences

    sequences = [query.sequence for query in _queries_of(fasta)]
    folder = weights_folder({"s4pred": {"weights": weights}})
    click.echo(predict_sequences(sequences, folder, device=device, precision=precision, threads=threads), nl=False)


@cli.command(short_help="Join a sequence and its prediction; prints an .a3m.")
@click.argument("fasta", type=_FILE)
@click.argument("horiz", type=_FILE)
@click.option("--id", "query_id", help="The record to take when FASTA has several.")
def a3m(fasta, horiz, query_id):
    """Print the .a3m that hhsearch reads: secondary structure, confidence, and the sequence of FASTA.

    HORIZ holds the predictions of the records of FASTA, in the same order. Sequences are corrected as by 's4pred'.

    \b
    Example:
      proteofold a3m my.fasta my.horiz > my.a3m
    """
    from proteofold.a3m import format_a3m
    from proteofold.psipred import read_horiz

    queries, predictions = _queries_of(fasta), read_horiz(horiz)
    if len(queries) != len(predictions):
        raise UserError(f"{fasta} has {len(queries)} records, {horiz} has {len(predictions)} predictions.")
    chosen = [pair for pair in zip(queries, predictions, strict=True) if query_id in (None, pair[0].query_id)]
    if len(chosen) != 1:
        ids = ", ".join(query.query_id for query in queries[:10])
        raise UserError(f"{fasta}: choose one record with --id: {ids}{', ...' if len(queries) > 10 else ''}")
    query, prediction = chosen[0]
    click.echo(format_a3m(query.query_id, query.sequence, prediction), nl=False)


def _queries_of(fasta):
    """The records of a FASTA file as in a run; what was corrected is shown on standard error."""
    from proteofold.inputs import read_queries

    queries, notes = read_queries(fasta)
    for note in notes:
        click.echo(f"note: {note}", err=True)
    return queries


@cli.command(short_help="Summarise the hits of a .hhr; prints the .out.")
@click.argument("hhr", type=_FILE)
def summarise(hhr):
    """Print the summary of the hits in HHR (of HH-suite 2 or 3, or the HHpred server): header and row.

    \b
    Example:
      proteofold summarise my.hhr
    """
    from proteofold.hits import format_summary, read_hhr
    from proteofold.hits import summarise as summary_of

    result = read_hhr(hhr)
    if result.table_rows > len(result.hits):
        click.echo(
            f"Warning: {hhr} lists {result.table_rows} hits and aligns {len(result.hits)}: is it cut short?", err=True
        )
    query_id = next(iter(result.query.split()), "")
    click.echo(format_summary(summary_of(query_id, result.hits)), nl=False)


@cli.command(short_help="Check all inputs of a run without running anything.")
@click.option("--configfile", "config_files", type=_FILE, multiple=True, help="As for snakemake; may be repeated.")
def check(config_files):
    """Check configuration, sequences, ids, template library, weights and programs, and list every problem.

    \b
    Example:
      proteofold check --configfile my.yaml
    """
    from proteofold.config import load_config
    from proteofold.inputs import check_inputs, check_writing
    from proteofold.report_data import counted

    config = load_config(*config_files)
    checked = check_inputs(config, read_weights=True)
    check_writing(config, checked)
    for note in checked.notes:
        click.echo(f"note: {note}")
    checked.raise_errors()
    residues = sum(len(query.sequence) for query in checked.queries)
    library = checked.templates.library
    click.echo(
        f"ready: {counted(len(checked.queries))} with {counted(residues, 'residue')}, "
        f"{counted(library.templates, 'template')}"
        + (f", to be built from {checked.templates.source}" if checked.templates.source else "")
    )


@cli.command(short_help="Merge the results of a run.")
@click.argument("run_folder", type=click.Path(exists=True, file_okay=False))
@click.option("--report", is_flag=True, help="Draw the pages of the report too.")
@click.option("--interrupted", is_flag=True, help="The run was interrupted: unfinished proteins have not failed.")
def merge(run_folder, report, interrupted):
    """Write the merged tables of RUN_FOLDER from the proteins that are done; the workflow does this by itself.

    Proteins without a result are listed in failed.csv; the exit code is 2 when there are any.
    """
    from proteofold.efficiency import write_efficiency
    from proteofold.merge import merge_run
    from proteofold.runs import load_run

    counts = merge_run(run_folder, interrupted)
    write_efficiency(load_run(run_folder))
    if report:
        from proteofold.report import draw_report

        draw_report(run_folder)
    done = counts["with_hit"] + counts["without_hit"]
    click.echo(f"{done} of {counts['proteins']} proteins merged into {run_folder}/merge_results.csv")
    if counts["failed"]:
        click.echo(f"{counts['failed']} failed: see {run_folder}/failed.csv; the same command again runs only those")
    if done < counts["proteins"]:
        sys.exit(2)


add_commands(cli)
cli_platform.add_commands(cli)
cli.add_command(fetch)
cli.add_command(plan)
cli.add_command(top)
cli.add_command(remote)


def main():
    """Entry point of the command ``proteofold``."""
    os.environ.update(paths.SAFE_PATH)
    cli(prog_name="proteofold")
