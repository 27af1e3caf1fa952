"""Commands of ``proteofold`` that read and fill the results store."""

import os
import sys
from functools import partial
from pathlib import Path

import click

from proteofold.cli.output import print_facts, print_json, print_table, print_verdict, time_shown
from proteofold.system import paths
from proteofold.system.errors import UserError

_FILE = click.Path(exists=True, dir_okay=False)
_NOT_FOUND = 3
_OPENED = "proteofold.store"  # of a command's context: the path of the store it opened

store_option = click.option(
    "--store",
    "store_path",
    type=click.Path(dir_okay=False),
    default=f"results/{paths.STORE_NAME}",
    show_default=True,
    envvar=paths.STORE_VARIABLE,
    show_envvar=True,
    help="The store: a file on a local disk.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@click.command(short_help="List the runs of the store.")
@store_option
@json_option
def runs(store_path, as_json):
    """List the runs of the store, the newest first.

    \b
    Examples:
      proteofold runs
      proteofold runs --json | jq -r '.[] | select(.status == "FAILED") | .run_id'
    """
    from proteofold.store import queries

    rows = queries.list_runs(open_fresh(store_path))
    for row in rows:
        row["new_results"] = _new_results(store_path, row)
    if as_json:
        return print_json(rows)
    shown = [
        (row["run_id"], row["status"], time_shown(row["date_started"]), row["total"], row["succeeded"], row["failed"])
        for row in rows
    ]
    print_table(("run", "status", "started (UTC)", "proteins", "done", "failed"), shown)
    for row in rows:
        if row["new_results"]:
            click.echo(f"{row['run_id']}: {_new(row['new_results'])}")


@click.command(short_help="Show a run: progress, failures, best hits.")
@click.argument("run")
@click.option("--limit", type=click.IntRange(0), default=10, show_default=True, help="Rows of each list.")
@store_option
@json_option
def show(run, limit, store_path, as_json):
    """Show how far RUN is, which proteins failed and why, and the hits with the smallest E-values.

    Exit code 3 if the store has no such run.

    \b
    Examples:
      proteofold show demo
      proteofold show demo --json --limit 100000
    """
    from proteofold.store import queries

    conn = open_fresh(store_path)
    row = or_not_found(queries.find_run, conn, run)
    row["phases"], row["computed_in"] = queries.phase_counts(conn, run), queries.computed_elsewhere(conn, run)
    row["new_results"], row["coverage_classes"] = _new_results(store_path, row), _coverage_classes(store_path, run)
    row["classification"] = _classification(store_path, run)
    failed, best = queries.failures(conn, run, limit), queries.best_results(conn, run, limit)
    if as_json:
        return print_json(row | {"failures": failed, "best": best})
    phases = ", ".join(f"{count} {phase}" for phase, count in row["phases"].items())
    settings = row["settings"] or {}
    print_facts(
        {
            "run": row["run_id"],
            "status": row["status"],
            "started": time_shown(row["date_started"]) and f"{time_shown(row['date_started'])} UTC",
            "finished": time_shown(row["date_finished"]) and f"{time_shown(row['date_finished'])} UTC",
            "author": row["author"],
            "proteins": f"{row['total']}{f' ({phases})' if phases else ''}",
            "shared": ", ".join(f"{count} computed in {name}" for name, count in row["computed_in"].items()) or None,
            "new": _new(row["new_results"]),
            "coverage": ", ".join(f"{count} {name}" for name, count in row["coverage_classes"].items()) or None,
            "superfamilies": row["coverage_classes"] and _superfamilies(row["classification"]) or None,
            "templates": settings.get("library", {}).get("prefix"),
            "mode": row["mode"],
            "efficiency": row["efficiency"] and f"{100 * row['efficiency']:.0f}%",
            "mean of score_std": row["score_std"],
            "mean of score_gmean": row["score_gmean"],
        }
    )
    if failed:
        click.echo(f"\nFailed: {len(failed)} of {row['failed']}")
        print_table(("protein", "step", "reason"), [(r["query_id"], r["step"], r["reason"]) for r in failed])
    if best:
        click.echo("\nSmallest E-values")
        columns = ("query_id", "best_hit", "best_evalue", "best_score", "hits")
        print_table(("protein", "best hit", "E-value", "score", "hits"), [[r[name] for name in columns] for r in best])


def _new(count):
    """In words how many results the tables of a run lack; None if none."""
    return f"{count} result{'s' if count > 1 else ''} new, rerun to merge" if count else None


def _new_results(store_path, row):
    """How many results of a run other runs have computed since its tables were merged; 0 while it runs."""
    from proteofold.run.merge import new_results

    if row["status"] not in ("FAILED", "INTERRUPTED"):
        return 0
    try:
        return next(map(new_results, run_folders(store_path, row["run_id"])), 0)
    except (OSError, UserError):  # the folder is damaged
        return 0


def run_folders(store_path, run):
    """Where the folder of a run is: beside the store, or in results/; nothing if it is elsewhere."""
    from proteofold.run.layout import RESULTS

    return [results / run for results in (Path(store_path).parent, RESULTS) if (results / run).is_dir()]


def _coverage_classes(store_path, run):
    """How many proteins of a run are in each coverage class; nothing where it was not merged yet."""
    from proteofold.run.proteome import read_coverage_classes

    return next(filter(None, map(read_coverage_classes, run_folders(store_path, run))), {})


def _classification(store_path, run):
    """How many domains of a run have a superfamily; None where there was no classification, or nothing was merged."""
    from proteofold.run.proteome import read_classification

    return next(filter(None, map(read_classification, run_folders(store_path, run))), None)


def _superfamilies(found):
    """What a merged run knows of superfamilies, in words."""
    if found is None:
        return "not known: 'proteofold fetch classification' fetches CATH"
    without = found["domains_not_in_cath"] + found["domains_not_mapped"]
    counts = f"{found['superfamilies']} in {found['domains_classified']} domains, {without} domains without"
    return f"{counts} (CATH {found['version']})"


@click.command(short_help="Show a protein, its results and hits.")
@click.argument("name", metavar="ID")
@click.option("--limit", type=click.IntRange(0), default=10, show_default=True, help="Hits to show.")
@store_option
@json_option
def protein(name, limit, store_path, as_json):
    """Show a protein, the runs that include it, and the domains and hits of its newest result.

    Domains are shown where the folder of the run is beside the store or in results/. Of a hit "id. %" is the
    identity of the aligned residues, "cover %" the part of the template that they span, and "SS %" the part of them
    that have the same secondary structure. --json has all columns.

    ID is an id, accession, entry name or gene, in upper or lower case, or other words that fit one protein only.
    Exit code 3 if the store has no such protein, or if several fit.

    \b
    Examples:
      proteofold protein P69905
      proteofold protein 'sp|P69905|HBA_HUMAN' --json
    """
    from proteofold.store import lookup, queries, run_files

    conn = open_fresh(store_path)
    found = []
    for row in or_not_found(partial(lookup.find, or_words=True), conn, name):
        results = queries.results_of(conn, row["query_id"])
        newest = next((result for result in results if result["status"] == "SUCCESS"), None)
        hits = queries.hits_of(conn, newest["run_id"], row["query_id"], limit) if newest else []
        folders = run_folders(store_path, newest["run_id"]) if newest else []
        verdict = run_files.verdict_in_files(folders, row["query_id"])
        found.append(row | {"results": results, "hits": hits, "verdict": verdict and verdict.described()})
    if as_json:
        return print_json(found)
    for row in found:
        facts = ("query_id", "accession", "entry_name", "description", "gene", "organism", "length", "md5", "source")
        print_facts({fact: row[fact] for fact in facts})
        columns = ("run_id", "status", "best_hit", "best_evalue", "best_score", "reason")
        click.echo("\nResults" if row["results"] else "\nIn no run yet")
        print_table(
            ("run", "status", "best hit", "E-value", "score", "reason"),
            [[result[column] for column in columns] for result in row["results"]],
        )
        print_verdict(row["verdict"])
        if row["hits"]:
            click.echo(f"\nHits in {row['hits'][0]['run_id']}")
            columns = ("rank", "template", "probability", "evalue", "identity", "template_coverage", "ss_agreement")
            print_table(
                ("rank", "template", "prob. %", "E-value", "id. %", "cover %", "SS %", "description"),
                [[hit[column] for column in (*columns, "description")] for hit in row["hits"]],
            )


@click.command(short_help="Print the records of a list of ids.")
@click.option(
    "--ids",
    type=click.File(encoding="utf-8"),
    required=True,
    help="One id, accession, entry name or gene per line; - for stdin.",
)
@click.option("--fasta", is_flag=True, help="Print FASTA.")
@store_option
@json_option
def proteins(ids, fasta, store_path, as_json):
    """Print the records of the proteins that a list names, in its order; names that are not there go to stderr.

    Exit code 3 if any name was not found.

    \b
    Examples:
      proteofold proteins --ids wanted.txt --fasta > wanted.fasta
      echo P69905 | proteofold proteins --ids - --json
    """
    from proteofold.store import lookup, queries
    from proteofold.store.proteins import format_protein

    conn = _open(store_path)
    absent, rows = [], []
    for name in dict.fromkeys(filter(None, (line.strip() for line in ids))):
        found = queries.proteins_of(conn, lookup.named(conn, name))
        if not found:
            absent.append(name)
            continue
        if fasta and not as_json:
            for row in found:
                if row["sequence"] is None:
                    absent.append(name)
                else:
                    click.echo(format_protein(row), nl=False)
        else:
            rows += found
    if as_json:
        print_json(rows)
    elif not fasta:
        columns = ("query_id", "gene", "length", "description")
        print_table(("protein", "gene", "length", "description"), [[row[name] for name in columns] for row in rows])
    for name in absent:
        click.echo(f"not in the store: {name}", err=True)
    if absent:
        sys.exit(_NOT_FOUND)


@click.command(short_help="Add the proteins of a FASTA file.")
@click.argument("fasta", type=_FILE)
@store_option
@json_option
def add(fasta, store_path, as_json):
    """Add the proteins of FASTA, plain or gzip, with their descriptions. Existing proteins are kept.

    Exit code 1 if any record was refused, for example because its id has another sequence in the store; the others are
    added all the same.

    \b
    Examples:
      proteofold add UP000005640_9606.fasta.gz
      proteofold add my.fasta --json
    """
    from proteofold.store import add_fasta

    done = add_fasta(_open(store_path, create=True), fasta)
    if as_json:
        failed = [{"id": name, "reason": reason} for name, reason in done.failed]
        counts = {"added": done.added, "present": done.present, "described": done.described}
        print_json(counts | {"failed": failed})
    else:
        described = f" ({done.described} of them got their description)" if done.described else ""
        click.echo(f"{done.added} added, {done.present} present{described}, {len(done.failed)} failed")
        for _, reason in done.failed:
            click.echo(reason, err=True)
    if done.failed:
        sys.exit(1)


@click.command(short_help="Write a run as CSV, JSON lines, Parquet or GFF3, or its models.")
@click.argument("run")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["csv", "jsonl", "parquet", "gff3", "models"]),
    default="csv",
    show_default=True,
    help="gff3: the domains, for genome browsers. models: a zip file of models of the domains.",
)
@click.option("--protein", metavar="ID", help="Write the files of this protein instead of tables.")
@click.option("--to", "folder", type=click.Path(file_okay=False), help="Folder to write to.  [default: export/RUN]")
@store_option
@json_option
def export(run, format_name, protein, folder, store_path, as_json):
    """Write the proteins, results, hits and domains of RUN, one file each, and the run itself as run.json.

    With --format gff3 the domains of its proteins, as domains.gff3; with --format models a model of each domain whose
    structure 'proteofold fetch structures' has fetched, as models.zip. With --protein the files of one protein: .hhr,
    .a3m, .fasta, and its hits and domains as .csv and .json. For these, the folder of the run has to be beside the
    store or in results/.

    Exit code 3 if the store has no such run, or the run no such protein, domains or result.

    \b
    Examples:
      proteofold export demo
      proteofold export demo --format parquet --to /tmp/demo
      proteofold export demo --format gff3
      proteofold export demo --format models
      proteofold export demo --protein P69905 --to P69905
    """
    from proteofold.store import export_run

    conn, folder = _open(store_path), Path(folder or Path("export") / run)
    if protein:
        paths = or_not_found(_export_protein, conn, store_path, run, protein, folder)
    elif format_name == "gff3":
        paths = or_not_found(_export_domains, conn, store_path, run, folder)
    elif format_name == "models":
        paths = or_not_found(_export_models, conn, store_path, run, folder)
    else:
        paths = or_not_found(export_run, conn, run, folder, format_name)
    if as_json:
        return print_json([str(path) for path in paths])
    for path in paths:
        click.echo(path)


