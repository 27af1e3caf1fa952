"""Copying the results of other runs into a run, and watching over what was copied.

Snakemake has no record of these files, so a change of settings would not make it replace them: the list in
``reused.tsv`` does. It is written before the first file, and a protein is in the manifest only after the last: what a
killed head left is known by that, removed, and copied again.
"""

import contextlib
import csv
import io
import os
import zlib
from collections import namedtuple
from dataclasses import dataclass, field

from proteofold import hits
from proteofold.alignments import looks_whole
from proteofold.errors import UserError
from proteofold.files import existing_names, write_aside, write_if_changed
from proteofold.merge import whole_result
from proteofold.process import DONE_MARK
from proteofold.psipred import format_horiz
from proteofold.reuse import UNREADABLE, computed_in
from proteofold.runs import kept_files
from proteofold.store.results import batch_predictions

SEARCH, PREDICTION = "search_templates", "predict_secondary_structure"


class TakenFile(namedtuple("TakenFile", "rule name key reused_from")):
    """A row of ``reused.tsv``: a file that no job of this run made.

    It is the ``.out`` of a protein (rule search_templates) or the ``.horiz`` of a batch (predict_secondary_structure).
    ``key`` is the checksum of what it depends on; ``reused_from`` the run that computed it, '' for a batch.
    """

    __slots__ = ()

    def path(self, folder):
        return folder.out(self.name) if self.rule == SEARCH else folder.horiz(self.name)


@dataclass(slots=True)
class Taken:
    """What ``take_over`` did: the proteins it took (-> run that computed them), the outputs of jobs that it wrote in
    their place, and all proteins of the run that were taken, now or at an earlier start."""

    now: dict = field(default_factory=dict)
    outputs: list = field(default_factory=list)
    ever: dict = field(default_factory=dict)


def taken_before(run):
    """The proteins of the run whose results were taken at an earlier start and are good still: protein -> run."""
    return _computed_elsewhere(run, _still_good(run))


def outdated(run):
    """How many results that the run took earlier do not fit its settings any more."""
    wrong = set(_read_list(run.folder)) - set(_still_good(run))
    begun = {member.protein for member in run.history}
    return sum(file.rule == SEARCH and file.name in begun and file.path(run.folder).exists() for file in wrong)


def taken_predictions(folder):
    """Paths of the predictions that were taken from other runs, or were to be."""
    return [file.path(folder) for file in _read_list(folder) if file.rule == PREDICTION]


def take_over(run):
    """Bring the taken files of a run up to date before its jobs are planned; returns Taken.

    Files that were taken earlier and do not fit any more are removed, so that jobs make them. Then the results of
    ``run.sources`` are copied; what proves damaged is left for the jobs. Only for the head that holds the run.
    """
    listed, good = _read_list(run.folder), _still_good(run)
    for file in set(listed) - set(good):
        file.path(run.folder).unlink(missing_ok=True)
    _write_list(run.folder, good + _to_be_taken(run))
    taken, copied = Taken(), []
    for batch in run.new_batches:
        members = [run.members[query.protein] for query in run.new_batches[batch]]
        if members[0].protein in run.sources:
            copied += _take_batch(run, batch, members, taken)
    _write_list(run.folder, good + copied)
    taken.now, taken.ever = _computed_elsewhere(run, copied), _computed_elsewhere(run, good + copied)
    return taken


def _computed_elsewhere(run, files):
    return {file.name: file.reused_from for file in files if file.rule == SEARCH and file.name in run.members}


def _still_good(run):
    """The files of the list that are there and are what today's run needs."""
    outs, horizs = (existing_names(path_of("x").parent) for path_of in (run.folder.out, run.folder.horiz))
    there = {SEARCH: outs, PREDICTION: horizs}
    # what is not in the manifest was left by a head that was killed while it took results
    begun = {SEARCH: {m.protein for m in run.history}, PREDICTION: {m.batch for m in run.history}}

    def needed(file):
        if file.rule == PREDICTION:
            return file.key == run.prediction_key
        if file.name not in run.members:
            return True  # it has left the run and may come back
        return file.key == run.result_key(run.members[file.name]) and not kept_files(run.settings)

    return [
        file
        for file in _read_list(run.folder)
        if file.name in begun[file.rule] and file.path(run.folder).name in there[file.rule] and needed(file)
    ]


def _to_be_taken(run):
    batches = dict.fromkeys(run.members[protein].batch for protein in run.sources)
    return [TakenFile(PREDICTION, batch, run.prediction_key, "") for batch in batches] + [
        TakenFile(SEARCH, protein, run.result_key(run.members[protein]), source.computed_in)
        for protein, source in run.sources.items()
    ]


