"""What newcomers and the workflow's catalog look for: chores, forms and the graph of rules."""

import re
import subprocess
import sys

import pytest
import yaml

from proteofold.system.paths import CHECKOUT

CHAIN = (
    *("write_batch", "predict_secondary_structure", "write_a3m", "search_templates", "summarise_hits"),
    *("collect_block", "merge_results", "draw_report"),
)
SNAKEMAKE = (sys.executable, "-P", "-m", "snakemake", "--snakefile", CHECKOUT / "workflow" / "Snakefile")


def snakemake(folder, *words):
    """Run Snakemake with the demo's configuration in an empty folder; returns what it did."""
    (folder / "config").symlink_to(CHECKOUT / "config")
    command = [*SNAKEMAKE, "--configfile", "config/demo/config.yaml", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_every_chore_calls_a_command_that_exists():
    recipes = re.findall(r"^    (?!@)(\S+)", (CHECKOUT / "justfile").read_text(), re.MULTILINE)
    assert len(recipes) > 8
    assert [name for name in recipes if not (CHECKOUT / name).is_file()] == []


@pytest.mark.parametrize(
    "name", [".snakemake-workflow-catalog.yml", ".github/workflows/tests.yml", ".github/ISSUE_TEMPLATE/bug_report.yml"]
)
def test_forms_are_yaml(name):
    assert yaml.safe_load((CHECKOUT / name).read_text())


def test_catalog_lists_whether_rules_have_an_environment_of_conda():
    rules = (CHECKOUT / "workflow" / "rules").glob("*.smk")
    named = {name for path in rules for name in re.findall(r'"\.\./(envs/.+\.yaml)"', path.read_text())}
    catalog = yaml.safe_load((CHECKOUT / ".snakemake-workflow-catalog.yml").read_text())
    assert catalog["usage"]["software-stack-deployment"]["conda"] == bool(named)
    assert all((CHECKOUT / "workflow" / name).is_file() for name in named)


def test_report_of_a_fault_asks_for_configuration_and_log():
    form = yaml.safe_load((CHECKOUT / ".github/ISSUE_TEMPLATE/bug_report.yml").read_text())
    required = {part["id"] for part in form["body"] if part.get("validations", {}).get("required")}
    assert {"configuration", "log"} <= required


def test_spelling_of_code_and_documents():
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    files = [name for name in tracked.stdout.split("\0") if (CHECKOUT / name).is_file()]
    command = [sys.executable, "-P", "-m", "codespell_lib", "--toml", "pyproject.toml", *files]
    found = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)
    assert (found.returncode, found.stdout) == (0, ""), found.stderr


@pytest.mark.workflow
def test_graph_of_rules_shows_the_chain(tmp_path):
    graph = snakemake(tmp_path, "--rulegraph")
    assert graph.returncode == 0, graph.stderr
    assert [rule for rule in CHAIN if f'"{rule}"' not in graph.stdout] == []


@pytest.mark.workflow
def test_linter_of_snakemake_finds_only_rules_without_an_environment_of_their_own(tmp_path):
    """The commands are the package's own, which bin/setup installs; HH-suite has an environment for conda."""
    done = snakemake(tmp_path, "--lint")
    findings = set(re.findall(r"^ *\* (.+?):$", done.stdout + done.stderr, re.MULTILINE))
    assert findings == {"Specify a conda environment or container for each rule."}, done.stderr
