"""The rows of one protein of a run, from its result files: the same for live recording and for importing."""

import csv
import os
import zlib
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from pathlib import Path

from proteofold.failures import failure_of
from proteofold.files import existing_names
from proteofold.hits import HIT_COLUMNS, SUMMARY_COLUMNS
from proteofold.process import read_usage
from proteofold.runs import RESULTS
from proteofold.store.states import STATE_COLUMNS, timestamp

# hhsearch reports up to 500 hits a protein, most of them noise; hits.csv.gz of the run has them all.
STORED_HITS = 50


# a description belongs to the template, the query to the result
HIT_ROW_COLUMNS = tuple(name for name in HIT_COLUMNS if name not in ("query_id", "description"))

RESULT_COLUMNS = (
    *("run_id", "query_id", "position", "md5"),
    *SUMMARY_COLUMNS[1:],
    *("hits", "cpu_s", "max_rss_mb"),
    *STATE_COLUMNS,
)
_VALUE_COLUMNS = len(SUMMARY_COLUMNS) - 1 + 3

_state_values = attrgetter(*STATE_COLUMNS)
_RULE = "search_templates"
_NO_NUMBER = {"", "nan", "-nan", "inf", "-inf"}
_RANK, _TEMPLATE, _DESCRIPTION = (HIT_COLUMNS.index(name) for name in ("rank", "template", "description"))
_REALS, _INTEGERS = HIT_COLUMNS.index("probability"), HIT_COLUMNS.index("aligned_columns")
_NO_NUMBER_MARKS = (",,", ",\n", ",nan", ",-nan", ",inf", ",-inf")

_DAMAGED = (ValueError, OSError, EOFError, zlib.error, csv.Error, KeyError)


@dataclass(frozen=True, slots=True)
class Result:
    """What the result files of a finished protein hold.

    ``values`` are the columns from best_hit to max_rss_mb; ``hits`` tuples of HIT_ROW_COLUMNS;
    ``descriptions`` maps their templates to text.
    """

    values: tuple
    node: str
    started_at: str
    finished_at: str
    hits: list
    descriptions: dict


def run_id_of(run):
    """The id under which a run stands in the store."""
    return run.settings["run"]


