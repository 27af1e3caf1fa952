"""The folders of the package import downwards only (docs/architecture.md), and never what is built on the package."""

import ast
import sys
from pathlib import Path

from proteofold.system.paths import CHECKOUT

# From the lowest to the highest.
FLOORS = ("system", "formats", "science", "fetch", "run", "plan", "slurm", "store", "report", "service", "cli")
PACKAGE = CHECKOUT / "proteofold"
ALLOWED = {"__init__", "__main__"}


def imported(path):
    """The modules that a file imports, inside functions too: dotted names, of `from a import b` both a and a.b."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def floor(name):
    """The floor of a module of the package; that of modules beside the folders is None."""
    parts = name.split(".")
    return FLOORS.index(parts[1]) if len(parts) > 1 and parts[0] == "proteofold" and parts[1] in FLOORS else None


def module_of(path):
    return ".".join(path.relative_to(CHECKOUT).with_suffix("").parts)


def test_every_folder_of_the_package_has_a_floor():
    folders = {path.parent.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")} - {Path(".")}
    assert {folder.parts[0] for folder in folders} == set(FLOORS)


def test_imports_point_down():
    upward = [
        f"{module_of(path)} imports {name}"
        for path in PACKAGE.rglob("*.py")
        for name in imported(path)
        if (own := floor(module_of(path))) is not None and (other := floor(name)) is not None and other > own
    ]
    assert upward == []


def test_package_imports_nothing_that_is_built_on_it():
    above = ("website", "snakemake_logger_plugin_proteofold", "snakemake", "datasette")
    found = [
        f"{module_of(path)} imports {name}"
        for path in PACKAGE.rglob("*.py")
        for name in imported(path)
        if name.split(".")[0] in above
    ]
    assert found == []


def test_no_folder_or_module_is_named_like_one_of_the_standard_library():

    parts = [path for folder in (PACKAGE, CHECKOUT / "website") for path in folder.rglob("*.py")]
    names = {path.stem for path in parts} | {path.parent.name for path in parts}
    assert names & sys.stdlib_module_names <= ALLOWED
