"""S4PRED on a GPU: residues a second, memory, and what differs from the CPU, weights of the official size."""

import time
from typing import NamedTuple

from measure import LeftOutError, table
from section_s4pred import equal_parts, make_weights, proteins

from proteofold.science.prediction import predict_structures
from proteofold.science.s4pred import PRECISIONS
from proteofold.science.weights import GPU_BATCH_RESIDUES

HUMAN_RESIDUES = 16_378_546  # of section headline
COMPARED = 64  # proteins that the CPU predicts, too, short to long


def run(folder, options):
    """All proteins in each precision on the GPU, some of them on a core of the CPU, too.

    With ``--device cpu`` the same without a GPU, to try this section.
    """
    import torch

    if options.device == "gpu" and not torch.cuda.is_available():
        raise LeftOutError("PyTorch finds no GPU; bin/setup --gpu installs its build for GPUs.")
    make_weights(folder)
    records, kind = proteins(folder, options)
    sequences = [record.sequence for record in records]
    residues = sum(map(len, sequences))
    start_s = _predict(sequences[:1], folder, options.device, "fp32").seconds
    ours = {precision: _predict(sequences, folder, options.device, precision) for precision in PRECISIONS}
    chosen = range(0, len(sequences), max(1, len(sequences) // COMPARED))
    compared = [sequences[number] for number in chosen]
    expected = predict_structures(compared, folder)
    jobs = -(-HUMAN_RESIDUES // GPU_BATCH_RESIDUES)
    rates = {precision: residues / used.seconds for precision, used in ours.items()}
    minutes = [(HUMAN_RESIDUES / rate + jobs * start_s) / 60 for rate in rates.values()]
    equal = [equal_parts(expected, [used.predictions[number] for number in chosen]) for used in ours.values()]
    rows = [
        ["seconds", *(f"{used.seconds:.1f}" for used in ours.values())],
        ["residues per second", *(f"**{rate:,.0f}**" for rate in rates.values())],
        ["peak memory of the GPU, MB", *(f"{used.gpu_mb:,}" for used in ours.values())],
        ["states, digits equal to fp32 on the CPU", *(" and ".join(parts) for parts in equal)],
        ["the human proteome, minutes", *(f"**{value:.1f}**" for value in minutes)],
    ]
    name = torch.cuda.get_device_name() if options.device == "gpu" else "no GPU, one core of the CPU"
    text = (
        f"{len(records)} {kind} proteins, {residues:,} residues, {sum(map(len, compared)):,} of them on a core of the"
        f" CPU, too. Device: {name}. The human proteome: {HUMAN_RESIDUES:,} residues in {jobs} jobs, each of which"
        f" starts the device and reads the networks in {start_s:.1f} s."
    )
    return f"{table(['', *ours], rows)}\n\n{text}"


class _Used(NamedTuple):
    predictions: list
    seconds: float
    gpu_mb: int


def _predict(sequences, weights, device, precision):
    """Predict with wall seconds, and the memory that PyTorch took of the GPU."""
    import torch

    on_gpu = device == "gpu"
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    started = time.monotonic()
    predictions = predict_structures(sequences, weights, device=device, precision=precision)
    seconds = time.monotonic() - started
    return _Used(predictions, seconds, torch.cuda.max_memory_reserved() >> 20 if on_gpu else 0)
