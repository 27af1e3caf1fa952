"""Query alignments that a user gives: a folder of A3M files, named after the proteins."""

import hashlib
from pathlib import Path

# the first that is there is taken; without any this is where it is missed
_ENDINGS = (".a3m", ".a3m.gz")


def given_alignment(folder, protein):
    """The file of a protein's alignment in a folder: its stem, which is the accession where there is one."""
    paths = [Path(folder, f"{protein}{ending}") for ending in _ENDINGS]
    return next((path for path in paths if path.is_file()), paths[0])


def alignment_digest(folder, protein):
    """A checksum of a protein's alignment in a folder; '' where there is none. OSError if it cannot be read."""
    try:
        with open(given_alignment(folder, protein), "rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except FileNotFoundError:
        return ""
