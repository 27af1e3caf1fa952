"""CATH's lists: the domains of PDB chains with their superfamilies, and the names of the nodes of its hierarchy.

``cath-b-newest-all``: one domain per line, its id, version, superfamily and residue ranges: ``1oaiA00 v4_3_0 1.10.8.10
561-619:A``. Ranges are the author's numbers in the PDB file, with insertion codes; a domain of several pieces has
several, separated by commas. ``cath-b-newest-names``: code and name of a node: ``1.10.8 Helicase, Ruva Protein; domain
3``. Lines that begin with ``#`` are comments. See https://www.cathdb.info/download.
"""

import re
from typing import NamedTuple

_DOMAIN = re.compile(r"([0-9][a-z0-9]{3})[A-Za-z0-9]{1,4}\d\d\s+(\S+)\s+(\d+\.\d+\.\d+\.\d+)\s+(\S+)\s*", re.ASCII)
_NUMBER = r"(-?\d{1,6})(?:\(?[A-Za-z]\)?)?"
_SEGMENT = re.compile(rf"{_NUMBER}-{_NUMBER}:([A-Za-z0-9]{{1,4}})", re.ASCII)
_NAME = re.compile(r"(\d+(?:\.\d+){0,3})(?:\s+(.*))?", re.ASCII)


class CathDomain(NamedTuple):
    """A domain: its chain (``1oai_A``), the version of CATH, the code of its superfamily, and its segments: pairs of
    first and last residue, the author's numbers without insertion codes."""

    chain: str
    version: str
    superfamily: str
    segments: tuple


def parse_domain(line):
    """The CathDomain of a line of the list of domains; None for any other line."""
    found = _DOMAIN.fullmatch(line)
    segments = [_SEGMENT.fullmatch(segment) for segment in found[4].split(",")] if found else []
    if not segments or not all(segments) or len({segment[3] for segment in segments}) > 1:
        return None
    ranges = tuple((int(segment[1]), int(segment[2])) for segment in segments)
    return CathDomain(f"{found[1]}_{segments[0][3]}", found[2], found[3], ranges)


def parse_name(line):
    """Code and name of a line of the list of names; None for any other line. Some nodes have no name: ''."""
    found = _NAME.fullmatch(line.strip())
    return (found[1], (found[2] or "").lstrip(":").strip()) if found else None
