"""A run: its folder, which proteins belong to it, and what its results depend on. planning.py decides what it holds."""

import hashlib
import json
from collections import Counter
from dataclasses import astuple, dataclass, field, fields
from functools import partial
from pathlib import Path

from proteofold import hhsuite
from proteofold.errors import UserError
from proteofold.fasta import format_fasta
from proteofold.files import existing_names, write_if_changed
from proteofold.predict_step import PREDICTION_VERSION
from proteofold.weights import batch_mem_mb


@dataclass(frozen=True, slots=True)
class Member:
    """A row of the manifest: a protein of the run and the batch its secondary structure is predicted in."""

    query_id: str
    protein: str
    length: int
    md5: str
    batch: str


RESULTS = Path("results")

# Proteins whose results are noted together when all are there (docs/decisions.md)
BLOCK = 1000

_RUNS_NAMED = 3

MANIFEST_COLUMNS = tuple(column.name for column in fields(Member))


class RunFolder:
    """Paths inside ``results/<run>``."""

    def __init__(self, path):
        self.path = Path(path)
        self.manifest = self.path / "manifest.tsv"  # every member ever, append-only
        self.queries = self.path / "queries.tsv"  # today's members, in the order of the input
        self.settings = self.path / "settings.json"
        self.reused = self.path / "reused.tsv"  # files that were taken from other runs
        self.report = self.path / "report"
        self.complete = self.path / "complete"  # which blocks of proteins have all their results
        self.slurm = self.path / "slurm"  # what the head and Slurm know of the run's jobs

    def batch_fasta(self, batch):
        return self.path / "fas" / f"{batch}.fas"

    def horiz(self, batch):
        return self.path / "horiz" / f"{batch}.horiz"

    def out(self, protein):
        return self.path / "out" / f"{protein}.out"

    def hits(self, protein):
        return self.path / "hits" / f"{protein}.csv.gz"

    def alignments(self, protein):
        return self.path / "alignments" / f"{protein}.hhr.gz"

    def block(self, block):
        return self.complete / block

    def log(self, rule, name):
        return self.path / "logs" / rule / f"{name}.log"

    def usage(self, rule, name):
        return self.path / "benchmarks" / rule / f"{name}.tsv"


