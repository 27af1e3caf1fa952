"""What searches and predictions cost in CPU seconds, from measurements; a run's own finished jobs correct them.

Search: hhsearch and hhblits 3.3.0 (AVX2) on one core, queries of 62 to 14,507 residues, libraries of 1,965 to 91,501
templates with up to 23.8 million columns, files in the page cache. Both cores of the machine were busy, as they are
in a run; an idle core needs about a quarter less. Prediction: five networks of the official size on one core, oneDNN
with AVX-512.
"""

from dataclasses import dataclass
from itertools import pairwise

from proteofold.science.hhsuite import LISTED

# hhsearch parses and prepares the text of every template for every query: 40 s for 23.8 million columns.
_S_PER_COLUMN = 1.6e-6

# Seconds for a cell (query residue x template column) of the Viterbi pass, by query length; rows of long queries no
# longer fit the processor's cache. 91,501 templates at 600 residues, 8,340 beyond; between them a straight line.
_S_PER_CELL = ((600, 3.4e-9), (1000, 3.7e-9), (2000, 4.5e-9), (5000, 5.0e-9), (14_507, 7.1e-9))

# Context pseudocounts of a query, once a scan: 0.10, 0.35 and 0.55 s for 62, 300 and 601 residues in their first
# scan, 1.0 ms a residue over several.
_S_PER_RESIDUE = 1.0e-3

# hhsearch without options merges up to three hits into the query and realigns up to 500: this is what that takes when
# it does both in full, 9% above `lean` at 400 residues against PDB70, measured 2 to 14%.
_MERGED, _REALIGNED = 3, 500
_S_PER_REALIGNED_RESIDUE = 2.2e-5

# hhblits: reading the index, and the prefilter's cells. What passes is searched as hhsearch would: at least the 2,000
# that -min_prefilter_hits asks for, more of long queries. 91,501 templates, measured / this model: 300 residues
# 2.2 to 2.75 / 2.5 s, 5,000 residues 49 / 43 s; a protein of repeats of 1,057 residues 12.2 / 6.1 s.
_S_PER_INDEXED_TEMPLATE = 2.2e-6
_S_PER_PREFILTERED_CELL = 4e-11
_PASSING_LEAST, _PASSING_MOST, _PASSING_PER_RESIDUE = 2_000, 4_000, 0.8

# Part of the proteins that `hybrid` searches a second time: 2,185 of 6,000 human proteins had no hit with E < 1e-5
# against PDB70.
HYBRID_SEARCHED_AGAIN = 0.36

# A batch goes through the networks one step a residue of its longest protein. A step streams all weights, whatever
# the batch's width (13 ms), and adds 2.9 ms a protein still going: measured 14, 27, 41, 65, 137, 234 and 371 ms a step
# for widths of 1, 4, 8, 16, 41, 80 and 128, on an AMD EPYC (Zen 5) of which both cores were busy. Starting PyTorch and
# reading five networks took 4.0 to 4.4 s. 250 human proteins, 105,615 residues, took 348 s; this model says 341.
_PREDICTION_START_S = 4.0
_S_PER_STEP = 13e-3
_S_PER_PREDICTED_RESIDUE = 2.9e-3
_OFFICIAL_WEIGHTS_BYTES = 5 * 89_753_620  # other networks cost in proportion to their size

# What the job of a protein takes beside its search: process starts, parsing, files, and its part of the head process;
# 0.26 to 0.28 s measured over 200 proteins on one machine.
JOB_S = 0.3

# So few finished jobs say little.
_LEAST_MEASURED = 3


def search_cpu_s(query_length, library, mode, shards=1):
    """CPU seconds of searching a query of so many residues in one of the search modes, in so many shards.

    Repeats cost up to 40% more: templates that match well are aligned again.
    """
    if mode == "hybrid":
        again = HYBRID_SEARCHED_AGAIN * search_cpu_s(query_length, library, "lean", shards)
        return search_cpu_s(query_length, library, "fast") + again
    column_s = _S_PER_COLUMN + _cell_s(query_length) * query_length
    if mode == "fast":
        passing = min(_PASSING_MOST, max(_PASSING_LEAST, _PASSING_PER_RESIDUE * query_length))
        searched = library.columns * min(1, passing / library.templates)
        prefilter = _S_PER_INDEXED_TEMPLATE * library.templates
        prefilter += _S_PER_PREFILTERED_CELL * query_length * library.columns
        return prefilter + 2 * _S_PER_RESIDUE * query_length + column_s * searched
    scan = column_s * library.columns + _S_PER_RESIDUE * query_length
    if mode == "reference":
        scan += _S_PER_RESIDUE * query_length * min(_MERGED, library.templates)
        scan += _S_PER_REALIGNED_RESIDUE * query_length * min(_REALIGNED, library.templates)
    if shards > 1:
        # each shard computes the query's pseudocounts; hhblits, which then searches the candidates again, does twice
        candidates = min(1, 2 * LISTED[mode if mode == "reference" else "lean"] / library.templates)
        scan += (shards + 1) * _S_PER_RESIDUE * query_length + candidates * column_s * library.columns
    return scan


def alignment_cpu_s(query_length, database, iterations):
    """CPU seconds of aligning a query with its relatives: a search by hhblits an iteration.

    A sequence database is larger than a template library, and so is the part of it that the prefilter looks at.
    """
    return iterations * search_cpu_s(query_length, database, "fast")


def _cell_s(length):
    for (shorter, low), (longer, high) in pairwise(_S_PER_CELL):
        if length <= longer:
            return low + (high - low) * max(length - shorter, 0) / (longer - shorter)
    return _S_PER_CELL[-1][1]


def prediction_cpu_s(residues, longest, weights_bytes=_OFFICIAL_WEIGHTS_BYTES):
    """CPU seconds of predicting a batch of so many residues whose longest protein has ``longest``.

    ``weights_bytes`` is the size of the five weights files together.
    """
    networks = _S_PER_STEP * longest + _S_PER_PREDICTED_RESIDUE * residues
    return _PREDICTION_START_S + networks * weights_bytes / _OFFICIAL_WEIGHTS_BYTES


@dataclass(frozen=True, slots=True)
class Calibration:
    """Measured over predicted CPU seconds of finished jobs, and how many they are; 1 where too few are finished."""

    ratio: float = 1.0
    jobs: int = 0


def calibrated(pairs):
    """Calibration by pairs of measured and predicted CPU seconds."""
    pairs = list(pairs)
    measured, predicted = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
    if len(pairs) < _LEAST_MEASURED or not measured:
        return Calibration()
    return Calibration(measured / predicted, len(pairs))
