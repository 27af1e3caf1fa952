"""The documentation names what the code has: keys, defaults, columns, modes, commands, errors."""

import re
import subprocess
import sys
import textwrap

import click
import pytest
import yaml

from proteofold.cli.main import cli
from proteofold.formats.hhr import HIT_COLUMNS
from proteofold.run.config import config_problems, load_config
from proteofold.run.failures import FAILURE_COLUMNS
from proteofold.run.merge import MERGED
from proteofold.science import hhsuite
from proteofold.science.summary import SUMMARY_COLUMNS
from proteofold.system import paths

CONFIG_README = (paths.CHECKOUT / "config" / "README.md").read_text()
OUTPUT = (paths.CHECKOUT / "docs" / "output.md").read_text()


def leaves(schema, prefix=""):
    """Keys of a schema that hold no further keys: 's4pred: weights'."""
    for key, part in schema["properties"].items():
        name = f"{prefix}{key}"
        if "properties" in part:
            yield from leaves(part, f"{name}: ")
        else:
            yield name


def test_config_readme_has_a_row_for_every_key_of_the_schema_and_no_other():
    schema = yaml.safe_load(paths.CONFIG_SCHEMA.read_text())
    documented = re.findall(r"^\| `([a-z0-9]+(?:: [a-z0-9_]+)?)` \| ", CONFIG_README, re.MULTILINE)
    modes = set(hhsuite.SEARCH_MODES)
    assert [key for key in documented if key not in {"demo", "pdb70", "null"} | modes] == list(leaves(schema))


def test_config_readme_states_the_defaults():
    defaults = yaml.safe_load(paths.DEFAULT_CONFIG.read_text())
    for key in ("run", "templates"):
        assert f"| `{key}` | `{defaults[key]}` |" in CONFIG_README
    assert f"| `search: mode` | `{defaults['search']['mode']}` |" in CONFIG_README
    assert f"| `search: alternatives` | `{defaults['search']['alternatives']}` |" in CONFIG_README
    assert all(f"| `domains: {key}` | `{value}` |" in CONFIG_README for key, value in defaults["domains"].items())
    assert f"| `s4pred: device` | `{defaults['s4pred']['device']}` |" in CONFIG_README


def test_config_readme_has_a_row_for_every_search_mode():
    assert all(f"| `{mode}` | " in CONFIG_README for mode in hhsuite.SEARCH_MODES)


def test_schema_modes_are_those_of_the_package():
    schema = yaml.safe_load(paths.CONFIG_SCHEMA.read_text())
    assert schema["properties"]["search"]["properties"]["mode"]["enum"] == list(hhsuite.SEARCH_MODES)


def test_every_column_of_every_table_is_explained():
    for column in (*SUMMARY_COLUMNS, *HIT_COLUMNS, *FAILURE_COLUMNS):
        assert f"`{column}`" in OUTPUT or f"{column}," in OUTPUT or f",{column}" in OUTPUT, column
    assert all(f"`{name}`" in OUTPUT for name in MERGED)


DOCUMENTS = [
    *(paths.CHECKOUT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "config/README.md")),
    *(paths.CHECKOUT / name for name in ("ansible/README.md", "benchmarks/results.md")),
    *sorted((paths.CHECKOUT / "docs").glob("*.md")),
]


def anchors(document):
    """The anchors of a document's headings, as GitHub and MkDocs make them."""
    text = re.sub(r"^ *```.*?^ *```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#+ (.+)", text, re.MULTILINE):
        yield re.sub(r"[^\w -]", "", re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", heading)).strip().lower().replace(" ", "-")


def test_links_between_documents_lead_somewhere():
    broken = []
    for document in DOCUMENTS:
        for target, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)\s]*))?\)", document.read_text()):
            path = (document.parent / target) if target else document
            if not path.exists() or (anchor and anchor not in anchors(path)):
                broken.append(f"{document.relative_to(paths.CHECKOUT)}: {target}#{anchor}")
    assert broken == []


def test_every_section_of_errors_that_the_code_names_exists_and_the_other_way_round():
    sections = set(re.findall(r"^### (.+)", (paths.CHECKOUT / "docs" / "errors.md").read_text(), re.MULTILINE))
    files = [*(paths.CHECKOUT / "proteofold").rglob("*.py"), *(paths.CHECKOUT / "workflow").rglob("*.smk")]
    code = "".join(path.read_text() for path in files)
    named = set(re.findall(r'\btopic ?= ?"([a-z-]+)"', code))
    assert named <= sections
    # named by a message of their own, or by no error of ours
    assert sections - named == {"missing-package", "failed-proteins", "snakemake"}


def commands(group):
    """The commands below a group that do something, with their names."""
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        yield from commands(command) if isinstance(command, click.Group) else [(name, command)]


def test_help_of_every_command_has_an_example():
    assert [name for name, command in commands(cli) if "Example" not in command.help] == []


def test_generated_pages_are_those_of_the_code():
    command = [sys.executable, "-P", paths.CHECKOUT / "docs" / "tools" / "reference.py", "--check"]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert outcome.returncode == 0, outcome.stderr


def test_site_builds_without_a_broken_link(tmp_path):
    pytest.importorskip("mkdocs", reason="bin/setup --docs installs it")
    command = [sys.executable, "-P", "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path]
    outcome = subprocess.run(command, cwd=paths.CHECKOUT, capture_output=True, text=True, timeout=60, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "extreme-value" in (tmp_path / "method.html").read_text()
    assert "search: mode" in (tmp_path / "configuration.html").read_text()


def test_site_asks_no_other_site(tmp_path):
    """Pages open without internet: no font, script or style of another address."""
    pytest.importorskip("mkdocs", reason="bin/setup --docs installs it")
    command = [sys.executable, "-P", "-m", "mkdocs", "build", "--quiet", "--site-dir", tmp_path]
    subprocess.run(command, cwd=paths.CHECKOUT, capture_output=True, timeout=60, check=True)
    loaded = [
        address
        for page in tmp_path.rglob("*.html")
        for address in re.findall(r"<(?:script|link|img)\b[^>]*?(?:src|href)=\"?(https?://[^\"\s>]+)", page.read_text())
    ]
    assert loaded == []


def configurations(document, folder):
    """The configurations of runs in a document, laid over the defaults; they are written into a folder."""
    for block in re.findall(r"^ *```yaml\n(.*?)^ *```", document.read_text(), re.MULTILINE | re.DOTALL):
        text = textwrap.dedent(block)
        if "run" in yaml.safe_load(text):
            (folder / "my.yaml").write_text(text)
            yield load_config(folder / "my.yaml")


def test_configurations_in_the_documents_are_valid(tmp_path):
    for document in (paths.CHECKOUT / "README.md", paths.CHECKOUT / "docs" / "usage.md"):
        found = list(configurations(document, tmp_path))
        assert found and not any(map(config_problems, found))


def test_first_configuration_of_the_readme_needs_no_download(tmp_path):
    first = next(configurations(paths.CHECKOUT / "README.md", tmp_path))
    assert (first["templates"], first["s4pred"]["weights"]) == ("demo", "demo")
