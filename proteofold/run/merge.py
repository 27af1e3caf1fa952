"""The tables of a run from the results of its proteins, in the order of the input."""

import contextlib
import csv
import hashlib
import io
import json
import math
import shutil
from collections import Counter
from dataclasses import dataclass

from proteofold.formats.gff3 import GFF3_HEADER
from proteofold.formats.hits_csv import hits_csv_gz, hits_csv_gz_header
from proteofold.run.failures import DAMAGED, FAILURE_COLUMNS, NOT_STARTED, failure_of, is_unfinished
from proteofold.run.layout import RunFolder
from proteofold.run.manifest import load_run, read_settings
from proteofold.run.parts import failures_of_parts
from proteofold.run.proteome import PROTEOME_FILES, Proteome
from proteofold.run.results import DamagedError, done, read_hits, read_out, remove, sha256
from proteofold.run.rules import PREDICTION, SEARCH, SUMMARY
from proteofold.run.verdicts import (
    DOMAIN_TABLE_COLUMNS,
    SUMMARY_VALUES,
    VERDICT_COLUMNS,
    format_judged,
    judged,
    read_judged,
    superfamilies_of,
    table_rows,
)
from proteofold.science.batches import damaged_files
from proteofold.science.summary import SUMMARY_COLUMNS
from proteofold.system.disks import describe
from proteofold.system.errors import UserError
from proteofold.system.files import existing_names, replacing, write_aside

MERGED = (
    *("merge_results.csv", "best_hits.csv", "profile_output.csv", "hits.csv.gz", "domains.csv", "domains.gff3"),
    *("verdicts.csv", "failed.csv", *PROTEOME_FILES),
)

_PIECE = 1 << 20


@dataclass(slots=True)
class _Mean:
    total: float = 0.0
    count: int = 0

    def add(self, text):
        value = float(text)
        if not math.isnan(value):
            self.total += value
            self.count += 1

    def __str__(self):
        return f"{self.total / self.count:.2f}" if self.count else "nan"


def collect_block(path, name):
    """Collect hits and domains of a block of proteins that are all done; returns those that fail: id -> reason.

    A damaged result is removed. Where one fails the block is not written.
    """
    run = load_run(path)
    if name not in run.blocks:
        raise UserError(f"{path} has no block {name}: its manifest lists other proteins than the run that was started.")
    run.folder.block(name).unlink(missing_ok=True)
    outs, failures, _ = _outs_with_hits(run, name, run.done(), io.BytesIO())
    failed = [member for member in run.blocks[name] if member.entry not in outs]
    return {member.query_id: failures[member.entry][2] if member.entry in failures else DAMAGED for member in failed}


