"""The commands ``proteofold remote``: what the pages of a site do, from a terminal anywhere."""

import sys

import click

from proteofold.cli.output import print_facts, print_json, print_table, print_verdict, time_shown
from proteofold.cli.store import json_option
from proteofold.system.errors import UserError

_FAILED = 2


@click.group(short_help="Use a proteofold site: upload, start runs, follow and download them.")
@click.option("--url", envvar="PROTEOFOLD_URL", show_envvar=True, help="Address of the site.")
@click.option(
    "--token-file",
    type=click.File(),
    envvar="PROTEOFOLD_TOKEN_FILE",
    show_envvar=True,
    help="File that holds the token; - reads it from standard input.",
)
@click.option("--ask-token", is_flag=True, help="Prompt for the token.")
@click.pass_context
def remote(context, url, token_file, ask_token):
    """Use a proteofold site from a terminal: upload proteins, start runs, follow and download them.

    Create a token on the site's page Tokens. It is read from PROTEOFOLD_TOKEN, a file or the terminal, and is never an
    argument, because every user of a machine can read those.

    \b
    Example:
      export PROTEOFOLD_URL=https://proteofold.example.org PROTEOFOLD_TOKEN=pft_...
      proteofold remote add my.fasta
      proteofold remote start my-run --ids ids.txt --watch
      proteofold remote download my-run
    """
    token = token_file.readline().strip() if token_file else None
    if ask_token:
        token = click.prompt("Token", hide_input=True)
    context.obj = {"url": url, "token": token}  # without one the client takes that of the environment


def _client(context):
    from proteofold.client import Client

    return context.with_resource(Client(**context.obj))


def _command(name, summary, example):
    """A command with its summary and an example of its arguments."""
    return remote.command(
        name, short_help=summary, help=f"{summary}\n\n\b\nExample:\n  proteofold remote {name} {example}".rstrip()
    )


@_command("add", "Add the proteins of a FASTA file, plain or gzip.", "my.fasta")
@click.argument("fasta", type=click.Path(exists=True, dir_okay=False))
@json_option
@click.pass_context
def add(context, fasta, as_json):
    with _bar("sending", as_json) as show:
        done = _client(context).add_fasta(fasta, show)
    if as_json:
        print_json(done)
    else:
        click.echo(f"{done['added']} added, {done['present']} present, {done['failed']} failed")
        for row in done["rows"]:
            if row["outcome"] == "failed":
                click.echo(f"{row['id']}: {row['reason']}", err=True)
    if done["failed"]:
        sys.exit(1)


@_command("search", "Find proteins by a part of id, accession, gene or description.", "globin")
@click.argument("text")
@json_option
@click.pass_context
def search(context, text, as_json):
    found = _client(context).search(text)
    if as_json:
        return print_json(found)
    columns = ("query_id", "gene", "organism", "length", "description")
    print_table(("protein", "gene", "organism", "length", "description"), _cells(found["proteins"], columns))
    if not found["proteins"]:
        click.echo(f"No protein has {text!r} in its id, accession, gene or description.", err=True)
    if found["more"]:
        click.echo("There are more results: search for a longer text.", err=True)


@_command("protein", "Show a protein and the runs in which it was analysed.", "P69905")
@click.argument("name", metavar="ID")
@json_option
@click.pass_context
def protein(context, name, as_json):
    found = _client(context).protein(name)
    if as_json:
        return print_json(found)
    for row in found:
        print_facts({fact: row[fact] for fact in ("query_id", "gene", "organism", "description", "length", "sequence")})
        columns = ("run_id", "status", "best_hit", "best_evalue", "best_score")
        print_table(("run", "status", "best hit", "E-value", "score"), _cells(row["runs"], columns))
        print_verdict(row["verdict"])


@_command("runs", "List runs, running ones first.", "--show failed")
@click.option("--show", default="all", show_default=True, help="running, waiting, finished, failed or interrupted.")
@click.option("--author", help="Only those that this user started.")
@json_option
@click.pass_context
def runs(context, show, author, as_json):
    found = _client(context).runs(show, author)
    if as_json:
        return print_json(found)
    rows = [
        (run["run_id"], run["status"], run["author"], time_shown(run["date_started"]))
        + (run["total"], run["succeeded"], run["failed"])
        for run in found["runs"]
    ]
    print_table(("run", "status", "by", "started (UTC)", "proteins", "done", "failed"), rows)


