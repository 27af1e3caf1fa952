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
from proteofold.science.summary import SIGNIFICANT_EVALUE
from proteofold.system.errors import UserError

# The limit as people write it; Python would say 1e-05.
LIMIT = f"{SIGNIFICANT_EVALUE:.0e}".replace("e-0", "e-")
SIGNIFICANT = f"E\u00a0<\u00a0{LIMIT}"  # no line break inside

_BEFORE_NUMBERS = HIT_COLUMNS.index("probability")
_NUMBERS = HIT_COLUMNS[_BEFORE_NUMBERS:]
_EVALUE, _START, _END = (_NUMBERS.index(name) - len(_NUMBERS) for name in ("evalue", "query_start", "query_end"))


@dataclass(slots=True)
class Result:
    """A finished protein: its row of merge_results.csv and the values of its hits; nan where it has no hit."""

    query_id: str
    length: int
    best_hit: str
    best_evalue: float
    best_score: float
    significant: bool
    verdict: str = ""
    coverage_class: str = ""
    domains: int = 0
    domain_coverage: float = 0.0  # part of the residues in domains
    main_template: str = ""  # that of the domain with the most residues
    probability: float = math.nan
    significant_hits: int = 0
    covered: int = 0  # residues that hits with E < 1e-5 cover together

    @property
    def coverage(self):
        """Part of the residues that is covered, 0 to 1."""
        return self.covered / self.length


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
    def significant(self):
        """The results with a hit of E < 1e-5."""
        return [result for result in self.results if result.significant]

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
                result.domains, result.domain_coverage = int(row["domains"]), float(row["coverage"])
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
            significant = row["score_mean"] != "nan"
            values = float(row["best_evalue"]), float(row["best_score"]), significant
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
    """Add to each result the values of its rows of hits.csv.gz; the rows of a protein are adjacent.

    Against a library like PDB70 the file has some hundred rows a protein, twenty million for a proteome. So a line
    is cut from the right, where no column is ever quoted, and most lines are left after a look at their E-value.
    """
    result, begin, best, templates, spans = None, None, None, set(), []
    with gzip.open(path, "rb") as plain, io.BufferedReader(plain, 1 << 20) as lines:
        next(lines, None)
        for line in lines:
            if begin is None or not line.startswith(begin):
                _close(result, templates, spans)
                query_id = _text_columns(line)[0]
                result, begin, templates, spans = results.get(query_id), _line_begin(query_id), set(), []
                best = result and result.best_hit.encode()
            columns = line.rsplit(b",", len(_NUMBERS))
            significant = float(columns[_EVALUE]) < SIGNIFICANT_EVALUE
            if result is None or not (significant or (best and best in line)):
                continue
            template = columns[0][len(begin) :].split(b",", 2)[1]
            if template.startswith(b'"'):
                template = _text_columns(line)[2].encode()
            if template == best:
                # the first alignment of a template is the one that counts
                result.probability, best = float(columns[1] or "nan"), None
            if significant:
                templates.add(template)
                if columns[_START]:
                    spans.append((int(columns[_START]), int(columns[_END])))
        _close(result, templates, spans)


def _close(result, templates, spans):
    if result is not None:
        result.significant_hits, result.covered = len(templates), _union(spans)


def _text_columns(line):
    return next(csv.reader([line.decode()]))[:_BEFORE_NUMBERS]


def _line_begin(query_id):
    """The bytes that the lines of a protein begin with."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow([query_id, ""])
    return buffer.getvalue().encode()


def _union(spans):
    """Number of positions in at least one span; ends belong to a span."""
    covered, reached = 0, 0
    for start, end in sorted(spans):
        covered += max(0, end - max(start - 1, reached))
        reached = max(reached, end)
    return covered


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
    for rule, jobs in (("predict_secondary_structure", predicted), ("search_templates", searched)):
        data.jobs[rule] = [
            Job(count, used.wall_s, used.cpu_s, used.max_rss_mb, used.node)
            for used, count in jobs
            if used and used.run == run.name
        ]
    data.shared = sum(1 for used, _ in searched if used and used.run != run.name)
