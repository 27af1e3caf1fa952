"""The results of a run from the files of its proteins: rows are streamed, in the order of the input."""

import contextlib
import csv
import gzip
import json
import math
import os
import shutil
from collections import Counter
from dataclasses import dataclass

from proteofold import hits
from proteofold.disks import disk_error
from proteofold.failures import FAILURE_COLUMNS, failure_of, is_unfinished
from proteofold.files import write_aside
from proteofold.process import read_usage
from proteofold.runs import load_run

MERGED = ("merge_results.csv", "best_hits.csv", "profile_output.csv", "hits.csv.gz", "failed.csv")

OUTDATED = (
    "search",
    "its result was damaged, of an earlier sequence or of other settings and was discarded: the same command searches "
    "it again",
    "",
)


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


def merge_run(path, interrupted=False):
    """Write the merged files of a run from what is there; returns the counts of proteins, which add up.

    A protein without a result becomes a row of failed.csv, but in an interrupted run only if it really failed: the
    others are counted as unfinished. ``overview.json`` is written only when all have results: it is the file by which
    Snakemake knows that merging is done.
    """
    run = load_run(path)
    overview = run.folder.path / "overview.json"
    overview.unlink(missing_ok=True)
    counts = Counter(proteins=len(run.members), with_hit=0, without_hit=0, failed=0)
    std, gmean = _Mean(), _Mean()
    with contextlib.ExitStack() as stack:
        results, best, failed = (
            csv.writer(stack.enter_context(_replacing(run.folder.path / name)), lineterminator="\n")
            for name in ("merge_results.csv", "best_hits.csv", "failed.csv")
        )
        all_hits = stack.enter_context(_replacing(run.folder.path / "hits.csv.gz", binary=True))
        results.writerow(hits.SUMMARY_COLUMNS)
        best.writerow(("fasta_id", "best_hit_id"))
        failed.writerow(FAILURE_COLUMNS)
        all_hits.write(hits.hits_csv_gz_header())
        for member in run.members.values():
            found = whole_result(run, member)
            if found is None:
                outdated = _discard_outdated(run, member)
                failure = (member.query_id, *OUTDATED) if outdated else failure_of(run, member)
                if interrupted and (outdated or is_unfinished(failure[2])):
                    counts["unfinished"] += 1
                    continue
                failed.writerow(failure)
                counts["failed"] += 1
                continue
            row, _ = found
            results.writerow(row)
            best.writerow(row[:2])
            std.add(row[5])
            gmean.add(row[6])
            counts["without_hit" if row[4] == "nan" else "with_hit"] += 1
            with open(run.folder.hits(member.protein), "rb") as member_hits:
                shutil.copyfileobj(member_hits, all_hits)
    write_aside(run.folder.path / "profile_output.csv", f"ave_std,ave_gmean\n{std},{gmean}\n")
    if not counts["failed"] + counts["unfinished"]:
        write_aside(overview, json.dumps(counts, indent=2) + "\n")
    return dict(counts)


def whole_result(run, member):
    """The row of a member's ``.out`` and that of its usage table, or None if it has no result that may be merged.

    It may if it is whole, of the member's sequence and of the run's settings.
    """
    try:
        (usage,) = read_usage(run.folder.usage("search_templates", member.protein))
        hits_size = run.folder.hits(member.protein).stat().st_size
        if usage["result_key"] != run.result_key(member) or not hits_size:
            return None
        with open(run.folder.out(member.protein), encoding="utf-8", newline="") as handle:
            header, row = csv.reader(handle)
    except (FileNotFoundError, KeyError, ValueError, csv.Error):
        return None  # not there, or damaged: a power cut can leave files empty
    return (row, usage) if tuple(header) == hits.SUMMARY_COLUMNS and len(row) == len(header) else None


def _discard_outdated(run, member):
    """Remove the ``.out`` that may not be merged, so that the next start makes it again."""
    try:
        run.folder.out(member.protein).unlink()
    except FileNotFoundError:
        return False
    return True


@contextlib.contextmanager
def _replacing(path, binary=False):
    """A file open for writing that takes its place when the block ends well, and leaves none when it does not."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(aside, "wb") if binary else open(aside, "w", encoding="utf-8", newline="") as handle:
            yield handle
        aside.replace(path)
    except OSError as error:
        raise disk_error(error, path) or error from None
    finally:
        aside.unlink(missing_ok=True)


def read_hits(path):
    """Yield the rows of a ``hits.csv.gz`` as dicts of text."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as handle:
        yield from csv.DictReader(handle)
