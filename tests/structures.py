"""mmCIF files as the PDB has them, made for tests: residues along a line, 3.8 ångström apart; a run with models."""

import gzip
from pathlib import Path

from Bio.Data.IUPACData import protein_letters_1to3
from runfolders import FolderOfRuns

from proteofold.formats.packed_hhr import Alignment, read_alignments
from proteofold.run.merge import merge_run
from proteofold.run.results import read_packed_hhr

HBA = "sp|P69905|HBA_HUMAN"
_HHR = Path(__file__).parent / "data" / "hhsearch3.hhr"

SIDE_CHAINS = {
    "GLY": [],
    "MET": ["CB", "CG", "SD", "CE"],
    "MSE": ["CB", "CG", "SE", "CE"],
    "SER": ["CB", "OG"],
    "SEP": ["CB", "OG", "P", "O1P", "O2P", "O3P"],
    "LYS": ["CB", "CG", "CD", "CE", "NZ"],
    "VAL": ["CB", "CG1", "CG2"],
}

ITEMS = (
    *("group_PDB", "id", "type_symbol", "label_atom_id", "label_alt_id", "label_comp_id", "label_asym_id"),
    *("label_entity_id", "label_seq_id", "pdbx_PDB_ins_code", "Cartn_x", "Cartn_y", "Cartn_z", "occupancy"),
    *("B_iso_or_equiv", "auth_seq_id", "auth_comp_id", "auth_asym_id", "auth_atom_id", "pdbx_PDB_model_num"),
)


def components(letters):
    """Three-letter codes of a sequence."""
    return [protein_letters_1to3[letter].upper() for letter in letters]


def atoms(component, at, number=None, insertion="?", alternate=".", occupancy=1.0, shift=0.0, names=None, **values):
    """The rows of a residue, the ``at``-th of its chain counted from 1, as dicts by the items of ``_atom_site``."""
    rows = []
    for place, name in enumerate(names or ["N", "CA", "C", "O", *SIDE_CHAINS.get(component, ["CB", "CG"])]):
        rows.append(
            {
                "group_PDB": "HETATM" if component in ("MSE", "SEP", "HOH") else "ATOM",
                "type_symbol": "SE" if name == "SE" else name[0],
                "label_atom_id": name,
                "label_alt_id": alternate,
                "label_comp_id": component,
                "label_asym_id": "A",
                "label_entity_id": "1",
                "label_seq_id": str(at),
                "pdbx_PDB_ins_code": insertion,
                "Cartn_x": f"{3.8 * at + shift:.3f}",
                "Cartn_y": f"{place:.3f}",
                "Cartn_z": f"{-place / 8:.3f}",
                "occupancy": f"{occupancy:.2f}",
                "B_iso_or_equiv": "20.00",
                "auth_seq_id": str(at if number is None else number),
                "auth_comp_id": component,
                "auth_asym_id": "A",
                "auth_atom_id": name,
                "pdbx_PDB_model_num": "1",
            }
            | values
        )
    return rows


def chain_rows(letters, **values):
    """The rows of all residues of a sequence."""
    return [row for at, name in enumerate(components(letters), 1) for row in atoms(name, at, **values)]


def cif(rows, sequence=None, code="1ABC", more=""):
    """The text of an mmCIF file; ``sequence`` lists the components of its one entity, None: it has no such list."""
    parts = [f"data_{code}\n#\n_entry.id   {code}\n#\n{more}"]
    if sequence:
        places = [f"1 {number} {name} n\n" for number, name in enumerate(sequence, 1)]
        names = ("entity_id", "num", "mon_id", "hetero")
        parts += ["loop_\n", *(f"_entity_poly_seq.{name}\n" for name in names), *places, "#\n"]
    parts += ["loop_\n", *(f"_atom_site.{name}\n" for name in ITEMS)]
    for number, row in enumerate(rows, 1):
        parts.append(" ".join({"id": str(number), **row}[name] for name in ITEMS) + " \n")
    return "".join([*parts, "#\n"])


def alignment(query, template, query_start=1, template_start=1, template_length=None, **values):
    """An Alignment of two rows, gaps as '-', with the confidence 7 in each column."""
    query_end = query_start + len(query.replace("-", "")) - 1
    template_end = template_start + len(template.replace("-", "")) - 1
    found = dict.fromkeys(Alignment._fields) | {
        "rank": 1,
        "template": "1ABC_A",
        "query_start": query_start,
        "query_end": query_end,
        "query_length": query_end,
        "template_start": template_start,
        "template_end": template_end,
        "template_length": template_length or template_end,
        "query_sequence": query,
        "template_sequence": template,
        "match": "|" * len(query),
        "confidence": "7" * len(query),
    }
    return Alignment(**found | values)


def modelled_run(working):
    """A merged run of haemoglobin, whose hits are those of a real search, and of a protein without hits.

    ``resources/structures`` has the template of the first hit, 4HHB: chain A lacks the first two residues and is
    numbered from 101.
    """
    runs = FolderOfRuns(working)
    run = runs.plan(proteins={HBA: "M" * 142, "lonely": "MKV"})
    runs.finish(run, "P69905", hhr=_HHR)
    runs.finish(run, "lonely", [])
    merge_run(run.folder.path)
    packed = read_packed_hhr(run.search, run.members["P69905"].entry)
    sequence = read_alignments(packed)[0].template_sequence
    rows = [row for at, name in enumerate(components(sequence), 1) if at > 2 for row in atoms(name, at, at + 100)]
    folder = working / "resources" / "structures"
    folder.mkdir(parents=True)
    (folder / "4hhb.cif.gz").write_bytes(gzip.compress(cif(rows, components(sequence), "4HHB").encode()))
    return run
