"""The predicted secondary structure of a run's proteins, from the files of their batches."""

import os
from functools import lru_cache

from proteofold.formats.fasta import sequence_md5
from proteofold.formats.psipred import read_horiz
from proteofold.system.errors import UserError

# Batches whose predictions are kept in memory: proteins of one batch follow each other, live in a loose order.
_BATCHES_AT_HAND = 16


def read_prediction(run, member):
    """The Prediction for a member of a run; None if it is missing or its file is damaged."""
    return read_batch_predictions(run, member.batch).get(member.md5)


def read_batch_predictions(run, batch):
    """The Predictions of a batch by the MD5 of their sequence; none if its file is missing or damaged."""
    path = run.predictions.horiz(batch)
    try:
        return _read(path, os.stat(path).st_mtime_ns)
    except OSError:
        return {}


@lru_cache(maxsize=_BATCHES_AT_HAND)
def _read(path, made):
    """The predictions in a file that was ``made`` at that time."""
    try:
        predictions = read_horiz(path)
    except UserError:
        return {}
    return {sequence_md5(found.sequence): found for found in predictions}