def merge_run(path, marks=(), interrupted=False):
    """Write the merged files of a run from what is there; returns the counts of proteins, which add up.

    ``marks`` are names of the files that stand for what the tables are made of; marks of other names are removed.

    A protein without a result becomes a row of failed.csv, one whose result is damaged, too: it is removed. What a part
    of the run (parts.py) says of a protein counts where the run itself has not started it. In an ``interrupted`` run
    only those that really failed are listed; the others are counted as unfinished. ``overview.json`` holds the counts
    and the checksums of the tables, by which the next start knows that they are whole.
    """
    run = load_run(path)
    folder, finished = run.folder, run.done()
    of_damaged_batches = _remove_damaged_predictions(run, finished)
    counts = Counter(proteins=len(run.members), with_hit=0, without_hit=0, failed=0)
    std, gmean, proteome = _Mean(), _Mean(), Proteome()
    of_parts = failures_of_parts(run)
    with contextlib.ExitStack() as stack:
        results, best, domains, verdicts, failed = (
            csv.writer(stack.enter_context(_replacing_table(folder.path / name)), lineterminator="\n")
            for name in ("merge_results.csv", "best_hits.csv", "domains.csv", "verdicts.csv", "failed.csv")
        )
        features = stack.enter_context(_replacing_table(folder.path / "domains.gff3"))
        aside = stack.enter_context(replacing(folder.path / "hits.csv.gz"))
        all_hits = stack.enter_context(open(aside, "wb"))
        results.writerow((*SUMMARY_COLUMNS, *SUMMARY_VALUES))
        best.writerow(("fasta_id", "best_hit_id"))
        domains.writerow(DOMAIN_TABLE_COLUMNS)
        verdicts.writerow(VERDICT_COLUMNS)
        failed.writerow(FAILURE_COLUMNS)
        features.write(GFF3_HEADER)
        all_hits.write(hits_csv_gz_header())
        for name, members in run.blocks.items():
            outs, damaged, all_judged = _outs_with_hits(run, name, finished, all_hits)
            for member in members:
                if out := outs.get(member.entry):
                    found = all_judged[member.entry]
                    results.writerow((*out.row, *found.summary_values))
                    rows = found.domain_rows(member.query_id)
                    classes = superfamilies_of(run, rows)
                    proteome.add(member, found, classes)
                    domains.writerows(table_rows(run, rows, classes))
                    features.write(found.gff3(member.query_id, member.length))
                    verdicts.writerow(found.verdict_row(member.query_id, member.length))
                    best.writerow(out.row[:2])
                    std.add(out.row[5])
                    gmean.add(out.row[6])
                    counts["without_hit" if out.row[4] == "nan" else "with_hit"] += 1
                    continue
                failure = damaged.get(member.entry) or failure_of(run, member)
                if failure[2] == NOT_STARTED:
                    failure = of_parts.get(member.query_id, failure)
                if member.batch in of_damaged_batches:
                    failure = (member.query_id, PREDICTION.step, of_damaged_batches[member.batch], failure[3])
                if interrupted and is_unfinished(failure[2]):
                    counts["unfinished"] += 1
                else:
                    failed.writerow(failure)
                    counts["failed"] += 1
                    if failure[1] == SEARCH.step:  # its .a3m may be damaged, which a search cannot always tell
                        with contextlib.suppress(OSError):
                            run.a3m(member.entry).unlink()
    write_aside(folder.path / "profile_output.csv", f"ave_std,ave_gmean\n{std},{gmean}\n")
    proteome.write(run)
    overview = dict(counts) | {"sha256": {name: _checksum(folder.path / name) for name in MERGED}}
    write_aside(folder.overview, json.dumps(overview, indent=2) + "\n")
    of_blocks = [path_of(name).name for name in run.blocks for path_of in (folder.block, folder.block_verdicts)]
    _remove_others(folder.blocks, of_blocks)
    if marks:
        _remove_others(folder.marks, marks)
    return dict(counts)


def _outs_with_hits(run, name, finished, all_hits):
    """By entry, the Outs of a block's members, the rows of failed.csv of damaged ones, and what is Judged of the Outs.

    The hits of all members with an Out are written to a file. They and the verdicts are taken from the block where that
    is whole, was made of these results, and none is missing; otherwise the block is written. One of which a result is
    missing is removed, because its tables lack that result: the next start merges again.
    """
    block, members = run.folder.block(name), run.blocks[name]
    outs, damaged, collected, verdicts = {}, {}, [], {}

    for member in members:
        if member.entry in finished:
            try:
                outs[member.entry] = read_out(run.search, member.entry)
            except FileNotFoundError:
                pass  # it was removed just now
            except (DamagedError, OSError) as error:
                damaged[member.entry] = _failure_of_reading(run, member, error)
    if len(outs) == len(members):
        hits_sha256, of_block = read_judged(run.folder.block_verdicts(name), name)
        results = _results(outs)
        if all(result in of_block for result in results) and _has_checksum(block, hits_sha256):
            with open(block, "rb") as handle:
                shutil.copyfileobj(handle, all_hits, _PIECE)
            return outs, damaged, {entry: of_block[entry, hhr_sha256] for entry, hhr_sha256 in results}
    for member in members:
        if member.entry in outs:
            try:
                found = read_hits(run.search, member.entry, outs[member.entry])
                collected.append(hits_csv_gz(member.query_id, found))
                verdicts[member.entry] = judged(run, member, found)
            except (DamagedError, OSError) as error:
                del outs[member.entry]
                damaged[member.entry] = _failure_of_reading(run, member, error)
    # the block first: it must not be newer than the table that is made of it
    if len(outs) == len(members):
        hits = b"".join(collected)
        of_block = {(entry, hhr_sha256): verdicts[entry] for entry, hhr_sha256 in _results(outs)}
        write_aside(run.folder.block_verdicts(name), format_judged(name, sha256(hits), of_block))
        write_aside(block, hits)
    else:
        block.unlink(missing_ok=True)
    all_hits.writelines(collected)
    return outs, damaged, verdicts


