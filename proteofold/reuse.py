"""Where another run has the results that a run needs: they belong to a sequence and to settings, not to a run.

The store tells where a sequence was searched before with the same settings. The files of that run are the truth: only
a result that is whole there counts. takeover.py copies it.
"""

import contextlib
import csv
import re
import sqlite3
import zlib
from dataclasses import dataclass
from pathlib import Path

from proteofold.errors import UserError
from proteofold.fasta import protein_stem
from proteofold.files import existing_names
from proteofold.merge import whole_result
from proteofold.runs import Member, Run, load_run
from proteofold.store.database import open_for_reading
from proteofold.store.queries import reusable_results
from proteofold.store.recorder import store_path

# What a damaged or vanished file of another run may end with.
UNREADABLE = (UserError, OSError, ValueError, KeyError, TypeError, EOFError, zlib.error, csv.Error)

# As in the schema of the configuration; names that come from a store must not lead elsewhere.
_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a result lies: the run that has it, the protein's member there, and the id of the run that computed it."""

    run: Run
    member: Member
    computed_in: str


def find_sources(queries, settings, results):
    """Which queries have a whole result in another run of these settings: (protein -> Source, why none was looked for).

    The second is '' where nothing hindered looking. ``results`` is the folder of the run folders.
    """
    path = store_path(results)
    if not queries or not path.exists():
        return {}, ""
    try:
        with contextlib.closing(open_for_reading(path)) as conn:
            found = reusable_results(conn, {query.md5 for query in queries}, settings["key"], settings["run"])
    except UserError as error:
        return {}, str(error)
    except (sqlite3.Error, OSError) as error:
        return {}, f"{path}: {error}"
    runs = _OtherRuns(Path(results), settings)
    sources = {}
    for query in queries:
        candidates = (runs.source(*place, query.md5) for place in found.get(query.md5, ()))
        if source := next(filter(None, candidates), None):
            sources[query.protein] = source
    return sources, ""


class _OtherRuns:
    """Other runs of one folder and of the same settings, each read once."""

    def __init__(self, results, settings):
        self._results, self._settings = results, settings
        self._runs = {}  # id -> (Run, names of its files of predictions and alignments), or None

    def source(self, run_id, query_id, md5):
        """The Source of a sequence under an id of a run; None if its files are not there or not whole."""
        if run_id not in self._runs:
            self._runs[run_id] = self._read(run_id)
        if self._runs[run_id] is None:
            return None
        run, names = self._runs[run_id]
        member = run.members.get(protein_stem(query_id))
        if member is None or (member.query_id, member.md5) != (query_id, md5):
            return None
        try:
            there = {f"{member.batch}.horiz", f"{member.protein}.hhr.gz"} <= names
            found = whole_result(run, member) if there else None
        except UNREADABLE:
            return None
        return found and Source(run, member, computed_in(run, found[1]))

    def _read(self, run_id):
        if not _RUN_NAME.fullmatch(run_id):
            return None
        try:
            run = load_run(self._results / run_id)
            theirs = (run.settings["key"], _searched_with(run.settings))
        except UNREADABLE:
            return None
        same = theirs == (self._settings["key"], _searched_with(self._settings))
        folders = (run.folder.horiz("x").parent, run.folder.alignments("x").parent)
        return (run, set().union(*map(existing_names, folders))) if same else None


def _searched_with(settings):
    """The version of HH-suite: within a run it may change, but a run must not claim results of another version."""
    return settings.get("versions", {}).get("hhsuite")


def computed_in(run, usage):
    """The run that computed a result which ``run`` has, from the result's row of the usage table."""
    return usage.get("reused_from") or run.folder.path.name
