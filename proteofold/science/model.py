"""A model of a protein from its alignment with a template: coordinates of the template under the protein's numbers.

Nothing is built or optimised: residues without an aligned residue that has coordinates are left out.
"""

import re
from dataclasses import dataclass

from proteofold.formats.mmcif import UNKNOWN
from proteofold.formats.packed_hhr import ALIGNED_HITS
from proteofold.system import paths
from proteofold.system.errors import UserError

# Where the structures of templates are kept.
STRUCTURES = paths.RESOURCES / "structures"

_PDB_CHAIN = re.compile(r"([0-9][A-Za-z0-9]{3})_([A-Za-z0-9]{1,4})", re.ASCII)

_BACKBONE = ("N", "CA", "C", "O")

# Atoms behind the beta carbon, as the PDB names them.
_SIDE_CHAINS = {
    "R": ("CG", "CD", "NE", "CZ", "NH1", "NH2"),
    "N": ("CG", "OD1", "ND2"),
    "D": ("CG", "OD1", "OD2"),
    "C": ("SG",),
    "Q": ("CG", "CD", "OE1", "NE2"),
    "E": ("CG", "CD", "OE1", "OE2"),
    "H": ("CG", "ND1", "CD2", "CE1", "NE2"),
    "I": ("CG1", "CG2", "CD1"),
    "L": ("CG", "CD1", "CD2"),
    "K": ("CG", "CD", "CE", "NZ"),
    "M": ("CG", "SD", "CE"),
    "F": ("CG", "CD1", "CD2", "CE1", "CE2", "CZ"),
    "P": ("CG", "CD"),
    "S": ("OG",),
    "T": ("OG1", "CG2"),
    "W": ("CG", "CD1", "CD2", "NE1", "CE2", "CE3", "CZ2", "CZ3", "CH2"),
    "Y": ("CG", "CD1", "CD2", "CE1", "CE2", "CZ", "OH"),
    "V": ("CG1", "CG2"),
}

# The match line of HH-suite: the score of a column, in five classes from very bad to very good.
_MATCH_CLASSES = {"=": 10, "-": 30, ".": 50, "+": 70, "|": 90}

# Scores of finding the library's sequence in a chain. Equal letters count a little less where the chain has no
# coordinates, so that a library made from coordinates finds those. An unknown residue is better than a gap at an end.
_EQUAL, _EQUAL_UNSEEN, _UNEQUAL, _UNKNOWN = 5, 4.9, -4, 0.1
_OPEN, _EXTEND, _OPEN_END, _EXTEND_END = -10, -0.5, -1, -0.1

# Part of the aligned residues that must be those of the chain, or unknown there.
_LEAST_FITTING = 0.7


@dataclass(frozen=True, slots=True)
class ModelResidue:
    """A residue of a model: its number and letter in the protein, the confidence of its alignment (0 to 100), the
    template's residue as mmcif.Residue, and the mmcif.Atoms that are copied from it."""

    number: int
    letter: str
    confidence: int
    template: tuple
    atoms: tuple


@dataclass(frozen=True, slots=True)
class Model:
    """A model of a part of a protein on one template.

    ``start`` to ``end`` is the aligned range of the protein, counted from 1, ends included; ``identity`` percent of the
    aligned residues, None if unknown; ``confidence`` what the confidence of the residues is.
    """

    query_id: str
    query_length: int
    template: str
    rank: int
    evalue: float
    probability: float | None
    identity: int | None
    start: int
    end: int
    confidence: str
    residues: tuple

    @property
    def coverage(self):
        """Part of the protein's residues that the model has, 0 to 1."""
        return len(self.residues) / self.query_length

    def described(self):
        """What the header of a model says, by name, as JSON can hold it."""
        return {
            "query_id": self.query_id,
            "query_length": self.query_length,
            "query_start": self.start,
            "query_end": self.end,
            "template": self.template,
            "rank": self.rank,
            "evalue": self.evalue,
            "probability": self.probability,
            "identity": self.identity,
            "residues": len(self.residues),
            "coverage": round(self.coverage, 4),
            "b_factor": self.confidence,
        }


def pdb_chain(template):
    """The PDB code in lower case and the chain of a template, ``1M17_A``; UserError if its name is none of a chain."""
    found = _PDB_CHAIN.fullmatch(template)
    if not found:
        raise UserError(
            f"template {template}: expected a chain of the PDB such as 1M17_A; others have no structure.",
            topic="structures",
        )
    return found[1].lower(), found[2]


def structure_paths(folder, code):
    """The paths that the mmCIF file of a PDB entry, by its code in lower case, may have; it is fetched to the first.

    They are ``1abc.cif.gz`` and ``1abc.cif``, in the folder itself and in one named by the middle of the code (``ab``),
    as in a copy of the PDB.
    """
    return [place / f"{code}{ending}" for place in (folder, folder / code[1:3]) for ending in (".cif.gz", ".cif")]


