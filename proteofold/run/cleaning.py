"""Removing what is not needed any more: shared results that no run uses, and what killed starts have left in a run."""

import contextlib
import os
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from proteofold.run.layout import ALIGNMENTS, PREDICTIONS, SEARCHES, SHARED, RunFolder, SearchFolder
from proteofold.run.lock import claim_run
from proteofold.run.manifest import load_run
from proteofold.science.search import SCRATCH
from proteofold.system.files import is_aside

# Of the files in the shared folders (layout.py); those that end another one come later.
_ENDINGS = (
    *(".hhr.gz", ".a3m.gz", ".search.log", ".summary.log", ".align.log"),
    *(".out", ".tsv", ".log", ".fas", ".horiz"),
)


@dataclass
class Unused:
    """Files that no run uses: of how many results and predictions they are, and their bytes.

    Of a result that is used, the summaries of earlier versions are counted as 'summaries'.
    """

    files: list = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)  # 'results', 'predictions', 'alignments', 'summaries'
    size: int = 0

    def add(self, kind, paths):
        """Take up the files of a result or a prediction."""
        self.counts[kind] += 1
        self.files += paths
        self.size += sum(path.stat().st_size for path in paths)


def find_unused(results):
    """What no run of a results folder lists, and summaries of earlier versions: an Unused.

    Takes the lock of every run, and holds it until this process ends, so that no run begins to use what is about to be
    removed. UserError if a run is being worked on, or is damaged: what it lists is not known.
    """
    results = Path(results)
    listed = {}
    for path in sorted(results.iterdir()):
        folder = RunFolder(path)
        if path.name != SHARED and (folder.lock.exists() or _is_described(folder)):
            claim_run(path)
            if not _is_described(folder):  # its start failed
                continue
            run = load_run(path)
            listed.setdefault(run.search.path.name, set()).update(run.by_entry)
            listed.setdefault(run.predictions.path.name, set()).update(m.batch for m in run.members.values())
            if run.alignments:
                listed.setdefault(run.alignments.path.name, set()).update(run.by_entry)
    unused = Unused()
    for kind, folder in (("results", SEARCHES), ("predictions", PREDICTIONS), ("alignments", ALIGNMENTS)):
        for path in sorted((results / SHARED / folder).glob("*")):
            earlier = SearchFolder(path).earlier_out_folders if folder == SEARCHES else ()
            for name, files in _files_by_name(path).items():
                if name not in listed.get(path.name, ()):
                    unused.add(kind, files)
                elif summaries := [file for file in files if file.parents[1] in earlier]:
                    unused.add("summaries", summaries)
    return unused


def _is_described(folder):
    return any(path.exists() for path in (folder.config, folder.settings, folder.manifest))


def remove_unused(results, unused):
    """Remove what was found, and the folders that are empty then."""
    for path in unused.files:
        path.unlink(missing_ok=True)
    for parent in (Path(results) / SHARED).glob("*/*"):
        for folder, _, _ in os.walk(parent, topdown=False):
            if not any(Path(folder).iterdir()):
                Path(folder).rmdir()
        if [path.name for path in parent.glob("*")] == ["settings.json"]:
            shutil.rmtree(parent)


def _files_by_name(folder):
    """The files below a folder by the entry or the batch that they belong to: what their names begin with."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            if parent != str(folder):  # settings.json
                stem = name.lstrip(".")
                for ending in _ENDINGS:
                    stem = stem.removesuffix(ending)
                found.setdefault(stem, []).append(Path(parent, name))
    return found


def remove_old_temporary(folder, before):
    """Remove what killed starts have left half written in a RunFolder: what is from before a time (s since 1970)."""
    for parent, _, names in os.walk(folder.path):
        for name in filter(is_aside, names):
            _remove_if_older(Path(parent, name), before)
    for scratch in folder.a3m_folder.glob(f"*/{SCRATCH}*"):
        _remove_if_older(scratch, before)


def remove_old_a3m(folder, before):
    """Remove the ``.a3m`` files in a RunFolder that killed starts have left: those from before a time (s since 1970).

    A newer one was requested by its name.
    """
    for path in folder.a3m_folder.glob("*/*.a3m"):
        _remove_if_older(path, before)
    for empty in (*folder.a3m_folder.glob("*"), folder.a3m_folder):
        with contextlib.suppress(OSError):  # it is not empty
            empty.rmdir()


def _remove_if_older(path, before):
    with contextlib.suppress(OSError):  # what stays does no harm
        if path.stat().st_mtime < before:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
