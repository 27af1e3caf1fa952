"""The whole chain against the naive way: a process for each step of each protein, nothing shared."""

import shlex

import yaml
from made_runs import demo_library
from measure import PROTEOFOLD, PYTHON, ROOT, SNAKEMAKE, measure, table, write_proteins

from proteofold.science import hhsuite

PROTEINS = 40

# What the researchers' script did for each protein. Prediction, and reading hits with Biopython, start Python again.
NAIVE = """
set -e
{proteofold} s4pred --weights {weights} one.fasta > one.horiz
{proteofold} a3m one.fasta one.horiz > one.a3m
{hhsearch} -i one.a3m -d {library} -o one.hhr -cpu 1 -maxres 40000 -v 0
{python} -c {parse}
"""
PARSE = """
from statistics import geometric_mean, mean, pstdev
from Bio import SearchIO
result = next(SearchIO.parse("one.hhr", "hhsuite3-text"))
scores = [hit[0].score for hit in result if hit[0].evalue < 1e-5]
if scores:
    print(max(result, key=lambda hit: hit[0].score).id, mean(scores), pstdev(scores), geometric_mean(scores))
"""


def naive_script(library):
    """The naive way for the protein in ``one.fasta`` of the working directory, as a shell script."""
    words = {
        "proteofold": PROTEOFOLD,
        "weights": ROOT / "config" / "demo" / "s4pred",
        "hhsearch": hhsuite.find_program("hhsearch"),
        "library": library,
        "python": PYTHON,
        "parse": PARSE,
    }
    return NAIVE.format(**{name: shlex.quote(str(word)) for name, word in words.items()})


def run(folder, options):
    """Both ways, the same made proteins, the library and the weights of the demo, one core."""
    library = demo_library(folder)
    fasta = folder / "made.fasta"
    write_proteins(fasta, PROTEINS, seed=7)
    script = naive_script(library)
    naive_s = 0.0
    for record in fasta.read_text().split(">")[1:]:
        (folder / "one.fasta").write_text(f">{record}")
        naive_s += measure(["sh", "-c", script], cwd=folder).cpu_s
    rows = [["naive: a process a step and protein", f"{naive_s / PROTEINS:.2f}", "1"]]
    for mode in ("reference", "lean"):
        # a folder each: the second would find the predictions of the first
        work = folder / mode
        work.mkdir()
        config = {"run": mode, "proteins": [str(fasta)], "templates": str(library), "search": {"mode": mode}}
        (work / "config.yaml").write_text(yaml.safe_dump(config))
        whole = measure([*SNAKEMAKE, "--configfile", "config.yaml", "--cores", "1"], cwd=work)
        ratio = naive_s / whole.cpu_s
        rows.append(
            [f"proteofold, mode {mode}, all that the command does", f"{whole.cpu_s / PROTEINS:.2f}", f"**{ratio:.1f}**"]
        )
    return table([f"{PROTEINS} made proteins, demo library and weights", "CPU s a protein", "times less"], rows)
