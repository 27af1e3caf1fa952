"""What is downloaded of a run: tables, report, alignments and predictions as a zip file; logs as text."""

import io
import os
import time
import zipfile
from collections import Counter
from pathlib import Path

from proteofold.report.draw import REPORT_FILES
from proteofold.run.failures import batch_logs, protein_logs
from proteofold.run.manifest import load_run
from proteofold.run.merge import MERGED
from proteofold.run.results import DamagedError, read_out, read_packed_hhr
from proteofold.service.heads import log_files
from proteofold.store.queries import NotFoundError
from proteofold.store.run_files import a3m_of
from proteofold.system.errors import UserError
from proteofold.system.files import open_unlinked

_LONGEST_LOG = 256 << 10
_PIECE = 1 << 20
_FIRST_DATE, _LAST_DATE = (1980, 1, 1, 0, 0, 0), (2107, 12, 31, 23, 59, 58)
_REPORT_NAMES = frozenset(file.name for file in REPORT_FILES)

_CONTENTS = {
    "merge_results.csv": "one row a protein: best hit, E-value, score, statistics of the scores, domains, coverage",
    "best_hits.csv": "protein and template of its best hit",
    "profile_output.csv": "means over all proteins: ave_std, ave_gmean",
    "hits.csv.gz": "all hits of all proteins",
    "domains.csv": "regions of each protein with a known fold, and their templates",
    "domains.gff3": "the same as GFF3, for genome browsers",
    "verdicts.csv": "what is known of each protein: coverage class, coverage, and one sentence",
    "proteome_summary.json": "the run at a glance: coverage classes, domains, top templates, dark proteins",
    "proteome_summary.csv": "the same as one table",
    "failed.csv": "proteins without a result: step, reason, log",
}


def run_zip(folder, stream):
    """Write a zip file of a run's results and a README to a stream; only ``stream.write`` is called.

    ``folder`` is the run's folder. Tables that are missing, because the run is running or was interrupted, are named in
    the README. Then come the report, and alignments and predictions of each finished protein: one that is damaged or
    was removed is left out. Raises NotFoundError, before anything is written, if there is no table at all.
    """
    folder = Path(folder)
    tables = [name for name in MERGED if _is_file(folder / name)]
    if not tables:
        raise NotFoundError(f"Run {folder.name} has no results to download yet.")
    with open_zip(stream) as archive:
        archive.writestr(zip_entry(f"{folder.name}/README.txt", time.time()), _readme(folder, tables))
        for name in tables:
            _add(archive, folder / name, f"{folder.name}/{name}")
        for path in _report(folder):
            _add(archive, path, f"{folder.name}/{path.relative_to(folder)}")
        _add_proteins(archive, folder)


def copy_file(path, stream):
    """Write a file to a stream; OSError for a link, in whose place jobs can put one."""
    with open_unlinked(path) as source:
        while piece := source.read(_PIECE):
            stream.write(piece)


def report_file(folder, name):
    """The bytes of a file of a run's report; NotFoundError if there is none, or a link leads elsewhere.

    ``folder`` is the run's folder, in which jobs write.
    """
    path = Path(folder) / "report" / name
    if name not in _REPORT_NAMES or path.parent.is_symlink() or not _is_file(path):
        raise NotFoundError(f"The report of {Path(folder).name!r} has no page {name!r}.")
    with open_unlinked(path) as file:
        return file.read()


def job_log(folder, step, name, lines=200):
    """The last lines of the log of a step of a run; NotFoundError if there is none.

    ``folder`` is the run's folder, ``step`` one of those of failed.csv (failures.failure_of), ``name`` the file stem of
    a protein of the run (fasta.protein_stem) or one of its batches.
    """
    try:
        run = load_run(folder)
    except (UserError, OSError):
        raise NotFoundError(f"There is no run in {folder}.") from None
    member, logs = run.members.get(name), {}
    batch = member.batch if member else name
    if batch and any(one.batch == batch for one in run.members.values()):
        logs |= batch_logs(run, batch)
    if member:
        logs |= protein_logs(run, member)
    if step not in logs:
        raise NotFoundError(f"There is no log of step {step[:80]!r} of {name[:80]!r}.")
    return _tail(logs[step], lines)


