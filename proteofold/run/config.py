"""The configuration of a run: defaults, schema, and what each choice stands for."""

import datetime
import difflib
import math
import os
from dataclasses import dataclass
from pathlib import Path

import yaml

from proteofold.formats.fasta import open_text, protein_stem
from proteofold.science import hhsuite
from proteofold.science.hhsuite import Library
from proteofold.science.library_build import is_built
from proteofold.science.template_source import read_templates, source_key
from proteofold.science.weights import weights_digest
from proteofold.system import paths
from proteofold.system.errors import UserError


@dataclass(frozen=True, slots=True)
class TemplateChoice:
    """The template library of a run; ``source`` is the folder it is built from, None for one that exists.

    ``weights`` is the folder of the S4PRED weights that predict its secondary structure; None if it is built without.
    """

    library: Library
    source: str | None = None
    weights: str | None = None


def load_config(*config_files):
    """Defaults overlaid with each configuration file in turn, as Snakemake overlays them."""
    config = {}
    for path in config_files:
        _overlay(config, _load(path))
    return with_defaults(config)


def with_defaults(config):
    """The defaults overlaid with a configuration, which may leave out any key, too."""
    complete = _load(paths.DEFAULT_CONFIG)
    _overlay(complete, config)
    return complete


def check_config_files(config_files):
    """Raise UserError for what does not show in the configuration that Snakemake has made of its files."""
    for path in config_files:
        _load(path)


def _load(path):
    """The keys and values of a configuration file; UserError if it is none, or gives a key twice."""
    try:
        with open_text(path, errors="strict") as handle:
            text = handle.read()
        loaded, repeated = yaml.safe_load(text), _repeated_key(yaml.compose(text))
    except OSError as error:
        raise UserError(f"configuration {path}: cannot be read ({error.strerror}).", topic="configuration") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: wrong encoding, or a date like 2024-13-45
        raise UserError(_not_yaml(path, error), topic="configuration") from None
    except RecursionError:
        raise UserError(f"configuration {path}: nested too deeply.", topic="configuration") from None
    if loaded is not None and not isinstance(loaded, dict):
        raise UserError(f"configuration {path}: expected 'key: value' lines.", topic="configuration")
    if repeated:
        key, line, first = repeated
        raise UserError(
            f"configuration {path}, line {line}: '{key}' is given twice, first in line {first}. Remove one.",
            topic="configuration",
        )
    return loaded or {}


def _not_yaml(path, error):
    """What is wrong with a configuration file, with its line where the parser names one."""
    mark, context = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    if mark is None:
        return f"configuration {path}: not YAML: {error}"
    begun = f", {error.context} that begins in line {context.line + 1}" if error.context and context else ""
    return f"configuration {path}, line {mark.line + 1}: not YAML: {error.problem}{begun}."


def _repeated_key(document):
    """The first key that a mapping of a YAML document has twice, and the lines of both; None if there is none."""
    nodes, known = [document], set()
    for node in nodes:
        if id(node) in known:  # an alias
            continue
        known.add(id(node))
        lines = {}
        for pair in node.value if isinstance(node, yaml.CollectionNode) else ():
            if not isinstance(pair, tuple):
                nodes.append(pair)
                continue
            key, value = pair
            nodes.append(value)
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and lines.setdefault((key.tag, key.value), pair) is not pair:
                return key.value, line, lines[key.tag, key.value][0].start_mark.line + 1
    return None


def _overlay(config, changes):
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            _overlay(config[key], value)
        else:
            config[key] = value


def config_problems(config):
    """What the schema has against a configuration: one sentence each, naming the key and what is allowed."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    types = {"integer": _is_whole, "number": _is_number, "string": _is_text}
    checker = Draft202012Validator.TYPE_CHECKER.redefine_many(types)
    schema = yaml.safe_load(paths.CONFIG_SCHEMA.read_text(encoding="utf-8"))
    errors = extend(Draft202012Validator, type_checker=checker)(schema).iter_errors(config)
    return [_describe(error, schema) for error in sorted(errors, key=lambda error: list(map(str, error.path)))]


def _is_whole(checker, value):
    """Whether it is written without a point: JSON schema takes 4.0, programs that are given it do not."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(checker, value):
    """Whether it is a number that JSON can hold: YAML has .nan and .inf, too."""
    return _is_whole(checker, value) or (isinstance(value, float) and math.isfinite(value))


