"""The rows of one protein of a run, from its result files: the same for live recording and for importing."""

import csv
import hashlib
import json
import os
import zlib
from functools import cached_property, lru_cache
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from proteofold.alignments import looks_whole
from proteofold.errors import UserError
from proteofold.failures import failure_of
from proteofold.files import existing_names
from proteofold.hits import HIT_COLUMNS, SUMMARY_COLUMNS
from proteofold.process import usage_rows
from proteofold.psipred import read_horiz
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

PREDICTION_COLUMNS = ("secondary_structure", "confidence", "alignments")

_state_values = attrgetter(*STATE_COLUMNS)
_RULE = "search_templates"
_NO_NUMBER = {"", "nan", "-nan", "inf", "-inf"}
_RANK, _TEMPLATE, _DESCRIPTION = (HIT_COLUMNS.index(name) for name in ("rank", "template", "description"))
_REALS, _INTEGERS = HIT_COLUMNS.index("probability"), HIT_COLUMNS.index("aligned_columns")

# Batches whose predictions are kept in memory: proteins of one batch follow each other, live in a loose order.
_BATCHES_AT_HAND = 16

_PIECE = 1 << 16

_DAMAGED = (ValueError, OSError, EOFError, zlib.error, csv.Error, KeyError)


class Result(NamedTuple):
    """What the result files of a finished protein hold.

    ``values`` are the columns from best_hit to max_rss_mb; ``hits`` the values of HIT_ROW_COLUMNS, one hit after the
    other; ``descriptions`` maps templates to text; ``prediction`` has the values of PREDICTION_COLUMNS, None
    where a file is missing or damaged; ``reused_from`` is the run that computed the result, None if it is this one.
    """

    values: tuple
    node: str
    started_at: str
    finished_at: str
    reused_from: str | None
    hits: list
    descriptions: dict
    prediction: tuple


def run_id_of(run):
    """The id under which a run stands in the store."""
    return run.settings["run"]


class RunFiles:
    """Reads the results of a run's members; looks into a folder once instead of asking for each of its files."""

    def __init__(self, run):
        self.run = run
        self.run_id = run_id_of(run)
        folder = run.folder
        paths = (folder.out("x"), folder.hits("x"), folder.usage(_RULE, "x"), folder.alignments("x"), folder.horiz("x"))
        self._out, self._hits, self._usage, self._alignments, self._horiz = (os.path.dirname(path) for path in paths)
        self.described = set()  # templates whose description is not asked for again
        self._search_logs = self.log_text(os.path.dirname(folder.log(_RULE, "x")))

    @cached_property
    def _finished(self):
        return existing_names(self._out)

    def by_batch(self):
        """(position, member) of all members, those of a batch together: what they share is then read once."""
        return sorted(enumerate(self.run.members.values(), 1), key=lambda entry: entry[1].batch)

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
            (usage,) = usage_rows(_content(usage_path).decode())
            if usage["result_key"] != self.run.result_key(member):
                return None
            summary = _content(f"{self._out}/{member.protein}.out").decode()
            _, (_, best, *numbers) = csv.reader(summary.splitlines(keepends=True))
            text = _unzipped(_content(f"{self._hits}/{member.protein}.csv.gz"))
            lines, count = _best_hits(text, best)
            hits, descriptions = _read_hits(lines, self.described)
            finished = os.stat(usage_path).st_mtime
            values = (best or None, *map(_real, numbers), count, float(usage["cpu_s"]), float(usage["max_rss_mb"]))
            started_at, finished_at = timestamp(finished - float(usage["wall_s"])), timestamp(finished)
        except _DAMAGED:
            return None
        if len(values) != _VALUE_COLUMNS:
            return None
        origin = (usage["node"], started_at, finished_at, usage.get("reused_from"))
        return Result(values, *origin, hits, descriptions, self._prediction(member))

    def _prediction(self, member):
        """The values of PREDICTION_COLUMNS of a member, from the file of its batch and its own."""
        path = f"{self._horiz}/{member.batch}.horiz"
        try:
            predicted = batch_predictions(path, os.stat(path).st_mtime_ns).get(member.md5)
        except OSError:
            predicted = None
        try:
            alignments = _content(f"{self._alignments}/{member.protein}.hhr.gz")
        except OSError:
            alignments = b""
        states = (predicted.states, predicted.confidence) if predicted else (None, None)
        return (*states, alignments if looks_whole(alignments) else None)

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
        state.wait_again()
        state.phase, state.reused_from, state.node = "done", result.reused_from, result.node
        state.log = f"{self._search_logs}/{member.protein}.log"
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