def head_log(platform, run_id, lines=200):
    """The last lines that the head of a run's latest start printed; NotFoundError if there is none."""
    found = log_files(platform, run_id)
    if not found:
        raise NotFoundError(f"There is no log of a head of run {run_id!r}.")
    return _tail(found[-1], lines)


def _tail(path, lines):
    try:
        with open_unlinked(path) as handle:
            handle.seek(max(handle.seek(0, os.SEEK_END) - _LONGEST_LOG, 0))
            text = handle.read().decode(errors="replace")
    except OSError:
        raise NotFoundError(f"There is no log {path.parent.name}/{path.name}.") from None
    return "".join(line + "\n" for line in text.splitlines()[-lines:])


def _report(folder):
    """The files of the report's pages, links left out."""
    report = folder / "report"
    paths = sorted(report.rglob("*")) if report.is_dir() and not report.is_symlink() else []
    return [path for path in paths if _is_file(path)]


def _is_file(path):
    return path.is_file() and not path.is_symlink()


def _add(archive, path, name):
    """Add a file as it is when it is opened: a merge in progress moves another into its place."""
    with open_unlinked(path) as source:
        entry = zip_entry(name, os.fstat(source.fileno()).st_mtime)
        if name.endswith((".gz", ".png")):
            entry.compress_type = zipfile.ZIP_STORED
        with archive.open(entry, "w", force_zip64=True) as target:
            while piece := source.read(_PIECE):
                target.write(piece)


def _add_proteins(archive, folder):
    """Add the alignments and the prediction of each finished protein, those of a batch together."""
    try:
        run = load_run(folder)
    except (UserError, OSError):
        return
    finished = run.done()
    # where names differ in case only, one would take the place of the other on Windows and macOS
    with_name = Counter(member.protein.lower() for member in run.members.values())
    for member in sorted(run.members.values(), key=lambda member: member.batch):
        if member.entry not in finished:
            continue
        try:
            alignments = read_packed_hhr(run.search, member.entry, read_out(run.search, member.entry))
            made = run.search.hhr(member.entry).stat().st_mtime
            name = member.protein if with_name[member.protein.lower()] == 1 else member.entry
            stored = zip_entry(f"{folder.name}/alignments/{name}.hhr.gz", made)
            stored.compress_type = zipfile.ZIP_STORED
            archive.writestr(stored, alignments)
            archive.writestr(zip_entry(f"{folder.name}/predictions/{name}.a3m", made), a3m_of(run, member))
        except (DamagedError, NotFoundError, OSError):
            continue


def open_zip(stream):
    """A zip file that is written to a stream, of which only ``write`` is called."""
    return zipfile.ZipFile(_OneWay(stream), "w", zipfile.ZIP_DEFLATED, compresslevel=6)


def zip_entry(name, seconds):
    """A file of a zip, by its name and when it was changed, in seconds since 1970."""
    # a zip holds no other dates; a clock that was wrong must not cost the download
    changed = min(max(time.gmtime(seconds)[:6], _FIRST_DATE), _LAST_DATE)
    entry = zipfile.ZipInfo(name, changed)
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    return entry


def _readme(folder, tables):
    lines = [f"Results of the proteofold run {folder.name}.", ""]
    lines += [f"{name}: {_CONTENTS[name]}" for name in tables]
    if (folder / "report").is_dir():
        lines.append("report/: the pages of the report; open the .html files in a browser")
    lines += [
        "alignments/: what hhsearch reported of each protein, as .hhr.gz",
        "predictions/: what was searched with, as .a3m: each protein with its predicted secondary structure",
    ]
    if missing := [name for name in MERGED if name not in tables]:
        lines += ["", f"Missing, because the run is running or was interrupted: {', '.join(missing)}"]
    return "\n".join([*lines, "", "Columns and units: docs/output.md of proteofold.", ""])


class _OneWay(io.RawIOBase):
    """A stream that can only be written to, so that zipfile does not go back in it."""

    def __init__(self, stream):
        self._stream = stream

    def writable(self):
        return True

    def write(self, data):
        self._stream.write(bytes(data))
        return len(data)
