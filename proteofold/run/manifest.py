"""A run: its proteins, what its results depend on, and where they lie. planning.py decides what it holds."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from operator import attrgetter

import yaml

from proteofold.run.alignments import given_alignment
from proteofold.run.layout import RunFolder
from proteofold.run.results import done
from proteofold.science import hhsuite
from proteofold.science.batches import read_batch
from proteofold.science.classification import open_classification
from proteofold.science.domains import DomainThresholds
from proteofold.science.weights import MEMORY_MB, batch_mem_mb
from proteofold.system.errors import UserError
from proteofold.system.files import write_if_changed

# Proteins whose hits are collected together when all are there: with the files of all proteins as its input a job
# takes minutes in Snakemake (docs/decisions.md).
BLOCK = 1000

# Raised when the same results give other merged tables: the next start merges again.
TABLES_VERSION = 4


@dataclass(frozen=True, slots=True)
class Member:
    """A row of the manifest.

    ``protein`` is the file-safe stem of the id, ``entry`` names its results, ``batch`` its prediction ('' if it is done
    and its prediction was removed since).
    """

    query_id: str
    protein: str
    length: int
    md5: str
    entry: str
    batch: str
    description: str = ""


# So many times as large a compressed alignment is taken to be: alike rows with many gaps.
_UNPACKED = 8

MANIFEST_COLUMNS = tuple(column.name for column in fields(Member))
_row_of = attrgetter(*MANIFEST_COLUMNS)  # dataclasses.astuple takes ten times as long, and each job on a node reads all


@dataclass
class Run:
    """A run as planned: its members by protein, in input order, its settings, and the configuration it comes from."""

    folder: RunFolder
    members: dict
    settings: dict
    config: dict = field(default_factory=dict)

    @property
    def name(self):
        """The name of the run."""
        return self.folder.name

    @cached_property
    def search(self):
        """The SearchFolder of its results."""
        return self.folder.search(self.settings["search"])

    @cached_property
    def predictions(self):
        """The PredictionFolder of its secondary structures."""
        return self.folder.predictions(self.settings["predictions"])

    @cached_property
    def alignments(self):
        """The AlignmentFolder of query alignments that the run makes; None where it makes none."""
        made = self.settings.get("msa", {}).get("alignments")
        return self.folder.alignments(made) if made else None

    @cached_property
    def database(self):
        """The sequence database of the query alignments that the run makes."""
        return hhsuite.Library(**self.settings["msa"]["library"])

    def alignment(self, member):
        """The file of a member's query alignment, made or given; None where queries are single sequences."""
        if self.alignments:
            return self.alignments.a3m(member.entry)
        if given := self.settings.get("msa", {}).get("folder"):
            return given_alignment(given, member.protein)
        return None

    def alignment_mb(self, member):
        """Memory in MB that a search takes for the relatives of its query."""
        if self.alignments:
            return hhsuite.alignment_mb(hhsuite.ALIGNED_ROWS * member.length)
        path = self.alignment(member)
        if not path or not path.exists():
            return 0
        return hhsuite.alignment_mb(path.stat().st_size * (_UNPACKED if path.suffix == ".gz" else 1))

    @property
    def made_of(self):
        """What the .a3m files depend on, as one name."""
        return ".".join(folder.name for folder in (self.predictions, self.alignments) if folder)

    def a3m(self, entry):
        """What is searched with."""
        return self.folder.a3m(self.made_of, entry)

    @cached_property
    def library(self):
        """The template library that is searched."""
        return hhsuite.Library(**self.settings["library"])

    @cached_property
    def by_entry(self):
        """entry -> Member."""
        return {member.entry: member for member in self.members.values()}

    def done(self):
        """The entries of the run whose results are there now."""
        return done(self.search, self.by_entry)

    @cached_property
    def _batch_sizes(self):
        sizes = {}
        for member in self.members.values():
            residues, longest = sizes.get(member.batch, (0, 0))
            sizes[member.batch] = (residues + member.length, max(longest, member.length))
        return sizes

    def batch_size(self, batch):
        """(residues, longest) of a batch: of its file, which another run may have written, else of the members."""
        size = self._batch_sizes[batch]
        if batch not in self._sizes_of_files and (records := read_batch(self.predictions.fasta(batch))):
            lengths = [len(record.sequence) for record in records]
            self._sizes_of_files[batch] = sum(lengths), max(lengths)
        return self._sizes_of_files.get(batch, size)

    @cached_property
    def _sizes_of_files(self):
        return {}

    def batch_mem_mb(self, batch):
        """Memory in MB of predicting a batch."""
        memory_mb = self.settings.get("memory_mb", MEMORY_MB)  # runs of before had no choice
        return batch_mem_mb(*self.batch_size(batch), memory_mb, self.settings["device"])

    @cached_property
    def blocks(self):
        """The members in blocks of neighbours, each named by what its hits depend on: name -> members."""
        members = list(self.members.values())
        parts = (members[start : start + BLOCK] for start in range(0, len(members), BLOCK))
        return {checksum([*self._results_name, *(member.entry for member in part)]): part for part in parts}

    @property
    def _results_name(self):
        """What distinguishes the tables of some results and thresholds from others, wherever the run's folder is."""
        return [self.search.name, self.search.out_folder.name, TABLES_VERSION, asdict(self.thresholds)]

    @cached_property
    def classification(self):
        """The Classification of templates that the run uses; None without one."""
        chosen = self.settings.get("classification")
        # runs are started in the folder around their results, and read from anywhere
        return open_classification(chosen and self.folder.path.absolute().parent.parent / chosen)

    @cached_property
    def thresholds(self):
        """What counts as a domain; the defaults in the folder of a run that had no choice."""
        return DomainThresholds(**self.settings.get("domains", {}))

    @cached_property
    def members_digest(self):
        """Identity of the list of proteins, order included, of where their results lie, and of the classification."""
        classification = self.settings.get("classification")
        name = self._results_name + ([classification] if classification else [])
        return checksum([name, [_row_of(member) for member in self.members.values()]])

    @property
    def config_text(self):
        """The text of config.yaml."""
        return yaml.safe_dump(self.config, sort_keys=False, allow_unicode=True)

    @property
    def manifest_text(self):
        """The text of the manifest."""
        lines = ["\t".join(MANIFEST_COLUMNS)]
        lines += ["\t".join(map(str, _row_of(member))) for member in self.members.values()]
        return "\n".join(lines) + "\n"


