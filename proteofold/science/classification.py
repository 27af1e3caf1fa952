"""Which CATH superfamily a region of a template belongs to.

The classification is a SQLite file that is made of CATH's lists once and only read then: half a million domains are too
many to read for each merge.
"""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from proteofold.formats.cath import parse_domain, parse_name
from proteofold.science.model import pdb_chain
from proteofold.system import paths
from proteofold.system.errors import UserError

# Where releases are kept; CURRENT in it leads to the one in use.
FOLDER = paths.RESOURCES / "classification"
CURRENT = "cath"
FILE = "cath.db"

# What a domain has in place of a superfamily: its template is not in CATH, or none fits its range.
NOT_IN_CATH, NOT_MAPPED = "not in CATH", "not mapped"

# Lines that are not what they should be, and superfamilies that the names do not list: part of all.
_MOST_WRONG = 0.01

# Part of the aligned range of a template that its superfamily covers at least.
_LEAST_COVERED = 1 / 3

# How much longer the numbers of a chain may be than its sequence: they jump where the author left some out.
_LONGEST_SPAN = 1.2

_SCHEMA = """
create table domains (chain text, superfamily text, segments text);
create table names (code text primary key, name text) without rowid;
create table release (version text, domains integer, superfamilies integer);
"""


def write_classification(path, domain_lines, name_lines):
    """Write the file of a classification from the lines of CATH's two lists; returns version, domains, superfamilies.

    UserError if the lines are other ones, or if the names are those of another release.
    """
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.executescript(_SCHEMA)
        domains = _whole(domain_lines, parse_domain, "domains with superfamily and residue ranges")
        versions = Counter()

        def row(domain):
            versions[domain.version] += 1
            return domain.chain, domain.superfamily, json.dumps(domain.segments)

        conn.executemany("insert into domains values (?, ?, ?)", map(row, domains))
        names = _whole(name_lines, parse_name, "names of the nodes of CATH")
        conn.executemany("insert or replace into names values (?, ?)", names)
        count, unlisted = conn.execute(
            "select count(*), sum(superfamily not in (select code from names))"
            " from (select distinct superfamily from domains)"
        ).fetchone()
        if unlisted > _MOST_WRONG * count:
            raise UserError(
                f"{unlisted:,} of {count:,} superfamilies are not in the list of names: the two lists are of different "
                "releases."
            )
        conn.execute("create index domains_of_chain on domains (chain)")
        released = [version for version in versions if version.startswith("v")] or versions
        release = (max(released, key=versions.get), versions.total(), count)
        conn.execute("insert into release values (?, ?, ?)", release)
    return release


def _whole(lines, parse, what):
    """Yield what ``parse`` makes of each line but comments; UserError at the end if too many lines are not ``what``."""
    count, wrong = 0, []
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            count += 1
            if (found := parse(line)) is not None:
                yield found
            else:
                wrong.append(number)
    if not count:
        raise UserError(f"expected {what}, but the list is empty.")
    if len(wrong) > _MOST_WRONG * count:
        raise UserError(f"{len(wrong):,} of {count:,} lines are not {what}, the first one is line {wrong[0]}.")


class Classification:
    """A classification that ``write_classification`` wrote, open for reading."""

    def __init__(self, path):
        # immutable: it is never written, and network folders know no locks
        self._conn = sqlite3.connect(f"{Path(path).absolute().as_uri()}?immutable=1", uri=True)
        self.version, self.domains, self.superfamilies = self._conn.execute("select * from release").fetchone()

    def name_of(self, code):
        """The name of a superfamily or of any other node; '' for one without."""
        row = self._conn.execute("select name from names where code = ?", (code,)).fetchone()
        return row[0] if row else ""

    def superfamily(self, template, start, end, length):
        """The superfamily of the residues ``start`` to ``end`` of a template, as superfamily_of has it; NOT_IN_CATH or
        NOT_MAPPED where there is none."""
        try:
            code, chain = pdb_chain(template)
        except UserError:
            return NOT_IN_CATH
        query = "select superfamily, segments from domains where chain = ?"
        rows = self._conn.execute(query, (f"{code}_{chain}",)).fetchall()
        if not rows:
            return NOT_IN_CATH
        return (
            superfamily_of([(name, json.loads(segments)) for name, segments in rows], start, end, length) or NOT_MAPPED
        )


def open_classification(folder):
    """The Classification in the folder of a release; None without one."""
    path = folder and Path(folder) / FILE
    try:
        return Classification(path) if path and path.exists() else None
    except (sqlite3.DatabaseError, TypeError):
        raise UserError(
            f"{path} is damaged: remove the folder {folder}, and run 'proteofold fetch classification'."
        ) from None


def fold_of(superfamily):
    """The code of the fold (CATH's topology) of a superfamily: ``1.10.8`` of ``1.10.8.10``."""
    return superfamily.rpartition(".")[0]


def superfamily_of(domains, start, end, length):
    """The superfamily that covers most of the residues ``start`` to ``end`` of a template; None if none covers a third.

    ``domains`` are superfamilies with segments in the author's numbers; ``start`` and ``end`` are places in the
    sequence of the template, of ``length`` residues, counted from 1. Which number stands at which place is not known
    without the structure, so that this is an approximation: numbers are places if all of them are between 1 and the
    length; otherwise the first residue of the first domain is taken for place 1. Either is wrong by no more residues
    than the chain has outside of its domains, unless the numbers jump. If they reach over 1.2 times the length, they
    do, and the chain has its superfamily only if it has no other one.
    """
    numbers = [number for _, segments in domains for segment in segments for number in segment]
    first, last = min(numbers), max(numbers)
    if last - first >= _LONGEST_SPAN * length:
        return domains[0][0] if len({superfamily for superfamily, _ in domains}) == 1 else None
    shift = 0 if first >= 1 and last <= length else first - 1
    covered = Counter()
    for superfamily, segments in domains:
        for begin, finish in segments:
            covered[superfamily] += max(0, min(end, finish - shift) - max(start, begin - shift) + 1)
    superfamily, residues = covered.most_common(1)[0]
    return superfamily if residues >= _LEAST_COVERED * (end - start + 1) else None
