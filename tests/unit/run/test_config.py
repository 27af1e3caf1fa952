"""The configuration: overlaying files, and what is said about keys and values that are invalid."""

import copy

import pytest
import yaml

from proteofold.run.config import config_problems, load_config, template_choice, weights_folder
from proteofold.science.domains import DomainThresholds
from proteofold.system import paths
from proteofold.system.errors import UserError

GOOD = yaml.safe_load(paths.DEFAULT_CONFIG.read_text()) | {"proteins": ["a.fasta"]}


@pytest.fixture
def config_file(tmp_path):
    """Function that writes a configuration file."""

    def write(content, name="my.yaml"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def problems_with(changes):
    return config_problems(copy.deepcopy(GOOD) | changes)


def test_defaults_lack_only_proteins():
    (problem,) = config_problems(load_config())
    assert problem.startswith("configuration, proteins: [] is invalid: expected a list of at least one FASTA file")


def test_default_thresholds_are_those_of_the_package():
    assert DomainThresholds(**load_config()["domains"]) == DomainThresholds()


def test_demo_configuration_is_good():
    assert config_problems(load_config(paths.DEMO / "config.yaml")) == []


def test_later_files_change_only_what_they_name(config_file):
    first = config_file("proteins: [a.fa]\ns4pred: {device: auto}\n", "1.yaml")
    second = config_file("templates: {build: my folder}\nsearch:\n  mode: reference\n", "2.yaml")
    config = load_config(first, second)
    assert config == GOOD | {
        "proteins": ["a.fa"],
        "s4pred": {"weights": "demo", "device": "auto", "precision": "fp32", "memory_mb": 1400},
        "templates": {"build": "my folder"},
        "search": {"mode": "reference", "alternatives": 4},
    }
    assert config_problems(config) == []


def test_files_are_overlaid_as_snakemake_overlays_them(config_file):
    from snakemake.utils import update_config

    path = config_file("templates: {build: x}\ns4pred: {device: gpu}\nids: null\nkeep: [hhr]\n")
    config = yaml.safe_load(paths.DEFAULT_CONFIG.read_text())
    update_config(config, yaml.safe_load(path.read_text()))
    assert load_config(path) == config


def test_empty_file_and_byte_order_mark_do_no_harm(config_file):
    assert load_config(config_file("")) == load_config()
    assert load_config(config_file(b"\xef\xbb\xbfrun: x\r\n"))["run"] == "x"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("run: x\nproteins: [a.fasta\n", "line 3: not YAML: .* that begins in line 2"),
        ("run:\tx\n\ty: 1\n", "line 1: not YAML"),
        (b"run: caf\xe9\n", "not YAML"),
        pytest.param("run: " + "[" * 3000 + "]" * 3000, "nested too deeply", id="nested"),
        ("run: 2024-13-45\n", "not YAML"),
        ("run: !!python/object:os.system x\n", "not YAML"),
        ("- run\n", "expected 'key: value' lines"),
        ("just words\n", "expected 'key: value' lines"),
    ],
)
def test_file_that_is_no_configuration_is_named(config_file, content, what):
    with pytest.raises(UserError, match=rf"my\.yaml[:,] .*{what}"):
        load_config(config_file(content))


@pytest.mark.parametrize(
    ("content", "key", "lines"),
    [
        ("run: a\nids: null\nrun: b\n", "run", (3, 1)),
        ("s4pred:\n  device: cpu\n  device: gpu\n", "device", (3, 2)),
        ("s4pred: {device: cpu, device: gpu}\n", "device", (1, 1)),
        ("proteins:\n- a\nrun: x\nproteins:\n- b\n", "proteins", (4, 1)),
        ("keep:\n- {a: 1,\n   a: 1}\n", "a", (3, 2)),
    ],
)
def test_key_that_is_given_twice_is_named_with_both_lines(config_file, content, key, lines):
    with pytest.raises(UserError) as caught:
        load_config(config_file(content))
    assert f"my.yaml, line {lines[0]}: '{key}' is given twice, first in line {lines[1]}" in str(caught.value)


def test_alias_and_merge_repeat_no_key(config_file):
    config = load_config(config_file("a: &a {x: 1}\nb: {<<: *a, x: 2}\nc: [*a, *a]\n"))
    assert (config["b"], config["c"]) == ({"x": 2}, [{"x": 1}, {"x": 1}])


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_called_that(config_file, codec):
    with pytest.raises(UserError, match=r"my\.yaml: .*UTF-16"):
        load_config(config_file("run: x\n".encode(codec)))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("run: 2024", "run: 2024"),
        ("run: 2024-01-31", "run: 2024-01-31"),
        ("run: yes", "run: True"),
        ("run: 1.50", "run: 1.5"),
        ("run: x\nproteins: [2024]", "proteins: 0: 2024"),
        ("run: x\ntemplates: 2024-01-31", "templates: 2024-01-31"),
        ("run: x\ns4pred: {weights: 7}", "s4pred: weights: 7"),
    ],
)
def test_text_that_yaml_takes_for_something_else_is_an_error_that_names_quotes(config_file, text, shown):
    (problem,) = config_problems(load_config(config_file("proteins: [a.fasta]\n"), config_file(text, "2.yaml")))
    assert problem.startswith(f"configuration, {shown} is invalid: ") and problem.endswith("put it in quotes.")


