"""Whether the services of the platform work, and how many workers there are: in words, for the head of each page."""

import contextlib
import os
import sqlite3
import time

from proteofold.service.cache import cached
from proteofold.service.database import open_platform, platform_path
from proteofold.service.runner import runner_of
from proteofold.slurm.nodes import node_states
from proteofold.store.database import open_for_reading
from proteofold.system.errors import UserError
from proteofold.system.words import without_folders

_SECONDS = 5

# States of a service, of the workers, and of all together; the worst first
STATES = ("bad", "quiet", "good")


def health(store_path):
    """The health of services and the number of workers, some seconds old at most; never an error.

    services: dicts of name, ok, state, words; workers: live, total, state, words; state: the worst of theirs.
    """
    return cached(("health", str(store_path)), _SECONDS, lambda: with_states(*_health(store_path)))


def with_states(services, workers):
    """The answer of ``health``: each state is good, bad, or quiet if it is the runner that is off.

    A reader needs no runner: what is off then are new runs only.
    """
    for service in services:
        service["state"] = "good" if service["ok"] else "quiet" if service["name"] == "runner" else "bad"
    workers["state"] = "good" if workers["live"] else "bad"
    states = {part["state"] for part in (*services, workers)}
    return {"state": next(state for state in STATES if state in states), "services": services, "workers": workers}


def _health(store_path):
    services = [_store(store_path)]
    runner = None
    try:
        with contextlib.closing(open_platform(platform_path(store_path))) as platform:
            runner = runner_of(platform)
            services.append(_runner(platform, runner))
    except (UserError, sqlite3.Error, OSError) as error:
        services.append({"name": "runner", "ok": False, "words": without_folders(f"not known: {error}")})
    if runner and runner["profile"] == "cluster":
        nodes = node_states()
        words = "answers" if nodes is not None else "does not answer"
        services.append({"name": "Slurm", "ok": nodes is not None, "words": words})
        return services, _nodes(nodes or [])
    cores = os.cpu_count() or 1
    load = f"{os.getloadavg()[0]:.1f}"
    words = f"this machine: {cores} {'core' if cores == 1 else 'cores'}, load {load}"
    return services, {"live": 1, "total": 1, "words": words}


def _store(path):
    try:
        with contextlib.closing(open_for_reading(path)) as conn:
            conn.execute("select 1 from runs limit 1").fetchone()
    except (UserError, sqlite3.Error, OSError) as error:
        return {"name": "store", "ok": False, "words": without_folders(f"cannot be read: {error}")}
    return {"name": "store", "ok": True, "words": "can be read"}


def _runner(platform, runner):
    counts = dict(platform.execute("select state, count(*) from orders group by state").fetchall())
    works, waits = counts.get("running", 0), counts.get("queued", 0)
    if runner is None:
        words = "has not been started: queued runs wait for 'proteofold runner'"
    elif not runner["is_alive"]:
        since = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(runner["ended_at"] or runner["beat_at"]))
        words = f"off since {since}: queued runs wait for 'proteofold runner'"
    else:
        words = f"{works} running, {waits} waiting"
    return {"name": "runner", "ok": bool(runner and runner["is_alive"]), "words": words}


def _nodes(nodes):
    live = sum(node.is_usable for node in nodes)
    return {"live": live, "total": len(nodes), "words": f"{live} of {len(nodes)} nodes can work"}