def _take_batch(run, batch, members, taken):
    """Copy what the members of a batch have elsewhere; returns the TakenFiles, none if a prediction is damaged."""
    results = {}
    try:
        predictions = [_prediction(run.sources[member.protein]) for member in members]
        for member in members:
            with contextlib.suppress(*UNREADABLE):
                results[member] = _read_result(run, member, run.sources[member.protein])
        # not newer than any result, which keep the time at which they were computed: else Snakemake searches again
        made_at = min(result.searched_at for result in results.values())
    except UNREADABLE:
        return []
    horiz = run.folder.horiz(batch)
    write_aside(horiz, "".join(map(format_horiz, predictions)))
    os.utime(horiz, ns=(made_at, made_at))
    taken.outputs += [horiz, run.folder.usage(PREDICTION, batch)]
    for member, result in results.items():
        _write_result(run, member, result)
        folder, protein = run.folder, member.protein
        taken.outputs += [folder.out(protein), folder.hits(protein), folder.alignments(protein)]
        taken.outputs.append(folder.usage(SEARCH, protein))
    return [TakenFile(PREDICTION, batch, run.prediction_key, "")] + [
        TakenFile(SEARCH, member.protein, result.usage["result_key"], result.usage["reused_from"])
        for member, result in results.items()
    ]


def _prediction(source):
    path = str(source.run.folder.horiz(source.member.batch))
    return batch_predictions(path, os.stat(path).st_mtime_ns)[source.member.md5]


@dataclass(frozen=True, slots=True)
class _Result:
    """The contents of a protein's result files as they stand in the run that takes them."""

    out: str
    hits: bytes
    alignments: bytes
    usage: dict
    searched_at: int  # nanoseconds since 1970
    log: str


def _read_result(run, member, source):
    """The _Result of a source for a member; one of UNREADABLE if it is not whole any more."""
    found = whole_result(source.run, source.member)
    if found is None:
        raise UserError(f"{source.run.folder.path}: the result of {source.member.protein} is not whole any more")
    row, usage = found
    summary = hits.Summary(member.query_id, *row[1:4], *map(float, row[4:]))
    data = source.run.folder.hits(source.member.protein).read_bytes()
    text = zlib.decompress(data, wbits=31).decode()  # fails where the file is damaged
    if member.query_id != source.member.query_id:
        data = hits.hits_csv_gz(member.query_id, [row[1:] for row in csv.reader(io.StringIO(text, newline=""))])
    alignments = source.run.folder.alignments(source.member.protein).read_bytes()
    if not looks_whole(alignments):
        raise UserError(f"{source.run.folder.path}: the alignments of {source.member.protein} are damaged")
    origin = computed_in(source.run, usage)
    log = (
        f"The result of {source.member.query_id} was taken from run {origin}, which searched the same sequence "
        f"with the same settings. It lay in {source.run.folder.path}.\n{DONE_MARK}\n"
    )
    usage = usage | {"result_key": run.result_key(member), "reused_from": origin}
    searched_at = source.run.folder.usage(SEARCH, source.member.protein).stat().st_mtime_ns
    return _Result(hits.format_summary(summary), data, alignments, usage, searched_at, log)


def _write_result(run, member, result):
    """Write the files of a protein; its ``.out``, by which Snakemake knows that it is done, goes first and comes last.

    Without that an earlier ``.out`` could stand beside the usage table that vouches for the new one.
    """
    folder, protein = run.folder, member.protein
    folder.out(protein).unlink(missing_ok=True)
    write_aside(folder.hits(protein), result.hits)
    write_aside(folder.alignments(protein), result.alignments)
    usage = folder.usage(SEARCH, protein)
    write_aside(usage, "\t".join(result.usage) + "\n" + "\t".join(result.usage.values()) + "\n")
    os.utime(usage, ns=(result.searched_at, result.searched_at))
    write_aside(folder.log(SEARCH, protein), result.log.encode(errors="backslashreplace"))
    write_aside(folder.out(protein), result.out)


def _read_list(folder):
    try:
        _, *lines = folder.reused.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, ValueError):
        return []
    rows = (line.split("\t") for line in lines)
    return [TakenFile(*row) for row in rows if len(row) == len(TakenFile._fields) and row[0] in (SEARCH, PREDICTION)]


def _write_list(folder, files):
    if files or folder.reused.exists():
        lines = ["\t".join(row) for row in (TakenFile._fields, *files)]
        write_if_changed(folder.reused, "\n".join(lines) + "\n")
