"""Snakemake's records of the files it made: one a file, named by the path it stands for."""

import base64
import contextlib
import os
from pathlib import Path


def recorded_files(folder):
    """Yield (record, path of the file it is about) of a folder of records; foreign files in it are passed over.

    A record is named by the path it stands for, in base64, which long paths have cut into folders.
    """
    for parent, _, names in os.walk(folder):
        folders = "".join(part.removeprefix("@") for part in Path(parent).relative_to(folder).parts)
        for name in names:
            with contextlib.suppress(ValueError):
                yield Path(parent, name), base64.urlsafe_b64decode(folders + name).decode()