def _with_choices(command):
    for option in (
        click.option("--weights", help="S4PRED weights; see the site's page New run.  [default: the first offered]"),
        click.option("--mode", help="Search mode."),
        click.option("--templates", help="Template library."),
        click.option(
            "--ids", type=click.File(encoding="utf-8"), required=True, help="A list of ids or accessions; - for stdin."
        ),
    ):
        command = option(command)
    return command


@_command("estimate", "Estimate the time and memory of a run.", "--ids ids.txt")
@_with_choices
@json_option
@click.pass_context
def estimate(context, ids, templates, mode, weights, as_json):
    from proteofold.service.matching import read_ids

    answer = _client(context).estimate(read_ids(ids.read()), templates, mode, weights)
    if as_json:
        return print_json(answer)
    cpu_s = None if answer["cpu_hours"] is None else 3600 * answer["cpu_hours"]
    print_facts(
        {
            "proteins": f"{answer['total']:,} ({answer['new']:,} to be computed, {answer['already_predicted']:,} done)",
            "residues": f"{answer['residues']:,}",
            "longest": f"{answer['longest']['query_id']}, {answer['longest']['length']:,} residues",
            "time": _span(answer["expected_s"]),
            "CPU time": _span(cpu_s),
            "machine": answer["machine"],
            "queued before": answer["ahead"] or None,
        }
    )
    for one in answer["not_fitting"]:
        click.echo(f"does not fit: {one['query_id']} needs {one['mem_mb']} MB", err=True)
    for name in answer["absent"]:
        click.echo(f"absent: {name['id']}: {name['reason']}", err=True)


def _span(seconds):
    """A time span in words; None where it is not known."""
    from proteofold.system.words import duration

    return None if seconds is None else duration(seconds)


@_command("start", "Start a run with the proteins of a list.", "my-run --ids ids.txt --watch")
@click.argument("run")
@_with_choices
@click.option("--without-absent", is_flag=True, help="Skip ids that match no protein.")
@click.option("--watch", "watching", is_flag=True, help="Follow the run until it ends.")
@json_option
@click.pass_context
def start(context, run, ids, templates, mode, weights, without_absent, watching, as_json):
    from proteofold.service.matching import read_ids

    client = _client(context)
    ordered = client.start_run(run, read_ids(ids.read()), templates, mode, weights, without_absent)
    if not as_json:
        click.echo(f"{ordered['run_id']} is queued, with {ordered['proteins']} proteins", err=True)
    elif not watching:
        print_json(ordered)
    if watching:
        _watch(client, run, as_json)


@_command("show", "Show the progress and the best hits of a run.", "my-run")
@click.argument("run")
@json_option
@click.pass_context
def show(context, run, as_json):
    client = _client(context)
    found = client.run(run)
    if as_json:
        return print_json(found)
    row, progress = found["run"], found["progress"]
    counts = ", ".join(f"{count} {part}" for part, count in progress["counts"].items() if count)
    facts = {"run": row["run_id"], "state": progress["state"], "author": row["author"], "mode": row["mode"]}
    facts |= {"proteins": f"{progress['total']} ({counts})", "run time": progress["duration"], "left": progress["left"]}
    print_facts({name: value for name, value in facts.items() if value})
    columns = ("query_id", "phase", "best_hit", "best_evalue", "best_score", "probability")
    print_table(
        ("protein", "state", "best hit", "E-value", "score", "prob. %"),
        _cells(client.proteins(run)["proteins"], columns),
    )


@_command("watch", "Follow a run until it ends; exit code 2 if any protein failed.", "my-run")
@click.argument("run")
@json_option
@click.pass_context
def watch(context, run, as_json):
    _watch(_client(context), run, as_json)


def _watch(client, run, as_json):
    with _bar(run, as_json) as show:
        answer = client.wait(run, lambda answer: show(answer["finished"], answer["total"], _left(answer)))
    if as_json:
        print_json(answer)
    else:
        click.echo(f"{run}: {answer['state']}, {answer['finished']} of {answer['total']} proteins finished")
    if answer["status"] != "SUCCESS":
        sys.exit(_FAILED)


def _left(answer):
    return f"{answer['state']}{', ' + answer['left'] + ' left' if answer['left'] else ''}"


def _act(name, summary, done):
    @_command(name, summary, "my-run")
    @click.argument("run")
    @click.pass_context
    def act(context, run):
        getattr(_client(context), name)(run)
        click.echo(f"{run} {done}")


