"""The machines that a run may use: from a file, from Slurm, or this one."""

import difflib
import os
import re
from dataclasses import dataclass, fields

import yaml

from proteofold.errors import UserError
from proteofold.memory import available_mb
from proteofold.slurm.tools import SlurmError, call

# States of nodes that run jobs, now or after waking up. All others are left out: down, drained, draining, failing,
# in maintenance, reserved, unknown. `*` behind a state is a node that does not answer, `$` one in maintenance; the
# other marks that Slurm puts there are of powering, rebooting and planning.
_USABLE = {"idle", "mixed", "allocated", "completing", "planned", "power_down", "powered_down", "powering_down"}
_USABLE |= {"power_up", "powering_up"}
_STATE = re.compile(r"([a-z_]+)([^a-z_]*)", re.IGNORECASE)
_EXAMPLE = "- {name: worker, count: 4, cores: 2, mem_mb: 3500}"


@dataclass(frozen=True, slots=True)
class NodeKind:
    """Machines that are alike: how many, and the cores and the memory (MB) that jobs may use on each."""

    name: str
    count: int
    cores: int
    mem_mb: int

    def at_once(self, mem_mb):
        """How many jobs of one core and so much memory one machine of this kind runs at once."""
        return min(self.cores, int(self.mem_mb // mem_mb))


_KEYS = tuple(field.name for field in fields(NodeKind))


def read_nodes(path):
    """The node kinds of a YAML file; UserError names file, line and key of everything that will not do."""
    try:
        with open(path, encoding="utf-8") as handle:
            root = yaml.compose(handle, Loader=yaml.SafeLoader)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not YAML: {error}") from None
    if not isinstance(root, yaml.SequenceNode) or not root.value:
        raise UserError(f"{path}: expected a list of node kinds, one a line: {_EXAMPLE}")
    problems, kinds = [], []
    for item in root.value:
        entry = _read_entry(item, problems)
        kinds.append(entry)
        if entry and any(other and other["name"] == entry["name"] for other in kinds[:-1]):
            problems.append(f"line {_line(item)}: the name '{entry['name']}' is there twice.")
    if problems:
        raise UserError("\n".join(f"{path}, {problem}" for problem in problems))
    return [NodeKind(**entry) for entry in kinds]


def _read_entry(item, problems):
    """The values of one entry by key; None, with what is wrong added to the problems, where they will not do."""
    if not isinstance(item, yaml.MappingNode):
        problems.append(f"line {_line(item)}: expected the keys {', '.join(_KEYS)}: {_EXAMPLE}")
        return None
    before, entry = len(problems), {}
    for key, value in item.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else "?"
        where = f"line {_line(key)}, {name}"
        if name not in _KEYS:
            near = difflib.get_close_matches(name, _KEYS, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(_KEYS)}."
            problems.append(f"line {_line(key)}: unknown key '{name}': {hint}")
        elif name in entry:
            problems.append(f"{where}: is there twice.")
        elif name == "name":
            entry[name] = value.value if isinstance(value, yaml.ScalarNode) else ""
            if not entry[name].strip():
                problems.append(f"{where}: expected a name, for example worker.")
        else:
            number = value.value if isinstance(value, yaml.ScalarNode) else ""
            entry[name] = int(number) if re.fullmatch("[0-9]{1,9}", number) else 0
            if not entry[name]:
                problems.append(f"{where}: {_shown(value)} will not do: expected a whole number of at least 1.")
    missing = [key for key in _KEYS if key not in entry]
    if missing and len(problems) == before:
        problems.append(f"line {_line(item)}: {', '.join(missing)} is missing: {_EXAMPLE}")
    return entry if len(problems) == before else None


def _line(node):
    return node.start_mark.line + 1


def _shown(value):
    return repr(value.value) if isinstance(value, yaml.ScalarNode) else "a list or mapping"


def slurm_nodes():
    """The nodes of the Slurm cluster that this machine belongs to, alike ones as one kind, smallest memory first.

    Slurm is asked once, for the partition that jobs are submitted to (SBATCH_PARTITION) or for all. Nodes that are down
    or drained are left out. UserError if there is no Slurm, it does not answer, or it has no node that runs jobs.
    """
    advice = "Give the nodes in a file: --nodes nodes.yaml."
    command = ["sinfo", "--noheader", "--Node", "--format=%N|%c|%m|%T"]
    if partition := os.environ.get("SBATCH_PARTITION"):
        command.append(f"--partition={partition}")
    try:
        lines = call(command).splitlines()
    except SlurmError as error:
        raise UserError(f"{error}. {advice}") from None
    alike, left_out = {}, set()
    # a node has one line for every partition that it is in
    for line in lines:
        try:
            name, cores, mem_mb, state = line.strip().split("|")
            size = int(mem_mb.removesuffix("+")), int(cores.removesuffix("+"))
        except ValueError:
            raise UserError(f"sinfo told a node as {line!r}, not as name|cores|memory|state. {advice}") from None
        if _is_usable(state) and min(size) > 0:
            alike.setdefault(size, set()).add(name)
        else:
            left_out.add(f"{name} ({state})")
    if not alike:
        shown = f": {', '.join(sorted(left_out)[:5])}" if left_out else ""
        raise UserError(f"Slurm has no node that runs jobs{shown}. {advice}")
    return [NodeKind(_joint_name(names), len(names), cores, mem) for (mem, cores), names in sorted(alike.items())]


def cluster_has_gpus():
    """Whether Slurm has a node with GPUs; False where no Slurm answers."""
    try:
        return "gpu" in call(["sinfo", "--noheader", "--format=%G"])
    except SlurmError:
        return False


def _is_usable(state):
    found = _STATE.fullmatch(state)
    return found is not None and found[1].lower() in _USABLE and not set(found[2]) & set("*$")


def _joint_name(names):
    ordered = sorted(names, key=lambda name: [(len(part), part) for part in re.split("([0-9]+)", name)])
    return " and ".join(ordered) if len(ordered) < 3 else f"{ordered[0]} to {ordered[-1]}"


def this_machine():
    """This machine with the memory that is free now, as a run on it would use it."""
    return [NodeKind("this machine", 1, os.cpu_count() or 1, available_mb())]
