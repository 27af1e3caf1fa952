"""Results that Snakemake has no record of.

Snakemake compares today's parameters with those it noted when it made a file. Of files that appeared without it, it has
no note and takes them for good: results that were finished on a cluster while no head lived, that were taken from
another run, or whose records were deleted.
"""

import shutil
from functools import partial
from pathlib import Path

from proteofold.files import existing_names
from proteofold.merge import whole_result
from proteofold.process import read_usage
from proteofold.records import recorded_files
from proteofold.takeover import taken_predictions


def drop_outdated(run, state=Path(".snakemake")):
    """Remove each ``.out`` and ``.horiz`` that Snakemake has no record of and that is not what the run wants.

    It is of an earlier sequence or of other settings, or damaged. What is recorded is left to Snakemake, a prediction
    that was taken from other runs to ``takeover.take_over``. Returns how many were removed.
    """
    folder, wanted = run.folder, {}
    outs, horizs = existing_names(folder.path / "out"), existing_names(folder.path / "horiz")
    for member in run.members.values():
        if f"{member.protein}.out" in outs:
            wanted[folder.out(member.protein)] = partial(whole_result, run, member)
        if f"{member.batch}.horiz" in horizs:
            wanted[folder.horiz(member.batch)] = partial(_is_predicted, run, member.batch)
    if not wanted:
        return 0
    for path in taken_predictions(folder):
        wanted.pop(path, None)
    for _, path in recorded_files(state / "metadata"):
        wanted.pop(Path(path), None)
    dropped = [path for path, is_as_wanted in wanted.items() if not is_as_wanted()]
    for path in dropped:
        path.unlink()
    if dropped:
        # Snakemake is slow where complete blocks miss very many files
        shutil.rmtree(folder.complete, ignore_errors=True)
    return len(dropped)


def _is_predicted(run, batch):
    """Whether the prediction of a batch was made with the run's weights."""
    try:
        (used,) = read_usage(run.folder.usage("predict_secondary_structure", batch))
    except (OSError, ValueError):
        return False
    return used.get("result_key") == run.prediction_key
