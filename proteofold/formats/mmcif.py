"""Coordinates of a chain from mmCIF files of the PDB, and mmCIF as text.

Categories and items are those of the PDBx/mmCIF dictionary (https://mmcif.wwpdb.org). Biopython reads and writes the
syntax.
"""

import io
import math
from collections import Counter, namedtuple
from itertools import groupby, pairwise
from typing import NamedTuple

from proteofold.formats.fasta import READ_ERRORS, open_text, read_error
from proteofold.system.errors import UserError

UNKNOWN = "X"

# Items of _atom_site that are read, with the value they have where a file lacks them; None: it must have them.
_ITEMS = {
    "label_atom_id": None,
    "type_symbol": None,
    "label_comp_id": None,
    "Cartn_x": None,
    "Cartn_y": None,
    "Cartn_z": None,
    "auth_asym_id": None,
    "auth_seq_id": None,
    "label_seq_id": ".",
    "label_entity_id": "1",
    "label_alt_id": ".",
    "pdbx_PDB_ins_code": "?",
    "pdbx_PDB_model_num": "1",
    "occupancy": "1",
}
_Row = namedtuple("_Row", _ITEMS)

# Ångström. Alpha carbons of neighbours are 3.8 apart, 2.9 at a cis peptide bond.
_BROKEN = 4.5

# Residues that a chain may have. The longest chains of the PDB have some 5,000.
_LONGEST = 40_000

# Characters that are read of a file; they take some twenty times as much memory.
_MOST_TEXT = 1 << 27


class Atom(NamedTuple):
    """An atom: its name (``CA``) and element (``C``), its coordinates in ångström, its occupancy from 0 to 1."""

    name: str
    element: str
    x: float
    y: float
    z: float
    occupancy: float


class Residue(NamedTuple):
    """A residue of a chain.

    ``letter`` stands for the amino acid, of a modified one for its parent (``M`` for MSE), and is ``X`` where that is
    unknown; ``component`` is the three-letter code; ``number`` the author's number with insertion code (``60A``);
    ``atoms`` are Atoms of one conformer. Without coordinates there is no number and no atom.
    """

    letter: str
    component: str
    number: str | None
    atoms: list[Atom]


def read_chain(path, chain):
    """The Residues of a protein chain, named by the author's id, in the order of its sequence.

    The sequence (SEQRES) is ``_entity_poly_seq``, and residues without coordinates are part of it. A file without that
    gives the residues with coordinates, and a residue ``X`` for each number that the author left out where the chain
    is broken. The first model is read. Of alternate locations each residue has the one with the highest occupancy, the
    first one on a tie.

    Raises UserError if the file is not mmCIF or is damaged, or if it has no such chain.
    """
    try:
        data = _read_items(path, chain)
        rows = _rows_of(data, chain)
        letters = _letters(data)
        residues = _complete(data, rows, letters) or _observed(rows, letters)
    except READ_ERRORS as error:
        raise UserError(f"{path}: cannot be read ({read_error(error)}).") from None
    except KeyError as error:
        raise UserError(f"{path}: no mmCIF file with coordinates: {error.args[0]} is missing.") from None
    except (ValueError, IndexError, ZeroDivisionError) as error:
        raise UserError(f"{path}: damaged, or no mmCIF file ({error}).") from None
    if not any(residue.atoms for residue in residues):
        others = ", ".join(data.get("_entity_poly.pdbx_strand_id", [])) or "unknown"
        raise UserError(f"{path}: no protein chain {chain} with coordinates. Chains of polymers: {others}.")
    return residues


def format_cif(name, items):
    """The text of an mmCIF file: ``items`` are a value or a list of values, as text, by ``_category.item``."""
    from Bio.PDB.mmcifio import MMCIFIO

    writer, text = MMCIFIO(), io.StringIO()
    writer.set_dict({"data_": name} | items)
    writer.save(text)
    return text.getvalue()


def _read_items(path, chain):
    """Item -> values; of the atoms only those of a chain."""
    from Bio.PDB.MMCIF2Dict import MMCIF2Dict

    with open_text(path) as handle:
        return MMCIF2Dict(_lines_of(handle, chain))


def _lines_of(handle, chain):
    """The lines of a file but for atoms of other chains: a ribosome has hundreds of thousands."""
    id_of_chain, size = f" {chain} ", 0
    for line in handle:
        if line.startswith(("ATOM ", "HETATM ")) and id_of_chain not in line:
            continue
        size += len(line)
        if size > _MOST_TEXT:
            raise ValueError(f"more than {_MOST_TEXT:,} characters without the atoms of other chains")
        yield line


