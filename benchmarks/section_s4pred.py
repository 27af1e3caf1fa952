"""S4PRED: CPU per protein against upstream's script, started once a protein, with weights of the official size."""

import subprocess
from pathlib import Path

from measure import PROTEOFOLD, PYTHON, measure, table, write_proteins

MAKE_WEIGHTS = """
import sys, torch
from proteofold.s4pred import Network
from proteofold.weights import WEIGHT_FILES
torch.manual_seed(1)
for name in WEIGHT_FILES:
    state = Network().state_dict()
    torch.save({key: tensor.half() for key, tensor in state.items()}, f"{sys.argv[1]}/{name}")
"""


def run(folder, options):
    """Both predict the same proteins in one run; their output must agree."""
    if not options.upstream:
        return "Left out: give the folder of upstream's run_model.py with `--upstream`."
    upstream = Path(options.upstream)
    weights = upstream / "weights"
    if not weights.is_dir():
        weights.mkdir()
        subprocess.run([PYTHON, "-c", MAKE_WEIGHTS, weights], check=True)
    fasta = folder / "proteins.fasta"
    lengths = write_proteins(fasta, options.proteins)
    ours = measure([PROTEOFOLD, "s4pred", "--weights", weights, fasta], output=folder / "ours.horiz")
    alone, texts = [], []
    for number, record in enumerate(fasta.read_text().split(">")[1:]):
        single = folder / f"single_{number}.fasta"
        single.write_text(">" + record)
        command = [PYTHON, upstream / "run_model.py", "-t", "horiz", "-T", "1", single]
        alone.append(measure(command, output=folder / "one.horiz"))
        texts.append((folder / "one.horiz").read_text())
    together = "".join(texts)
    differing = sum(a != b for a, b in zip((folder / "ours.horiz").read_text(), together, strict=True))
    upstream_cpu = sum(one.cpu_s for one in alone)
    return (
        table(
            ["", "upstream, one process a protein", "proteofold, one batch", "ratio"],
            [
                [
                    "CPU s a protein",
                    f"{upstream_cpu / len(lengths):.2f}",
                    f"{ours.cpu_s / len(lengths):.2f}",
                    f"{upstream_cpu / ours.cpu_s:.1f}",
                ],
                [
                    "CPU ms a residue",
                    f"{1000 * upstream_cpu / sum(lengths):.1f}",
                    f"{1000 * ours.cpu_s / sum(lengths):.1f}",
                    "",
                ],
                ["peak memory, MB", f"{max(one.max_rss_mb for one in alone):.0f}", f"{ours.max_rss_mb:.0f}", ""],
                ["characters that differ", "", f"{differing} of {len(together)}", ""],
            ],
        )
        + f"\n\n{len(lengths)} made proteins, {sum(lengths)} residues."
    )
