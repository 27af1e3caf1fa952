"""Where everything below ``results/`` lies. Nothing here reads or writes.

Results are stored by what they depend on and shared by all runs; a run's own folder holds what was asked for and the
merged tables (docs/output.md).
"""

import re
from pathlib import Path

from proteofold.run.rules import LIBRARY
from proteofold.science.summary import SUMMARY_VERSION

RESULTS = Path("results")
SHARED = "shared"  # no name for a run
PREDICTIONS, ALIGNMENTS, SEARCHES = "predictions", "alignments", "searches"  # what is shared
LIBRARY_LOG = f"logs/{LIBRARY.name}.log"  # in a run's folder

_NOT_IN_FOLDER_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


def digits_of(entry):
    """The two digits by which the files of an entry are spread over folders: the first of its checksum."""
    return entry.rpartition("-")[2][:2]


def folder_name(text):
    """A text as part of a folder's name: letters, digits and ``. _ -``, at most 40 characters, no dot at the start."""
    return _NOT_IN_FOLDER_NAMES.sub("_", text).lstrip(".-")[:40] or "unnamed"


class _SharedFolder:
    """A folder that all runs share, named by what its files depend on; ``settings.json`` has the same in words."""

    def __init__(self, path):
        self.path = Path(path)
        self.settings = self.path / "settings.json"

    @property
    def name(self):
        """What the files depend on, as one name."""
        return self.path.name


class PredictionFolder(_SharedFolder):
    """``results/shared/predictions/<weights>``: secondary structure, by batches of proteins."""

    def __init__(self, path):
        super().__init__(path)
        self.fasta_folder, self.horiz_folder = self.path / "fas", self.path / "horiz"

    def fasta(self, batch):
        return self.fasta_folder / f"{batch}.fas"

    def horiz(self, batch):
        return self.horiz_folder / f"{batch}.horiz"

    def usage(self, batch):
        return self.path / "usage" / f"{batch}.tsv"

    def log(self, batch):
        return self.path / "logs" / f"{batch}.log"


class AlignmentFolder(_SharedFolder):
    """``results/shared/alignments/<alignments>``: each query aligned with its relatives in a sequence database."""

    def a3m(self, entry):
        return self.path / f"a3m/{digits_of(entry)}/{entry}.a3m.gz"

    def usage(self, entry):
        return self.path / f"usage/{digits_of(entry)}/{entry}.tsv"

    def log(self, entry):
        return self.path / f"logs/{digits_of(entry)}/{entry}.align.log"


class SearchFolder(_SharedFolder):
    """``results/shared/searches/<search>``: what the search of each protein found, and its summary."""

    def __init__(self, path):
        super().__init__(path)
        self.out_folder = self.path / f"out-{SUMMARY_VERSION}"

    @property
    def earlier_out_folders(self):
        """The summaries of earlier versions, which nothing reads any more."""
        return [self.path / f"out-{version}" for version in range(1, SUMMARY_VERSION)]

    def hhr(self, entry):
        return self.path / f"hhr/{digits_of(entry)}/{entry}.hhr.gz"

    def out(self, entry):
        return self.out_folder / f"{digits_of(entry)}/{entry}.out"

    def usage(self, entry):
        return self.path / f"usage/{digits_of(entry)}/{entry}.tsv"

    def log(self, step, entry):
        """The log of ``search`` or ``summary``."""
        return self.path / f"logs/{digits_of(entry)}/{entry}.{step}.log"


class RunFolder:
    """``results/<run>``: what was asked for, and the tables and pages made of the results."""

    def __init__(self, path):
        self.path = Path(path)
        self.config = self.path / "config.yaml"  # the whole configuration; serves as --configfile again
        self.settings = self.path / "settings.json"  # what its results depend on, and where they lie
        self.manifest = self.path / "manifest.tsv"  # its proteins, in the order of the input
        self.overview = self.path / "overview.json"  # counts, and checksums of the merged tables
        self.report = self.path / "report"
        self.logs = self.path / "logs"
        self.a3m_folder = self.path / "a3m"
        self.blocks = self.path / "blocks"  # the hits of up to a thousand proteins that are all done
        self.marks = self.path / "marks"  # what the merged tables were made of, as names of empty files
        self.lock = self.path / ".lock"  # held by the Snakemake process that works on the run
        self.slurm = self.path / "slurm"  # what the head and Slurm know of the run's jobs

    @property
    def name(self):
        """The name of the run."""
        return self.path.name

    @property
    def shared(self):
        """The folder that all runs share."""
        return self.path.parent / SHARED

    def search(self, name):
        """The SearchFolder of this name that all runs share."""
        return SearchFolder(self.shared / SEARCHES / name)

    def predictions(self, name):
        """The PredictionFolder of this name that all runs share."""
        return PredictionFolder(self.shared / PREDICTIONS / name)

    def alignments(self, name):
        """The AlignmentFolder of this name that all runs share."""
        return AlignmentFolder(self.shared / ALIGNMENTS / name)

    def a3m(self, made_of, entry):
        """What is searched with; ``made_of`` names what it depends on."""
        return self.a3m_folder / made_of / f"{entry}.a3m"

    def block(self, name):
        return self.blocks / f"{name}.csv.gz"

    def block_verdicts(self, name):
        return self.blocks / f"{name}.verdicts.jsonl.gz"

    def log(self, rule, name):
        return self.logs / rule / f"{name}.log"
