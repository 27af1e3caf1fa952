"""The files of models: mmCIF and PDB."""

from proteofold.formats.mmcif import UNKNOWN, format_cif
from proteofold.formats.pdb_format import format_pdb
from proteofold.system.errors import UserError

SENTENCE = (
    "This is an unrefined alignment-based model: coordinates are copied from the template, nothing is built or "
    "optimised, and gaps are left open."
)


def model_text(model, suffix):
    """The text of the file of a Model: mmCIF for the suffix ``.cif``, PDB for ``.pdb``.

    UserError for any other suffix, and for what the PDB format cannot hold.
    """
    if suffix.lower() == ".cif":
        return _cif(model)
    if suffix.lower() == ".pdb":
        return _pdb(model)
    raise UserError(f"file ending {suffix!r}: expected .cif or .pdb.")


def _title(model):
    return f"Model of {model.query_id}, residues {model.start}-{model.end}, on the template {model.template}"


def _component(letter):
    from Bio.Data.IUPACData import protein_letters_1to3_extended as names

    return "UNK" if letter == UNKNOWN else names.get(letter, "UNK").upper()


def _shown(value):
    return "?" if value is None else str(value)


def _cif(model):
    rows = [(residue, atom) for residue in model.residues for atom in residue.atoms]
    components = {residue.number: _component(residue.letter) for residue in model.residues}
    items = {
        "_entry.id": "model",
        "_struct.entry_id": "model",
        "_struct.title": _title(model),
        "_struct.pdbx_model_details": SENTENCE,
        "_exptl.entry_id": "model",
        "_exptl.method": "THEORETICAL MODEL",
    }
    items |= {f"_proteofold_model.{name}": _shown(value) for name, value in model.described().items()}
    items |= {
        "_entity.id": "1",
        "_entity.type": "polymer",
        "_entity_poly.entity_id": "1",
        "_entity_poly.type": "polypeptide(L)",
        "_entity_poly.pdbx_strand_id": "A",
        "_struct_asym.id": "A",
        "_struct_asym.entity_id": "1",
    }
    residues = {
        "query_seq_id": [str(residue.number) for residue in model.residues],
        "query_comp_id": list(components.values()),
        "template_auth_seq_id": [residue.template.number for residue in model.residues],
        "template_comp_id": [residue.template.component for residue in model.residues],
        "confidence": [str(residue.confidence) for residue in model.residues],
    }
    items |= {f"_proteofold_model_residue.{name}": values for name, values in residues.items()}
    atoms = {
        "group_PDB": ["ATOM"] * len(rows),
        "id": [str(number) for number in range(1, len(rows) + 1)],
        "type_symbol": [atom.element for _, atom in rows],
        "label_atom_id": [atom.name for _, atom in rows],
        "label_alt_id": ["."] * len(rows),
        "label_comp_id": [components[residue.number] for residue, _ in rows],
        "label_asym_id": ["A"] * len(rows),
        "label_entity_id": ["1"] * len(rows),
        "label_seq_id": [str(residue.number) for residue, _ in rows],
        "pdbx_PDB_ins_code": ["?"] * len(rows),
        "Cartn_x": [f"{atom.x:.3f}" for _, atom in rows],
        "Cartn_y": [f"{atom.y:.3f}" for _, atom in rows],
        "Cartn_z": [f"{atom.z:.3f}" for _, atom in rows],
        "occupancy": [f"{atom.occupancy:.2f}" for _, atom in rows],
        "B_iso_or_equiv": [f"{residue.confidence:.2f}" for residue, _ in rows],
        "auth_seq_id": [str(residue.number) for residue, _ in rows],
        "auth_comp_id": [components[residue.number] for residue, _ in rows],
        "auth_asym_id": ["A"] * len(rows),
        "pdbx_PDB_model_num": ["1"] * len(rows),
    }
    return format_cif("model", items | {f"_atom_site.{name}": values for name, values in atoms.items()})


def _pdb(model):
    facts = [f"{name.upper()}: {_shown(value)}" for name, value in model.described().items()]
    atoms = [
        (residue.number, _component(residue.letter), atom, residue.confidence)
        for residue in model.residues
        for atom in residue.atoms
    ]
    return format_pdb(_title(model), [SENTENCE, *facts], atoms)