def build_model(alignment, hit, query_id, chain):
    """The Model of a hit from its Alignment and the Residues of its template's chain, as mmcif.read_chain gives them.

    Each residue of the protein that is aligned with a residue with coordinates gets the backbone and the beta carbon of
    that, and if both are the same amino acid, its side chain; selenomethionine counts as methionine.

    UserError if the alignment has neither confidence nor match line, if the chain has another sequence than the
    template, or if no aligned residue has coordinates.
    """
    confidences, meaning = _confidences(alignment)
    found = _find_residues(alignment, chain)
    residues, query, template = [], alignment.query_start, 0
    for letter, other, confidence in zip(
        alignment.query_sequence.upper(), alignment.template_sequence, confidences, strict=True
    ):
        if _is_letter(letter) and _is_letter(other) and found[template] and (atoms := _copied(letter, found[template])):
            residues.append(ModelResidue(query, letter, confidence, found[template], atoms))
        query, template = query + _is_letter(letter), template + _is_letter(other)
    if not residues:
        raise UserError(f"{alignment.template}: none of the aligned residues has coordinates.", topic="structures")
    return Model(
        query_id,
        alignment.query_length,
        alignment.template,
        alignment.rank,
        hit.evalue,
        hit.probability,
        hit.identity,
        alignment.query_start,
        alignment.query_end,
        meaning,
        tuple(residues),
    )


def _is_letter(letter):
    return letter not in "-."


def _confidences(alignment):
    """The confidence of each column, 0 to 100, and in words what it is."""
    if alignment.confidence and alignment.confidence.strip():
        # a digit is a tenth of the range from 0 to 1; columns with a gap have none
        values = [10 * int(digit) + 5 if digit.isdecimal() else 0 for digit in alignment.confidence]
        return values, "probability of the aligned pair in percent, from HH-suite's line Confidence"
    if alignment.match and alignment.match.strip():
        values = [_MATCH_CLASSES.get(sign, 0) for sign in alignment.match]
        return values, "score of the aligned pair, from 10 (very bad) to 90 (very good), from HH-suite's match line"
    raise UserError(
        f"hit {alignment.rank}, {alignment.template}: its alignment is kept without the confidence that a model needs. "
        f"The first {ALIGNED_HITS} hits and all confident ones have it.",
        topic="structures",
    )


def _find_residues(alignment, chain):
    """The Residue of each aligned residue of the template, None where the chain has no coordinates.

    The library's sequence, ``X`` where it is not part of the alignment, is aligned with that of the chain. Neither
    numbering decides: they are the author's, with gaps, jumps and insertion codes.
    """
    from Bio.Align import PairwiseAligner

    aligned = re.sub("[^A-Z]", UNKNOWN, "".join(filter(_is_letter, alignment.template_sequence)).upper())
    before = alignment.template_start - 1
    library = UNKNOWN * before + aligned + UNKNOWN * (alignment.template_length - before - len(aligned))
    sequence = "".join(residue.letter if residue.atoms else residue.letter.lower() for residue in chain)
    aligner = PairwiseAligner(substitution_matrix=_scores(), mode="global")
    aligner.open_internal_gap_score, aligner.extend_internal_gap_score = _OPEN, _EXTEND
    aligner.open_end_gap_score, aligner.extend_end_gap_score = _OPEN_END, _EXTEND_END
    found = [None] * len(library)
    for (start, end), (place, _) in zip(*aligner.align(library, sequence)[0].aligned, strict=True):
        found[start:end] = chain[place : place + end - start]
    found = found[before : before + len(aligned)]
    pairs = zip(found, aligned, strict=True)
    fitting = sum(bool(residue) and residue.letter in (letter, UNKNOWN) for residue, letter in pairs)
    # a file without its sequence may have fewer residues than are aligned
    comparable = min(len(aligned), sum(residue.letter != UNKNOWN for residue in chain))
    if fitting < _LEAST_FITTING * comparable:
        raise UserError(
            f"{alignment.template}: only {fitting} of {len(aligned)} aligned residues fit the chain in the mmCIF file. "
            "Is it the file of another entry, or of a revised one?",
            topic="structures",
        )
    return [residue if residue and residue.atoms else None for residue in found]


def _scores():
    """Substitution scores of letters; lower case stands for residues without coordinates."""
    from Bio.Align.substitution_matrices import Array

    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    scores = Array(letters + letters.lower(), dims=2)
    for first in letters:
        for second in letters + letters.lower():
            if UNKNOWN in (first, second.upper()):
                scores[first, second] = _UNKNOWN
            elif first == second.upper():
                scores[first, second] = _EQUAL if second.isupper() else _EQUAL_UNSEEN
            else:
                scores[first, second] = _UNEQUAL
    return scores


def _copied(letter, residue):
    """The Atoms of a template's residue that a residue of the protein gets."""
    names = [*_BACKBONE] if letter == "G" else [*_BACKBONE, "CB"]
    if letter == residue.letter:
        names += _SIDE_CHAINS.get(letter, ())
    atoms = {atom.name: atom for atom in residue.atoms}
    if residue.component == "MSE" and "SE" in atoms:
        atoms["SD"] = atoms["SE"]._replace(name="SD", element="S")
    return tuple(atoms[name] for name in names if name in atoms)
