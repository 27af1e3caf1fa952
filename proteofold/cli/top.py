"""The command ``proteofold top``."""

import time
from dataclasses import asdict

import click

from proteofold.cli.output import make_table, print_json
from proteofold.cli.store import json_option, open_fresh, or_not_found, store_option

_ROWS = 20


@click.command(short_help="Watch a run: progress, nodes, jobs, time left.")
@click.argument("run")
@click.option("--every", type=click.FloatRange(1), default=3, show_default=True, help="Seconds between updates.")
@click.option("--once", is_flag=True, help="Show it once and exit, as if the output were not a terminal.")
@store_option
@json_option
def top(run, every, once, store_path, as_json):
    """Watch RUN until it ends: how many proteins are done, the pace, the time left, what runs on which node.

    On a Slurm cluster the nodes are shown, too, with their state, free cores and memory. Ctrl-C stops watching;
    the run continues. Exit code 3 if the store has no such run.

    \b
    Examples:
      proteofold top human
      proteofold top human --json | jq .seconds_left
    """
    from rich.console import Console
    from rich.live import Live

    from proteofold.slurm.nodes import node_states
    from proteofold.store.monitoring import activity

    def look():
        seen = or_not_found(activity, open_fresh(store_path), run, time.time())
        nodes = node_states()
        return seen | {"cluster": nodes and [asdict(node) for node in nodes]}

    if as_json:
        return print_json(look())
    console = Console(highlight=False)
    if once or not console.is_terminal:
        return console.print(_page(look(), console.width))
    with Live(_page(look(), console.width), console=console, screen=False, refresh_per_second=2) as live:
        while (seen := look())["status"] == "RUNNING":
            live.update(_page(seen, console.width))
            time.sleep(every)
        live.update(_page(seen, console.width))


def _page(seen, width):
    """What a look shows, for rich."""
    from rich.console import Group
    from rich.text import Text

    running = seen["running"]
    parts = [Text(_headline(seen))]
    # without Slurm there is nothing to show of a node but its name, which the jobs have
    if seen["cluster"] and (nodes := _node_rows(seen)):
        header = ("node", "state", "proteins", "cores free", "memory free (MB)")
        parts += [Text(), make_table(header, nodes, width)]
    if running:
        rows = [
            (row["query_id"], row["length"], row["step"], row["node"] or "", _clock(row["seconds"]), row["attempts"])
            for row in running[:_ROWS]
        ]
        header = ("protein", "residues", "step", "node", "for", "attempt")
        parts += [Text(), make_table(header, rows, width)]
        if len(running) > _ROWS:
            parts.append(Text(f"and {len(running) - _ROWS} more"))
    return Group(*parts)


def _headline(seen):
    from proteofold.system.words import rough_duration

    phases = ", ".join(f"{count} {phase}" for phase, count in seen["phases"].items())
    words = [f"{seen['run_id']}: {seen['status']}, {seen['total']} proteins ({phases})"]
    if seen["per_hour"]:
        words.append(f"{seen['per_hour']:g} an hour")
    if seen["seconds_left"] is not None:
        words.append(f"about {rough_duration(seen['seconds_left'])} left")
    return ", ".join(words)


def _node_rows(seen):
    cluster = seen["cluster"] or []
    ours = dict(seen["nodes"])
    rows = [
        (node["node"], node["state"], ours.pop(node["node"], 0), node["cores_free"], node["mem_free_mb"])
        for node in cluster
    ]
    return rows + [(name, "", count, None, None) for name, count in ours.items()]


def _clock(seconds):
    if seconds is None:
        return ""
    minutes, rest = divmod(max(int(seconds), 0), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
