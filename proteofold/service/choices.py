"""What this installation offers for a run: template libraries, search modes, weights; and how much to each user.

``config/platform.yaml`` in the working folder names them; without it there are the demo, and what was fetched.
"""

from pathlib import Path
from typing import NamedTuple

import yaml

from proteofold.science import hhsuite
from proteofold.science.weights import WEIGHT_FILES
from proteofold.system import paths
from proteofold.system.errors import UserError

CONFIG = Path("config") / "platform.yaml"

# Of a user, unless the configuration has others: some proteomes.
LIMITS = {"waiting_runs": 20, "proteins": 500_000}


class Choice(NamedTuple):
    """A choice: its name, in words what it is, and what stands for it in the configuration of a run."""

    name: str
    words: str
    value: object


# The first is the one to offer first.
_MODES = (
    ("lean", "lean: as sensitive as reference, in less time"),
    ("reference", "reference: hhsearch as it is by itself"),
    ("hybrid", "hybrid: fast, and lean for proteins without a good hit"),
    ("fast", "fast: for large libraries; may miss distant relatives"),
)


def modes():
    """The search modes, as Choices, the usual one first."""
    return [Choice(name, words, name) for name, words in _MODES if name in hhsuite.SEARCH_MODES]


def template_choices(working):
    """The template libraries that runs in a working folder may search, as Choices, the best first. Raises UserError."""
    found = _configured(working, "templates")
    if not found:
        pdb70 = Path(working) / paths.RESOURCES / "templates" / "pdb70" / "pdb70"
        if all(Path(name).exists() for name in hhsuite.library_files(pdb70, hhsuite.PARTS_READ["lean"])):
            found.append(Choice("pdb70", "PDB70: the known structures, at 70% identity", "pdb70"))
        found.append(Choice("demo", "demo: a few dozen templates, to try things out", "demo"))
    return found


def weight_choices(working):
    """The S4PRED weights that runs in a working folder may use, as Choices, the best first. Raises UserError."""
    found = _configured(working, "weights")
    if not found:
        official = Path(working) / paths.RESOURCES / "s4pred" / "weights"
        if all((official / name).is_file() for name in WEIGHT_FILES):
            found.append(Choice("official", "official: the weights of the S4PRED paper", "official"))
        found.append(Choice("demo", "demo: small networks, to try things out; not for science", "demo"))
    return found


def limits(working):
    """How much a user may have: {'waiting_runs': runs that wait, 'proteins': proteins stored}. Raises UserError."""
    limits = read_config(working).get("limits") or {}
    if not isinstance(limits, dict) or not all(type(number) is int and number >= 0 for number in limits.values()):
        raise UserError(f"{Path(working) / CONFIG}, limits: expected 'name: number' lines, such as 'waiting_runs: 20'.")
    if unknown := limits.keys() - LIMITS:
        raise UserError(f"{Path(working) / CONFIG}, limits: unknown {min(unknown)!r}. Known: {', '.join(LIMITS)}.")
    return LIMITS | limits


def value_of(choices, name, what):
    """The value in a configuration for the choice of a name; UserError names the choices there are."""
    for choice in choices:
        if choice.name == name:
            return choice.value
    raise UserError(f"There are no {what} {name[:80]!r} here. Choose one of: {', '.join(c.name for c in choices)}.")


def read_config(working):
    """What the platform's configuration in a working folder says: nothing where there is none. Raises UserError."""
    path = Path(working) / CONFIG
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        return {}
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    if not isinstance(loaded, dict):
        raise UserError(f"{path}: expected lines such as 'templates:'.")
    return loaded


def _configured(working, kind):
    """The choices that the platform's configuration names: name -> value, or name -> {words: ..., value: ...}."""
    entries = read_config(working).get(kind)
    if entries is None:
        return []
    if not isinstance(entries, dict) or not all(isinstance(name, str) for name in entries):
        raise UserError(f"{Path(working) / CONFIG}, {kind}: expected 'name: value' lines, such as 'pdb70: pdb70'.")
    made = []
    for name, entry in entries.items():
        described = entry if isinstance(entry, dict) and "value" in entry else {"value": entry}
        made.append(Choice(name, str(described.get("words") or name), described["value"]))
    return made
