"""The command ``proteofold plan``."""

import sys

import click

from proteofold.cli.output import print_facts, print_json, print_table

_FILE = click.Path(exists=True, dir_okay=False)
_SHOWN = 10
_UNFIT = 2


@click.command(short_help="Estimate time, memory and disk of a run.")
@click.option("--configfile", "config_files", type=_FILE, multiple=True, help="As for snakemake; may be repeated.")
@click.option("--nodes", type=_FILE, help="YAML file of the machines: name, count, cores, mem_mb of each kind.")
@click.option("--slurm", is_flag=True, help="Plan for the nodes of the Slurm cluster that this machine is part of.")
@click.option("--html", type=click.Path(dir_okay=False, writable=True), help="Also write the plan as an HTML page.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def plan(config_files, nodes, slurm, html, as_json):
    """Check the inputs and estimate what is left of a run: CPU and wall time, memory, disk, proteins that fit no node.

    Without --nodes or --slurm the plan is for this machine and the memory that is free now. Nothing is run. Exit code
    2 if a protein fits no node.

    \b
    Examples:
      proteofold plan --configfile my.yaml
      proteofold plan --configfile my.yaml --slurm --html plan.html
      proteofold plan --configfile my.yaml --nodes nodes.yaml --json | jq .wall_s
    """
    if nodes and slurm:
        raise click.UsageError("Give --nodes or --slurm, not both.")
    from proteofold.plan.nodes import read_nodes, this_machine
    from proteofold.plan.plan import make_plan
    from proteofold.plan.text import as_json as json_of
    from proteofold.run.config import load_config
    from proteofold.run.planning import plan_run
    from proteofold.slurm.nodes import slurm_nodes

    kinds = read_nodes(nodes) if nodes else slurm_nodes() if slurm else this_machine()
    planned = plan_run(load_config(*config_files))
    made = make_plan(planned.run, kinds)
    made.notes = [*planned.notes, *made.notes]
    if html:
        from proteofold.report.plan_page import plan_page
        from proteofold.system.files import write_aside

        write_aside(html, plan_page(made))
    if as_json:
        print_json(json_of(made))
    else:
        _print(made)
        if html:
            click.echo(f"\nwritten: {html}")
    if made.unfit:
        sys.exit(_UNFIT)


def _print(made):
    from proteofold.plan.text import at_once, cpu_shown, facts_of

    for note in made.notes:
        click.echo(f"note: {note}")
    print_facts({"run": made.run} | facts_of(made))
    if made.classes:
        click.echo("\nMemory: how many searches a node runs at once")
        kinds = [kind.name for kind in made.kinds]
        rows = [
            (f"up to {one.most_mb:,} MB", one.proteins, cpu_shown(one.cpu_s), *(at_once(one.at_once[k]) for k in kinds))
            for one in made.classes
        ]
        print_table(("memory", "proteins", "CPU time", *kinds), rows)
    if made.unfit:
        click.echo(f"\nFit no node: {len(made.unfit)}")
        rows = [(one.query_id, one.length, one.advice) for one in made.unfit[:_SHOWN]]
        print_table(("protein", "length", "what would help"), rows)
        if len(made.unfit) > _SHOWN:
            click.echo("--html and --json list all of them")
    if made.left:
        click.echo("\nLongest proteins")
        rows = [(one.query_id, one.length, cpu_shown(one.cpu_s), one.mem_mb) for one in made.longest[:_SHOWN]]
        print_table(("protein", "length", "search (CPU)", "memory (MB)"), rows)
