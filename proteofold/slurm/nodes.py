"""The nodes of the Slurm cluster: the one place that asks sinfo and reads what it answers."""

import os
import re
from dataclasses import dataclass

from proteofold.plan.nodes import NodeKind
from proteofold.slurm.tools import TIMEOUT_S, SlurmError, call
from proteofold.system.errors import UserError

# allocated/idle/other/total cores; memory in MB: of the node, and allocated to jobs
_FORMAT = "NodeList:|,StateLong:|,CPUsState:|,Memory:|,AllocMem:|,CPUsLoad:|,Gres:|"
_PATIENCE_OF_PAGES_S = 5

# States of nodes that run jobs, now or after waking up. All others are left out: down, drained, draining, failing,
# in maintenance, reserved, unknown. `*` behind a state is a node that does not answer, `$` one in maintenance; the
# other marks that Slurm puts there are of powering, rebooting and planning.
_USABLE = {"idle", "mixed", "allocated", "completing", "planned", "power_down", "powered_down", "powering_down"}
_USABLE |= {"power_up", "powering_up"}
_STATE = re.compile(r"([a-z_]+)([^a-z_]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Node:
    """A node as it is now; memory in MB, ``load`` None where Slurm does not know it."""

    node: str
    state: str
    cores: int
    cores_free: int
    mem_mb: int
    mem_free_mb: int
    load: float | None
    has_gpu: bool

    @property
    def is_usable(self):
        """Whether it runs jobs, now or after waking up."""
        found = _STATE.fullmatch(self.state)
        usable = found is not None and found[1].lower() in _USABLE and not set(found[2]) & set("*$")
        return usable and self.cores > 0 and self.mem_mb > 0


def ask_nodes(partition=None, patience_s=None):
    """All nodes, of a partition or of the cluster. SlurmError if Slurm does not answer, or not as expected."""
    in_partition = [f"--partition={partition}"] if partition else []
    command = ["sinfo", "--noheader", "--Node", f"--Format={_FORMAT}", *in_partition]
    answer = call(command, timeout_s=patience_s or TIMEOUT_S)
    # a node has a line for every partition that it is in
    nodes = {node.node: node for node in map(_read, filter(str.strip, answer.splitlines()))}
    return list(nodes.values())


def _read(line):
    try:
        name, state, cores, memory, allocated, load, gres = (part.strip() for part in line.split("|")[:7])
        _, idle, _, total = map(int, cores.split("/"))
        return Node(
            node=name,
            state=state,
            cores=total,
            cores_free=idle,
            mem_mb=int(memory),
            mem_free_mb=int(memory) - int(allocated),
            load=float(load) if load.replace(".", "", 1).isdigit() else None,
            has_gpu="gpu" in gres,
        )
    except ValueError:
        raise SlurmError(f"sinfo described a node as {line!r}, not as {_FORMAT}") from None


def node_states():
    """All nodes, for what shows them to people, who do not wait for long; None if no Slurm answers."""
    try:
        return ask_nodes(patience_s=_PATIENCE_OF_PAGES_S)
    except SlurmError:
        return None


def slurm_nodes():
    """The nodes of the Slurm cluster that this machine belongs to, alike ones as one kind, smallest memory first.

    Slurm is asked once, for the partition that jobs are submitted to (SBATCH_PARTITION) or for all. Nodes that are down
    or drained are left out. UserError if there is no Slurm, it does not answer, or it has no node that runs jobs.
    """
    advice = "Give the nodes in a file: --nodes nodes.yaml."
    try:
        nodes = ask_nodes(os.environ.get("SBATCH_PARTITION"))
    except SlurmError as error:
        raise UserError(f"{error}. {advice}", topic="slurm") from None
    alike = {}
    for node in nodes:
        if node.is_usable:
            alike.setdefault((node.mem_mb, node.cores), []).append(node.node)
    if not alike:
        left_out = sorted(f"{node.node} ({node.state})" for node in nodes)
        shown = f": {', '.join(left_out[:5])}" if left_out else ""
        raise UserError(f"Slurm has no node that runs jobs{shown}. {advice}", topic="slurm")
    return [NodeKind(_joint_name(names), len(names), cores, mem) for (mem, cores), names in sorted(alike.items())]


def largest_mb():
    """Memory of the largest node that jobs are submitted to, in MB, or None if there is none.

    Nodes that are down or drained count, for they may come back. SlurmError if Slurm does not answer.
    """
    return max((node.mem_mb for node in ask_nodes(os.environ.get("SBATCH_PARTITION"))), default=None)


def cluster_has_gpus():
    """Whether Slurm has a node with GPUs; False where no Slurm answers."""
    try:
        return any(node.has_gpu for node in ask_nodes())
    except SlurmError:
        return False


def _joint_name(names):
    ordered = sorted(names, key=lambda name: [(len(part), part) for part in re.split("([0-9]+)", name)])
    return " and ".join(ordered) if len(ordered) < 3 else f"{ordered[0]} to {ordered[-1]}"
