"""The rows of one protein of a run, from its result files: the same for live recording and for importing."""

import math
import os
from functools import cached_property
from operator import attrgetter, itemgetter
from typing import NamedTuple

from proteofold.formats.hhr import HIT_COLUMNS
from proteofold.run.classes import node_names, superfamilies
from proteofold.run.failures import failure_of
from proteofold.run.layout import RESULTS
from proteofold.run.manifest import load_run
from proteofold.run.predictions import read_prediction
from proteofold.run.results import DamagedError, read_out, read_search
from proteofold.run.rules import SUMMARY
from proteofold.run.states import STATE_COLUMNS, timestamp
from proteofold.run.verdicts import DOMAIN_COLUMNS, judged, read_judged
from proteofold.science.classification import NOT_IN_CATH, NOT_MAPPED
from proteofold.science.summary import SUMMARY_COLUMNS
from proteofold.system.errors import UserError
from proteofold.system.process import read_usage
from proteofold.system.words import without_folders

# hhsearch reports up to 500 hits a protein, most of them noise; hits.csv.gz of the run has them all.
STORED_HITS = 50

# a description belongs to the template, the query to the result; the coverage is computed from its columns
_NOT_IN_HIT_ROWS = {"query_id", "description", "template_coverage"}
HIT_ROW_COLUMNS = tuple(name for name in HIT_COLUMNS if name not in _NOT_IN_HIT_ROWS)

# the id of the protein belongs to the result
_OF_DOMAIN = tuple(name for name in DOMAIN_COLUMNS if name not in ("query_id", "description"))
DOMAIN_ROW_COLUMNS = (*_OF_DOMAIN, "superfamily")

_VALUES = (*SUMMARY_COLUMNS[1:], "hits", "cpu_s", "max_rss_mb", "coverage_class", "domains", "coverage")
RESULT_COLUMNS = (*("run_id", "query_id", "position", "md5", "entry"), *_VALUES, *STATE_COLUMNS)

PREDICTION_COLUMNS = ("secondary_structure", "confidence")

_state_values = attrgetter(*STATE_COLUMNS)
_hit_values = attrgetter(*HIT_ROW_COLUMNS)
_domain_values = itemgetter(*_OF_DOMAIN)
_NO_NUMBER = {"", "nan", "-nan", "inf", "-inf"}
_INFINITE = {math.inf, -math.inf}


class Result(NamedTuple):
    """What the result files of a finished protein hold.

    ``values`` are the columns from best_hit to coverage; ``hits`` the values of HIT_ROW_COLUMNS, one hit after the
    other; ``domains`` rows of DOMAIN_ROW_COLUMNS; ``descriptions`` maps templates to text, ``nodes`` the superfamilies
    and folds of the domains to their names; ``prediction`` has the values of PREDICTION_COLUMNS, None where a file is
    missing or damaged; ``node`` and ``computed_in``, the run that computed the result, are None if the file that holds
    them is.
    """

    values: tuple
    node: str | None
    started_at: str
    finished_at: str
    computed_in: str | None
    hits: list
    domains: list
    descriptions: dict
    nodes: dict
    prediction: tuple


def run_id_of(run):
    """The id of a run in the store."""
    return run.settings["run"]