# What readers of a run's folder cannot do without.
_NEEDED_SETTINGS = {"run", "search", "predictions", "mode", "library"}


def load_run(path):
    """The run as its folder describes it, for processes that must not plan again (jobs on a node, readers)."""
    folder = RunFolder(path)
    settings = read_settings(folder)
    return Run(folder, {member.protein: member for member in read_members(folder.manifest)}, settings)


def read_settings(folder):
    """The settings in a RunFolder; UserError where they are missing or damaged."""
    try:
        settings = json.loads(folder.settings.read_text())
        json.dumps(settings, ensure_ascii=False, allow_nan=False).encode()  # neither NaN nor half a surrogate pair
    except FileNotFoundError:
        raise UserError(
            f"{folder.path} is not the folder of a run: {folder.settings} is missing. Name the folder of one run, such"
            " as results/demo. A workflow that imports proteofold as a module has to call its onstart (docs/usage.md).",
            topic="damaged-run",
        ) from None
    except (ValueError, RecursionError):
        settings = None
    if not _are_settings(settings):
        raise UserError(f"{folder.settings} is damaged. {_REWRITE}", topic="damaged-run")
    return settings


def _are_settings(settings):
    """Whether it has what readers need, and names of folders that lead nowhere else: jobs write in a run's folder."""
    if not isinstance(settings, dict) or not settings.keys() >= _NEEDED_SETTINGS:
        return False
    msa = settings.get("msa", {})
    if not isinstance(settings["library"], dict) or not isinstance(msa, dict):
        return False
    names = (settings["search"], settings["predictions"], msa.get("alignments") or "none")
    return all(isinstance(name, str) and "/" not in name and name not in ("", "..") for name in names)


def write_run(run):
    """Write what a run was asked for into its folder, and what the shared folders depend on into those."""
    write_if_changed(run.folder.config, run.config_text)
    write_if_changed(run.folder.settings, _json(run.settings))
    write_if_changed(run.folder.manifest, run.manifest_text)
    write_if_changed(run.predictions.settings, _json(run.settings["depends_on"]["predictions"]))
    write_if_changed(run.search.settings, _json(run.settings["depends_on"]["search"]))
    if run.alignments:
        write_if_changed(run.alignments.settings, _json(run.settings["depends_on"]["alignments"]))


def _json(value):
    return json.dumps(value, indent=2) + "\n"


def checksum(value):
    """A short checksum of what JSON can hold."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def read_members(path):
    """The members that a manifest lists, in its order. UserError names a damaged line."""
    try:
        # ids hold neither tabs nor line ends (inputs.py), so nothing is quoted, quotes least of all
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        raise UserError(f"{path} is missing. {_REWRITE}", topic="damaged-run") from None
    if lines[0] != "\t".join(MANIFEST_COLUMNS).encode():
        raise UserError(
            f"{path}, line 1: expected the columns {', '.join(MANIFEST_COLUMNS)}. {_REWRITE}", topic="damaged-run"
        )
    if lines[-1]:
        raise UserError(f"{path}, line {len(lines)}: cut short. {_REWRITE}", topic="damaged-run")
    members = []
    for number, line in enumerate(lines[1:-1], 2):
        try:
            query_id, protein, length, md5, entry, batch, description = line.decode().split("\t")
            if "/" in protein + entry + batch:  # names of files, which lead nowhere else
                raise ValueError
            members.append(Member(query_id, protein, int(length), md5, entry, batch, description))
        except ValueError:
            columns = ", ".join(MANIFEST_COLUMNS)
            raise UserError(f"{path}, line {number}: not a row of {columns}. {_REWRITE}", topic="damaged-run") from None
    return members


_REWRITE = "Rerun the snakemake command of the run; it is written again."
