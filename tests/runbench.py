"""A small run in a folder of its own: real Snakemake, real hhsearch, a few of the demo's proteins and templates.

Conftests of the tests that run the workflow import the fixtures from here.
"""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from proteofold.run.manifest import load_run

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "config" / "demo"
TEMPLATES = ("4HHB_A", "1MBN_A", "1LZ1_A", "1UBQ_A", "1CLL_A", "1HRC_A")
PROTEINS = ("P69905", "P02144", "P61626", "P99999")
TABLES = (
    *("merge_results.csv", "best_hits.csv", "profile_output.csv", "hits.csv.gz", "domains.csv", "domains.gff3"),
    *("verdicts.csv", "failed.csv", "proteome_summary.json", "proteome_summary.csv"),
)

# Stands before the real hhsearch on PATH: notes each search, and fails, waits or dies for the ids that a test names.
HHSEARCH = """#!/bin/sh
[ "$1" = -i ] || exec {real} "$@"
id=$(grep "^>" "$2" | grep -v "^>ss_" | head -n 1 | cut -c 2-)
printf '%s\\n' "$id" >> "{folder}/searched"
if grep -qxF -e "$id" "{folder}/fail" 2>/dev/null; then echo "ERROR: made to fail" >&2; exit 3; fi
if grep -qxF -e "$id" "{folder}/die" 2>/dev/null; then kill -9 $$; fi
if [ -e "{folder}/slow" ]; then sleep 1; fi
while grep -qxF -e "$id" "{folder}/wait" 2>/dev/null; do sleep 0.1; done
{trouble}exec {real} "$@"
"""


def demo_records():
    """The demo's proteins by accession: (query_id, sequence)."""
    records = {}
    for text in (DEMO / "proteins.fasta").read_text().split(">")[1:]:
        header, *lines = text.splitlines()
        query_id = header.split()[0]
        records[query_id.split("|")[1]] = (query_id, "".join(lines))
    return records


