"""What a run would take, before it is ordered: planned as ``proteofold plan`` does, in a process of its own.

Planning takes seconds of CPU for a proteome, which would make all readers of the web process wait.
"""

import json
import os
import subprocess
import sys
import tempfile

from proteofold.service.heads import fasta_of
from proteofold.service.places import working_folder
from proteofold.service.runner import runner_of
from proteofold.service.runs import check_run, config_of
from proteofold.store.database import path_of
from proteofold.system import paths
from proteofold.system.errors import UserError

_PATIENCE_S = 120
_MOST_UNFIT = 100


def estimate(store, platform, new_run):
    """What a NewRun would take, as a dict. Nothing is written; UserError for what cannot be ordered or planned.

    total, already_predicted (their results are there), new (to be searched), residues, longest
    ({query_id, length}), cpu_hours, expected_s (wall seconds once it starts), not_fitting (the first of {query_id,
    length, mem_mb, advice}), not_fitting_count, machine (in words), ahead (orders that wait or work), notes.
    """
    check_run(store, platform, new_run)
    working = working_folder(platform)
    with tempfile.NamedTemporaryFile("w", prefix="proteofold-estimate-", suffix=".fasta", encoding="utf-8") as fasta:
        fasta.write(fasta_of(store, new_run.ids))
        fasta.flush()
        asked = {
            "config": config_of(working, new_run, fasta.name),
            "store": path_of(store),
            "runner": runner_of(platform),
        }
        planned = _ask(asked, working)
    query = "select count(*) from orders where state in ('queued', 'running')"
    return planned | {"ahead": platform.execute(query).fetchone()[0]}


def _ask(asked, working):
    try:
        done = subprocess.run(
            [*paths.PYTHON, "-m", "proteofold.service.estimates"],
            input=json.dumps(asked),
            cwd=working,
            env=os.environ | {paths.STORE_VARIABLE: asked["store"]},
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
        )
        answer = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        raise UserError(f"The estimate took more than {_PATIENCE_S} s. The run can be started without it.") from None
    except (ValueError, IndexError):
        raise UserError(f"There is no estimate: {done.stderr.strip()[-500:] or 'no answer'}") from None
    if "error" in answer:
        raise UserError(answer["error"])
    return answer


def main():
    """Plan what standard input asks for; prints a line of JSON."""
    asked = json.load(sys.stdin)
    try:
        answer = _planned(asked)
    except (UserError, OSError) as error:
        answer = {"error": str(error)}
    print(json.dumps(answer))


def _planned(asked):
    from proteofold.plan.plan import make_plan
    from proteofold.run.config import load_config
    from proteofold.run.planning import plan_run

    with tempfile.NamedTemporaryFile("w", prefix="proteofold-estimate-", suffix=".yaml") as config_file:
        json.dump(asked["config"], config_file)  # JSON is YAML
        config_file.flush()
        config = load_config(config_file.name)
    planned = plan_run(config)
    kinds, machine = _machines(asked["runner"])
    plan = make_plan(planned.run, kinds)
    longest = max(planned.run.members.values(), key=lambda member: member.length)
    return {
        "total": plan.proteins,
        "already_predicted": plan.done,
        "new": len(plan.left),
        "residues": plan.residues,
        "longest": {"query_id": longest.query_id, "length": longest.length},
        "cpu_hours": (plan.search_cpu_s + plan.prediction_cpu_s + plan.alignment_cpu_s) / 3600,
        "expected_s": plan.wall_s,
        "not_fitting": [
            {"query_id": one.query_id, "length": one.length, "mem_mb": one.mem_mb, "advice": one.advice}
            for one in plan.unfit[:_MOST_UNFIT]
        ],
        "not_fitting_count": len(plan.unfit),
        "machine": machine,
        "notes": [*planned.notes, *plan.notes],
    }


def _machines(runner):
    """The NodeKinds that the runner gives work to, and in words what they are."""
    from proteofold.plan.nodes import NodeKind, this_machine
    from proteofold.slurm.nodes import slurm_nodes

    if runner and runner["profile"] == "cluster":
        kinds = slurm_nodes()
    else:
        (kind,) = this_machine()
        kinds = [NodeKind(kind.name, 1, min(kind.cores, runner["cores"] if runner else kind.cores), kind.mem_mb)]
    words = [f"{kind.name}: {kind.count} × {kind.cores} cores with {kind.mem_mb:,} MB" for kind in kinds]
    return kinds, ", ".join(words)


if __name__ == "__main__":
    main()