def _export_protein(conn, store_path, run, name, to):
    from proteofold.store import lookup
    from proteofold.store.run_files import export_protein

    folder = folder_of(conn, store_path, run)
    found = lookup.find(conn, name, or_words=True)
    return [path for row in found for path in export_protein(folder, row["query_id"], to)]


def _export_domains(conn, store_path, run, to):
    from proteofold.store.run_files import export_table

    return [export_table(folder_of(conn, store_path, run), "domains.gff3", to)]


def _export_models(conn, store_path, run, to):
    from proteofold.science.model import STRUCTURES
    from proteofold.service.models import write_models
    from proteofold.system.files import replacing

    path = Path(to) / "models.zip"
    with replacing(path) as aside, open(aside, "wb") as stream:
        write_models(folder_of(conn, store_path, run), STRUCTURES, stream)
    return [path]


def folder_of(conn, store_path, run):
    """The folder of a run of the store; NotFoundError if the store has no such run, or its folder is elsewhere."""
    from proteofold.store.queries import NotFoundError, find_run

    find_run(conn, run)
    folders = run_folders(store_path, run)
    if not folders:
        raise NotFoundError(f"the folder of run {run!r} is neither beside the store nor in results/.")
    return folders[0]


@click.group()
def store():
    """Fill the store from run folders, or write runs to files."""


