"""What the report shows of a run, read from the run's files: nothing here is recomputed but the coverage."""

import csv
import gzip
import io
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

from proteofold.formats.hhr import HIT_COLUMNS
from proteofold.plan.efficiency import Efficiency, read_efficiency
from proteofold.plan.plan import known_usage
from proteofold.run.manifest import load_run
from proteofold.run.proteome import SUMMARY_JSON
from proteofold.run.rules import PREDICTION, SEARCH
from proteofold.system.errors import UserError

_NUMBERS = HIT_COLUMNS[HIT_COLUMNS.index("probability") :]


@dataclass(slots=True)
class Result:
    """A finished protein: its best hit, nan where it has none, and its verdict.

    A best hit is shown with a number of ``domains`` only: that of a dark protein is noise.
    """

    query_id: str
    length: int
    best_hit: str
    best_evalue: float
    best_score: float
    verdict: str = ""
    coverage_class: str = ""
    domains: int = 0
    coverage: float = 0.0  # part of the residues in domains, 0 to 1
    main_template: str = ""  # that of the domain with the most residues
    probability: float = math.nan


@dataclass(slots=True)
class Job:
    """What one job used, and how many residues it worked on."""

    residues: int
    wall_s: float
    cpu_s: float
    max_rss_mb: float
    node: str


@dataclass(slots=True)
class ReportData:
    """A run as the report shows it: ``failed`` holds the rows of failed.csv, ``proteome`` proteome_summary.json.

    ``lengths`` and ``described`` have the length and description of each protein, ``templates`` what the templates of
    domains are.
    """

    folder: Path
    settings: dict
    proteins: int
    lengths: dict
    described: dict
    results: list
    failed: list
    proteome: dict
    jobs: dict = field(default_factory=dict)  # rule -> [Job]
    shared: int = 0  # results that were there before
    efficiency: Efficiency | None = None
    templates: dict = field(default_factory=dict)

    @property
    def residues(self):
        """Residues of all proteins."""
        return sum(self.lengths.values())

    @property
    def max_evalue(self):
        """The E-value below which a hit of this run is significant."""
        return self.proteome["thresholds"]["max_evalue"]

    @property
    def unmerged(self):
        """Proteins in neither table: the input changed after the tables were merged."""
        return self.proteins - len(self.results) - len(self.failed)


def read_report_data(path):
    """Read a run folder; UserError if its results have never been merged."""
    try:
        run = load_run(path)
        folder = run.folder
        members = {member.query_id: member for member in run.members.values()}
        results = _read_results(folder.path / "merge_results.csv", members)
        for row in _read_csv(folder.path / "verdicts.csv"):
            if result := results.get(row["query_id"]):
                result.verdict, result.coverage_class = row["verdict"], row["class"]
                result.domains, result.coverage = int(row["domains"]), float(row["coverage"])
        templates = _read_domains(folder.path / "domains.csv", results)
        proteome = json.loads((folder.path / SUMMARY_JSON).read_text(encoding="utf-8"))
        failed = [row for row in _read_csv(folder.path / "failed.csv") if row["query_id"] in members]
        _add_hits(folder.path / "hits.csv.gz", results)
    except FileNotFoundError as error:
        raise UserError(f"{error.filename} is missing: run 'proteofold merge {path}' first.") from None
    lengths = {query_id: member.length for query_id, member in members.items()}
    described = {query_id: member.description for query_id, member in members.items()}
    found = list(results.values())
    data = ReportData(folder.path, run.settings, len(members), lengths, described, found, failed, proteome)
    data.templates = templates
    _read_jobs(data, run, results)
    data.efficiency = read_efficiency(folder.path)
    return data


def _read_csv(path):
    with open(path, encoding="utf-8", newline="") as handle:
        yield from csv.DictReader(handle)


def _read_results(path, members):
    results = {}
    for row in _read_csv(path):
        if member := members.get(row["query_id"]):
            values = float(row["best_evalue"]), float(row["best_score"])
            results[member.query_id] = Result(member.query_id, member.length, row["best_hit"], *values)
    return results


def _read_domains(path, results):
    """Add to each result the template of its largest domain; returns what the templates are."""
    templates, largest = {}, {}
    for row in _read_csv(path):
        templates[row["template"]] = row["description"]
        residues = int(row["query_end"]) - int(row["query_start"])
        if row["query_id"] in results and residues > largest.get(row["query_id"], -1):
            largest[row["query_id"]] = residues
            results[row["query_id"]].main_template = row["template"]
    return templates


def _add_hits(path, results):
    """Add to each result the probability of its best hit; the rows of a protein are adjacent.

    Against a library like PDB70 the file has some hundred rows a protein, twenty million for a proteome. So a line
    is compared as it is, and cut, from the right, where no column is ever quoted, only if it is that of the best hit.
    """
    begin, best = None, None
    with gzip.open(path, "rb") as plain, io.BufferedReader(plain, 1 << 20) as lines:
        next(lines, None)
        for line in lines:
            if begin is None or not line.startswith(begin):
                (query_id,) = next(csv.reader([line.decode()]))[:1]
                result, begin = results.get(query_id), _as_written(query_id)
                best = result and _as_written(result.best_hit)
            # the rank stands before the template; the first alignment of a template is the one that counts
            if best and line[len(begin) :].partition(b",")[2].startswith(best):
                result.probability, best = float(line.rsplit(b",", len(_NUMBERS))[1] or "nan"), None


def _as_written(value):
    """The bytes of a value in a row, with the comma behind it."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow([value, ""])
    return buffer.getvalue().encode()


def _read_jobs(data, run, results):
    """Take up the jobs of this run: searches of the proteins that are done, predictions of their batches.

    What another run computed is counted there.
    """
    members = [member for member in run.members.values() if member.query_id in results]
    residues = {}
    for member in members:
        residues[member.batch] = residues.get(member.batch, 0) + member.length
    searched = [(known_usage(run.search.usage(member.entry)), member.length) for member in members]
    predicted = [(known_usage(run.predictions.usage(batch)), count) for batch, count in residues.items()]
    for rule, jobs in ((PREDICTION, predicted), (SEARCH, searched)):
        data.jobs[rule.name] = [
            Job(count, used.wall_s, used.cpu_s, used.max_rss_mb, used.node)
            for used, count in jobs
            if used and used.run == run.name
        ]
    data.shared = sum(1 for used, _ in searched if used and used.run != run.name)
