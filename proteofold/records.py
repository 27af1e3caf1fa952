"""Snakemake's records of files, and results that it has none of.

Snakemake compares today's parameters with those it noted when it made a file. Of files that appeared without it, it has
no note and takes them for good: results that were finished on a cluster while no head lived, that were taken from
another run, or whose records were deleted.
"""

import base64
import contextlib
import os
from pathlib import Path

from proteofold.files import existing_names
from proteofold.merge import whole_result


def recorded_files(folder):
    """Yield (record, path of the file it is about) of a folder of records; foreign files in it are passed over.

    A record is named by the path it stands for, in base64, which long paths have cut into folders.
    """
    for parent, _, names in os.walk(folder):
        folders = "".join(part.removeprefix("@") for part in Path(parent).relative_to(folder).parts)
        for name in names:
            with contextlib.suppress(ValueError):
                yield Path(parent, name), base64.urlsafe_b64decode(folders + name).decode()


def drop_outdated(run, state=Path(".snakemake")):
    """Remove each ``.out`` that Snakemake has no record of and that is not what the run wants; returns how many.

    It is of an earlier sequence or of other settings, or damaged. What is recorded is left to Snakemake.
    """
    there = existing_names(run.folder.path / "out")
    outs = {
        str(run.folder.out(protein)): member for protein, member in run.members.items() if f"{protein}.out" in there
    }
    if not outs:
        return 0
    for _, path in recorded_files(state / "metadata"):
        outs.pop(path, None)
    dropped = [member for member in outs.values() if whole_result(run, member) is None]
    for member in dropped:
        run.folder.out(member.protein).unlink()
    return len(dropped)
