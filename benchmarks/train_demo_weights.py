"""Train the demo weights of S4PRED, config/demo/s4pred: five small networks in the published format.

They let the pipeline be tried without the official weights; nothing in a run needs this script. It needs the
test extras (Biopython), and half an hour on two busy processors:

    python benchmarks/train_demo_weights.py --train cb513.tsv --test ts115.tsv --out config/demo/s4pred

Data. Both files are tab-separated with the columns `sequence`, `dssp3` (observed state of each residue: C, H
or E, from DSSP) and `mask` (1 for a residue that counts, 0 for one that does not). CB513 (Cuff & Barton 1999,
Proteins 34:508) is for training, TS115 (Yang et al. 2018, Brief. Bioinform. 19:482) for the final figure.
Both are public, and among the data that NetSurfP-2.0 (Klausen et al. 2019, Proteins 87:520) was tested on;
any source that gives these columns will do. CB513 consists of domains: the mask marks the resolved residues
of one domain, and the whole chain stands once for each of its domains. The rows of a chain are put together
here.

Held out. A chain of CB513 that is related to a chain of TS115 is dropped. Each network leaves out another
tenth of the remaining chains, and its accuracy on them is printed while it trains; relatives are left out
together. The settings below were chosen on chains left out in this way. TS115 serves to drop relatives, and
is predicted once, at the end.

Expect a Q3 (share of residues whose state is right) of about 0.69 on TS115. A repetition gives the same
weights only with the same versions and processor type.
"""

import argparse
import csv
import math
import random
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch
from Bio.Align import PairwiseAligner, substitution_matrices
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from proteofold.science.s4pred import ALPHABET, STATES, UNKNOWN, Network, predict, tokens
from proteofold.science.weights import WEIGHT_FILES

SIZES = {"embedding": 64, "hidden": 128, "layers": 2}  # 0.9 MB a network in half precision
EPOCHS = 24
WINDOW = 64, 96  # residues; drawn between these for every epoch
BATCH = 24  # windows
LEARNING_RATE = 4e-3  # the highest
WEIGHT_DECAY = 0.02
DROPOUT = 0.5  # before and between the recurrent layers' outputs
EMBEDDING_DROPOUT = 0.2
MASKED = 0.1  # share of residues shown as unknown, sampled again in every epoch
MUTATED = 0.2  # share of residues replaced as BLOSUM62 expects
LABEL_SMOOTHING = 0.1
AVERAGING = 0.99  # decay of the running mean of the weights; the mean is what is kept
FOLDS = 10
IGNORED = -100  # label of a residue that does not count
LONGEST_LOOP = 8  # residues; outside the mask, a longer coil may be one that was not resolved

BLOSUM62 = substitution_matrices.load("BLOSUM62")
# Two chains are related if a local alignment scores this much, gap costs 11 and 1. By the statistics of
# BLAST, chance gives less than 0.001 such pairs between CB513 and TS115.
RELATED_SCORE = 100


@dataclass(frozen=True)
class Chain:
    sequence: str
    labels: Tensor  # index into STATES, or IGNORED where the mask is 0; (length,)
    trained: Tensor  # the same, with what else is known of the chain


def read_chains(path: Path) -> list[Chain]:
    """One chain per distinct sequence, in the order of the file; the masks of its rows add up."""
    structures: dict[str, str] = {}
    masks: dict[str, Tensor] = {}
    with open(path, newline="") as handle:
        for row in csv.DictReader(handle, delimiter="\t"):
            mask = torch.tensor([mark == "1" for mark in row["mask"]])
            masks[row["sequence"]] = mask | masks.get(row["sequence"], mask)
            structures[row["sequence"]] = row["dssp3"]
    chains = []
    for sequence, structure in structures.items():
        states = torch.tensor([STATES.index(state) for state in structure])
        mask = masks[sequence]
        if mask.any():
            labels = states.masked_fill(~mask, IGNORED)
            chains.append(Chain(sequence, labels, states.masked_fill(~mask & ~resolved(structure), IGNORED)))
    return chains


def resolved(structure: str) -> Tensor:
    """Which residues have a known state whatever the mask says, because unresolved ones are C in the table.

    Those are helices, strands, and the short coils between them; (length,).
    """
    known = torch.ones(len(structure), dtype=torch.bool)
    for coil in re.finditer("C+", structure):
        start, end = coil.span()
        if start == 0 or end == len(structure) or end - start > LONGEST_LOOP:
            known[start:end] = False
    return known


