"""The domains of a protein: regions of it that do not overlap much, each explained by one confident hit."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DomainThresholds:
    """What counts as a confident hit, as a domain, and as a covered protein (``domains:`` in the configuration)."""

    max_evalue: float = 1e-3  # a hit with a smaller E-value is confident
    min_probability: float = 95  # percent; so is one with this probability or a higher one
    min_columns: int = 30  # aligned columns that a domain has at least
    max_overlap: float = 30  # percent of the shorter of two domains that they may share
    min_covered: float = 70  # percent of the residues from which on a protein counts as covered


def is_confident(hit, thresholds):
    """Whether a hit is significant by its E-value or by its probability."""
    return hit.evalue < thresholds.max_evalue or (
        hit.probability is not None and hit.probability >= thresholds.min_probability
    )


def choose_domains(hits, thresholds):
    """The hits that are domains, in the order of their first residue.

    Confident hits with enough aligned columns are considered in the order of score (highest first), E-value, query
    start, template and rank. One is taken if the residues that its range shares with each range taken so far are at
    most ``max_overlap`` percent of the shorter of the two. A range is that from the first to the last aligned residue
    of the query. Hits without a range or a number of columns, which a damaged table leaves, are no domains.
    """
    candidates = [hit for hit in hits if is_confident(hit, thresholds) and _is_long_enough(hit, thresholds)]
    chosen = []
    for hit in sorted(candidates, key=lambda hit: (-hit.score, hit.evalue, hit.query_start, hit.template, hit.rank)):
        if all(_may_stand_beside(hit, other, thresholds) for other in chosen):
            chosen.append(hit)
    return sorted(chosen, key=lambda hit: (hit.query_start, hit.query_end, hit.rank))


def residues_in(hits):
    """How many residues of the query the ranges of hits cover together, each counted once."""
    covered, reached = 0, 0
    for start, end in sorted((hit.query_start, hit.query_end) for hit in hits if hit.query_start is not None):
        covered += max(0, end - max(start, reached + 1) + 1)
        reached = max(reached, end)
    return covered


def _is_long_enough(hit, thresholds):
    known = hit.aligned_columns is not None and hit.query_start is not None
    return known and hit.aligned_columns >= thresholds.min_columns


def _may_stand_beside(hit, other, thresholds):
    shared = min(hit.query_end, other.query_end) - max(hit.query_start, other.query_start) + 1
    shorter = min(_length(hit), _length(other))
    # percent, so that whole numbers are compared: exactly 30% is allowed
    return 100 * max(shared, 0) <= thresholds.max_overlap * shorter


def _length(hit):
    return hit.query_end - hit.query_start + 1
