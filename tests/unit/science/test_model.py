"""A model has the coordinates of the template under the numbers of the protein."""

import gzip
import io

import pytest
from Bio.PDB import MMCIFParser, PDBParser
from Bio.PDB.MMCIF2Dict import MMCIF2Dict
from structures import alignment, atoms, chain_rows, cif, components

from proteofold.formats.hhr import Hit
from proteofold.formats.mmcif import read_chain
from proteofold.science.model import build_model, pdb_chain
from proteofold.science.model_text import SENTENCE, model_text
from proteofold.system.errors import UserError

SEQUENCE = "MKVLSAERGWKTPQDF"
HIT = Hit(1, "1ABC_A", "made", probability=99.5, evalue=2e-30, score=100.0, identity=45)


@pytest.fixture
def chain(tmp_path):
    """Function that gives the Residues of chain A of a made structure."""

    def make(rows, sequence=None):
        path = tmp_path / "1abc.cif.gz"
        path.write_bytes(gzip.compress(cif(rows, sequence).encode()))
        return read_chain(path, "A")

    return make


@pytest.fixture
def whole(chain):
    """The chain of SEQUENCE, all of it with coordinates."""
    return chain(chain_rows(SEQUENCE), components(SEQUENCE))


def places(model):
    """Number of each residue of a model -> the place of the template's residue, by the coordinates of its atoms."""
    found = {residue.number: {round(atom.x / 3.8) for atom in residue.atoms} for residue in model.residues}
    assert all(len(at) == 1 for at in found.values())
    return {number: at.pop() for number, at in found.items()}


def build(rows, found):
    return build_model(rows, HIT, "sp|P1|X", found)


def test_aligned_residues_get_the_coordinates_of_the_template_and_their_own_numbers(whole):
    model = build(alignment("AKVLSA", "MKVLSA", query_start=41, template_length=16), whole)
    assert places(model) == {41: 1, 42: 2, 43: 3, 44: 4, 45: 5, 46: 6}
    copied = {atom for residue in model.residues for atom in residue.atoms}
    assert copied <= {atom for residue in whole for atom in residue.atoms}


def test_gaps_of_either_row_are_left_open(whole):
    model = build(alignment("KVWW--AER", "KV--LSAER", 11, 2, 16), whole)
    assert places(model) == {11: 2, 12: 3, 15: 6, 16: 7, 17: 8}


def test_alignment_may_begin_anywhere_in_the_template(whole):
    assert places(build(alignment("AAAA", "GWKT", 1, 9, 16), whole)) == {1: 9, 2: 10, 3: 11, 4: 12}


def test_residues_without_coordinates_are_left_out(chain):
    rows = [row for row in chain_rows(SEQUENCE) if row["label_seq_id"] not in ("1", "4", "5", "16")]
    found = chain(rows, components(SEQUENCE))
    expected = {number: number for number in range(1, 17) if number not in (1, 4, 5, 16)}
    assert places(build(alignment(SEQUENCE, SEQUENCE), found)) == expected


@pytest.mark.parametrize("listed", [True, False])
def test_missing_part_of_repeats_is_found_at_its_place(chain, listed):
    """Letters alone do not show which of the repeats have coordinates."""
    repeats = "GSGSGSKVGSGSGSW"
    rows = [row for row in chain_rows(repeats) if row["label_seq_id"] not in ("3", "4", "9", "10", "11")]
    model = build(alignment(repeats, repeats), chain(rows, components(repeats) if listed else None))
    assert places(model) == {number: number for number in (1, 2, 5, 6, 7, 8, 12, 13, 14, 15)}


def test_library_that_holds_only_residues_with_coordinates_is_found(chain):
    rows = [row for row in chain_rows(SEQUENCE) if row["label_seq_id"] not in ("1", "2", "7", "8", "9")]
    model = build(alignment("VLSAWKTPQDF", "VLSAWKTPQDF"), chain(rows, components(SEQUENCE)))
    assert list(places(model).values()) == [3, 4, 5, 6, 10, 11, 12, 13, 14, 15, 16]


