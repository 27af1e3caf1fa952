"""The folders of package and website import downwards only (docs/architecture.md); the package nothing built on it."""

import ast
import sys
from pathlib import Path

import pytest

from proteofold.system.paths import CHECKOUT

# The folders of each, from the lowest to the highest.
PACKAGE = ("system", "formats", "science", "fetch", "run", "plan", "slurm", "store", "report", "service", "cli")
WEBSITE = ("sql", "drawing", "requests", "pages", "actions", "plugins")
FLOORS = {"proteofold": PACKAGE, "website": WEBSITE}
ALLOWED = {"__init__", "__main__"}


def imported(path):
    """The modules that a file imports, inside functions too: dotted names, of `from a import b` both a and a.b."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def floor(tree, name):
    """The floor of a module of ``tree``; None for those of other trees and those beside the folders."""
    top, folder, *_ = [*name.split("."), ""]
    return FLOORS[tree].index(folder) if top == tree and folder in FLOORS[tree] else None


def module_of(path):
    return ".".join(path.relative_to(CHECKOUT).with_suffix("").parts)


def files_of(tree):
    return sorted((CHECKOUT / tree).rglob("*.py"))


@pytest.mark.parametrize("tree", FLOORS)
def test_every_folder_has_a_floor(tree):
    parents = {path.parent.relative_to(CHECKOUT / tree) for path in files_of(tree)} - {Path(".")}
    assert {parent.parts[0] for parent in parents} == set(FLOORS[tree])


@pytest.mark.parametrize("tree", FLOORS)
def test_imports_point_down(tree):
    upward = [
        f"{module_of(path)} imports {name}"
        for path in files_of(tree)
        for name in imported(path)
        if (own := floor(tree, module_of(path))) is not None
        and (other := floor(tree, name)) is not None
        and other > own
    ]
    assert upward == []


def test_package_imports_nothing_that_is_built_on_it():
    above = ("website", "snakemake_logger_plugin_proteofold", "snakemake", "datasette")
    found = [
        f"{module_of(path)} imports {name}"
        for path in files_of("proteofold")
        for name in imported(path)
        if name.split(".")[0] in above
    ]
    assert found == []


def test_no_folder_or_module_is_named_like_one_of_the_standard_library():
    parts = [path for tree in FLOORS for path in files_of(tree)]
    names = {path.stem for path in parts} | {path.parent.name for path in parts}
    assert names & sys.stdlib_module_names <= ALLOWED