@pytest.mark.parametrize(
    "text",
    [
        "domains: {max_evalue: .nan}",
        "domains: {max_evalue: .inf}",
        "domains: {min_probability: .nan}",
        "domains: {min_covered: .nan}",
        "domains: {min_columns: 30.0}",
        "search: {alternatives: 4.0}",
        "s4pred: {memory_mb: 1400.0}",
        "msa: {database: demo, iterations: 2.0}",
        'proteins: ["a\\0b"]',
        'proteins: ["a\\ud800b"]',
        'ids: "a\\0b"',
        'templates: "a\\0b"',
        'templates: {build: "a\\0b"}',
        's4pred: {weights: "a\\0b"}',
        'msa: {folder: "a\\0b"}',
    ],
)
def test_numbers_and_paths_that_only_yaml_can_hold_are_refused(config_file, text):
    (problem,) = config_problems(load_config(config_file("proteins: [a.fasta]\n"), config_file(text, "2.yaml")))
    assert problem.startswith(f"configuration, {text.partition(':')[0]}") and " is invalid: expected " in problem
    assert not problem.endswith("put it in quotes.")


@pytest.mark.parametrize("changes", [{"s4pred": {"memory_mb": 5}}, {"search": {"alternatives": True}}])
def test_error_of_a_number_that_is_invalid_names_no_quotes(changes):
    assert not [problem for problem in problems_with(changes) if problem.endswith("put it in quotes.")]


def test_error_of_what_is_no_text_at_all_names_no_quotes():
    number = {"search": {"mode": "lean", "alternatives": 0}}
    for changes in ({"keep": 5}, {"proteins": True}, {"run": None}, {"run": ["a"]}, {"run": "a/b"}, number):
        (problem,) = problems_with(changes)
        assert "quotes" not in problem


def test_missing_file_and_folder_are_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.yaml: cannot be read \(No such file"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(UserError, match="cannot be read"):
        load_config(tmp_path)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"temlpates": "demo"}, "configuration: unknown key 'temlpates': did you mean 'templates'?"),
        ({"zzz": 1}, "unknown key 'zzz': known keys: run, proteins"),
        ({5: 1}, "unknown key '5'"),
        ({"s4pred": {"weigths": "x", "weights": "demo", "device": "cpu"}}, "s4pred: unknown key 'weigths': did you"),
        ({"search": {"mode": "quick"}}, "search: mode: 'quick' is invalid: expected reference, lean, fast or hybrid"),
        ({"s4pred": {"weights": "demo", "device": "cuda"}}, "s4pred: device: 'cuda' is invalid: expected cpu, gpu"),
        ({"s4pred": {"precision": "int8"}}, "s4pred: precision: 'int8' is invalid: expected fp32 or bf16"),
        ({"s4pred": {"weights": None, "device": "cpu"}}, "s4pred: weights: None is invalid"),
        ({"s4pred": {"device": "cpu"}}, "s4pred: 'weights' is a required property"),
        ({"s4pred": {"weights": "demo"}}, "s4pred: 'device' is a required property"),
        ({"search": {}}, "search: 'mode' is a required property"),
        (
            {"search": {"mode": "lean", "alternatives": 0}},
            "search: alternatives: 0 is invalid: expected a whole number",
        ),
        ({"domains": {"max_evalue": "1e-3"}}, "domains: max_evalue: '1e-3' is invalid: expected a number"),
        ({"domains": {"min_columns": 0.5}}, "domains: min_columns: 0.5 is invalid: expected a whole number"),
        ({"domains": {"max_overlap": 101}}, "domains: max_overlap: 101 is invalid: expected percent"),
        ({"domains": {"overlap": 10}}, "domains: unknown key 'overlap': did you mean 'max_overlap'?"),
        ({"s4pred": None}, "configuration, s4pred: None is invalid"),
        ({"search": "lean"}, "configuration, search: 'lean' is invalid: expected {mode: ...}; its keys are mode"),
        ({"mode": "fast"}, "configuration: unknown key 'mode': did you mean 'search: mode'?"),
        ({"run": 5}, "configuration, run: 5 is invalid: expected a name of letters"),
        ({"run": "a/b"}, "configuration, run: 'a/b' is invalid"),
        ({"run": "../x"}, "configuration, run: '../x' is invalid"),
        ({"run": "$(id)"}, "configuration, run: '$(id)' is invalid"),
        ({"run": "x\n"}, "configuration, run: 'x\\n' is invalid"),
        ({"run": ""}, "configuration, run: '' is invalid"),
        ({"run": "a" * 65}, "is invalid: expected a name"),
        ({"run": None}, "configuration, run: None is invalid"),
        ({"run": "shared"}, "configuration, run: 'shared' is invalid: expected a name"),
        ({"proteins": "a.fasta"}, "configuration, proteins: 'a.fasta' is invalid: expected a list"),
        ({"proteins": [5]}, "configuration, proteins: 0: 5 is invalid: expected the path of a FASTA file"),
        ({"proteins": {"a": 1}}, "is invalid: expected a list of at least one FASTA file"),
        ({"ids": ["P1"]}, "configuration, ids: ['P1'] is invalid: expected the path of a file"),
        ({"ids": ""}, "configuration, ids: '' is invalid"),
        ({"templates": {"bulid": "x"}}, "configuration, templates: {'bulid': 'x'} is invalid: expected demo, pdb70"),
        ({"templates": None}, "configuration, templates: None is invalid"),
        ({"keep": "hhr"}, "configuration, keep: 'hhr' is invalid: expected a list of what to keep, such as [a3m]"),
        ({"keep": ["out"]}, "configuration, keep: 0: 'out' is invalid: expected a3m"),
        ({"keep": ["hhr"]}, "configuration, keep: 0: 'hhr' is invalid: expected a3m"),
        ({"keep": None}, "configuration, keep: None is invalid"),
        ({"reuse": True}, "configuration: unknown key 'reuse'"),
    ],
)
def test_value_that_is_invalid_is_named_with_what_is_expected(changes, what):
    assert any(what in problem for problem in problems_with(changes))


