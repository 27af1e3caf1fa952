"""The documentation names what the code has: keys, defaults, columns, modes."""

import re
import textwrap
from pathlib import Path

import yaml

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


def test_links_between_documents_lead_somewhere():
    documents = [paths.CHECKOUT / "README.md", paths.CHECKOUT / "config" / "README.md"]
    documents += sorted((paths.CHECKOUT / "docs").glob("*.md"))
    for document in documents:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / Path(target)).exists(), f"{document.name}: {target}"


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
