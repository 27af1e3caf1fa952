"""The nodes of the Slurm cluster as they are now."""

from proteofold.slurm.tools import SlurmError, call

# allocated/idle/other/total cores; memory in MB: of the node, and allocated to jobs
_FORMAT = "NodeList:|,StateLong:|,CPUsState:|,Memory:|,AllocMem:|,CPUsLoad:|"
_QUESTION = ["sinfo", "--noheader", "--Node", f"--Format={_FORMAT}"]
_PATIENCE_S = 5


def node_states():
    """A dict a node: node, state, cores, cores_free, mem_mb, mem_free_mb, load; None if no Slurm answers."""
    try:
        lines = call(_QUESTION, timeout_s=_PATIENCE_S).splitlines()
    except SlurmError:
        return None
    nodes = {}
    # a node has a line for every partition that it is in
    for line in lines:
        name, state, cores, memory, allocated, load = (part.strip() for part in line.split("|")[:6])
        _, idle, _, total = map(int, cores.split("/"))
        nodes[name] = {
            "node": name,
            "state": state,
            "cores": total,
            "cores_free": idle,
            "mem_mb": int(memory),
            "mem_free_mb": int(memory) - int(allocated),
            "load": float(load) if load.replace(".", "", 1).isdigit() else None,
        }
    return list(nodes.values())