def related_pairs(first: list[Chain], second: list[Chain]) -> Iterator[tuple[int, int]]:
    """Indices of the pairs of chains that are homologous by the score of their best local alignment."""
    aligner = PairwiseAligner(mode="local", substitution_matrix=BLOSUM62)
    aligner.open_gap_score, aligner.extend_gap_score = -11, -1
    for i, one in enumerate(first):
        for j, other in enumerate(second):
            if aligner.score(alignable(one), alignable(other)) >= RELATED_SCORE:
                yield i, j


def alignable(chain: Chain) -> str:
    """The sequence with X for what BLOSUM62 has no row for, such as selenocysteine."""
    return "".join(residue if residue in ALPHABET else "X" for residue in chain.sequence)


def split_in_folds(chains: list[Chain], seed: int) -> list[list[Chain]]:
    """Deal the chains out in FOLDS parts of about the same number of residues; relatives come together."""
    family = list(range(len(chains)))
    for i, j in related_pairs(chains, chains):
        family = [family[i] if member == family[j] else member for member in family]
    families = sorted(set(family))
    random.Random(seed).shuffle(families)
    folds: list[list[Chain]] = [[] for _ in range(FOLDS)]
    for number in families:
        smallest = min(folds, key=lambda fold: sum(len(chain.sequence) for chain in fold))
        smallest += [chain for chain, member in zip(chains, family, strict=True) if member == number]
    return folds


def mutation_table(chains: list[Chain]) -> Tensor:
    """Probability that a residue (row) is replaced by another one (column), from the scores of BLOSUM62."""
    counts = Counter("".join(chain.sequence for chain in chains))
    table = torch.tensor([[counts[y] * 2 ** (BLOSUM62[x, y] / 2) for y in ALPHABET] for x in ALPHABET])
    table.fill_diagonal_(0)
    return table / table.sum(dim=1, keepdim=True)


def batches(chains: list[Chain]) -> Iterator[tuple[Tensor, Tensor]]:
    """Tokens and labels of the windows that cover the chains in one epoch, in batches of one length each.

    Windows give many short steps. Batches of one length need no packed sequences, whose gradients take eight
    times as long; of chains shorter than the window, those of about one length are cut to the shortest.
    """
    width = random.randint(*WINDOW)
    windows = [window for chain in chains for window in cut_in_windows(chain, width)]
    windows.sort(key=lambda window: len(window[0]) + random.random())
    groups = [windows[i : i + BATCH] for i in range(0, len(windows), BATCH)]
    random.shuffle(groups)
    for group in groups:
        length = len(group[0][0])
        yield (
            torch.stack([residues[:length] for residues, _ in group]),
            torch.stack([labels[:length] for _, labels in group]),
        )


