"""The machines that a run may use: from a file, or this one (slurm/nodes.py asks Slurm)."""

import difflib
import os
import re
from dataclasses import dataclass, fields

import yaml

from proteofold.system.errors import UserError
from proteofold.system.memory import available_mb

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
    """The node kinds of a YAML file; UserError names file, line and key of every invalid entry."""
    try:
        with open(path, encoding="utf-8") as handle:
            root = yaml.compose(handle, Loader=yaml.SafeLoader)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not YAML: {error}") from None
    if not isinstance(root, yaml.SequenceNode) or not root.value:
        raise UserError(f"{path}: expected a list of node kinds, one per line, such as {_EXAMPLE}")
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
    """The values of one entry by key; None, with what is wrong added to the problems, where they are invalid."""
    if not isinstance(item, yaml.MappingNode):
        problems.append(f"line {_line(item)}: expected the keys {', '.join(_KEYS)}, such as {_EXAMPLE}")
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
                problems.append(f"{where}: {_shown(value)} is invalid: expected a whole number of at least 1.")
    missing = [key for key in _KEYS if key not in entry]
    if missing and len(problems) == before:
        problems.append(f"line {_line(item)}: missing {', '.join(missing)}; expected {_EXAMPLE}")
    return entry if len(problems) == before else None


def _line(node):
    return node.start_mark.line + 1


def _shown(value):
    return repr(value.value) if isinstance(value, yaml.ScalarNode) else "a list or mapping"


def this_machine():
    """This machine with the memory that is free now, as a run on it would use it."""
    return [NodeKind("this machine", 1, os.cpu_count() or 1, available_mb())]
