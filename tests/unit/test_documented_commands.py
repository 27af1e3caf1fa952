"""Every command in the documentation exists, with its options; those that are cheap run in tests/workflow."""

import re
import shlex
import subprocess
import sys
import tomllib

import pytest
from click.testing import CliRunner

from proteofold.cli.main import cli
from proteofold.system.paths import CHECKOUT

DOCUMENTS = [
    *(CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "config/README.md", "ansible/README.md")),
    *sorted((CHECKOUT / "docs").glob("*.md")),
]
# of the system, or of a shell
OTHERS = {
    "scontrol",
    "apptainer",
    "debootstrap",
    "docker",
    "install",
    "openssl",
    "podman",
    "podman-compose",
    "tar",
    "cd",
    "source",
    "export",
    "git",
    "cp",
    "cat",
    "cut",
    "grep",
    "mkdir",
    "echo",
    "rm",
    "groupadd",
    "useradd",
    "mv",
    "chown",
    "chmod",
    "gzip",
    "for",
    "done",
}
OURS = r"snakemake|proteofold|sudo|ansible-playbook|pip install|just|(?:bin|ansible)/[\w/-]+"


def commands(text):
    """The command lines of a document: those after a prompt, and those in its sentences."""
    for line in re.findall(r"^ *\$ (.+)", text, re.MULTILINE):
        yield line
    for line in re.findall(rf"`((?:{OURS})(?: [^`]+)?)`", text):
        if line != "just" and line not in ("proteofold", "snakemake", "sudo") and not line.endswith("/"):
            yield line


def simple_commands(line):
    """The words of each command of a line: without assignments before it, and without redirections."""
    line = re.sub(r"<[^>]+>", "WORD", re.sub(r"[\[\]](?=-| |$)", "", line))  # <placeholders>, [optional parts]
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words, skip = [], False
    for token in [*lexer, ";"]:
        if set(token) <= set(";&|"):
            while words and (words[0] in ("do", "sudo") or "=" in words[0]):
                words = words[3:] if words[:2] == ["sudo", "-u"] else words[1:]
            if words:
                yield words
            words = []
        elif skip or set(token) <= set("<>"):
            skip = not skip
        else:
            words.append(token)


@pytest.fixture(scope="module")
def options_of_snakemake():
    """The options that Snakemake's help lists, those of the plugins that are installed included."""
    command = [sys.executable, "-P", "-m", "snakemake", "--help"]
    help_text = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    return set(re.findall(r"--[a-z][a-z-]*", help_text))


def problem(words, options_of_snakemake):
    """What is wrong with a command; None if nothing is."""
    name, *arguments = words
    if name == "proteofold-admin":  # what ansible/ installs
        name, arguments = "proteofold", ["admin", *arguments]
    options = {word.partition("=")[0] for word in arguments if word.startswith("--")}
    if name == "snakemake":
        unknown = options - options_of_snakemake
        profiles = [value for option, value in zip(words, words[1:], strict=False) if option == "--profile"]
        unknown |= {path for path in profiles if "/" in path and not (CHECKOUT / path).is_dir() and path[0] != "/"}
        return f"unknown: {unknown}" if unknown else None
    if name == "proteofold":
        # --help is taken before arguments are judged, and after unknown commands and options are
        outcome = CliRunner().invoke(cli, [*arguments, "--help"])
        return outcome.output if outcome.exit_code else None
    if name.startswith(("bin/", "ansible/")):
        path = CHECKOUT / name
        if not path.is_file() or not path.stat().st_mode & 0o100:
            return "no such program"
        text = path.read_text() + (CHECKOUT / "benchmarks" / "bench.py").read_text() * (name == "bin/bench")
        unknown = {option for option in options if not re.search(rf"{option}\b", text)}
        return f"unknown: {unknown}" if unknown and name != "bin/test" else None
    if name == "pip":
        extras = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        named = {extra for word in arguments for extra in re.findall(r"\[(.+)\]", word)}
        return f"unknown: {named - set(extras)}" if named - set(extras) else None
    if name == "ansible-playbook":
        missing = [word for word in arguments if word.endswith(".yml") and not (CHECKOUT / "ansible" / word).is_file()]
        return f"missing: {missing}" if set(missing) - {"inventory.yml"} else None
    if name == "systemctl":
        missing = [unit for unit in arguments[1:] if not list((CHECKOUT / "ansible").rglob(f"{unit}.service*"))]
        return f"no unit: {missing}" if missing else None
    if name == "just":
        recipes = re.findall(r"^([a-z-]+).*:", (CHECKOUT / "justfile").read_text(), re.MULTILINE)
        return None if arguments[0] in recipes else "no such recipe"
    return None if name in OTHERS else "unknown command"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_commands_exist_with_their_options(document, options_of_snakemake):
    found = {}
    for line in commands(document.read_text()):
        for words in simple_commands(line):
            if wrong := problem(words, options_of_snakemake):
                found[" ".join(words)] = wrong
    assert found == {}


def test_readme_has_commands_of_every_kind():
    names = {words[0] for line in commands(DOCUMENTS[0].read_text()) for words in simple_commands(line)}
    assert {"snakemake", "proteofold", "bin/demo", "bin/serve", "pip", "ansible-playbook"} <= names


@pytest.mark.parametrize(
    "line",
    [
        *("proteofold verify", "proteofold check --config x", "snakemake --profil x", "snakemake --profile profiles/x"),
        *("bin/dmo", "bin/serve --prt 1", "pip install '.[all]'", "ansible-playbook sit.yml", "just tests", "ls > x"),
    ],
)
def test_wrong_commands_are_found(line, options_of_snakemake):
    assert [problem(words, options_of_snakemake) for words in simple_commands(line)] != [None]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_variables_of_the_environment_are_read_somewhere(document):
    named = set(re.findall(r"\bPROTEOFOLD_[A-Z]+(?:_[A-Z]+)*\b", document.read_text()))
    kinds = {".py", ".sh", ".j2", ".yml", ".yaml", ""}
    folders = (CHECKOUT / name for name in ("proteofold", "website", "bin", "ansible", "containers", "tests", "config"))
    code = [path for folder in folders for path in folder.rglob("*") if path.suffix in kinds and path.is_file()]
    text = "".join(path.read_text(errors="replace") for path in code if ".venv" not in path.parts)
    assert {name for name in named if name not in text} == set()
