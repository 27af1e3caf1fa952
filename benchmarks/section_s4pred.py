"""S4PRED: CPU per protein against upstream's script and against the processor's limit, weights of the official size."""

import subprocess
import time
from itertools import islice
from pathlib import Path

from measure import PROTEOFOLD, PYTHON, measure, table, write_proteins

from proteofold.formats.fasta import format_fasta, read_fasta
from proteofold.formats.psipred import read_horiz
from proteofold.science.batches import cut
from proteofold.science.weights import batch_residues

NETWORKS, DIRECTIONS, HIDDEN, INPUTS = 5, 2, 1024, (128, 2048, 2048)  # inputs of each layer
REPEATS = 5

MAKE_WEIGHTS = """
import sys, torch
from proteofold.science.s4pred import Network
from proteofold.science.weights import WEIGHT_FILES
torch.manual_seed(1)
for name in WEIGHT_FILES:
    state = Network().state_dict()
    torch.save({key: tensor.half() for key, tensor in state.items()}, f"{sys.argv[1]}/{name}")
"""


def run(folder, options):
    """All predict the same proteins in one run; upstream as many of them as options say, short to long.

    Without ``--upstream``, the folder of its run_model.py, there is no comparison with it.
    """
    upstream = options.upstream and Path(options.upstream)
    weights = (upstream or folder) / "weights"
    if not weights.is_dir():
        weights.mkdir()
        make_weights(weights)
    records, kind = proteins(folder, options)
    fasta = folder / "proteins.fasta"
    fasta.write_text("".join(format_fasta(record.id, record.sequence) for record in records))
    lengths = [len(record.sequence) for record in records]
    ours = {}
    for precision in ("fp32", "bf16"):
        command = [PROTEOFOLD, "s4pred", "--weights", weights, "--precision", precision, fasta]
        ours[precision] = measure(command, output=folder / f"{precision}.horiz")
    exact, rounded = (read_horiz(folder / f"{precision}.horiz") for precision in ours)
    residues = sum(lengths)
    limit_ms, large_ms = (1000 * seconds / residues for seconds in _products_s(lengths))
    our_ms = {precision: 1000 * used.cpu_s / residues for precision, used in ours.items()}
    mean = residues / len(lengths) / 1000
    rows = [
        ["CPU ms a residue", *(f"{ms:.2f}" for ms in our_ms.values())],
        ["residues per CPU second", *(f"{1000 / ms:.0f}" for ms in our_ms.values())],
        [f"CPU s a protein of {1000 * mean:.0f} residues", *(f"{ms * mean:.2f}" for ms in our_ms.values())],
        ["matrix products of the same shapes / this", f"**{limit_ms / our_ms['fp32']:.0%}**", ""],
        ["large matrix products / this", f"{large_ms / our_ms['fp32']:.0%}", ""],
        ["peak memory, MB", *(f"{used.max_rss_mb:.0f}" for used in ours.values())],
        ["states, digits equal to fp32", "", " and ".join(equal_parts(exact, rounded))],
    ]
    if upstream:
        rows += _beside_upstream(folder, upstream, records, exact, our_ms, options)
    head = ["", "proteofold, fp32", "bf16, not identical"]
    return f"{table(head, rows)}\n\n{len(records)} {kind} proteins, {residues:,} residues, one core."


def _beside_upstream(folder, upstream, records, exact, our_ms, options):
    """Rows on upstream's script, a process a protein, for some of the proteins."""
    count = min(options.upstream_proteins, len(records))
    chosen = [round(step * (len(records) - 1) / max(count - 1, 1)) for step in range(count)]
    theirs, differing = _upstream(folder, upstream, [records[number] for number in chosen], [exact[n] for n in chosen])
    residues = sum(len(records[number].sequence) for number in chosen)
    their_ms = 1000 * sum(one.cpu_s for one in theirs) / residues
    peak = max(one.max_rss_mb for one in theirs)
    return [
        [f"upstream, {count} of them: CPU ms a residue", f"{their_ms:.1f}", ""],
        ["upstream: peak memory, MB", f"{peak:.0f}", ""],
        ["upstream / proteofold", *(f"**{their_ms / ms:.1f}**" for ms in our_ms.values())],
        ["residues that differ from upstream", f"{differing:,} of {residues:,}", ""],
    ]


def make_weights(folder):
    """Write random networks of the official size into a folder."""
    subprocess.run([PYTHON, "-c", MAKE_WEIGHTS, folder], check=True)


def proteins(folder, options):
    """The proteins, shortest first, and what they are."""
    path, kind = options.fasta, "given"
    if not path:
        path, kind = folder / "made.fasta", "made"
        write_proteins(path, options.proteins)
    return sorted(islice(read_fasta(path), options.proteins), key=lambda record: len(record.sequence)), kind


def _upstream(folder, upstream, records, expected):
    """What upstream's script uses for each protein, and in how many residues its predictions are others."""
    used, differing = [], 0
    for record, ours in zip(records, expected, strict=True):
        single, written = folder / "single.fasta", folder / "single.horiz"
        single.write_text(format_fasta(record.id, record.sequence))
        used.append(measure([PYTHON, upstream / "run_model.py", "-t", "horiz", "-T", "1", single], output=written))
        (theirs,) = read_horiz(written)
        pairs = zip(zip(*ours[:3], strict=True), zip(*theirs[:3], strict=True), strict=True)
        differing += sum(a != b for a, b in pairs)
    return used, differing


def equal_parts(exact, rounded):
    """Parts of the states and of the confidence digits that are the same."""
    for column in (1, 2):
        pairs = [pair for a, b in zip(exact, rounded, strict=True) for pair in zip(a[column], b[column], strict=True)]
        yield f"{sum(a == b for a, b in pairs) / len(pairs):.2%}"


def _products_s(lengths):
    """CPU seconds of the networks' matrix products alone, as wide as they are there, and as fast as large ones go."""
    import torch

    torch.set_num_threads(1)
    known = {}

    def seconds(rows, inner):
        """CPU seconds of (rows, inner) times (inner, gates): what a layer's inputs, or a step's states, take."""
        if (rows, inner) not in known:
            left, right = torch.randn(rows, inner).to_mkldnn(), torch.randn(3 * HIDDEN, inner).to_mkldnn()
            times = []
            for _ in range(REPEATS):
                started = time.process_time()
                torch.nn.functional.linear(left, right)
                times.append(time.process_time() - started)
            known[rows, inner] = sorted(times)[REPEATS // 2]
        return known[rows, inner]

    total = 0.0
    for batch in cut(sorted(lengths, reverse=True), int, batch_residues()):
        widths = [sum(length > step for length in batch) for step in range(batch[0])]
        of_steps = len(INPUTS) * sum(seconds(width, HIDDEN) for width in widths)
        total += of_steps + sum(sum(batch) / 4096 * seconds(4096, inner) for inner in INPUTS)
    large_s = sum(seconds(4096, inner + HIDDEN) for inner in INPUTS) / 4096 * sum(lengths)
    return NETWORKS * DIRECTIONS * total, NETWORKS * DIRECTIONS * large_s
