"""Domains and verdicts of the proteins of a run: from their hits, in the blocks, and as rows of tables."""

import json
from dataclasses import replace
from typing import NamedTuple

from proteofold.formats.gff3 import feature, sequence_region
from proteofold.formats.packed_hhr import pack, unpack
from proteofold.run.classes import CLASS_COLUMNS, class_values, superfamilies
from proteofold.run.results import read_hits, read_out
from proteofold.science.verdict import judge
from proteofold.system.errors import UserError

# The values of a domain in domains.csv and in a block, as the Hit that it is has them.
_OF_HIT = (
    *("query_start", "query_end", "template", "description", "probability", "evalue", "score", "aligned_columns"),
    *("identity", "template_start", "template_end", "template_length"),
)
DOMAIN_COLUMNS = ("query_id", "number", *_OF_HIT)

# The columns of domains.csv.
DOMAIN_TABLE_COLUMNS = (*DOMAIN_COLUMNS, *CLASS_COLUMNS)

# What is appended to the row of a protein in merge_results.csv.
SUMMARY_VALUES = ("domains", "coverage")

# The columns of verdicts.csv.
VERDICT_COLUMNS = (
    *("query_id", "length", "class", "domains", "coverage"),
    *("domain_residues", "confident_residues", "verdict"),
)


class Judged(NamedTuple):
    """What the merge keeps of a Verdict; ``domains`` are lists of the values of a domain, in the order of columns."""

    coverage_class: str
    coverage: float
    domain_residues: int
    confident_residues: int
    domains: list
    sentence: str

    @property
    def summary_values(self):
        """The values of SUMMARY_VALUES."""
        return len(self.domains), f"{self.coverage:.4f}"

    def verdict_row(self, query_id, length):
        """The row of verdicts.csv."""
        residues = self.domain_residues, self.confident_residues
        return query_id, length, self.coverage_class, *self.summary_values, *residues, self.sentence

    def domain_rows(self, query_id):
        """The rows of domains.csv, numbered in the order of the protein."""
        return [(query_id, number, *domain) for number, domain in enumerate(self.domains, 1)]

    def gff3(self, query_id, length):
        """The protein and its domains as lines of domains.gff3; ``polypeptide_domain`` is SO:0000417."""
        lines = [sequence_region(query_id, length)]
        for number, domain in enumerate(self.domains, 1):
            of = dict(zip(_OF_HIT, domain, strict=True))
            attributes = {
                "ID": f"{query_id}:domain{number}",
                "Name": of["template"],
                "Target": of["template_start"] and f"{of['template']} {of['template_start']} {of['template_end']}",
                "Note": of["description"],
                **{name: of[name] for name in ("probability", "score", "aligned_columns", "identity")},
            }
            span = of["query_start"], of["query_end"], of["evalue"]
            lines.append(feature(query_id, "proteofold", "polypeptide_domain", *span, attributes))
        return "".join(lines)


def judged(run, member, hits):
    """What is kept of the verdict on a member of a run."""
    verdict = judge(hits, member.length, run.thresholds)
    domains = [[getattr(hit, name) for name in _OF_HIT] for hit in verdict.domains]
    residues = verdict.domain_residues, verdict.confident_residues
    return Judged(verdict.coverage_class, verdict.coverage, *residues, domains, verdict.sentence)


def read_verdict(run, member):
    """The Verdict on a member of a run from its stored hits; DamagedError, or FileNotFoundError without a result."""
    hits = read_hits(run.search, member.entry, read_out(run.search, member.entry))
    verdict = judge(hits, member.length, run.thresholds)
    found = superfamilies(run.classification, [hit._asdict() for hit in verdict.domains])
    return replace(verdict, superfamilies=tuple(class_values(run.classification, code) for code in found))


def superfamilies_of(run, domain_rows):
    """The ``superfamilies`` of rows of DOMAIN_COLUMNS."""
    return superfamilies(run.classification, [dict(zip(DOMAIN_COLUMNS, row, strict=True)) for row in domain_rows])


def table_rows(run, domain_rows, found):
    """The rows of domains.csv: rows of DOMAIN_COLUMNS, and the values of CLASS_COLUMNS for the superfamilies found."""
    return [
        (*row, *class_values(run.classification, superfamily))
        for row, superfamily in zip(domain_rows, found, strict=True)
    ]


def format_judged(name, hits_sha256, found):
    """The file of a block's verdicts as bytes; ``found`` maps (entry, checksum of its ``.hhr.gz``) to what is Judged.

    It is a gzip file with a line of JSON for the block, its name and the checksum of its hits, and one a protein.
    """
    lines = [[name, hits_sha256], *([*result, *verdict] for result, verdict in found.items())]
    return pack("".join(json.dumps(line) + "\n" for line in lines).encode())


def read_judged(path, name):
    """The checksum of a block's hits, and (entry, checksum of its ``.hhr.gz``) -> what is Judged.

    ("", {}) if the file cannot be read, is damaged, or is of another block.
    """
    try:
        (of_block, hits_sha256), *lines = map(json.loads, unpack(path.read_bytes()).splitlines())
        found = {(entry, hhr_sha256): Judged(*values) for entry, hhr_sha256, *values in lines}
    except (OSError, UserError, ValueError, TypeError, RecursionError):
        return "", {}
    return (hits_sha256, found) if of_block == name else ("", {})
