"""The S4PRED weights on disk. Nothing here imports PyTorch, which takes seconds: the head process reads this."""

import hashlib
import subprocess
from pathlib import Path

from proteofold.system import paths
from proteofold.system.errors import UserError

# Memory in MB that a prediction on a CPU may take unless the configuration says another number. Two of them, each with
# the Snakemake that runs it, fit a node with two cores and 3.5 GB.
MEMORY_MB = 1400

# Of that: Python, PyTorch and a network, and each residue that goes through at once (docs/decisions.md). What is asked
# for is a tenth more.
_PROCESS_MB, _RESIDUE_MB, _MARGIN = 590, 0.0205, 1.1

# On a GPU. A job's batch is larger than what goes through at once: most of a small job would be the start of PyTorch.
GPU_PASS_RESIDUES, GPU_BATCH_RESIDUES = 262_144, 1_048_576

# Memory asked for a process that uses a GPU, whose libraries take most of it; not measured yet.
_GPU_PROCESS_MB = 6000

WEIGHT_FILES = tuple(f"weights_{number}.pt" for number in range(1, 6))


def weight_files(folder):
    """Paths of the five weights files of a folder; UserError names what is missing."""
    paths = [Path(folder) / name for name in WEIGHT_FILES]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise UserError(
            f"S4PRED weights: {folder} lacks {', '.join(missing)}. 'proteofold fetch weights' downloads the official "
            "ones; or set s4pred: weights: to 'demo' or to a folder with weights_1.pt to weights_5.pt.",
            topic="weights",
        )
    return paths


def weights_digest(folder):
    """SHA-256 over the five files: which weights a prediction was made with."""
    digest = hashlib.sha256()
    for path in weight_files(folder):
        with open(path, "rb") as handle:
            digest.update(hashlib.file_digest(handle, "sha256").digest())
    return digest.hexdigest()


def check_tensors(folder):
    """Load the five networks in a process of its own; UserError says which file or tensor does not fit."""
    command = [*paths.PYTHON, "-m", "proteofold.science.s4pred", str(folder)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    if outcome.returncode:
        last_words = outcome.stderr.strip().splitlines()[-1:] or [f"exit code {outcome.returncode}"]
        raise UserError(last_words[0], topic="weights")


def batch_residues(memory_mb=MEMORY_MB, device="cpu"):
    """The most residues in a batch whose prediction may take so much memory; `auto` may turn out to be a CPU.

    They go through a network together: wider batches use the processor better.
    """
    if device == "gpu":
        return GPU_BATCH_RESIDUES
    return max(1, int((memory_mb / _MARGIN - _PROCESS_MB) / _RESIDUE_MB))


def batch_mem_mb(residues, longest, memory_mb=MEMORY_MB, device="cpu"):
    """Memory in MB to ask for to predict a batch at the official width, where ``memory_mb`` is what it may take.

    A batch that needs more goes through the networks in parts, but for a protein that needs more alone. On a GPU what
    goes through is in the GPU's memory.
    """
    if device == "gpu":
        return _GPU_PROCESS_MB
    at_once = max(longest, min(residues, batch_residues(memory_mb)))
    return round(_MARGIN * (_PROCESS_MB + _RESIDUE_MB * at_once))