def test_every_key_that_is_missing_is_named():
    assert [problem for problem in config_problems({}) if "'templates' is a required property" in problem]
    assert len(config_problems({})) == len(GOOD)


def test_all_problems_are_found_at_once():
    assert len(problems_with({"run": 5, "proteins": "x", "keep": "hhr", "temlpates": 1})) == 4


@pytest.mark.parametrize("run", ["a", "Human_2024.v1-2", "7", "a" * 64, "shared2"])
def test_good_names_of_runs_pass(run):
    assert problems_with({"run": run}) == []


def test_weights_are_known_by_name_or_a_folder():
    assert weights_folder(GOOD["s4pred"]["weights"]) == str(paths.DEMO / "s4pred")
    assert weights_folder("official") == "resources/s4pred/weights"
    assert weights_folder("my weights") == "my weights"


def test_library_at_a_path_is_used_where_it_is(tmp_path, make_library):
    prefix = make_library(tmp_path / "my lib" / "db", {"A": 10, "B": 30})
    choice = template_choice({"templates": prefix})
    assert (choice.source, choice.library.templates, choice.library.longest) == (None, 2, 30)


def test_library_to_be_built_is_named_by_its_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "my 'templates'"
    source.mkdir()
    (source / "a.fa").write_text(">A\nMKV\n>B\nMKVLA\n")
    choice = template_choice({"templates": {"build": str(source)}})
    assert choice.source == str(source)
    assert (choice.library.templates, choice.library.columns, choice.library.longest) == (2, 8, 5)
    assert choice.library.prefix.startswith("resources/templates/my_templates")
    (source / "a.fa").write_text(">A\nMKV\n>B\nMKVLG\n")
    assert template_choice({"templates": {"build": str(source)}}).library.prefix != choice.library.prefix


def test_library_with_predictions_is_named_by_their_weights_too(tmp_path, monkeypatch, tiny_networks):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.fa").write_text(">A\nMKV\n")
    plain = template_choice({"templates": {"build": "src"}})
    demo = template_choice({"templates": {"build": "src", "predict": "demo"}})
    other = template_choice({"templates": {"build": "src", "predict": str(tiny_networks)}})
    assert len({choice.library.prefix for choice in (plain, demo, other)}) == 3
    assert (plain.weights, demo.weights) == (None, weights_folder("demo"))
    with pytest.raises(UserError, match="lacks weights_1.pt"):
        template_choice({"templates": {"build": "src", "predict": "nowhere"}})


def test_demo_library_needs_no_other_weights_than_those_of_the_demo(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    choice = template_choice({"templates": "demo", "s4pred": {"weights": "official"}})
    assert choice.weights == weights_folder("demo")


def test_built_library_that_lost_a_file_is_reported(tmp_path, monkeypatch, make_library):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.fa").write_text(">A\nMKV\n")
    prefix = template_choice({"templates": {"build": "src"}}).library.prefix
    make_library(prefix, {"A": 3})
    assert template_choice({"templates": {"build": "src"}}).library.prefix == prefix
    (tmp_path / f"{prefix}_hhm.ffdata").unlink()
    with pytest.raises(UserError, match="missing .*_hhm.ffdata"):
        template_choice({"templates": {"build": "src"}})


def test_official_library_that_is_not_there_is_reported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="resources/templates/pdb70/pdb70: missing"):
        template_choice({"templates": "pdb70"})
