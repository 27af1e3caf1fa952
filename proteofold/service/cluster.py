"""The machines, as the cluster page shows them: the nodes of Slurm and its queue, or this machine."""

import os
import platform as machine
import time
from pathlib import Path

from proteofold.plan.efficiency import read_efficiency
from proteofold.run.rules import ALIGNMENT, SEARCH
from proteofold.run.states import seconds_of
from proteofold.service.cache import cached
from proteofold.service.places import run_folder
from proteofold.service.runner import runner_of
from proteofold.slurm.jobs import read_comment, read_name
from proteofold.slurm.nodes import node_states
from proteofold.slurm.states import AT_WORK
from proteofold.slurm.tools import SlurmError, call
from proteofold.store.database import dicts, path_of

_SECONDS = 5
_SECONDS_OF_FINISHED = 30  # a second's work with twenty runs of a proteome
_PATIENCE_S = 5
_MOST_JOBS = 2000

# Comment and name come last: those of a job of another user may hold the separator.
_QUESTION = ["squeue", "--noheader", "--format=%A|%T|%N|%C|%m|%S|%r|%u|%k|%j"]


def cluster(store, platform):
    """The machines as a dict, some seconds old at most. What Slurm does not report is stated, and is no error.

    kind: "slurm" or "machine"; words; nodes: dicts of name, state, cores, cores_used, memory_mb, memory_used_mb, load,
    jobs, other_jobs; queue: what waits; other_queue. A job is a dict of job_id (of Slurm, or None), run_id, name
    (file stem of the protein, or batch), step, node, state, seconds (running, or None), reason (of waiting), user.
    Jobs of Slurm that belong to no run of the store are other people's: they are counted, and nothing else is shown.
    """
    runner = runner_of(platform)
    if runner and runner["profile"] == "cluster":
        return cached(("slurm", path_of(store)), _SECONDS, lambda: _slurm(store))
    cores = runner["cores"] * runner["parallel"] if runner else None
    return cached(("machine", path_of(store)), _SECONDS, lambda: _this_machine(store, platform, cores))


def finished_runs(store, platform, limit=50):
    """The latest runs that ended, as dicts: run_id, status, author, date_finished, proteins, cpu_hours, wall_hours,
    efficiency (the least possible time over that taken, 1 is perfect; None where it is not known)."""
    key = ("finished", path_of(store), limit)
    return cached(key, _SECONDS_OF_FINISHED, lambda: _finished_runs(store, platform, limit))


def _finished_runs(store, platform, limit):
    rows = dicts(
        store,
        "select run_id, status, author, date_finished, total as proteins, duration_s, (select sum(cpu_s)"
        " from protein_results where run_id = runs.run_id and computed_in = run_id) as cpu_s from runs"
        " where status in ('SUCCESS', 'FAILED', 'INTERRUPTED') and date_finished is not null"
        " order by date_finished desc limit ?",
        (limit,),
    )
    for row in rows:
        row["cpu_hours"], row["wall_hours"] = ((row.pop(name) or 0) / 3600 for name in ("cpu_s", "duration_s"))
        known = read_efficiency(run_folder(platform, row["run_id"]))
        row["efficiency"] = known.part if known else None
    return rows


# --- Slurm ------------------------------------------------------------------------------------------


