"""Run sections of the benchmark suite and write their tables into results.md. Start it with bin/bench."""

import argparse
import datetime
import importlib
import platform
import re
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from compare import report
from measure import LeftOutError, processor
from plots import draw
from quick import make_small

from proteofold.science.hhsuite import hhsuite_version

RESULTS = Path(__file__).with_name("results.md")
QUICK_RESULTS = Path(__file__).parents[1] / "build" / "bench-quick.md"
SECTIONS = (
    "s4pred",
    "gpu",
    "overhead",
    "graph",
    "slots",
    "rerun",
    "merge",
    "parts",
    "chain",
    "alternatives",
    "modes",
    "headline",
)
SECTIONS += ("shards", "memory", "store", "platform", "site", "cluster", "copies")


def main():
    """Parse the command line, run the sections, keep the others' results."""
    parser = argparse.ArgumentParser(prog="bin/bench", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="section", help=f"of {', '.join(SECTIONS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="all sections small, in minutes; for trying changes")
    parser.add_argument(
        "--results", type=Path, help=f"file to write into (results.md; {QUICK_RESULTS.name} if --quick)"
    )
    parser.add_argument("--compare", nargs=2, metavar=("OLD", "NEW"), help="list what is slower in NEW; runs nothing")
    parser.add_argument("--noise", type=float, default=25, help="percent that --compare takes for noise (default: 25)")
    parser.add_argument("--upstream", help="folder of upstream S4PRED's run_model.py, for section s4pred")
    parser.add_argument("--proteins", type=int, default=128, help="proteins of sections s4pred and gpu (default: 128)")
    parser.add_argument(
        "--device", choices=("gpu", "cpu"), default="gpu", help="of section gpu; cpu to try the section"
    )
    parser.add_argument("--upstream-proteins", type=int, default=16, help="of these, those that upstream predicts, too")
    parser.add_argument("--queries", type=int, default=100, help="queries of section modes (default: 100)")
    parser.add_argument("--large-minutes", type=float, default=60, help="of the 90,000 templates in section modes")
    parser.add_argument("--jobs", type=int, default=1, help="queries of section modes at a time, a core each")
    parser.add_argument("--fasta", help="real proteins for s4pred and gpu instead of made ones, for modes beside them")
    parser.add_argument("--giant", type=int, default=3000, help="residues of section shards; MUC16 has 14,507")
    parser.add_argument("--rerun-proteins", type=int, default=41_339, help="proteins of section rerun")
    parser.add_argument("--parts-proteins", type=int, default=400_000, help="proteins of section parts")
    parser.add_argument("--alternatives-queries", type=int, default=20, help="relatives planted at each identity")
    parser.add_argument("--without-aligned", action="store_true", help="leave out the slowest row of alternatives")
    parser.add_argument("--cluster-proteins", type=int, default=1000, help="proteins of section cluster")
    parser.add_argument("--cluster-seconds", type=int, default=400, help="seconds that its searches take on all slots")
    parser.add_argument("--runs", type=int, default=2, help="runs with hits of section store, of 20 (default: 2)")
    options = parser.parse_args()
    if unknown := set(options.sections) - set(SECTIONS):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    if options.compare:
        slower = report(*options.compare, options.noise / 100)
        print(slower or f"nothing is slower by more than {options.noise:g}%")
        sys.exit(bool(slower))
    if options.quick:
        make_small(options)
    results = options.results or (QUICK_RESULTS if options.quick else RESULTS)
    for name in options.sections or SECTIONS:
        section = importlib.import_module(f"section_{name}")
        print(f"== {name}: {section.__doc__.splitlines()[0]}", flush=True)
        with tempfile.TemporaryDirectory(prefix="proteofold-bench-") as folder:
            try:
                text = section.run(Path(folder), options)
            except LeftOutError as reason:  # what was measured elsewhere stays in the results
                print(f"left out: {reason}", flush=True)
                continue
        print(text, flush=True)
        record(results, name, section.__doc__.splitlines()[0], text)


def record(results, name, title, text):
    """Put a section's result in its place in a file of results; with its plot in results.md."""
    stamp = (
        f"{datetime.date.today()}, {processor()}, Python {platform.python_version()}, "
        f"Snakemake {version('snakemake')}, HH-suite {hhsuite_version()}, PyTorch {version('torch')}"
    )
    plot = draw(name, text) if results == RESULTS else ""
    parts = [f"## {name}", title, text, plot, f"*{stamp}*"]
    block = "\n\n".join(filter(None, parts)) + "\n"
    known = results.read_text() if results.exists() else ""
    blocks = dict(re.findall(r"^(## (?:\w+)\n)(.*?)(?=^## |\Z)", known, re.MULTILINE | re.DOTALL))
    blocks[f"## {name}\n"] = block.partition("\n")[2]
    ordered = [f"## {section}\n" for section in SECTIONS if f"## {section}\n" in blocks]
    head = "# Measurements\n\nWritten by `bin/bench`. Times are of shared machines: read them as ratios.\n\n"
    head = known[: known.index("## ")] if "## " in known else head  # what was written there about the figures stays
    results.parent.mkdir(exist_ok=True)
    results.write_text(head + "\n".join(title + blocks[title].rstrip("\n") + "\n" for title in ordered))


if __name__ == "__main__":
    main()