def test_numbers_of_the_author_do_not_matter(chain):
    numbers = [(60, "?"), (60, "A"), (60, "B"), (59, "?"), (-3, "?"), (0, "?"), (901, "?"), (7, "?")]
    rows = [
        row
        for at, (name, number) in enumerate(zip(components(SEQUENCE), numbers * 2, strict=True), 1)
        for row in atoms(name, at, *number)
    ]
    assert places(build(alignment(SEQUENCE, SEQUENCE), chain(rows, components(SEQUENCE)))) == {
        number: number for number in range(1, 17)
    }


def test_insertion_codes_without_a_sequence_are_residues_of_their_own(chain):
    rows = [*atoms("MET", 1, 60), *atoms("LYS", 2, 60, "A"), *atoms("VAL", 3, 60, "B"), *atoms("SER", 4, 61)]
    assert places(build(alignment("AAAA", "MKVS", 5), chain(rows))) == {5: 1, 6: 2, 7: 3, 8: 4}


def names_of(model):
    return [[atom.name for atom in residue.atoms] for residue in model.residues]


def test_side_chain_is_copied_where_the_amino_acids_are_the_same(whole):
    model = build(alignment("MRV", "MKV", template_length=16), whole)
    assert names_of(model) == [
        ["N", "CA", "C", "O", "CB", "CG", "SD", "CE"],
        ["N", "CA", "C", "O", "CB"],
        ["N", "CA", "C", "O", "CB", "CG1", "CG2"],
    ]


def test_glycine_has_no_beta_carbon_and_none_is_made_up(chain):
    found = chain(chain_rows("MG"), components("MG"))
    assert names_of(build(alignment("GM", "MG"), found)) == [["N", "CA", "C", "O"]] * 2


def test_selenomethionine_is_methionine(chain):
    found = chain([*atoms("MSE", 1), *atoms("MSE", 2), *atoms("VAL", 3)], ["MSE", "MSE", "VAL"])
    model = build(alignment("MAV", "MMV"), found)
    assert names_of(model)[:2] == [["N", "CA", "C", "O", "CB", "CG", "SD", "CE"], ["N", "CA", "C", "O", "CB"]]
    selenium = next(atom for atom in found[0].atoms if atom.name == "SE")
    assert model.residues[0].atoms[6] == selenium._replace(name="SD", element="S")


def test_modified_residue_gives_the_atoms_of_its_parent_only(chain):
    found = chain([*atoms("SEP", 1), *atoms("VAL", 2)], ["SEP", "VAL"])
    assert names_of(build(alignment("SV", "SV"), found))[0] == ["N", "CA", "C", "O", "CB", "OG"]


def test_one_conformer_is_copied(chain):
    rows = [
        *atoms("SER", 1, alternate="A", occupancy=0.3),
        *atoms("SER", 1, alternate="B", occupancy=0.7, shift=0.5),
        *atoms("VAL", 2),
    ]
    model = build(alignment("SV", "SV"), chain(rows, ["SER", "VAL"]))
    assert [(atom.name, atom.x) for atom in model.residues[0].atoms] == [
        (name, 4.3) for name in ("N", "CA", "C", "O", "CB", "OG")
    ]


def test_small_letters_and_other_signs_in_the_rows_are_residues(whole):
    model = build(alignment("mkx.ls*", "MKVA-SA", confidence="1234567", template_length=16), whole)
    assert [(residue.number, residue.letter) for residue in model.residues][:2] == [(1, "M"), (2, "K")]
    assert "UNK" in model_text(model, ".cif")


def test_confidence_is_that_of_the_column(whole):
    rows = alignment("MK-V", "MKWV", confidence="09 4", template_length=17)
    found = build(rows._replace(template_sequence="MK-V", query_sequence="MK-V"), whole)
    assert [residue.confidence for residue in found.residues] == [5, 95, 45]


def test_confidence_without_such_a_line_is_that_of_the_match(whole):
    rows = alignment("MKVLS", "MKVLS", confidence=None, match="=-.+|", template_length=16)
    assert [residue.confidence for residue in build(rows, whole).residues] == [10, 30, 50, 70, 90]