def _is_text(checker, value):
    """Whether it is text that can be a path, which YAML's escapes may prevent."""
    try:
        return isinstance(value, str) and b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        return False


def _describe(error, schema):
    key = ": ".join(str(part) for part in error.path)
    where = f"configuration, {key}: " if key else "configuration: "
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        sentences = []
        for unknown in sorted(set(map(str, error.instance)) - set(known)):
            near = _sections_with(unknown, schema) or difflib.get_close_matches(unknown, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}."
            sentences.append(f"unknown key '{unknown}': {hint}")
        return where + " ".join(sentences)
    expected = error.schema.get("errorMessage")
    if error.validator == "required":
        return f"{where}{error.message}"
    if not expected and error.validator == "type" and (keys := error.schema.get("properties")):
        expected = f"expected {{{next(iter(keys))}: ...}}; its keys are {', '.join(keys)}."
    shown = str(error.instance) if isinstance(error.instance, datetime.date) else repr(error.instance)
    return f"{where}{shown} is invalid: {expected or error.message}{_quotes(error)}"


def _sections_with(key, schema):
    """The keys of the schema that have a key of this name below them, as 'section: key'."""
    return [
        f"{section}: {key}" for section, below in schema["properties"].items() if key in below.get("properties", {})
    ]


def _quotes(error):
    """What to do about a value that was meant as text and that YAML takes for something else."""
    if "enum" in error.schema or "string" not in error.schema.get("type", "string"):
        return ""
    known = {bool: "true or false", (int, float): "a number", datetime.date: "a date"}
    kind = next((kind for types, kind in known.items() if isinstance(error.instance, types)), None)
    return f" YAML takes this for {kind}: put it in quotes." if kind else ""


def weights_folder(choice):
    """The folder of S4PRED weights that a configuration names: demo, official, or a folder."""
    known = {"demo": paths.DEMO / "s4pred", "official": paths.RESOURCES / "s4pred" / "weights"}
    return str(known.get(choice, choice))


def template_choice(config):
    """The template library that the configuration names; one to be built is described from its text."""
    choice = config["templates"]
    parts = hhsuite.PARTS_READ[config.get("search", {}).get("mode", "reference")]
    if choice == "demo":
        # with its own weights, whatever those of the run: nothing needs to be fetched for it
        return _library_to_build(paths.DEMO / "templates", weights_folder("demo"), name="demo")
    if choice == "pdb70":
        folder = paths.RESOURCES / "templates" / "pdb70"
        if folder.is_symlink():  # the release in use now: a newer one must not enter a running run
            folder = folder.parent / folder.readlink()
        try:
            return TemplateChoice(hhsuite.read_library(str(folder / "pdb70"), parts))
        except UserError as error:
            raise UserError(
                f"{error} 'proteofold fetch pdb70' downloads it: docs/data.md.", topic="configuration"
            ) from None
    if isinstance(choice, dict):
        predict = choice.get("predict")
        return _library_to_build(Path(choice["build"]), predict and weights_folder(predict))
    return TemplateChoice(hhsuite.read_library(choice, parts))


def database_choice(config):
    """The sequence database in which the configuration has the relatives of queries searched, as a Library."""
    choice = config["msa"]["database"]
    if choice != "demo":
        return hhsuite.read_database(choice)
    if config["templates"] != "demo":
        raise UserError(
            "configuration, msa: database: demo is the library of 'templates: demo', and goes with that only.",
            topic="configuration",
        )
    return template_choice(config).library


def _library_to_build(source, weights, name=None):
    """A library's folder carries the checksum of its text: changed text is another library, none is overwritten."""
    templates = read_templates(source)
    name = name or protein_stem(source.resolve().name)
    key = source_key(templates, weights and weights_digest(weights))
    columns = [template.columns for template in templates]
    prefix = paths.RESOURCES / "templates" / f"{name}-{key}" / name
    if is_built(prefix):
        try:
            hhsuite.read_library(prefix)
        except UserError as error:
            raise UserError(
                f"{error} Remove the folder {prefix.parent}, and the next start builds it.", topic="configuration"
            ) from None
    return TemplateChoice(Library(str(prefix), len(columns), sum(columns), max(columns), key), str(source), weights)
