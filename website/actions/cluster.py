"""The machines: nodes, what works on them, the queue; and what finished runs took."""

from proteofold.formats.fasta import protein_stem
from proteofold.service.cluster import cluster, finished_runs
from website.actions import same
from website.drawing.bars import parts_bar
from website.pages.paths import job_log_path, run_path
from website.requests.databases import ask_both

RUNS_SHOWN = 50


def _look(store, platform):
    return cluster(store, platform), finished_runs(store, platform, RUNS_SHOWN)


async def cluster_page(visit):
    """Nodes, jobs, queue, finished runs."""
    machines, finished = await ask_both(visit.datasette, _look)
    for run in finished:
        run["path"] = run_path(visit.datasette, run["run_id"])
    context = {
        "machines": machines,
        "finished": finished,
        "run_path": lambda run_id: run_path(visit.datasette, run_id),
        "parts_bar": parts_bar,
        "log_of": lambda job: _log_of(visit, job),
        "same": same.cluster(visit),
    }
    return await visit.page("cluster.html", context)


def _log_of(visit, job):
    """Where the log of a job of ours is shown; None for a job that has none yet."""
    if not job["run_id"] or not job["step"] or job["state"] in ("QUEUED", "PENDING"):
        return None
    return job_log_path(visit.datasette, job["run_id"], job["step"], protein_stem(job["name"]))


async def cluster_json(visit):
    """The same as JSON."""
    machines, finished = await ask_both(visit.datasette, _look)
    return visit.json(machines | {"finished": finished})
