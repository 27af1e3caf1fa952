"""A .tar.gz that is unpacked while it is downloaded, and continues where it was after the process is killed.

Every few seconds, at the end of a block of the packed stream, the folder gets a checkpoint: the address and what its
server says of the file, the byte reached, and the states of gzip, tar and checksum there. What was unpacked up to it
is on the disk by then. A new process cuts the last file back to the checkpoint and asks the server for the rest.
"""

import json
import time
from pathlib import Path

from proteofold.fetch import place
from proteofold.fetch.checksum import Checksum
from proteofold.fetch.download import Identity, StartAgainError, Stream
from proteofold.fetch.gzipstream import DamagedError, GzipStream
from proteofold.fetch.tarstream import HostileError, TarStream
from proteofold.system.errors import UserError
from proteofold.system.files import write_aside

CHECKPOINT = ".checkpoint.json"
_FORM = 1  # raised when checkpoints of older versions cannot be read any more
_STARTS = 3  # from the first byte, before giving up on a file that keeps changing


class Unpacker:
    """Unpacks the archive of ``source`` into ``folder``, which the caller holds (place.alone_in).

    ``choose`` and ``passes_over`` are TarStream's. After ``run``, ``identity`` is what the server said of the file and
    ``resumed_at`` the byte from which this process went on, 0 for one that began.
    """

    def __init__(self, source, folder, choose, meter, *, passes_over=lambda name, target: False, patience):
        self._source, self._folder, self._meter, self._patience = source, Path(folder), meter, patience
        self._choose, self._passes_over = choose, passes_over
        self.identity, self.resumed_at = None, 0

    def run(self):
        """Sizes of the files that were written; UserError (the folder is kept if going on makes sense)."""
        for _ in range(_STARTS):
            try:
                return self._run_once()
            except StartAgainError as reason:
                self._meter.say(f"{reason} Starting from the beginning.")
                place.clear(self._folder)
            except DamagedError as error:
                place.clear(self._folder)
                raise UserError(
                    f"{self._source.url}: {error}. What was unpacked is removed; the same command fetches it again. If "
                    "that ends here, too, choose another address with --url.",
                    topic="download",
                ) from None
            except HostileError as error:
                place.clear(self._folder)
                raise UserError(
                    f"{self._source.url}: {error}. Nothing of it is kept. Is this the archive that was meant?",
                    topic="download",
                ) from None
            except OSError as error:
                raise place.disk_error(error, self._folder) from None
        raise UserError(
            f"{self._source.url} changed {_STARTS} times while it was fetched: try again later.", topic="download"
        )

    def _run_once(self):
        state = self._read_checkpoint()
        self.resumed_at = offset = state["offset"] if state else 0
        if state is None:
            place.clear(self._folder)
        identity = Identity(*state["identity"]) if state else None
        stream = Stream(self._source.url, offset, identity, self._patience, self._meter.say)
        packed = GzipStream(state and state["gzip"])
        try:
            archive = TarStream(self._folder, self._choose, self._passes_over, state and state["tar"])
        except DamagedError as error:
            raise StartAgainError(f"{error}.") from None
        checksum = self._source.checksum and Checksum(self._source.checksum, state and state["checksum"])
        try:
            self._transfer(stream, packed, archive, checksum)
        finally:
            archive.close()
        if not packed.finished or not archive.ended:
            raise DamagedError(f"the archive ends early, after {stream.offset:,} bytes")
        if checksum and checksum.hexdigest() != checksum.expected:
            raise DamagedError(f"its checksum is {checksum.hexdigest()}, expected {checksum.expected}")
        self.identity = stream.identity
        return archive.written

    def _transfer(self, stream, packed, archive, checksum):
        offset, due = stream.offset, time.monotonic() + self._patience.checkpoint_s
        begun = False
        for chunk in stream.chunks():
            if not begun:
                self._meter.begin("fetching and unpacking", stream.length, offset)
                begun = True
            start = 0
            while start < len(chunk):
                unpacked, used, boundary = packed.step(chunk, start, to_boundary=time.monotonic() >= due)
                archive.feed(unpacked)
                if checksum:
                    checksum.update(chunk, start, used)
                start, offset = start + used, offset + used
                if boundary:
                    self._write_checkpoint(stream, offset, packed, archive, checksum)
                    due = time.monotonic() + self._patience.checkpoint_s
            self._meter.add(len(chunk))

    def _read_checkpoint(self):
        """The last checkpoint of this source; None to start again."""
        try:
            state = json.loads((self._folder / CHECKPOINT).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        mine = {"form": _FORM, "url": self._source.url, "expected": self._source.checksum}
        known = isinstance(state, dict) and all(state.get(key) == value for key, value in mine.items())
        return state if known else None

    def _write_checkpoint(self, stream, offset, packed, archive, checksum):
        state = {
            "form": _FORM,
            "url": self._source.url,
            "expected": self._source.checksum,
            "identity": stream.identity,
            "offset": offset,
            "gzip": packed.save(),
            "tar": archive.save(),
            "checksum": checksum and checksum.save(),
        }
        write_aside(self._folder / CHECKPOINT, json.dumps(state))
        place.sync(self._folder / CHECKPOINT)
        place.sync(self._folder)