def _slurm(store):
    nodes = node_states()
    if nodes is None:
        return {"kind": "slurm", "words": "Slurm does not answer", "nodes": [], "queue": [], "other_queue": 0}
    query = "select run_id, search, weights, json_extract(settings, '$.msa.alignments') from runs"
    runs = {run_id: folders for run_id, *folders in store.execute(query)}
    jobs = _slurm_jobs(runs)
    ours = [job for job in jobs or () if job["run_id"] in runs]
    others = [job for job in jobs or () if job["run_id"] not in runs]
    shown = [
        {
            "name": node.node,
            "state": node.state,
            "cores": node.cores,
            "cores_used": node.cores - node.cores_free,
            "memory_mb": node.mem_mb,
            "memory_used_mb": node.mem_mb - node.mem_free_mb,
            "load": node.load,
            "jobs": [job for job in ours if _works_on(job, node)],
            "other_jobs": sum(_works_on(job, node) for job in others),
        }
        for node in nodes
    ]
    words = f"Slurm: {len(nodes)} nodes" if jobs is not None else "Slurm reports its nodes, but not its jobs"
    return {
        "kind": "slurm",
        "words": words,
        "nodes": shown,
        "queue": [job for job in ours if job["state"] == "PENDING"],
        "other_queue": sum(job["state"] == "PENDING" for job in others),
    }


def _works_on(job, node):
    return job["node"] == node.node and job["state"] in AT_WORK


def _slurm_jobs(runs):
    """The first jobs that Slurm has, as dicts; None if it does not answer.

    ``runs``: run -> the names of its folders of results, as ``read_name`` takes them.
    """
    try:
        lines = call(_QUESTION, timeout_s=_PATIENCE_S).splitlines()
    except SlurmError:
        return None
    return [_job(line, runs) for line in lines[:_MOST_JOBS] if line.count("|") >= 9]


def _job(line, runs):
    job_id, state, node, cores, memory, started, reason, user, comment, name = line.strip().split("|", 9)
    run_id, _ = read_comment(comment)
    step, made = read_name(name, *runs[run_id]) if run_id in runs else (None, name)
    try:
        seconds = round(time.time() - time.mktime(time.strptime(started, "%Y-%m-%dT%H:%M:%S")))
    except ValueError:
        seconds = None
    return {
        "job_id": job_id,
        "run_id": run_id,
        "name": made.rpartition("-")[0] if step in (SEARCH.step, ALIGNMENT.step) else made,
        "step": step,
        "node": node or None,
        "state": state,
        "seconds": seconds if state in AT_WORK else None,
        "reason": None if state in AT_WORK else reason,
        "user": user,
        "cores": int(cores) if cores.isdigit() else None,
        "memory": memory,
    }


# --- this machine -----------------------------------------------------------------------------------


def _this_machine(store, platform, cores):
    rows = dicts(
        store,
        "select run_id, query_id, ifnull(step, 'search') as step, node, started_at from protein_results"
        " join runs using (run_id) where phase = 'running' and runs.status = 'RUNNING' order by started_at limit ?",
        (_MOST_JOBS,),
    )
    now = time.time()
    jobs = [
        {"job_id": None, "run_id": row["run_id"], "name": row["query_id"], "step": row["step"], "node": row["node"]}
        | {"state": "RUNNING", "seconds": row["started_at"] and round(now - seconds_of(row["started_at"]))}
        | {"reason": None, "user": None}
        for row in rows
    ]
    waiting = dicts(
        platform, "select run_id, author as user, proteins from orders where state = 'queued' order by queued_at"
    )
    total_mb, free_mb = _memory_mb()
    node = {
        "name": machine.node(),
        "state": "up",
        "cores": os.cpu_count() or 1,
        "cores_used": min(len(jobs), cores or os.cpu_count() or 1),
        "memory_mb": total_mb,
        "memory_used_mb": total_mb - free_mb,
        "load": os.getloadavg()[0],
        "jobs": jobs,
        "other_jobs": 0,
    }
    queue = [
        {"job_id": None, "name": f"{row.pop('proteins')} proteins", "step": None, "node": None, "state": "QUEUED"}
        | {"seconds": None, "reason": "waits for its turn", **row}
        for row in waiting
    ]
    words = "this machine, without Slurm"
    return {"kind": "machine", "words": words, "nodes": [node], "queue": queue, "other_queue": 0}


def _memory_mb():
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    fields = {name: int(rest.split()[0]) // 1024 for name, rest in (line.split(":") for line in lines)}
    return fields["MemTotal"], fields["MemAvailable"]
