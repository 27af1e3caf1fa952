"""PDB70: fetched, checked, and switched into place when it is whole."""

import hashlib
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from proteofold.fetch import place
from proteofold.fetch.download import Patience, Stream
from proteofold.fetch.tarstream import HostileError
from proteofold.fetch.unpack import Unpacker
from proteofold.science import hhsuite
from proteofold.system import paths
from proteofold.system.errors import UserError

NAME = "pdb70"
FOLDER = paths.RESOURCES / "templates"

# Bytes unpacked for each byte of the packed file, from the sizes of releases: 78 GB from 27.
_UNPACKED = {"a3m": 2.75, "hhm": 0.17, "cs219": 0.002}

_LIST = "md5sum"  # the archive's own list of the checksums of its files
_LIST_LINE = re.compile(r"([0-9a-f]{32}) [ *](?:\./)?(\S+)")
_OLD_LINK = re.compile(r"pdb70_(?:a3m|hhm)_db")  # links for HH-suite 2 in releases up to 2017, to files beside them
_PIECE = 1 << 22


def fetch_pdb70(source, meter, parts=hhsuite.PARTS, folder=FOLDER, patience=None):
    """Fetch a release of PDB70 into ``folder`` and have ``folder/pdb70`` lead to it; returns its record.

    ``parts`` names what is kept; hhm and cs219 are needed by every search. What is whole already is not fetched again:
    ``record["fetched"]`` is then False. A release in use stays beside the new one. UserError says what is wrong.
    """
    folder, patience = Path(folder), patience or Patience()
    parts = tuple(part for part in hhsuite.PARTS if part in parts)
    link = folder / NAME
    place.refuse_real_folder(link)
    asking = Stream(source.url, patience=patience, report=meter.say)
    slim = "" if parts == hhsuite.PARTS else "-" + "-".join(parts)
    whole = folder / f"{NAME}-{_name_in(source.url) or place.release_of(asking.look())}{slim}"
    record = place.read_record(whole)
    fetched = record is None
    if fetched:
        place.refuse_rest(whole)
        part = folder / f".{whole.name}.part"
        _report_others(part, meter)
        length = asking.look().length
        with place.alone_in(part):
            _require_room(part, length, parts)
            record = _fetch(source, part, whole, parts, meter, patience)
    place.switch(link, whole)
    return record | {"fetched": fetched, "folder": str(whole), "prefix": str(link / NAME)}


def _name_in(url):
    """The release that an address names by its file name, None where it names none ("latest")."""
    name = unquote(urlsplit(url).path).rpartition("/")[2]
    name = re.sub(r"\.(tar\.gz|tgz|gz)$", "", name)
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", re.sub(r"^pdb70(_from_mmcif)?[_-]?", "", name))[:60]
    return name if re.search(r"\d{2}", name) else None


def _report_others(part, meter):
    for other in sorted(part.parent.glob(f".{NAME}-*.part")):
        size = sum(path.stat().st_size for path in other.iterdir())
        if other != part and size:
            meter.say(
                f"note: {other} has {size / 1e9:.1f} GB of a fetch that was not finished: remove it, or finish it"
            )


def _require_room(part, length, parts):
    if length is not None:
        there = sum(path.stat().st_size for path in part.iterdir())
        needed = length * sum(_UNPACKED[name] for name in parts) - there
        place.require_room(part, needed, f"PDB70 ({', '.join(parts)})")


def _fetch(source, part, whole, parts, meter, patience):
    wanted = {Path(name).name for name in hhsuite.library_files(NAME, parts)}

    def choose(path, size):
        name = path.rpartition("/")[2]
        if re.fullmatch(r".*_hhm\.ffdata", name) and name != f"{NAME}_hhm.ffdata":
            raise HostileError(f"the archive is another library: it has {name!r}, expected {NAME}_hhm.ffdata")
        return name if name in wanted or name == _LIST else None

    def passes_over(path, target):
        return _OLD_LINK.fullmatch(path.rpartition("/")[2]) is not None and "/" not in target

    unpacker = Unpacker(source, part, choose, meter, passes_over=passes_over, patience=patience)
    written = unpacker.run()
    try:
        listed = _compare_with_list(part, wanted & written.keys(), meter)
        library = hhsuite.read_library(part / NAME, parts)
    except UserError as error:
        place.clear(part)
        raise UserError(f"{source.url}: {error} What was unpacked is removed.", topic="download") from None
    record = {
        "url": source.url,
        "identity": unpacker.identity,
        "checksum": source.checksum,
        "listed_checksums": listed,
        "parts": parts,
        "bytes": {name: written[name] for name in sorted(written)},
        "templates": library.templates,
        "columns": library.columns,
        "key": library.key,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    place.finish(part, whole, written, record)
    return record


def _compare_with_list(folder, names, meter):
    """Read what was written again and compare it with the archive's own list; how many files the list names."""
    try:
        lines = (folder / _LIST).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        lines = []
    listed = {found[2]: found[1] for found in map(_LIST_LINE.fullmatch, lines) if found and found[2] in names}
    for name in sorted(names - listed.keys()):
        meter.say(f"note: the archive lists no checksum of {name}; its CRC-32 is all that its content was checked by")
    meter.begin("checking what is on the disk", sum((folder / name).stat().st_size for name in listed))
    for name, expected in sorted(listed.items()):
        digest = hashlib.md5(usedforsecurity=False)
        with open(folder / name, "rb") as handle:
            os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # read from the disk, not from memory
            while piece := handle.read(_PIECE):
                digest.update(piece)
                meter.add(len(piece))
        if digest.hexdigest() != expected:
            raise UserError(
                f"{name} has the checksum {digest.hexdigest()}, the archive's list says {expected}.", topic="download"
            )
    return len(listed)
