"""The CATH classification: two lists, fetched, checked, and made into one file that is in use when it is whole."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from proteofold.fetch import place, single
from proteofold.fetch.download import Patience, Stream
from proteofold.science.classification import CURRENT, FILE, FOLDER, write_classification
from proteofold.system.errors import UserError

# Bytes of a list, packed and unpacked; that of the domains has a fiftieth of that.
_LARGEST, _LARGEST_UNPACKED = 1 << 28, 2 << 30


def fetch_classification(domains, names, meter, folder=FOLDER, patience=None):
    """Fetch the lists of the Sources ``domains`` and ``names`` into ``folder``; returns the record of the release.

    A release is named by the date of the list of domains, and fetched once; ``record["fetched"]`` is True then.
    Releases that were used before stay beside it. UserError says what is wrong.
    """
    folder, patience = Path(folder), patience or Patience()
    link = folder / CURRENT
    place.refuse_real_folder(link)
    release = place.release_of(Stream(domains.url, patience=patience, report=meter.say).look())
    whole = folder / f"{CURRENT}-{release}"
    record = place.read_record(whole)
    fetched = record is None
    if fetched:
        place.refuse_rest(whole)
        part = folder / f".{whole.name}.part"
        with place.alone_in(part):
            record = _fetch(domains, names, part, whole, release, meter, patience)
    place.switch(link, whole)
    return record | {"fetched": fetched, "folder": str(whole)}


def _fetch(domains, names, part, whole, release, meter, patience):
    parts = [part / "domains", part / "names"]
    for source, folder in zip((domains, names), parts, strict=True):
        folder.mkdir(exist_ok=True)
        stream = single.download(source, folder, meter, patience, _LARGEST)
        if source is domains:
            identity = stream.identity
    if place.release_of(identity) != release:
        place.clear(part)
        raise UserError(f"{domains.url} changed while it was fetched: run the same command again.", topic="download")
    try:
        (part / FILE).unlink(missing_ok=True)
        lists = [single.unpacked_lines(folder / single.FETCHED, _LARGEST_UNPACKED) for folder in parts]
        version, count, superfamilies = write_classification(part / FILE, *lists)
    except UserError as error:
        place.clear(part)
        raise UserError(f"{domains.url} and {names.url}: {error} Nothing of them is kept.", topic="download") from None
    except OSError as error:
        raise place.disk_error(error, part) from None
    for folder in parts:
        shutil.rmtree(folder)
    record = {
        "urls": [domains.url, names.url],
        "identity": identity,
        "release": release,
        "version": version,
        "domains": count,
        "superfamilies": superfamilies,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    place.finish(part, whole, [FILE], record)
    return record