@dataclass(slots=True)
class Run:
    """A run as planned: its members by protein, in input order, and the settings that decide its results."""

    folder: RunFolder
    members: dict
    settings: dict
    new_batches: dict  # batch -> queries; what write_plan has to write
    history: list  # members of the manifest so far
    sources: dict = field(default_factory=dict)  # protein -> reuse.Source, of those to be taken from other runs
    _sizes: dict = field(default_factory=dict)

    @property
    def library(self):
        """The template library that is searched."""
        return hhsuite.Library(**self.settings["library"])

    def result_key(self, member):
        """What a member's result depends on, as a checksum: another key is another result."""
        return checksum([member.query_id, member.md5, self.settings["key"]])

    @property
    def prediction_key(self):
        """What the predictions of secondary structure depend on, beside the sequences, as a checksum."""
        return checksum(predicted_with(self.settings))

    def batch_size(self, batch):
        """(residues, longest) over all that was ever in a batch, today's members or not."""
        if not self._sizes:
            for member in {*self.history, *self.members.values()}:
                residues, longest = self._sizes.get(member.batch, (0, 0))
                self._sizes[member.batch] = (residues + member.length, max(longest, member.length))
        return self._sizes[batch]

    def batch_mem_mb(self, batch):
        """Memory in MB of predicting a batch."""
        return batch_mem_mb(*self.batch_size(batch), self.settings["device"])

    def blocks(self, proteins):
        """These members in blocks of neighbours in the manifest, which stay when others are added: name -> proteins."""
        listed = dict.fromkeys([*self.history, *self.members.values()])
        number_of = {member: place // BLOCK for place, member in enumerate(listed)}
        blocks = {}
        for protein in proteins:
            blocks.setdefault(str(number_of[self.members[protein]]), []).append(protein)
        return blocks

    def missing_files(self, proteins):
        """The result files that are not there: protein -> paths, of those of these members that miss any."""
        missing = {}
        usage = partial(self.folder.usage, "search_templates")
        for path_of in (self.folder.out, self.folder.hits, self.folder.alignments, usage):
            have = existing_names(path_of("any").parent)
            for protein in proteins:
                if (path := path_of(protein)).name not in have:
                    missing.setdefault(protein, []).append(str(path))
        return missing

    @property
    def members_digest(self):
        """Identity of the list of proteins, order included."""
        return checksum([astuple(member) for member in self.members.values()])


# what whoever reads a run's folder cannot do without
_NEEDED_SETTINGS = {"run", "key", "mode", "library"}


def load_run(path):
    """The run as its folder describes it, for processes that must not plan anew (jobs on a node)."""
    folder = RunFolder(path)
    try:
        settings = json.loads(folder.settings.read_text())
    except FileNotFoundError:
        raise UserError(f"{path} is not the folder of a run: {folder.settings} is missing.") from None
    if not isinstance(settings, dict) or not settings.keys() >= _NEEDED_SETTINGS:
        raise UserError(
            f"{folder.settings} is damaged: it must have {', '.join(sorted(_NEEDED_SETTINGS))}. Start the run again."
        )
    members = {member.protein: member for member in read_members(folder.queries)}
    return Run(folder, members, settings, {}, [])


def write_plan(run):
    """Write the FASTA files of new batches, the manifest, today's queries and the settings; each aside, then moved."""
    for batch, queries in run.new_batches.items():
        # the description is for people and for the store; no result depends on it
        text = "".join(format_fasta(f"{q.query_id} {q.description}".strip(), q.sequence) for q in queries)
        write_if_changed(run.folder.batch_fasta(batch), text)
    known = set(run.history)
    rows = run.history + [member for member in run.members.values() if member not in known]
    _write_members(run.folder.manifest, rows)
    _write_members(run.folder.queries, run.members.values())
    write_if_changed(run.folder.settings, json.dumps(run.settings, indent=2) + "\n")


def predicted_with(settings):
    """What predictions depend on, of a run's settings and in this version."""
    precision = settings.get("precision", "fp32")  # runs of before there was a choice
    return [settings["weights_digest"], PREDICTION_VERSION, *([] if precision == "fp32" else [precision])]


def kept_files(settings):
    """The intermediate files that a run keeps besides predictions, which every run keeps."""
    return [kind for kind in settings["keep"] if kind != "horiz"]


def from_runs(counts):
    """In words where results were taken from, given as run -> proteins: '12 from first, 3 from second'."""
    counts = Counter(counts).most_common()
    parts = [f"{count} from {run}" for run, count in counts[:_RUNS_NAMED]]
    if more := counts[_RUNS_NAMED:]:
        parts.append(f"{sum(count for _, count in more)} from {len(more)} more")
    return ", ".join(parts)


def checksum(value):
    """A short checksum of what JSON can hold."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def read_members(path):
    """The members that a manifest lists, in its order; none if it is not there. UserError names a damaged line."""
    if not path.is_file():
        return []
    members = []
    # ids hold neither tabs nor line ends (inputs.py), so nothing is quoted, quotes least of all
    with open(path, encoding="utf-8", newline="\n") as handle:
        next(handle, None)
        for number, line in enumerate(handle, 2):
            try:
                query_id, protein, length, md5, batch = line.rstrip("\n").split("\t")
                members.append(Member(query_id, protein, int(length), md5, batch))
            except ValueError:
                raise UserError(f"{path}, line {number}: not a row of {', '.join(MANIFEST_COLUMNS)}.") from None
    return members


def _write_members(path, members):
    lines = ["\t".join(MANIFEST_COLUMNS)]
    lines += ["\t".join(map(str, astuple(member))) for member in members]
    write_if_changed(path, "\n".join(lines) + "\n")