_act("stop", "Stop a queued or running run.", "is being stopped")
_act("retry", "Compute the missing proteins of a run.", "is queued again")


@_command("repeat", "Start a run with the same proteins and settings under another name.", "my-run my-run-2")
@click.argument("run")
@click.argument("name")
@click.pass_context
def repeat(context, run, name):
    ordered = _client(context).repeat(run, name)
    click.echo(f"{ordered['run_id']} is queued, with {ordered['proteins']} proteins")


@_command("delete", "Delete a run and its results.", "my-run --yes")
@click.argument("run")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.pass_context
def delete(context, run, yes):
    if not yes:
        click.confirm(f"Permanently delete {run} and all its results?", abort=True)
    _client(context).delete(run)
    click.echo(f"{run} is deleted")


@_command(
    "download",
    "Download the results of a run as a zip file, one of its tables, or its models.",
    "my-run --table domains.gff3",
)
@click.argument("run")
@click.option("--table", help="Only this table, such as domains.gff3, domains.csv or hits.csv.gz.")
@click.option("--models", is_flag=True, help="Instead, a zip file of the models of its domains.")
@click.option(
    "--to",
    "path",
    type=click.Path(dir_okay=False),
    help="File to write.  [default: RUN.zip, RUN.TABLE or RUN-models.zip]",
)
@click.pass_context
def download(context, run, table, models, path):
    if table and models:
        raise UserError("--table and --models: give one of them.")
    client = _client(context)
    if table:
        click.echo(client.table(run, table, path or f"{run}.{table}"))
    elif models:
        click.echo(client.models(run, path or f"{run}-models.zip"))
    else:
        click.echo(client.download(run, path or f"{run}.zip"))


@_command("model", "Download a model of a protein of a run.", "my-run P00533 --domain 2 --to egfr.cif")
@click.argument("run")
@click.argument("protein")
@click.option("--domain", type=click.IntRange(1), help="Number of the domain.  [default: 1]")
@click.option("--hit", type=click.IntRange(1), help="Rank of the hit, instead of a domain.")
@click.option("--to", "path", required=True, type=click.Path(dir_okay=False), help="File to write: .cif or .pdb.")
@click.pass_context
def model(context, run, protein, domain, hit, path):
    click.echo(_client(context).model(run, protein, path, domain, hit))


@_command("log", "Show the last lines of the log of a run or of one of its proteins.", "my-run --protein P69905")
@click.argument("run")
@click.option("--protein", help="Id of the protein.")
@click.pass_context
def log(context, run, protein):
    click.echo(_client(context).log(run, protein), nl=False)


@_command("cluster", "Show the machines, their jobs and the queue.", "--json")
@json_option
@click.pass_context
def cluster(context, as_json):
    answer = _client(context).cluster()
    if as_json:
        return print_json(answer)
    columns = ("name", "state", "cores_used", "cores", "memory_used_mb", "memory_mb", "load")
    rows = [
        [*cells, len(node["jobs"]) + node["other_jobs"]]
        for cells, node in zip(_cells(answer["nodes"], columns), answer["nodes"], strict=True)
    ]
    print_table(("node", "state", "cores used", "cores", "MB used", "MB", "load", "jobs"), rows)
    click.echo(f"{len(answer['queue']) + answer['other_queue']} waiting")


@_command("health", "Show the state of the site's services; exit code 1 if one is down.", "")
@json_option
@click.pass_context
def health(context, as_json):
    answer = _client(context).health()
    if as_json:
        print_json(answer)
    else:
        for service in answer["services"]:
            click.echo(f"{service['name']}: {service['words']}")
        click.echo(answer["workers"]["words"])
    if not all(service["ok"] for service in answer["services"]):
        sys.exit(1)


def _cells(rows, columns):
    return [[row[column] for column in columns] for row in rows]


class _bar:
    """A progress bar on standard error, in a terminal; elsewhere, and for JSON, nothing."""

    def __init__(self, words, quiet):
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f}%"))
        shown = console.is_terminal and not quiet
        self._progress = Progress(*columns, TextColumn("{task.fields[words]}"), console=console, disable=not shown)
        self._task = self._progress.add_task(words, total=None, words="")

    def __enter__(self):
        self._progress.start()
        return self.show

    def __exit__(self, *error):
        self._progress.stop()

    def show(self, done, total, words=""):
        """Show how much is done."""
        self._progress.update(self._task, completed=done, total=total, words=words)
