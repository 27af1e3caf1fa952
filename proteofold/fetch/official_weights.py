"""The official S4PRED weights: fetched, checked, and put into place when they are whole."""

from datetime import UTC, datetime
from pathlib import Path

from proteofold.fetch import place
from proteofold.fetch.download import Patience
from proteofold.fetch.tarstream import HostileError
from proteofold.fetch.unpack import Unpacker
from proteofold.science.weights import WEIGHT_FILES, check_tensors, weight_files
from proteofold.system import paths
from proteofold.system.errors import UserError

FOLDER = paths.RESOURCES / "s4pred"

_LARGEST = 1 << 30  # bytes of one file; the official ones have 90 million
_ROOM = 460_000_000  # bytes of the five files, and a little more


def fetch_weights(source, meter, folder=FOLDER, patience=None):
    """Fetch the five weights files into ``folder/weights``; returns their record, with ``fetched`` and ``folder``.

    Weights that are there already, fetched or put there manually, are left alone. UserError says what is wrong.
    """
    folder = Path(folder)
    whole, part = folder / "weights", folder / ".weights.part"
    if whole.exists():
        weight_files(whole)
        return (place.read_record(whole) or {}) | {"fetched": False, "folder": str(whole)}
    with place.alone_in(part):
        place.require_room(part, _ROOM, "the S4PRED weights")
        unpacker = Unpacker(source, part, _choose, meter, patience=patience or Patience())
        written = unpacker.run()
        try:
            weight_files(part)
            check_tensors(part)
        except UserError as error:
            place.clear(part)
            raise UserError(f"{source.url}: {error} What was unpacked is removed.", topic="download") from None
        record = {
            "url": source.url,
            "identity": unpacker.identity,
            "checksum": source.checksum,
            "bytes": {name: written[name] for name in sorted(written)},
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        place.finish(part, whole, written, record)
    return record | {"fetched": True, "folder": str(whole)}


def _choose(path, size):
    name = path.rpartition("/")[2]
    if name not in WEIGHT_FILES:
        return None
    if size > _LARGEST:
        raise HostileError(f"the archive has {name} with {size:,} bytes")
    return name