def _results(outs):
    """(entry, checksum of its ``.hhr.gz``) of each Out."""
    return [(entry, out.hhr_sha256) for entry, out in outs.items()]


def _remove_damaged_predictions(run, finished):
    """Remove the damaged files of batches whose proteins are not done; returns the reason for each of these batches.

    Here, and not in the step that finds one: jobs of the batch's other proteins have the file as their input.
    """
    damaged = {}
    for batch in {member.batch for member in run.members.values() if member.entry not in finished and member.batch}:
        for path in damaged_files(run.predictions, batch):
            try:
                path.unlink(missing_ok=True)
                damaged[batch] = DAMAGED
            except OSError as error:
                damaged[batch] = describe(error)
    return damaged


def _failure_of_reading(run, member, error):
    """Remove the damaged result of a member; returns its row of failed.csv.

    What the system did not let us read may be whole, and stays.
    """
    if isinstance(error, DamagedError):
        try:
            remove(run.search, member, str(error))
            return (member.query_id, SUMMARY.step, DAMAGED, str(run.search.log("summary", member.entry)))
        except OSError as problem:
            error = problem
    return (member.query_id, SUMMARY.step, describe(error) or str(error), "")


def new_results(folder):
    """How many results are there that the merged tables of a run lack: another run has computed them since.

    ``folder`` is that of the run; 0 if it was never merged. UserError or OSError if it is none.
    """
    try:
        with open(RunFolder(folder).path / "merge_results.csv", encoding="utf-8", newline="") as handle:
            merged = {row[0] for row in csv.reader(handle)}
    except FileNotFoundError:
        return 0
    run = load_run(folder)
    return len(done(run.search, [member.entry for member in run.members.values() if member.query_id not in merged]))


def changed_tables(run):
    """The merged tables that are not as the run left them, and what describes the run if it is not: [(name, time), …].

    Cut by a power failure, or changed manually: the next start makes them again.
    """
    folder = run.folder
    try:
        sums = json.loads(folder.overview.read_text())["sha256"]
        changed = [folder.path / name for name in MERGED if _differs(folder.path / name, sums[name])]
    except FileNotFoundError:
        return []  # never merged, or to be merged again to have the file
    except (ValueError, KeyError, TypeError):
        changed = [folder.overview]
    for path, text in ((folder.manifest, run.manifest_text), (folder.config, run.config_text)):
        if not path.exists() or _differs(path, hashlib.sha256(text.encode()).hexdigest()):
            changed.append(path)
    try:
        read_settings(folder)
    except UserError:
        changed.append(folder.settings)
    return [(path.name, path.stat().st_mtime_ns if path.exists() else 0) for path in changed]


def _differs(path, checksum):
    return path.exists() and _checksum(path) != checksum


def _has_checksum(path, checksum):
    """Whether a file can be read and has this checksum."""
    try:
        return _checksum(path) == checksum
    except OSError:
        return False


def _remove_others(folder, wanted):
    """Remove the files in a folder but for those of these names."""
    for name in existing_names(folder) - set(wanted):
        (folder / name).unlink(missing_ok=True)


def _checksum(path):
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextlib.contextmanager
def _replacing_table(path):
    """A text file open for writing that takes its place when the block succeeds."""
    with replacing(path) as aside, open(aside, "w", encoding="utf-8", newline="") as handle:
        yield handle