def test_alignment_that_is_kept_without_confidence_gives_no_model(whole):
    with pytest.raises(UserError, match="hit 77, 1ABC_A: .* without the confidence"):
        build(alignment("MKV", "MKV", rank=77, confidence=None, match=None), whole)


def test_chain_with_another_sequence_is_refused(chain):
    found = chain(chain_rows("WWFYHWWFYH"), components("WWFYHWWFYH"))
    with pytest.raises(UserError, match="1ABC_A: only .* aligned residues"):
        build(alignment("MKVLSAERGK", "MKVLSAERGK"), found)


def test_alignment_with_nothing_but_residues_without_coordinates_is_refused(chain):
    found = chain(chain_rows(SEQUENCE)[30:], components(SEQUENCE))
    with pytest.raises(UserError, match="none of the aligned residues"):
        build(alignment("MK", "MK", template_length=16), found)


def test_mmcif_reads_back_as_it_was_built(whole):
    model = build(alignment("MKV-SAE", "MKVLSGE", 10_001, template_length=16), whole)
    text = model_text(model, ".cif")
    (found,) = MMCIFParser(QUIET=True).get_structure("m", io.StringIO(text))[0]
    assert found.id == "A"
    atoms_found = [(r.id[1], a.id, *map(float, a.coord), a.bfactor) for r in found for a in r]
    expected = [(r.number, a.name, a.x, a.y, a.z, 75) for r in model.residues for a in r.atoms]
    assert [row[:2] for row in atoms_found] == [row[:2] for row in expected]
    assert [row[2:] for row in atoms_found] == [pytest.approx(row[2:], abs=1e-3) for row in expected]


def test_header_names_template_evalue_identity_coverage_and_what_a_model_is(whole):
    model = build(alignment("AKVLSA", "MKVLSA", 3, template_length=16), whole)
    items = MMCIF2Dict(io.StringIO(model_text(model, ".cif")))
    facts = {name: items[f"_proteofold_model.{name}"] for name in ("template", "evalue", "identity", "coverage")}
    assert facts == {"template": ["1ABC_A"], "evalue": ["2e-30"], "identity": ["45"], "coverage": ["0.75"]}
    assert items["_struct.pdbx_model_details"] == [SENTENCE]
    header = " ".join(line[11:] for line in model_text(model, ".pdb").splitlines() if line.startswith("REMARK"))
    assert SENTENCE in header
    assert all(f"{name.upper()}: {value[0]}" in header for name, value in facts.items())


def test_pdb_reads_back_as_it_was_built(whole):
    model = build(alignment("MKV-SAE", "MKVLSGE", 995, template_length=16), whole)
    (found,) = PDBParser(QUIET=True).get_structure("m", io.StringIO(model_text(model, ".PDB")))[0]
    assert [(r.id[1], r.resname, a.id, a.element, *a.coord.tolist(), a.bfactor) for r in found for a in r] == [
        (r.number, *components(r.letter), a.name, a.element, *map(pytest.approx, (a.x, a.y, a.z)), 75)
        for r in model.residues
        for a in r.atoms
    ]
    assert all(len(line) <= 80 for line in model_text(model, ".pdb").splitlines())


def test_pdb_refuses_what_its_columns_cannot_hold(whole, chain):
    with pytest.raises(UserError, match=".cif"):
        model_text(build(alignment("MK", "MK", 9_999, template_length=16), whole), ".pdb")
    far = chain(chain_rows("MK", shift=10_000), components("MK"))
    with pytest.raises(UserError, match=".cif"):
        model_text(build(alignment("MK", "MK"), far), ".pdb")


def test_other_file_endings_are_refused(whole):
    with pytest.raises(UserError, match="expected .cif or .pdb"):
        model_text(build(alignment("MK", "MK", template_length=16), whole), ".xyz")


def test_chain_of_a_template():
    assert pdb_chain("1M17_A") == ("1m17", "A")
    assert pdb_chain("4V4S_Ab") == ("4v4s", "Ab")
    for wrong in ("d1abca_", "MYFOLD", "../1ABC_A", "1ABC_A/..", "1ABC", "1ABC_", "", "1ABC_A\n"):
        with pytest.raises(UserError, match="expected a chain of the PDB"):
            pdb_chain(wrong)