def cut_in_windows(chain: Chain, width: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The fewest windows that cover the chain, evenly spread, except those without a residue to train on."""
    spare = max(len(chain.sequence) - width, 0)
    gaps = -(-spare // width)
    for number in range(gaps + 1):
        start = spare * number // max(gaps, 1)
        labels = chain.trained[start : start + width]
        if (labels != IGNORED).any():
            yield tokens(chain.sequence[start : start + width]), labels


def disturb(batch: Tensor, mutations: Tensor) -> Tensor:
    """Replace some residues by likely substitutes and some by the unknown residue."""
    known = batch.clamp(max=len(ALPHABET) - 1)
    substitutes = torch.multinomial(mutations[known.flatten()], 1).view_as(batch)
    batch = torch.where((torch.rand(batch.shape) < MUTATED) & (batch < UNKNOWN), substitutes, batch)
    return batch.masked_fill(torch.rand(batch.shape) < MASKED, UNKNOWN)


def scores(network: Network, batch: Tensor) -> Tensor:
    """What Network.forward computes, with dropout, for sequences of one length: (sequences, length, 3)."""
    embedded = functional.dropout(network.embed(batch), EMBEDDING_DROPOUT)
    states, _ = network.lstm(embedded)
    return network.outlayer(functional.dropout(states, DROPOUT))


def learning_rate(progress: float) -> float:
    """Rises to the highest during the first tenth of the training, then falls along a cosine."""
    if progress < 0.1:
        return LEARNING_RATE * progress / 0.1
    return LEARNING_RATE * (1 + math.cos(math.pi * (progress - 0.1) / 0.9)) / 2


def q3(network: Network, chains: list[Chain]) -> float:
    chains = sorted(chains, key=lambda chain: -len(chain.sequence))
    with torch.inference_mode():
        outputs = network([tokens(chain.sequence) for chain in chains])
    states = torch.cat([output.argmax(dim=-1) for output in outputs])
    labels = torch.cat([chain.labels for chain in chains])
    return (states == labels)[labels != IGNORED].float().mean().item()


def train(
    number: int,
    chains: list[Chain],
    left_out: list[Chain],
    seed: int,
) -> tuple[dict[str, Tensor], float]:
    """Train one network; returns its weights in half precision and its Q3 on the left-out chains."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    random.seed(seed)
    mutations = mutation_table(chains)
    network = Network(**SIZES)
    network.lstm.dropout = DROPOUT
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(AVERAGING)).eval()
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    for epoch in range(1, EPOCHS + 1):
        epoch_batches = list(batches(chains))
        for step, (batch, labels) in enumerate(epoch_batches):
            optimizer.param_groups[0]["lr"] = learning_rate((epoch - 1 + step / len(epoch_batches)) / EPOCHS)
            loss = functional.cross_entropy(
                scores(network, disturb(batch, mutations)).flatten(0, 1),
                labels.flatten(),
                ignore_index=IGNORED,
                label_smoothing=LABEL_SMOOTHING,
            )
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            average.update_parameters(network)
        if epoch % 4 == 0 or epoch == EPOCHS:
            value = q3(average.module, left_out)
            print(f"network {number} epoch {epoch}: left-out Q3 {value:.4f}", flush=True)
    state = {name: tensor.half() for name, tensor in average.module.state_dict().items()}
    average.module.load_state_dict(state)
    return state, q3(average.module, left_out)


def print_figures(weights: Path, left_out_q3: list[float], test: list[Chain]) -> None:
    """Print the tables of the weights' README."""
    print("\n| file | bytes | Q3 on its left-out tenth of CB513 |\n| --- | ---: | ---: |")
    for name, value in zip(WEIGHT_FILES, left_out_q3, strict=True):
        print(f"| `{name}` | {(weights / name).stat().st_size:,} | {value:.4f} |")
    total = sum((weights / name).stat().st_size for name in WEIGHT_FILES)
    print(f"| together | {total:,} | {sum(left_out_q3) / len(left_out_q3):.4f} (mean) |")

    predicted = predict([chain.sequence for chain in test], weights)
    states = torch.tensor([STATES.index(state) for prediction, _ in predicted for state in prediction])
    labels = torch.cat([chain.labels for chain in test])
    counted = labels != IGNORED
    right = states == labels
    print("\n| TS115 | residues | share predicted right |\n| --- | ---: | ---: |")
    print(f"| all (Q3) | {counted.sum():,} | {right[counted].float().mean():.4f} |")
    for i, state in enumerate(STATES):
        print(f"| {state} (recall) | {(labels == i).sum():,} | {right[labels == i].float().mean():.4f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the demo weights of S4PRED.")
    parser.add_argument("--train", type=Path, required=True, help="CB513 as a table: sequence, dssp3, mask")
    parser.add_argument("--test", type=Path, required=True, help="TS115, likewise; for the final figures")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights_1.pt to weights_5.pt")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2, help="to train in, one thread each")
    options = parser.parse_args()

    chains, test = read_chains(options.train), read_chains(options.test)
    overlap = {i for i, _ in related_pairs(chains, test)}
    print(f"{len(chains)} chains to train on, of which {len(overlap)} are dropped: relatives in the test set")
    folds = split_in_folds([chain for i, chain in enumerate(chains) if i not in overlap], options.seed)

    options.out.mkdir(parents=True, exist_ok=True)
    left_out_q3 = []
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        jobs = [
            pool.submit(
                train,
                number,
                [chain for fold in folds[: number - 1] + folds[number:] for chain in fold],
                folds[number - 1],
                options.seed + number,
            )
            for number in range(1, len(WEIGHT_FILES) + 1)
        ]
        for name, job in zip(WEIGHT_FILES, jobs, strict=True):
            state, value = job.result()
            torch.save(state, options.out / name)
            left_out_q3.append(value)
    torch.set_num_threads(1)
    print_figures(options.out, left_out_q3, test)


if __name__ == "__main__":
    main()