class RunFiles:
    """Reads the results of a run's members; looks into a folder once instead of asking for each of its files."""

    def __init__(self, run):
        self.run = run
        self.run_id = run_id_of(run)
        folder = run.folder
        paths = (folder.out("x"), folder.hits("x"), folder.usage(_RULE, "x"))
        self._out, self._hits, self._usage = (os.path.dirname(path) for path in paths)
        self._search_logs = self.log_text(os.path.dirname(folder.log(_RULE, "x")))

    @cached_property
    def _finished(self):
        return existing_names(self._out)

    def has_result(self, member):
        """Whether a member had a ``.out`` when this was first asked, of whatever sequence and settings."""
        return f"{member.protein}.out" in self._finished

    def result(self, member):
        """The Result of a member; None if it has none that is whole, of its sequence and of the run's settings."""
        return self.read(member) if self.has_result(member) else None

    def finished_at(self, member):
        """When the result of a member was made, without reading it; None where there is none."""
        try:
            return (
                timestamp(os.stat(f"{self._usage}/{member.protein}.tsv").st_mtime) if self.has_result(member) else None
            )
        except OSError:
            return None

    def read(self, member):
        """As ``result``, but looks for files that were made meanwhile."""
        usage_path = f"{self._usage}/{member.protein}.tsv"
        try:
            (usage,) = read_usage(usage_path)
            if usage["result_key"] != self.run.result_key(member):
                return None
            with open(f"{self._out}/{member.protein}.out", encoding="utf-8", newline="") as handle:
                _, (_, best, *numbers) = csv.reader(handle)
            with open(f"{self._hits}/{member.protein}.csv.gz", "rb") as handle:
                text = _unzipped(handle.read())
            rows, count = _best_rows(text, best)
            hits = _hit_rows(rows, not any(mark in text for mark in _NO_NUMBER_MARKS))
            descriptions = {row[_TEMPLATE]: row[_DESCRIPTION] for row in rows}
            finished = os.stat(usage_path).st_mtime
            values = (best or None, *map(_real, numbers), count, float(usage["cpu_s"]), float(usage["max_rss_mb"]))
            started_at, finished_at = timestamp(finished - float(usage["wall_s"])), timestamp(finished)
        except _DAMAGED:
            return None
        return (
            Result(values, usage["node"], started_at, finished_at, hits, descriptions)
            if len(values) == _VALUE_COLUMNS
            else None
        )

    def log_text(self, path):
        """The path of a log as the store writes it, wherever the run folder lies: results/<run>/logs/…"""
        try:
            return str(RESULTS / self.run_id / Path(path).relative_to(self.run.folder.path))
        except ValueError:
            return str(path)

    def failure(self, member):
        """Step, reason, log and time (text, None without a log) of why a member has no result."""
        _, step, reason, log = failure_of(self.run, member)
        if not log:
            return step, reason, None, None
        return step, reason, self.log_text(log), timestamp(os.stat(log).st_mtime)

    def row(self, position, member, state, ended, result):
        """The row of a member, in RESULT_COLUMNS.

        ``state`` is what the events told and is brought to what the files tell; ``ended`` the status with which the
        run ended, None while it runs; ``result`` the Result or None.
        """
        values = (None,) * _VALUE_COLUMNS
        if result:
            self._finish(member, state, result)
            values = result.values
        elif state.phase == "done":  # of another sequence or other settings by now, or removed
            state.wait_again()
        if not result and ended in ("SUCCESS", "FAILED"):
            self._fail(member, state)
        elif not result and ended == "INTERRUPTED" and state.phase != "failed":
            state.wait_again()
        return (self.run_id, member.query_id, position, member.md5, *values, *_state_values(state))

    def _finish(self, member, state, result):
        reused_from = state.reused_from
        state.wait_again()
        state.phase, state.reused_from, state.node = "done", reused_from, result.node
        state.log = None if reused_from else f"{self._search_logs}/{member.protein}.log"
        state.started_at, state.finished_at = result.started_at, result.finished_at
        state.updated_at = state.updated_at or result.finished_at

    def _fail(self, member, state):
        if state.phase != "failed":
            state.step, state.reason, state.log, state.finished_at = self.failure(member)
            state.phase = "failed"
        state.updated_at = state.updated_at or state.finished_at


def read_result(run, member):
    """The Result of one member of a run, or None."""
    return RunFiles(run).read(member)


def _unzipped(data):
    """The text of a protein's hits, one gzip member (zlib alone: gzip's own reader takes twice the time)."""
    return zlib.decompress(data, wbits=31, bufsize=8 * len(data)).decode()


def _best_rows(text, best):
    """The first hits of a protein and, where it stands below them, its best hit; and how many hits there are.

    Rows are lists of text in the order of HIT_COLUMNS.
    """
    lines = text.split("\n")
    lines.pop()
    rows = list(csv.reader(lines[:STORED_HITS]))
    if len(lines) > STORED_HITS and not any(row[_TEMPLATE] == best for row in rows):
        later = csv.reader(line for line in lines[STORED_HITS:] if best in line)
        rows += [row for row in later if row[_TEMPLATE] == best][:1]
    if rows and {*map(len, rows)} != {len(HIT_COLUMNS)}:
        raise ValueError("a line of the hits is not whole")
    return rows, len(lines)


def _hit_rows(rows, all_numbers):
    """Rows of HIT_ROW_COLUMNS; the slower functions only where a value may be missing or no number."""
    real, integer = (float, int) if all_numbers else (_real, _integer)
    return [
        (row[_RANK], row[_TEMPLATE], *map(real, row[_REALS:_INTEGERS]), *map(integer, row[_INTEGERS:])) for row in rows
    ]


def _real(text):
    return None if text in _NO_NUMBER else float(text)


def _integer(text):
    return int(text) if text else None