def _rows_of(data, chain):
    """The _Rows of the first model of a chain; the coordinates and the occupancy are numbers."""
    size = len(data["_atom_site.label_atom_id"])
    columns = [
        data[f"_atom_site.{name}"] if missing is None else data.get(f"_atom_site.{name}", [missing] * size)
        for name, missing in _ITEMS.items()
    ]
    rows = [row for row in map(_Row._make, zip(*columns, strict=True)) if row.auth_asym_id == chain]
    return [
        row._replace(**{name: _number(getattr(row, name)) for name in ("Cartn_x", "Cartn_y", "Cartn_z", "occupancy")})
        for row in rows
        if row.pdbx_PDB_model_num == rows[0].pdbx_PDB_model_num
    ]


def _number(text):
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"a coordinate is {text}")
    return number


def _letters(data):
    """Letters of the amino acids by three-letter code; those of modified ones that only the file knows, too."""
    from Bio.Data.PDBData import protein_letters_3to1_extended as letters

    modified = "_pdbx_struct_mod_residue"
    parents = zip(data.get(f"{modified}.label_comp_id", []), data.get(f"{modified}.parent_comp_id", []), strict=True)
    return {component: letters[parent] for component, parent in parents if parent in letters} | letters


def _complete(data, rows, letters):
    """The Residues of the whole sequence of a chain; none if the file does not have it."""
    in_sequence = [row for row in rows if row.label_seq_id.isdecimal()]
    # what is bound to a protein may have its chain's id and is an entity of its own
    entities = Counter(row.label_entity_id for row in in_sequence).most_common(1)
    components, atoms = {}, {}
    for entity, number, component in zip(
        data.get("_entity_poly_seq.entity_id", []),
        data.get("_entity_poly_seq.num", []),
        data.get("_entity_poly_seq.mon_id", []),
        strict=True,
    ):
        if entities and entity == entities[0][0]:
            components.setdefault(int(number), component)  # a place with several components is listed several times
    if len(components) > _LONGEST:
        raise ValueError(f"a chain of {len(components):,} residues")
    for row in in_sequence:
        if row.label_entity_id == entities[0][0]:
            atoms.setdefault(int(row.label_seq_id), []).append(row)
    return [
        _residue(atoms[number], letters)
        if number in atoms
        else Residue(letters.get(component, UNKNOWN), component, None, ())
        for number, component in sorted(components.items())
    ]


def _observed(rows, letters):
    """The Residues with an alpha carbon, and those that are missing where the chain is broken."""
    found = []
    for (number, _), group in groupby(rows, lambda row: (row.auth_seq_id, row.pdbx_PDB_ins_code)):
        residue = _residue(list(group), letters)
        if alpha_carbon := _alpha_carbon(residue):
            found.append((int(number), alpha_carbon, residue))
    residues = [found[0][2]] if found else []
    for (before, end, _), (after, start, residue) in pairwise(found):
        if math.dist(end[2:5], start[2:5]) > _BROKEN:
            missing = after - before - 1
            if missing > _LONGEST:
                raise ValueError(f"residue {after} follows residue {before}")
            residues += [Residue(UNKNOWN, UNKNOWN, None, ())] * missing
        residues.append(residue)
    return residues


def _alpha_carbon(residue):
    return next((atom for atom in residue.atoms if (atom.name, atom.element) == ("CA", "C")), None)


def _residue(rows, letters):
    """The Residue of its rows, one conformer of it."""
    alternates = [row for row in rows if row.label_alt_id not in (".", "?")]
    chosen = max(alternates, key=lambda row: row.occupancy, default=rows[0])  # the first of equal ones
    kept = [
        row
        for row in rows
        if row.label_comp_id == chosen.label_comp_id and row.label_alt_id in (".", "?", chosen.label_alt_id)
    ]
    atoms = {
        row.label_atom_id: Atom(
            row.label_atom_id, row.type_symbol, row.Cartn_x, row.Cartn_y, row.Cartn_z, row.occupancy
        )
        for row in kept
    }
    number = chosen.auth_seq_id + ("" if chosen.pdbx_PDB_ins_code in (".", "?") else chosen.pdbx_PDB_ins_code)
    letter = letters.get(chosen.label_comp_id, UNKNOWN)
    return Residue(letter, chosen.label_comp_id, number, tuple(atoms.values()))
