"""Commands of Snakemake that only read the workflow: nothing changes but what Snakemake itself writes."""

import re
import subprocess

import pytest

OTHERS = {
    ".snakemake/locks/0.output.lock": "results/other/merge_results.csv\n",
    ".snakemake/locks/0.input.lock": "proteins.fasta\n",
    ".snakemake/incomplete/cmVzdWx0cy9vdGhlci94": '{"external_jobid": "17"}',
    "results/other/.lock": "",
    "results/other/manifest.tsv": "not ours\n",
    "results/shared/searches/other/out-1/ab/P1-abcdef01.out": "not ours\n",
    "results/test/a3m/left by a killed run": "",
    "results/test/.merge_results.csv.1.part": "",
}


def read(bench, *options, expect=0):
    """Run Snakemake with options that only read; returns what it printed. The inputs must be there."""
    words, environment = bench.command(*options)
    outcome = subprocess.run(words, cwd=bench.path, env=environment, capture_output=True, text=True, timeout=60)
    printed = outcome.stdout + outcome.stderr
    assert outcome.returncode == expect, printed
    assert "Traceback" not in printed
    return printed


def files(bench):
    """What the working folder holds: each file with its time and size; of .snakemake only what others may depend on."""
    theirs = (".snakemake/log/", ".snakemake/iocache/")
    found = {str(path.relative_to(bench.path)): path.lstat() for path in bench.path.rglob("*") if not path.is_dir()}
    return {name: (stat.st_mtime_ns, stat.st_size) for name, stat in found.items() if not name.startswith(theirs)}


@pytest.fixture
def used(done):
    """A folder with a run that lacks a result, another run, and what Snakemake keeps of others."""
    done.out("P69905").unlink()
    done.hhr("P69905").unlink()
    for name, text in OTHERS.items():
        path = done.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return done


@pytest.mark.parametrize(
    "options",
    [
        ("--list-rules",),
        ("--list-target-rules",),
        ("--summary",),
        ("--detailed-summary",),
        ("--rulegraph",),
        ("--filegraph",),
        ("--dag",),
        ("--dry-run",),
        ("--dry-run", "--quiet"),
        ("--dry-run", "--touch"),
        ("--dry-run", "--forceall"),
        ("--dry-run", "--delete-all-output"),
        ("--list-input-changes",),
        ("--list-params-changes",),
    ],
    ids=" ".join,
)
def test_commands_that_read_change_nothing(used, options):
    before = files(used)
    assert before.keys() >= OTHERS.keys()
    assert read(used, *options)
    assert files(used) == before


def test_unlocking_removes_the_locks_of_snakemake_and_nothing_else(used):
    before = files(used)
    read(used, "--unlock")
    assert before.keys() - files(used).keys() == {name for name in OTHERS if ".snakemake/locks/" in name}
    assert files(used).items() <= before.items()


def test_graph_of_the_rules_is_that_of_the_documents(fresh):
    fresh.write_inputs()
    printed = read(fresh, "--rulegraph")
    names = dict(re.findall(r'^\s*(\d+)\[label = "(\w+)"', printed, re.MULTILINE))
    arrows = {(names[first], names[second]) for first, second in re.findall(r"(\d+) -> (\d+)", printed)}
    chain = ["write_batch", "predict_secondary_structure", "write_a3m", "search_templates", "summarise_hits"]
    chain += ["collect_block", "merge_results", "draw_report"]
    assert set(zip(chain, chain[1:], strict=False)) <= arrows
    assert {name for name, target in arrows if target == "search_templates"} == {"write_a3m"}  # the library is there


def test_node_knows_the_rule_of_a_library_that_was_built_meanwhile(done):
    """The job that builds it may have been submitted twice."""
    assert "build_template_library" in read(done, "--mode", "remote", "--list-rules").split()
    assert "build_template_library" not in read(done, "--list-rules").split()


def test_linter_finds_nothing_but_that_python_comes_without_conda(fresh):
    """The steps run in the Python that Snakemake runs in: bin/setup installs it, with the hashes of all packages."""
    fresh.write_inputs()
    printed = read(fresh, "--lint", expect=1)
    assert set(re.findall(r"^    \* (.*)$", printed, re.MULTILINE)) == {
        "Specify a conda environment or container for each rule.:"
    }
    # programs that are no Python are named with an environment
    rules = re.findall(r"^Lints for rule (\w+)", printed, re.MULTILINE)
    assert rules and not {"search_templates", "build_template_library"} & set(rules)