class RunFiles:
    """Reads the results of a run's members. Which are done is looked up once.

    ``damaged`` holds what was found to be damaged so far: entry -> why. Nothing is removed here. With ``from_blocks``
    the verdicts that the merge has collected are used, which is worth it where many members are read.
    """

    def __init__(self, run, from_blocks=False):
        self.run = run
        self._from_blocks = from_blocks
        self.run_id = run_id_of(run)
        self.described = set()  # templates whose description is not asked for again
        self.damaged = {}

    @cached_property
    def _finished(self):
        return self.run.done()

    def by_batch(self):
        """(position, member) of all members, those of a batch together: what they share is then read once."""
        return sorted(enumerate(self.run.members.values(), 1), key=lambda entry: entry[1].batch)

    def has_result(self, member):
        """Whether a member was done when this was first asked."""
        return member.entry in self._finished

    def result(self, member):
        """The Result of a member; None if it has none, or a damaged one."""
        return self.read(member) if self.has_result(member) else None

    def finished_at(self, member):
        """When the result of a member was made, without reading it; None where there is none."""
        try:
            made = os.stat(self.run.search.hhr(member.entry)).st_mtime if self.has_result(member) else None
        except OSError:
            return None
        return made and timestamp(made)

    def read(self, member):
        """As ``result``, but looks for files that were made meanwhile."""
        search, entry = self.run.search, member.entry
        try:
            out = read_out(search, entry)
            count, hits, verdict = self._hits(member, out)
            finished = os.stat(search.hhr(entry)).st_mtime
        except DamagedError as error:
            self.damaged[entry] = str(error)
            return None
        except OSError:
            return None
        node, cpu_s, max_rss_mb, wall_s, computed_in = self._usage(entry)
        of_verdict = verdict.coverage_class, len(verdict.domains), verdict.coverage
        values = (out.row[1] or None, *map(_real, out.row[2:]), count, cpu_s, max_rss_mb, *of_verdict)
        domains = [dict(zip(DOMAIN_COLUMNS, row, strict=True)) for row in verdict.domain_rows(member.query_id)]
        classes = superfamilies(self.run.classification, domains)
        texts = {hit.template: hit.description for hit in hits}
        texts |= {domain["template"]: domain["description"] for domain in domains}
        descriptions = {template: text for template, text in texts.items() if template not in self.described}
        flat = [value for hit in hits for value in _finite(_hit_values(hit))]
        times = timestamp(finished - (wall_s or 0)), timestamp(finished)
        rows = [
            [*_finite(_domain_values(domain)), _superfamily(found)]
            for domain, found in zip(domains, classes, strict=True)
        ]
        nodes = node_names(self.run.classification, classes)
        return Result(values, node, *times, computed_in, flat, rows, descriptions, nodes, self.prediction(member))

    @cached_property
    def _collected(self):
        """The Judged in the blocks that the merge has written, by (entry, checksum of its ``.hhr.gz``)."""
        found = {}
        for name in self.run.blocks if self._from_blocks else ():
            found |= read_judged(self.run.folder.block_verdicts(name), name)[1]
        return found

    def _hits(self, member, out):
        """How many hits a member has, those that are stored (the first ones and the best), and what is Judged of it."""
        verdict, best = self._collected.get((member.entry, out.hhr_sha256)), out.row[1]
        found = read_search(self.run.search, member.entry, out, STORED_HITS if verdict else None)
        if verdict and best and best not in {hit.template for hit in found.hits}:
            found = read_search(self.run.search, member.entry, out)
        stored = found.hits[:STORED_HITS]
        if best and best not in {hit.template for hit in stored}:
            stored.append(next(hit for hit in found.hits if hit.template == best))
        return found.table_rows, stored, verdict or judged(self.run, member, found.hits)

    def _usage(self, entry):
        """Node, CPU seconds, memory, wall seconds and run of the search of an entry; None where they are not known."""
        try:
            used = read_usage(self.run.search.usage(entry))
        except (OSError, ValueError):
            return (None,) * 5
        numbers = (None if math.isnan(number) else number for number in (used.cpu_s, used.max_rss_mb, used.wall_s))
        return used.node or None, *numbers, used.run or None

    def prediction(self, member):
        """The values of PREDICTION_COLUMNS of a member, from the file of its batch."""
        predicted = read_prediction(self.run, member)
        return (predicted.states, predicted.confidence) if predicted else (None, None)

    def log_text(self, path):
        """The path of a log as the store writes it, wherever the results lie: results/…"""
        results, path = f"{self.run.folder.path.parent}/", str(path)
        return f"{RESULTS}/{path.removeprefix(results)}" if path.startswith(results) else path

    def failure(self, member):
        """Step, reason, log and time (text, None without a log) of why a member has no result."""
        if why := self.damaged.get(member.entry):
            return SUMMARY.step, why, None, None
        _, step, reason, log = failure_of(self.run, member)
        if not log:
            return step, reason, None, None
        return step, without_folders(reason), self.log_text(log), timestamp(os.stat(log).st_mtime)

    def row(self, position, member, state, ended, result):
        """The row of a member, in RESULT_COLUMNS.

        ``state`` is what the events reported, updated to what the files contain; ``ended`` the status with which the
        run ended, None while it runs; ``result`` the Result or None.
        """
        values = (None,) * len(_VALUES)
        if result:
            self._finish(member, state, result)
            values = result.values
        elif state.phase == "done":  # of another sequence or other settings by now, or removed
            state.wait_again()
        if not result and ended in ("SUCCESS", "FAILED"):
            self._fail(member, state)
        elif not result and ended == "INTERRUPTED" and state.phase != "failed":
            state.wait_again()
        return (self.run_id, member.query_id, position, member.md5, member.entry, *values, *_state_values(state))

    def _finish(self, member, state, result):
        state.wait_again()
        state.phase, state.computed_in, state.node = "done", result.computed_in, result.node
        state.log = self.log_text(self.run.search.log("search", member.entry))
        state.started_at, state.finished_at = result.started_at, result.finished_at
        state.updated_at = state.updated_at or result.finished_at

    def _fail(self, member, state):
        if state.phase != "failed":
            state.step, state.reason, state.log, state.finished_at = self.failure(member)
            state.phase = "failed"
        state.updated_at = state.updated_at or state.finished_at


def prediction_in_files(folder, query_id):
    """The prediction for a protein in the files of a run, as a row of ``predictions`` would have it; None if none.

    Proteins whose search failed have it there, but not in the store.
    """
    try:
        run = load_run(folder)
        member = next(member for member in run.members.values() if member.query_id == query_id)
    except (OSError, UserError, StopIteration):
        return None
    states, confidence = RunFiles(run).prediction(member)
    return {"md5": member.md5, "secondary_structure": states, "confidence": confidence} if states else None


def _finite(values):
    """Values as SQLite takes them: None in the place of what is infinite."""
    return values if _INFINITE.isdisjoint(values) else [None if value in _INFINITE else value for value in values]


def _superfamily(found):
    """One of the ``superfamilies`` as the store has it."""
    return "" if found in (NOT_IN_CATH, NOT_MAPPED) else found


def _real(text):
    return None if text in _NO_NUMBER else float(text)