class Bench:
    """A working directory with one run named ``test``."""

    # options that say where jobs run; Snakemake finds the default profile beside the Snakefile
    where = ("--cores", "2")
    snakefile = ROOT / "workflow" / "Snakefile"
    environment = os.environ
    trouble = ""  # more lines of the stand-in for hhsearch

    def __init__(self, path, templates):
        self.path = path
        self.results = path / "results" / "test"
        self.config = {
            "run": "test",
            "proteins": ["proteins.fasta"],
            "templates": {"build": str(templates)},
            "s4pred": {"weights": "demo"},
        }
        records = demo_records()
        self.records = dict(records[accession] for accession in PROTEINS)
        self.heads = []
        self.spy = path / "spy"
        self.spy.mkdir()
        hhsearch = self.spy / "hhsearch"
        real, trouble = shutil.which("hhsearch"), self.trouble.format(folder=self.spy)
        hhsearch.write_text(HHSEARCH.format(folder=self.spy, real=real, trouble=trouble))
        hhsearch.chmod(0o755)

    def write_inputs(self):
        """Write the FASTA and the configuration as they stand now."""
        text = "".join(f">{query_id} made for a test\n{sequence}\n" for query_id, sequence in self.records.items())
        (self.path / "proteins.fasta").write_text(text, encoding="utf-8")
        (self.path / "my.yaml").write_text(yaml.safe_dump(self.config))

    def command(self, *options):
        """The command line of the run, and its environment."""
        words = [sys.executable, "-P", "-m", "snakemake", "--snakefile", self.snakefile]
        words += [*self.where, "--configfile", "my.yaml"]
        environment = {**self.environment, "PATH": f"{self.spy}{os.pathsep}{os.environ['PATH']}"}
        return [str(word) for word in (*words, *options)], environment

    def snakemake(self, *options, expect=0, keep_count=False):
        """Run the workflow; returns what it printed. Fails the test on another exit code than expected."""
        self.write_inputs()
        if not keep_count:
            (self.spy / "searched").write_text("")
        words, environment = self.command(*options)
        outcome = subprocess.run(
            words, cwd=self.path, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        printed = outcome.stdout + outcome.stderr
        assert outcome.returncode == expect, printed
        return printed

    def start(self):
        """Start the workflow in the background, in a process group of its own; what it prints goes to spy/printed."""
        self.write_inputs()
        (self.spy / "searched").write_text("")
        words, environment = self.command()
        head = subprocess.Popen(
            words,
            cwd=self.path,
            env=environment,
            start_new_session=True,
            # tests that were started in the background of a shell hand on that Ctrl-C is ignored
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            stdout=(self.spy / "printed").open("w"),
            stderr=subprocess.STDOUT,
        )
        self.heads.append(head)
        return head

    def kill_heads(self):
        """Kill what was started in the background and a failed test has left."""
        for head in self.heads:
            if head.poll() is None:
                os.killpg(head.pid, signal.SIGKILL)
                head.wait()

    def predictions(self):
        """The predictions that are there: name -> time."""
        return {path.name: path.stat().st_mtime_ns for path in self.path.glob("results/shared/predictions/*/horiz/*")}

    def searched(self):
        """Ids searched since the last start, in the order of starting."""
        return (self.spy / "searched").read_text(encoding="utf-8").splitlines()

    @property
    def run(self):
        """The run as its folder describes it."""
        return load_run(self.results)

    def out(self, accession):
        """The .out of a protein."""
        run = self.run
        return run.search.out(run.members[accession].entry)

    def hhr(self, accession):
        """The .hhr.gz of a protein."""
        run = self.run
        return run.search.hhr(run.members[accession].entry)

    def mark(self, kind, *query_ids):
        """Have searches of these ids fail, die, or wait until no file says so; "slow" is for all of them."""
        (self.spy / kind).write_text("".join(f"{query_id}\n" for query_id in query_ids), encoding="utf-8")

    def store(self):
        """A connection to the results store."""
        return sqlite3.connect(f"file:{self.path}/results/proteofold.db?mode=ro", uri=True)

    def tables(self):
        """The merged files as bytes."""
        return {name: (self.results / name).read_bytes() for name in TABLES}

    def rows(self, name):
        """The rows of a merged table without its header."""
        return (self.results / name).read_text(encoding="utf-8").splitlines()[1:]


def import_as_module(bench):
    """Have a bench run proteofold inside another workflow: the Snakefile of docs/usage.md."""
    documented = re.search(r"^```python\n(configfile:.*?)^```", (ROOT / "docs" / "usage.md").read_text(), re.M | re.S)
    bench.snakefile = bench.path / "Snakefile"
    text = documented[1].replace("/path/to/proteofold", str(ROOT)).replace("my-proteome", "test")
    bench.snakefile.write_text(text)
    bench.config = {"proteofold": bench.config}


# modules that Snakemake, our programs and what they start import, some only when they are needed
PLANTED = (
    *("proteofold", "snakemake", "yte", "yaml", "numpy", "torch", "click"),
    *("csv", "json", "pickle", "gzip", "argparse"),
)


def plant(folder):
    """Put files into a folder that report that they were imported, and stop the importing process."""
    for name in PLANTED:
        text = "open(__file__ + '.imported', 'w')\nraise SystemExit(f'{__file__} was imported')\n"
        (folder / f"{name}.py").write_text(text)


def imported(folder):
    """Names of the planted files that were imported."""
    return sorted(path.name for path in folder.rglob("*.imported"))


@pytest.fixture(scope="session")
def template_folder(tmp_path_factory):
    """Alignments of six demo templates."""
    folder = tmp_path_factory.mktemp("templates") / "six"
    folder.mkdir()
    for name in TEMPLATES:
        shutil.copy(DEMO / "templates" / f"{name}.a3m", folder)
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory, template_folder):
    """A run that succeeded, made once; tests work on copies of it."""
    bench = Bench(tmp_path_factory.mktemp("finished"), template_folder)
    bench.printed = bench.snakemake()
    return bench


@pytest.fixture
def fresh(tmp_path, finished):
    """A bench with the template library built and no results."""
    bench = Bench(tmp_path, finished.config["templates"]["build"])
    shutil.copytree(finished.path / "resources", tmp_path / "resources")
    return bench


@pytest.fixture
def done(fresh, finished):
    """A copy of the finished run, Snakemake's records included."""
    for name in ("results", ".snakemake"):
        shutil.copytree(finished.path / name, fresh.path / name, symlinks=True)
    fresh.write_inputs()
    shutil.copystat(finished.path / "proteins.fasta", fresh.path / "proteins.fasta")
    return fresh
