"""Run sections of the benchmark suite and write their tables into results.md. Start it with bin/bench."""

import argparse
import datetime
import importlib
import platform
import re
import tempfile
from importlib.metadata import version
from pathlib import Path

from measure import processor
from plots import draw

from proteofold.science.hhsuite import hhsuite_version

RESULTS = Path(__file__).with_name("results.md")
SECTIONS = ("s4pred", "overhead", "graph", "slots", "rerun", "merge", "chain", "modes", "shards", "memory")
SECTIONS += ("store", "platform", "cluster", "copies")


def main():
    """Parse the command line, run the sections, keep the others' results."""
    parser = argparse.ArgumentParser(prog="bin/bench", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="section", help=f"of {', '.join(SECTIONS)}; default: all")
    parser.add_argument("--upstream", help="folder of upstream S4PRED's run_model.py, for section s4pred")
    parser.add_argument("--proteins", type=int, default=128, help="proteins of section s4pred (default: 128)")
    parser.add_argument("--upstream-proteins", type=int, default=16, help="of these, those that upstream predicts, too")
    parser.add_argument("--queries", type=int, default=100, help="queries of section modes (default: 100)")
    parser.add_argument("--large-minutes", type=float, default=60, help="of the 90,000 templates in section modes")
    parser.add_argument("--jobs", type=int, default=1, help="queries of section modes at a time, a core each")
    parser.add_argument("--fasta", help="real proteins for section s4pred instead of made ones, for modes beside them")
    parser.add_argument("--giant", type=int, default=3000, help="residues of section shards; MUC16 has 14,507")
    parser.add_argument("--rerun-proteins", type=int, default=41_339, help="proteins of section rerun")
    parser.add_argument("--cluster-proteins", type=int, default=1000, help="proteins of section cluster")
    parser.add_argument("--cluster-seconds", type=int, default=400, help="seconds that its searches take on all slots")
    parser.add_argument("--runs", type=int, default=2, help="runs with hits of section store, of 20 (default: 2)")
    options = parser.parse_args()
    if unknown := set(options.sections) - set(SECTIONS):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    for name in options.sections or SECTIONS:
        section = importlib.import_module(f"section_{name}")
        print(f"== {name}: {section.__doc__.splitlines()[0]}", flush=True)
        with tempfile.TemporaryDirectory(prefix="proteofold-bench-") as folder:
            text = section.run(Path(folder), options)
        print(text, flush=True)
        record(name, section.__doc__.splitlines()[0], text)


def record(name, title, text):
    """Put a section's result in its place in results.md, with its plot."""
    stamp = (
        f"{datetime.date.today()}, {processor()}, Python {platform.python_version()}, "
        f"Snakemake {version('snakemake')}, HH-suite {hhsuite_version()}, PyTorch {version('torch')}"
    )
    parts = [f"## {name}", title, text, draw(name, text), f"*{stamp}*"]
    block = "\n\n".join(filter(None, parts)) + "\n"
    known = RESULTS.read_text() if RESULTS.exists() else ""
    blocks = dict(re.findall(r"^(## (?:\w+)\n)(.*?)(?=^## |\Z)", known, re.MULTILINE | re.DOTALL))
    blocks[f"## {name}\n"] = block.partition("\n")[2]
    ordered = [f"## {section}\n" for section in SECTIONS if f"## {section}\n" in blocks]
    head = "# Measurements\n\nWritten by `bin/bench`. Times are of shared machines: read them as ratios.\n\n"
    RESULTS.write_text(head + "\n".join(title + blocks[title].rstrip("\n") + "\n" for title in ordered))


if __name__ == "__main__":
    main()
