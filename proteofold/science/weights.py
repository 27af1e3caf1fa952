"""The S4PRED weights on disk. Nothing here imports PyTorch, which takes seconds: the head process reads this."""

import hashlib
import subprocess
from pathlib import Path

from proteofold.system import paths
from proteofold.system.errors import UserError

# Residues that go through a network at once, and the most in a batch of proteins. Wider batches use the processor
# better, and cost memory (batch_mem_mb).
BATCH_RESIDUES = 16_384

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
            f"S4PRED weights: {folder} lacks {', '.join(missing)}. 'proteofold fetch weights' brings the official "
            "ones; or set s4pred: weights: to 'demo' or a folder that holds weights_1.pt to weights_5.pt.",
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


def batch_residues(device):
    """The most residues in a batch of proteins for a configured device; `auto` may turn out to be a CPU."""
    return GPU_BATCH_RESIDUES if device == "gpu" else BATCH_RESIDUES


def batch_mem_mb(residues, longest, device="cpu"):
    """Peak memory in MB of predicting a batch at the official width (docs/decisions.md).

    It grows with what goes through a network at once: BATCH_RESIDUES, or the longest protein if that is longer. On a
    GPU that is in the GPU's memory.
    """
    if device == "gpu":
        return _GPU_PROCESS_MB
    return round(1.1 * (540 + 0.031 * max(longest, min(residues, BATCH_RESIDUES))))
