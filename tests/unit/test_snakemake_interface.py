"""The workflow uses Snakemake's documented interface, but for what docs/decisions.md names with its reasons."""

import inspect
import re
from pathlib import Path

from snakemake.api import Workflow  # importing snakemake.workflow first runs into a circular import
from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake.settings.types import ResourceSettings

ROOT = Path(__file__).parents[2]
EXCEPTIONS = ROOT / "workflow" / "rules" / "snakemake.smk"
# looks whether the folder of Snakemake's records can be made and written, and at nothing in it
CHECKS = ROOT / "proteofold" / "run" / "inputs.py"
CODE = [
    path
    for folder in ("workflow", "proteofold", "website", "snakemake_logger_plugin_proteofold", "profiles", "bin")
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and path.suffix in (".py", ".smk", ".sh", ".yaml", "") and "__pycache__" not in path.parts
]
# `workflow` is Snakemake's object in a Snakefile; a dot before or a quote or slash around it is something else
REACHES_INSIDE = re.compile(r"(?<![\w./\"'])workflow\.\w+|(?<!\w)\.snakemake\b|\bjob_rate_limiter\b")


def test_nothing_but_the_named_exceptions_reaches_inside_snakemake():
    found = {}
    for path in CODE:
        if lines := REACHES_INSIDE.findall(path.read_text(errors="replace")):
            found[path.relative_to(ROOT)] = sorted(set(lines))
    allowed = [
        "job_rate_limiter",
        "workflow.configfiles",
        "workflow.executor_settings",
        "workflow.is_main_process",
        "workflow.resource_settings",
        "workflow.scheduler",
    ]
    assert found == {EXCEPTIONS.relative_to(ROOT): allowed, CHECKS.relative_to(ROOT): [".snakemake"]}


def test_only_named_parts_of_snakemake_are_imported():
    lines = [line.strip() for path in CODE for line in path.read_text(errors="replace").splitlines()]
    assert {line for line in lines if re.match(r"(from|import) snakemake\b", line)} == {
        "from snakemake.exceptions import WorkflowError",
        "from snakemake.logging import DefaultFilter",
        "from snakemake.logging import logger",
        "from snakemake.settings.enums import Quietness",
        "from snakemake.utils import min_version",
    }


def test_snakemake_has_what_the_exceptions_use():
    assert isinstance(Workflow.is_main_process, property)
    assert "executor_settings" in Workflow.__dataclass_fields__
    assert {"cores", "nodes"} <= ResourceSettings.__dataclass_fields__.keys()
    assert "if self.job_rate_limiter is not None:" in inspect.getsource(JobScheduler.schedule)
    assert "if self.job_rate_limiter is None:" in inspect.getsource(JobScheduler.job_selector)
