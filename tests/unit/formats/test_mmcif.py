"""Reading a chain from mmCIF: its sequence, which residues have coordinates, and one conformer of each."""

import gzip

import pytest
from structures import atoms, chain_rows, cif, components

from proteofold.formats import mmcif
from proteofold.formats.mmcif import read_chain
from proteofold.system.errors import UserError


@pytest.fixture
def read(tmp_path):
    """Function that reads a chain from the text of an mmCIF file."""

    def run(text, chain="A"):
        path = tmp_path / "1abc.cif.gz"
        path.write_bytes(gzip.compress(text.encode()))
        return read_chain(path, chain)

    return run


def letters(residues):
    """The sequence of a chain, in lower case where it has no coordinates."""
    return "".join(residue.letter if residue.atoms else residue.letter.lower() for residue in residues)


def test_residues_without_coordinates_are_part_of_the_chain(read):
    rows = [row for row in chain_rows("MKVGS") if row["label_seq_id"] in ("2", "3", "5")]
    found = read(cif(rows, components("MKVGS")))
    assert letters(found) == "mKVgS"
    assert found[0] == ("M", "MET", None, ())
    assert found[1].atoms[1] == ("CA", "C", 7.6, 1.0, -0.125, 1.0)


def test_author_numbers_have_insertion_codes(read):
    rows = [row for at, code in enumerate("?AB?", 1) for row in atoms("VAL", at, 60 if at < 4 else 61, code)]
    assert [residue.number for residue in read(cif(rows, ["VAL"] * 4))] == ["60", "60A", "60B", "61"]
    assert [residue.number for residue in read(cif(rows))] == ["60", "60A", "60B", "61"]


def test_modified_residues_have_the_letter_of_their_parent(read):
    rows = [*atoms("MSE", 1), *atoms("SEP", 2), *atoms("QQQ", 3), *atoms("ZZZ", 4)]
    parents = (
        "loop_\n_pdbx_struct_mod_residue.id\n_pdbx_struct_mod_residue.label_comp_id\n"
        "_pdbx_struct_mod_residue.parent_comp_id\n1 QQQ TRP\n2 ZZZ ?\n#\n"
    )
    assert letters(read(cif(rows, ["MSE", "SEP", "QQQ", "ZZZ"], more=parents))) == "MSWX"


def test_alternate_location_with_the_highest_occupancy_is_read(read):
    rows = [
        *atoms("SER", 1, names=["N"]),
        *atoms("SER", 1, names=["CA", "CB"], alternate="A", occupancy=0.4),
        *atoms("SER", 1, names=["CA", "CB"], alternate="B", occupancy=0.6, shift=0.5),
    ]
    (found,) = read(cif(rows, ["SER"]))
    assert [(atom.name, atom.x, atom.occupancy) for atom in found.atoms] == [
        ("N", 3.8, 1.0),
        ("CA", 4.3, 0.6),
        ("CB", 4.3, 0.6),
    ]


def test_first_of_equal_alternate_locations_is_read(read):
    rows = [*atoms("SER", 1, alternate="A", occupancy=0.5), *atoms("SER", 1, alternate="B", occupancy=0.5, shift=1)]
    assert {atom.x for atom in read(cif(rows, ["SER"]))[0].atoms} == {3.8}


def test_place_with_two_amino_acids_has_the_one_with_the_highest_occupancy(read):
    rows = [*atoms("SER", 1, alternate="A", occupancy=0.3), *atoms("LYS", 1, alternate="B", occupancy=0.7)]
    (found,) = read(cif(rows, ["SER"]))
    assert (found.letter, found.component) == ("K", "LYS")
    assert "OG" not in [atom.name for atom in found.atoms]


def test_first_model_is_read(read):
    rows = [*chain_rows("MK"), *chain_rows("MK", pdbx_PDB_model_num="2", shift=9)]
    assert [residue.atoms[0].x for residue in read(cif(rows, components("MK")))] == [3.8, 7.6]


def test_other_chains_waters_and_ligands_are_not_read(read):
    other = chain_rows("WWW", auth_asym_id="B", label_asym_id="B")
    water = atoms("HOH", 900, names=["O"], label_seq_id=".", label_entity_id="3", label_asym_id="C")
    ligand = atoms("GLY", 901, label_seq_id="1", label_entity_id="2", label_asym_id="D")
    rows = [*other, *chain_rows("MKV"), *water, *ligand]
    assert letters(read(cif(rows, components("MKV")))) == "MKV"
    calcium = atoms("CA", 902, names=["CA"], label_seq_id=".", type_symbol="CA")
    assert letters(read(cif([*chain_rows("MKV"), *calcium]))) == "MKV"


def test_without_a_sequence_breaks_of_the_chain_are_unknown_residues(read):
    rows = [*atoms("MET", 1, 10), *atoms("LYS", 2, 11), *atoms("VAL", 5, 14), *atoms("GLY", 6, 20)]
    # from 14 to 20 the author only counts on: the residues are neighbours
    assert letters(read(cif(rows))) == "MKxxVG"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "no mmCIF file"),
        ("<html>Sorry</html>", "no mmCIF file"),
        ("data_1ABC\n#\n_entry.id 1ABC\n", "_atom_site.label_atom_id is missing"),
        (cif(chain_rows("MK")).replace("3.800", "nan", 1), "a coordinate is nan"),
        (cif(chain_rows("MK")).replace("3.800", "x", 1), "no mmCIF file"),
        (cif(chain_rows("MK"))[:-120], "no mmCIF file"),
        (cif(chain_rows("MK")).replace("_atom_site.Cartn_x", "_atom_site.x"), "_atom_site.Cartn_x is missing"),
        (cif([*atoms("MET", 1), *atoms("LYS", 9, 10**12)]), "residue 1000000000000 follows residue 1"),
        (cif(chain_rows("MK"), ["ALA"] * 50_000), "a chain of 50,000 residues"),
    ],
)
def test_what_is_no_whole_mmcif_is_refused(read, text, what):
    with pytest.raises(UserError, match=what):
        read(text)


def test_file_that_is_too_large_for_the_memory_is_refused(read, monkeypatch):
    monkeypatch.setattr(mmcif, "_MOST_TEXT", 50_000)
    other = chain_rows("MKVSG" * 200, auth_asym_id="B", label_asym_id="B")
    text = cif([*chain_rows("MKV"), *other], components("MKV"))
    assert len(text) > 100_000 and letters(read(text)) == "MKV"
    with pytest.raises(UserError, match="more than 50,000 characters"):
        read(text, "B")


def test_file_that_is_cut_short_is_refused(tmp_path):
    path = tmp_path / "1abc.cif.gz"
    path.write_bytes(gzip.compress(cif(chain_rows("MK" * 50)).encode())[:-20])
    with pytest.raises(UserError, match="cannot be read"):
        read_chain(path, "A")


def test_chain_that_is_not_there_is_an_error_that_names_the_others(read):
    names = "loop_\n_entity_poly.entity_id\n_entity_poly.pdbx_strand_id\n1 A\n2 C,D\n#\n"
    with pytest.raises(UserError, match="no protein chain B .* A, C,D"):
        read(cif(chain_rows("MK"), components("MK"), more=names), "B")
    with pytest.raises(UserError, match="no protein chain a "):
        read(cif(chain_rows("MK"), components("MK")), "a")
