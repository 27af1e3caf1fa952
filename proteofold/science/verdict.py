"""What is known of a protein's structure: its domains, how much of it they cover, and one sentence that says so.

Thresholds, classes and wording are here and nowhere else.
"""

from dataclasses import asdict, dataclass

from proteofold.science.domains import DomainThresholds, choose_domains, is_confident, residues_in

COVERED, PARTLY, DARK = COVERAGE_CLASSES = ("covered", "partly", "dark")

_NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")

# Domains that the sentence lists at most.
_LISTED = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """The domains of a protein, hits in the order of their first residue, and the residues that are explained."""

    length: int
    domains: tuple
    domain_residues: int  # residues in domains
    confident_residues: int  # residues in confident hits, those included that are no domain
    confident_hits: int
    hits: int
    best_evalue: float | None  # the smallest one of all hits; None without hits
    thresholds: DomainThresholds
    superfamilies: tuple = ()  # code and name of the CATH superfamily of each domain, '' without; () if unknown

    @property
    def coverage(self):
        """Part of the residues that are in domains, 0 to 1."""
        return self.domain_residues / self.length if self.length else 0.0

    @property
    def coverage_class(self):
        """``covered``, ``partly`` or, without any domain, ``dark``."""
        if not self.domains:
            return DARK
        # percent, so that whole numbers are compared: exactly 70% is covered
        return COVERED if 100 * self.domain_residues >= self.thresholds.min_covered * self.length else PARTLY

    @property
    def sentence(self):
        """The verdict in plain English."""
        if self.domains:
            count, one = len(self.domains), len(self.domains) == 1
            number = _NUMBERS[count] if count < len(_NUMBERS) else str(count)
            listed = [f"{hit.query_start}\u2013{hit.query_end}: {hit.template}" for hit in self.domains[:_LISTED]]
            listed += [f"and {count - _LISTED} more"] if count > _LISTED else []
            return (
                f"{number} confident domain{'' if one else 's'} ({'; '.join(listed)}) cover{'s' if one else ''}"
                f" {self._percent} of the protein."
            )
        if self.confident_hits:
            columns = self.thresholds.min_columns
            return f"No domain: no confident hit (best E-value {self._evalue}) aligns {columns} columns or more."
        if self.hits:
            return f"No significant template (best E-value {self._evalue}): the listed hits are probably noise."
        return "No template was found."

    @property
    def _percent(self):
        """Rounded down, so that no protein below a limit seems to reach it."""
        percent = 100 * self.domain_residues // self.length if self.length else 0
        return f"{percent}%" if percent else "less than 1%"

    @property
    def _evalue(self):
        return f"{self.best_evalue:.2g}".replace("e-0", "e-")

    def described(self):
        """The verdict as JSON can hold it."""
        classes = self.superfamilies or [("", "")] * len(self.domains)
        return {
            "class": self.coverage_class,
            "sentence": self.sentence,
            "length": self.length,
            "coverage": round(self.coverage, 4),
            "domain_residues": self.domain_residues,
            "confident_residues": self.confident_residues,
            "domains": [
                {"number": number} | hit._asdict() | {"superfamily": code, "superfamily_name": name}
                for number, (hit, (code, name)) in enumerate(zip(self.domains, classes, strict=True), 1)
            ],
            "thresholds": asdict(self.thresholds),
        }


def judge(hits, length, thresholds):
    """The Verdict on a protein of this length from all of its hits."""
    domains = choose_domains(hits, thresholds)
    confident = [hit for hit in hits if is_confident(hit, thresholds)]
    return Verdict(
        length,
        tuple(domains),
        residues_in(domains),
        residues_in(confident),
        len(confident),
        len(hits),
        min((hit.evalue for hit in hits), default=None),
        thresholds,
    )