@store.command("import", short_help="Make the rows of runs from their folders.")
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False))
@click.option("--jobs", type=click.IntRange(1), help="Processes.  [default: one per core, at most 4]")
@store_option
@json_option
def import_(folders, jobs, store_path, as_json):
    """Fill the store with runs from their FOLDERS; earlier rows of these runs are replaced.

    To rebuild a lost store, import all folders. results/shared is skipped; any other folder without settings.json is an
    error. A damaged result is removed, so that rerunning the run recomputes it, unless the run is in progress; the exit
    code is then 1.

    \b
    Examples:
      proteofold store import results/demo
      proteofold store import results/*/
    """
    from proteofold.run.layout import SHARED
    from proteofold.store import import_order, import_run
    from proteofold.store.queries import find_run

    conn, done, damaged = _open(store_path, create=True), [], []

    def warn(text):
        damaged.append(text)
        click.echo(text, err=True)

    for folder in import_order([folder for folder in folders if Path(folder).name != SHARED]):
        row = find_run(conn, import_run(conn, folder, workers=jobs or min(os.cpu_count() or 1, 4), warn=warn))
        done.append({name: row[name] for name in ("run_id", "status", "total", "succeeded", "failed")})
        if not as_json:
            click.echo("{run_id}: {status}, {succeeded} of {total} proteins, {failed} failed".format(**done[-1]))
    if as_json:
        print_json(done)
    if damaged:
        sys.exit(1)


store.add_command(export, "export")


def _open(path, create=False):
    from proteofold.store import open_store

    click.get_current_context().meta[_OPENED] = path
    return open_store(path, create=create)


def store_error(context, error):
    """The message for an error of SQLite in the store of a command; None for any other error."""
    path = context.meta.get(_OPENED)
    if not path:
        return None
    import sqlite3

    from proteofold.store.database import advice

    return f"{path}: {advice(Path(path), error)}" if isinstance(error, sqlite3.DatabaseError) else None


def open_fresh(path):
    """The store, after runs whose head was killed were marked."""
    from proteofold.run.layout import RESULTS
    from proteofold.store import interrupt_dead_runs

    conn = _open(path)
    interrupt_dead_runs(conn, Path(path).parent, RESULTS)
    return conn


def or_not_found(function, *arguments):
    """The value of a function; what is not in the store becomes a message and exit code 3."""
    from proteofold.store.queries import NotFoundError

    try:
        return function(*arguments)
    except NotFoundError as error:
        failure = click.ClickException(str(error))
        failure.exit_code = _NOT_FOUND
        raise failure from None
