"""A run: its folder, which proteins belong to it, and the batches that S4PRED predicts together.

Batches are immutable: a protein that is added, or whose sequence changes, gets a new batch, and no other protein
moves. A batch's name carries the checksum of its members, so a prediction file can belong to nothing else.
"""

import hashlib
import json
from dataclasses import asdict, astuple, dataclass, field, fields
from pathlib import Path

from proteofold import __version__, hhsuite
from proteofold.batches import cut
from proteofold.errors import UserError
from proteofold.fasta import format_fasta
from proteofold.files import existing_names, write_if_changed
from proteofold.hits import SUMMARY_VERSION
from proteofold.inputs import check_inputs, collected
from proteofold.predict_step import PREDICTION_VERSION
from proteofold.weights import BATCH_RESIDUES, check_tensors_once, weights_digest


@dataclass(frozen=True, slots=True)
class Member:
    """A row of the manifest: a protein of the run and the batch its secondary structure is predicted in."""

    query_id: str
    protein: str
    length: int
    md5: str
    batch: str


RESULTS = Path("results")

MANIFEST_COLUMNS = tuple(column.name for column in fields(Member))


class RunFolder:
    """Paths inside ``results/<run>``."""

    def __init__(self, path):
        self.path = Path(path)
        self.manifest = self.path / "manifest.tsv"  # every member ever, append-only
        self.queries = self.path / "queries.tsv"  # today's members, in the order of the input
        self.settings = self.path / "settings.json"
        self.report = self.path / "report"

    def batch_fasta(self, batch):
        return self.path / "fas" / f"{batch}.fas"

    def horiz(self, batch):
        return self.path / "horiz" / f"{batch}.horiz"

    def out(self, protein):
        return self.path / "out" / f"{protein}.out"

    def hits(self, protein):
        return self.path / "hits" / f"{protein}.csv.gz"

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
    _residues: dict = field(default_factory=dict)

    @property
    def library(self):
        """The template library that is searched."""
        return hhsuite.Library(**self.settings["library"])

    def result_key(self, member):
        """What a member's result depends on, as a checksum: another key is another result."""
        return _checksum([member.query_id, member.md5, self.settings["key"]])

    def batch_residues(self, batch):
        """Residues of a batch."""
        if not self._residues:
            for member in {*self.history, *self.members.values()}:
                self._residues[member.batch] = self._residues.get(member.batch, 0) + member.length
        return self._residues[batch]

    def result_files(self):
        """The ``.out`` of every member, and its other result files where they are missing.

        Snakemake makes a missing file again only if it is asked for; asking for those that are there costs time.
        """
        paths = [str(self.folder.out(protein)) for protein in self.members]
        for path_of in (self.folder.hits, lambda protein: self.folder.usage("search_templates", protein)):
            have = existing_names(path_of("any").parent)
            paths += [str(path) for path in map(path_of, self.members) if path.name not in have]
        return paths

    @property
    def members_digest(self):
        """Identity of the list of proteins, order included."""
        return _checksum([astuple(member) for member in self.members.values()])


def plan_run(config, results=RESULTS):
    """Check all inputs and plan the run; returns (run, notes). The run's folder is not touched. Raises UserError."""
    checked = check_inputs(config)
    folder = RunFolder(Path(results) / str(config.get("run")))
    history, members, new_batches = [], {}, {}
    if not checked.errors:
        history = _read_members(folder.manifest)
        members, new_batches = _assign_batches(checked.queries, history, _still_usable(folder, history))
    digest = weights_digest(checked.weights) if checked.weights else ""
    batches = {member.batch for member in members.values()}
    if digest and not (batches and all(folder.horiz(batch).exists() for batch in batches)):
        with collected(checked):
            check_tensors_once(checked.weights, digest)
    checked.raise_errors()
    return Run(folder, members, _settings(config, checked, digest), new_batches, history), checked.notes


def load_run(path):
    """The run as its folder describes it, for processes that must not plan anew (jobs on a node)."""
    folder = RunFolder(path)
    try:
        settings = json.loads(folder.settings.read_text())
    except FileNotFoundError:
        raise UserError(f"{path} is not the folder of a run: {folder.settings} is missing.") from None
    members = {member.protein: member for member in _read_members(folder.queries)}
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


def _checksum(value):
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def _settings(config, checked, digest):
    library, mode = checked.templates.library, config["search"]["mode"]
    return {
        "run": config["run"],
        "key": _checksum([mode, library.key, digest, PREDICTION_VERSION, SUMMARY_VERSION]),
        "mode": mode,
        "keep": config["keep"],
        "library": asdict(library),
        "library_source": checked.templates.source,
        "weights": checked.weights,
        "weights_digest": digest,
        "device": config["s4pred"]["device"],
        "versions": {
            "proteofold": __version__,
            "hhsuite": hhsuite.hhsuite_version(),
        },
    }


def _still_usable(folder, history):
    """The members whose batch can serve them: its FASTA is there, or they are done and need it no more."""
    cut_batches, done = existing_names(folder.path / "fas"), existing_names(folder.path / "out")
    return [m for m in history if f"{m.batch}.fas" in cut_batches or f"{m.protein}.out" in done]


def _assign_batches(queries, history, usable):
    """Members in input order, and the batches to make for queries that have none yet."""
    known = {(member.query_id, member.protein, member.md5): member for member in usable}
    members = {query.protein: known.get((query.query_id, query.protein, query.md5)) for query in queries}
    new = [query for query in queries if members[query.protein] is None]
    number = len({member.batch for member in history})
    batches = {}
    # longest first: they start the longest searches, and neighbours of one length make full batches
    longest_first = sorted(new, key=lambda query: -len(query.sequence))
    for batch_queries in cut(longest_first, lambda query: len(query.sequence), BATCH_RESIDUES):
        number += 1
        lines = "".join(f"{query.query_id}\t{query.protein}\t{query.md5}\n" for query in batch_queries)
        batch = f"{number:04d}-{hashlib.sha256(lines.encode()).hexdigest()[:8]}"
        batches[batch] = batch_queries
        for query in batch_queries:
            member = Member(query.query_id, query.protein, len(query.sequence), query.md5, batch)
            members[query.protein] = member
    return members, batches


def _read_members(path):
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
