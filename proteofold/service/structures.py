"""Coordinates of templates for the site's viewer: mmCIF files in a folder, or rcsb.org where that is allowed."""

import gzip
import re
from pathlib import Path
from typing import NamedTuple

from proteofold.formats.fasta import READ_ERRORS
from proteofold.science.model import STRUCTURES, structure_paths
from proteofold.service.choices import CONFIG, read_config
from proteofold.store.queries import NotFoundError
from proteofold.system.errors import UserError

RCSB_FILES = "https://files.rcsb.org"

# Of a structure for the viewer, which draws it in the reader's browser.
MOST_BYTES = 64 << 20

_PIECE = 256 * 1024

# The id of a PDB entry, in lower case.
_CODE = re.compile(r"[1-9][a-z0-9]{3}")


class Structures(NamedTuple):
    """Where coordinates come from: a folder of mmCIF files, or None, and whether pages may ask rcsb.org."""

    folder: Path | None
    rcsb: bool


def structures_of(working):
    """The Structures that ``config/platform.yaml`` in a working folder names. Raises UserError.

    If it names no folder, it is that which ``proteofold fetch structures`` fetches to, if that is there.
    """
    given = read_config(working).get("structures") or {}
    path = Path(working) / CONFIG
    if not isinstance(given, dict) or not given.keys() <= {"folder", "rcsb"}:
        raise UserError(f"{path}, structures: expected 'folder: /path' and 'rcsb: true' or 'false'.")
    folder, rcsb = given.get("folder"), given.get("rcsb", False)
    if not isinstance(rcsb, bool) or not isinstance(folder, str | None):
        raise UserError(f"{path}, structures: expected a path as 'folder', and true or false as 'rcsb'.")
    fetched = Path(working) / STRUCTURES
    if "folder" not in given and fetched.is_dir():
        return Structures(fetched, rcsb)
    return Structures(Path(working, folder) if folder else None, rcsb)


def copy_structure(folder, code, stream):
    """Write the mmCIF text of a PDB entry to a stream, in pieces; NotFoundError, before any, where none can be sent.

    structure_paths names the files of the folder; ``proteofold fetch structures`` fetches some.
    """
    with _open(_checked(folder, code.lower())) as handle:
        while piece := handle.read(_PIECE):
            stream.write(piece)


def _checked(folder, code):
    """The file of an entry, read once: after the first piece that is sent it is too late for an error."""
    for path in structure_paths(folder, code) if folder and _CODE.fullmatch(code) else ():
        try:
            with _open(path) as handle:
                handle.seek(MOST_BYTES)
                if handle.read(1):
                    raise NotFoundError(f"The structure {code} is too large for a browser.")
                return path
        except FileNotFoundError:
            continue
        except READ_ERRORS as error:
            raise NotFoundError(f"The structure {code} cannot be read: {type(error).__name__}.") from None
    raise NotFoundError(f"There is no structure {code[:20]!r} on this site.")


def _open(path):
    return (gzip.open if path.suffix == ".gz" else open)(path, "rb")
