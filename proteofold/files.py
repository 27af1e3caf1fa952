"""Writing files so that an interruption leaves nothing half done."""

import os
from pathlib import Path


def write_aside(path, content):
    """Write text or bytes beside the target, then move it there: the file is whole or not there at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        aside.write_bytes(content.encode() if isinstance(content, str) else content)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_if_changed(path, content):
    """write_aside, but a file that holds this text already keeps its time."""
    path = Path(path)
    if not (path.is_file() and path.read_bytes() == content.encode()):
        write_aside(path, content)


def existing_names(folder):
    """Names in a folder, read at once: cheaper than asking for each of 40,000 files. Empty if there is no folder."""
    try:
        return set(os.listdir(folder))
    except FileNotFoundError:
        return set()