def _content(path):
    """The bytes of a small file, in a third of the calls that ``open`` makes."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        pieces = [os.read(descriptor, _PIECE)]
        while len(pieces[-1]) == _PIECE:
            pieces.append(os.read(descriptor, _PIECE))
    finally:
        os.close(descriptor)
    return b"".join(pieces)


def _best_hits(text, best):
    """The lines of the first hits and, where it stands below them, of the best hit; and how many hits there are."""
    lines = text.split("\n")
    lines.pop()
    first = lines[:STORED_HITS]
    if len(lines) > STORED_HITS and not any(row[_TEMPLATE] == best for row in csv.reader(first)):
        later = (line for line in lines[STORED_HITS:] if best in line)
        first += [line for line in later if next(csv.reader([line]))[_TEMPLATE] == best][:1]
    return first, len(lines)


def _read_hits(lines, described):
    """The values of HIT_ROW_COLUMNS, one hit after the other; descriptions of the templates not in ``described``."""
    try:
        values, descriptions = _read_plain_hits(lines, described)
    except _NotPlain:
        rows = [row for row in csv.reader(lines) if len(row) == len(HIT_COLUMNS)]
        reals, integers = (slice(_REALS, _INTEGERS), slice(_INTEGERS, None))
        numbers = ((*map(_real, row[reals]), *map(_integer, row[integers])) for row in rows)
        named = ((int(row[_RANK]), row[_TEMPLATE], *rest) for row, rest in zip(rows, numbers, strict=True))
        values, descriptions = list(chain.from_iterable(named)), {row[_TEMPLATE]: row[_DESCRIPTION] for row in rows}
    if len(values) != len(HIT_ROW_COLUMNS) * len(lines):
        raise ValueError("a line of the hits is not whole")
    return values, descriptions


class _NotPlain(Exception):
    """A line with quotes around more than the description, or with a value that is missing or no number."""


def _read_plain_hits(lines, described):
    """As ``_read_hits``, in a third of the time, for the lines that nearly every protein has.

    What stands before and behind the description is JSON as it is, but for the quotes of the template's name.
    """
    hits, descriptions = [], {}
    try:
        for line in lines:
            query, rank, template, rest = line.split(",", _DESCRIPTION)
            description, quoted, numbers = rest.rpartition('",') if rest[:1] == '"' else rest.partition(",")
            if query[:1] == '"' or template[:1] == '"':
                raise _NotPlain
            if template not in described:
                descriptions[template] = description if quoted == "," else description[1:].replace('""', '"')
            hits.append(f'{rank},"{template}",{numbers}')
        text = f"[{','.join(hits)}]"
        if "\\" in text:
            raise _NotPlain
        return json.loads(text), descriptions
    except ValueError:
        raise _NotPlain from None


def _real(text):
    return None if text in _NO_NUMBER else float(text)


def _integer(text):
    return int(text) if text else None


@lru_cache(maxsize=_BATCHES_AT_HAND)
def batch_predictions(path, made):
    """The predictions of a batch by the MD5 of their sequence; none if the file, ``made`` at that time, is damaged."""
    try:
        predictions = read_horiz(path)
    except UserError:
        return {}
    return {hashlib.md5(found.sequence.encode(), usedforsecurity=False).hexdigest(): found for found in predictions}
