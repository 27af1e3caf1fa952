"""S4PRED: secondary structure from a single sequence, by an ensemble of recurrent networks.

Moffat & Jones 2021, Bioinformatics 37:3744. The weights are read as published: one PyTorch state_dict a
network, in ``weights_1.pt`` ... ``weights_5.pt``. Widths and depth are read from the tensors, so that the small
demo networks and the official ones go through the same code.
"""

import re
import sys

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence, unpack_sequence

from proteofold.science.batches import cut
from proteofold.science.gru import gru_states
from proteofold.science.weights import GPU_PASS_RESIDUES, MEMORY_MB, batch_residues, weight_files
from proteofold.system.errors import UserError

ALPHABET = "ARNDCQEGHILKMFPSTWYV"  # the order gives the token of a residue
UNKNOWN, PADDING = 20, 21
STATES = "CHE"  # the order of the networks' three outputs
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}

_TOKENS = np.full(256, UNKNOWN, dtype=np.int64)
_TOKENS[np.frombuffer(ALPHABET.encode(), dtype=np.uint8)] = np.arange(len(ALPHABET))


class Network(nn.Module):
    """Embedding, bidirectional GRU and linear layer; attribute names are the keys of the published weights."""

    def __init__(self, embedding=128, hidden=1024, layers=3):
        super().__init__()
        # without first values: on the device "meta" drawing them imports PyTorch's compiler, which takes a second
        self.embed = nn.Embedding.from_pretrained(torch.empty(len(ALPHABET) + 2, embedding), padding_idx=PADDING)
        self.lstm = nn.GRU(embedding, hidden, num_layers=layers, bidirectional=True, batch_first=True)
        self.outlayer = nn.Linear(2 * hidden, len(STATES))

    def forward(self, sequences):
        """Log-probabilities of (C, H, E) for a list of token tensors in descending length: (length, 3) each."""
        packed = pack_sequence(sequences)
        embedded = packed._replace(data=self.embed(packed.data))
        if _on_cpu_in_single_precision(embedded.data):
            states = gru_states(self.lstm, embedded)
        else:
            states = self.lstm(embedded)[0].data
        return unpack_sequence(packed._replace(data=self.outlayer(states).float().log_softmax(dim=-1)))


def _on_cpu_in_single_precision(tensor):
    return tensor.device.type == "cpu" and tensor.dtype == torch.float32 and torch.backends.mkldnn.is_available()


def tokens(sequence):
    """Token of each residue, int64 of shape (length,); anything but the 20 residues in upper case is unknown."""
    return torch.from_numpy(_TOKENS[np.frombuffer(sequence.encode("ascii", "replace"), dtype=np.uint8)])


def predict(sequences, weights, *, device="cpu", precision="fp32", memory_mb=MEMORY_MB):
    """Predict the secondary structure of each sequence with the ensemble in the folder ``weights``.

    Returns, in the order of ``sequences``, pairs of the states (a string over C, H and E) and the probabilities,
    float32 of shape (length, 3). One network is held at a time, and goes over all sequences before the next, as many
    at once as fit into ``memory_mb``, on a GPU into its memory. Only precision fp32 gives what S4PRED gives.
    Raises UserError if a weights file is missing or does not fit the network.
    """
    paths = weight_files(weights)
    most = batch_residues(memory_mb) if device == "cpu" else GPU_PASS_RESIDUES
    torch.backends.cudnn.allow_tf32 = False  # cuDNN's networks would round to 10 bits where fp32 is asked for
    order = sorted(range(len(sequences)), key=lambda i: -len(sequences[i]))
    batches = list(cut(order, lambda i: len(sequences[i]), most))
    totals = [None] * len(sequences)
    with torch.inference_mode():
        for path in paths:
            network = load_network(path, PRECISIONS[precision]).to(device)
            for batch in batches:
                outputs = network([tokens(sequences[i]).to(device) for i in batch])
                for i, output in zip(batch, outputs, strict=True):
                    if not output.isfinite().all():
                        raise UserError(
                            f"S4PRED weights: {path} gives no probabilities: its numbers are damaged.", topic="weights"
                        )
                    share = output.cpu() * 0.2
                    totals[i] = share if totals[i] is None else totals[i] + share
            del network
    return [_states_and_probabilities(total) for total in totals]


def device_for(choice):
    """The PyTorch device of a configuration's choice: cpu, gpu (an error where there is none) or auto."""
    if choice != "cpu" and torch.cuda.is_available():
        return "cuda"
    if choice == "gpu":
        raise UserError(
            "s4pred: device: gpu, but PyTorch finds no GPU here: choose cpu or auto, see bin/setup --gpu.", topic="gpu"
        )
    return "cpu"


def _states_and_probabilities(mean_log_probabilities):
    probabilities = mean_log_probabilities.exp()
    probabilities /= probabilities.sum(-1, keepdim=True)
    states = mean_log_probabilities.argmax(-1).tolist()
    return "".join(STATES[state] for state in states), probabilities.numpy()


def load_network(path, dtype=torch.float32):
    """The network of one weights file, computing in ``dtype``; its sizes are those of the tensors."""
    state = _read_state(path)
    with torch.device("meta"):
        network = Network(**network_sizes(state, path))
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    if found != wanted:
        odd = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        what = ", ".join(f"{name} is {found.get(name)}, not {wanted.get(name)}" for name in odd[:3])
        raise UserError(f"S4PRED weights: {path}: {what}. Is this a weights file of S4PRED?", topic="weights")
    network.load_state_dict({name: tensor.to(dtype) for name, tensor in state.items()}, assign=True)
    return network.eval()


def network_sizes(state, path):
    """Sizes of the network that a state_dict belongs to, as keyword arguments of Network."""
    try:
        layers = sum(1 for name in state if re.fullmatch(r"lstm\.weight_hh_l\d+", name))
        _, embedding = state["embed.weight"].shape
        hidden = state["lstm.weight_hh_l0"].shape[1]
        if not embedding or not hidden:
            raise ValueError("empty tensors")
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        raise UserError(
            f"S4PRED weights: {path} lacks the tensors of an S4PRED network ({error}).", topic="weights"
        ) from None
    return {"embedding": embedding, "hidden": hidden, "layers": layers}


def _read_state(path):
    """Map a state_dict from disk; files in PyTorch's format of before 1.6 cannot be mapped and are read."""
    try:
        try:
            state = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
        except RuntimeError:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(f"S4PRED weights: cannot read {path} ({reason}). Is the file whole?", topic="weights") from None
    if not isinstance(state, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise UserError(f"S4PRED weights: {path} does not hold a state_dict.", topic="weights")
    return state


if __name__ == "__main__":
    # the check of weights.check_tensors, in a process of its own
    try:
        for weights_path in weight_files(sys.argv[1]):
            load_network(weights_path)
    except UserError as problem:
        sys.exit(str(problem))
