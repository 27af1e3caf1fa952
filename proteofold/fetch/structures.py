"""Structures of the PDB: an mmCIF file for each entry, kept by its code."""

import os
import re
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from proteofold.fetch import place, single
from proteofold.fetch.download import AbsentError, Patience
from proteofold.fetch.gzipstream import DamagedError
from proteofold.fetch.sources import Source
from proteofold.science.model import STRUCTURES, pdb_chain, structure_paths
from proteofold.system.errors import UserError

# Files at the same time: the PDB's server is shared by all users.
_AT_ONCE = 4

# Bytes of a file, packed and unpacked. Those of the largest entries have a fifth of that.
_LARGEST, _LARGEST_UNPACKED = 1 << 28, 1 << 30

_ATOMS = b"_atom_site."
_HEAD = re.compile(rb"data_(\w+)\s", re.ASCII)


def fetch_structures(url, templates, meter, folder=STRUCTURES, patience=None):
    """Fetch the entries of templates that are chains of the PDB into a folder; ``url`` holds {id} for the code.

    What is there is not fetched again. Returns counts ``fetched`` and ``present`` of entries, ``failed``, which has the
    reason by code for those that the server does not have or whose file is damaged, and ``others``, the templates that
    are no chains of the PDB. UserError if it is no use to continue; what was fetched stays.
    """
    folder, patience = Path(folder), patience or Patience()
    codes, others = set(), []
    for template in templates:
        try:
            codes.add(pdb_chain(template)[0])
        except UserError:
            others.append(template)
    paths = {code: structure_paths(folder, code) for code in sorted(codes)}
    missing = {code: places[0] for code, places in paths.items() if not any(path.exists() for path in places)}
    failed = _fetch_all(url, missing, meter, folder, patience) if missing else {}
    return {
        "fetched": len(missing) - len(failed),
        "present": len(codes) - len(missing),
        "failed": failed,
        "others": others,
    }


def _fetch_all(url, missing, meter, folder, patience):
    """Fetch the entries of codes to paths; the reasons for those that failed, by code."""
    failed, parts = {}, folder / ".part"
    with place.alone_in(parts), ThreadPoolExecutor(_AT_ONCE) as pool:
        meter.begin(f"fetching {len(missing)} structures")
        several = _OneOfMany(meter)
        futures = {
            pool.submit(_fetch, url.replace("{id}", code), code, parts / code, path, several, patience): code
            for code, path in missing.items()
        }
        try:
            for future in as_completed(futures):
                try:
                    future.result()
                except (AbsentError, DamagedError) as error:
                    failed[futures[future]] = str(error)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if not any(parts.iterdir()):
        parts.rmdir()
    return dict(sorted(failed.items()))


def _fetch(url, code, part, path, meter, patience):
    part.mkdir(exist_ok=True)
    try:
        single.download(Source(url, None), part, meter, patience, _LARGEST)
        fetched = part / single.FETCHED
        _check(url, code, fetched)
        single.pack(fetched)
        place.sync(fetched)
        os.replace(fetched, path)
    except (AbsentError, DamagedError):
        shutil.rmtree(part)
        raise
    except OSError as error:
        raise place.disk_error(error, part) from None
    shutil.rmtree(part)


def _check(url, code, path):
    """DamagedError unless a file is whole and the entry that was asked for."""
    try:
        begin, end, has_atoms = None, b"", False
        for piece in single.unpacked_pieces(path, _LARGEST_UNPACKED):
            begin = begin or _HEAD.match(piece.lstrip())
            if not begin or begin[1].decode().lower() != code:
                raise DamagedError(f"this is not the mmCIF file of {code.upper()}.")
            has_atoms = has_atoms or _ATOMS in end + piece  # the word may be cut in two
            end = piece[-len(_ATOMS) :]
        if not has_atoms:
            raise DamagedError("there are no coordinates in it.")
    except DamagedError as error:
        raise DamagedError(f"{url}: {error}") from None


class _OneOfMany:
    """Shows one of several fetches that share a meter: its bytes, and what it says."""

    def __init__(self, meter):
        self._meter, self._lock = meter, threading.Lock()

    def begin(self, *_):
        """The files count together."""

    def add(self, count):
        with self._lock:
            self._meter.add(count)

    def say(self, sentence):
        with self._lock:
            self._meter.say(sentence)
