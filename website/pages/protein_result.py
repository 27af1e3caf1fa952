"""What the latest result of a protein found: all of its hits, the verdict on them, and their alignments."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePath

from proteofold.formats.hhr import Hit, parse_hhr
from proteofold.formats.packed_hhr import read_alignments, unpack
from proteofold.run.layout import RunFolder
from proteofold.run.results import done, read_out, read_packed_hhr
from proteofold.science.domains import is_confident
from proteofold.science.verdict import judge
from proteofold.store import queries
from proteofold.store.results import STORED_HITS
from proteofold.system.errors import UserError
from website.pages.run_settings import thresholds_of


@dataclass(frozen=True)
class Found:
    """The hits of a result in the order of their ranks, the Verdict on them, and the .hhr.gz that they come from.

    ``folder`` is where the folder of the run is. Without that file ``data`` and ``folder`` are None, the hits are those
    of the store, and ``missing`` says why.
    """

    verdict: object
    hits: list
    data: bytes | None
    folder: Path | None
    missing: str | None

    @cached_property
    def significant(self):
        """The hits that are significant."""
        return [hit for hit in self.hits if is_confident(hit, self.verdict.thresholds)]

    def alignment(self, rank):
        """The Alignment of the hit of a rank; UserError if the file has none that can be read."""
        for alignment in read_alignments(self.data, rank):
            return alignment
        raise UserError(f"hit {rank} is not aligned")


def found_by(conn, folders, latest, protein):
    """What a finished result found.

    ``latest`` is its row of protein_results with ``search``, ``protein`` that of its protein; one of ``folders`` holds
    the run's files.
    """
    thresholds = thresholds_of(queries.find_run(conn, latest["run_id"])["settings"])
    folder, length, data, missing = None, protein["length"], None, None
    try:
        folder, data = _packed(folders, latest)
        of_file = parse_hhr(unpack(data), latest["entry"])
        hits = of_file.hits
        if latest["md5"] != protein["md5"]:  # an earlier sequence of this id
            length = of_file.query_length or length
    except FileNotFoundError:
        missing = "its file is not on this machine, or was removed. Rerun the run to make it again"
    except (UserError, OSError, ValueError) as error:
        text = str(error)
        for folder in folders:  # where they are is private
            text = text.replace(f"{folder}/", "")
        missing = f"{text}. Run 'proteofold store import' on its run, which removes the file, and rerun the run"
    if missing:
        rows = queries.hits_of(conn, latest["run_id"], protein["query_id"], STORED_HITS + 1)
        hits, data, folder = [_hit(row) for row in rows], None, None
    verdict = judge(hits, length, thresholds)
    superfamilies = queries.superfamilies_of(conn, latest["run_id"], protein["query_id"])
    if len(superfamilies) == len(verdict.domains):  # not where the store lacks hits that are domains
        verdict = replace(verdict, superfamilies=tuple(superfamilies))
    return Found(verdict, hits, data, folder, missing if latest["hits"] else None)


def _hit(row):
    """A row of ``hits`` as a Hit; the store has no infinite numbers."""
    values = {name: row.get(name) for name in Hit._fields}
    values["evalue"] = math.inf if values["evalue"] is None else values["evalue"]
    values["score"] = -math.inf if values["score"] is None else values["score"]
    return Hit(**values)


def _packed(folders, latest):
    """(folder, bytes) of the .hhr.gz of a row of protein_results; FileNotFoundError, or another error if damaged."""
    name, entry = latest["search"] or "", latest["entry"]
    if PurePath(name).name == name and PurePath(entry).name == entry:
        for folder in folders:
            search = RunFolder(folder / latest["run_id"]).search(name)
            if done(search, [entry]):
                return folder, read_packed_hhr(search, entry, read_out(search, entry))
    raise FileNotFoundError
