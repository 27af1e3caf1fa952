"""The example data in config/demo are plausible: right lengths, right residues, sound alignments."""

import re
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "config" / "demo"
AMINO_ACIDS = set("ACDEFGHIKLMNPQRSTVWY")

# Length in residues of the canonical UniProt entry.
UNIPROT_LENGTHS = {
    "P69905": 142,
    "P68871": 147,
    "P02144": 154,
    "P61626": 148,
    "P62979": 156,
    "P0DP23": 149,
    "P01112": 189,
    "P10599": 105,
    "P99999": 105,
    "P00441": 154,
    "P00918": 260,
    "P04637": 393,
    "P01308": 110,
    "P62942": 108,
    "P62937": 165,
    "P24941": 298,
    "P60174": 249,
    "P00533": 1210,
    "P37840": 140,
    "P04553": 51,
}

# Molecular mass of the same entries in dalton, rounded as UniProt prints it.
UNIPROT_MASSES = {
    "P69905": 15258,
    "P68871": 15998,
    "P02144": 17184,
    "P61626": 16537,
    "P62979": 17965,
    "P0DP23": 16838,
    "P01112": 21298,
    "P10599": 11737,
    "P99999": 11749,
    "P00441": 15936,
    "P00918": 29246,
    "P04637": 43653,
    "P01308": 11981,
    "P62942": 11951,
    "P62937": 18012,
    "P24941": 33930,
    "P60174": 26669,
    "P00533": 134277,
    "P37840": 14460,
    "P04553": 6823,
}

# Average residue masses; a chain weighs their sum and one water.
RESIDUE_MASSES = {
    "A": 71.0788,
    "C": 103.1388,
    "D": 115.0886,
    "E": 129.1155,
    "F": 147.1766,
    "G": 57.0519,
    "H": 137.1411,
    "I": 113.1594,
    "K": 128.1741,
    "L": 113.1594,
    "M": 131.1926,
    "N": 114.1038,
    "P": 97.1167,
    "Q": 128.1307,
    "R": 156.1875,
    "S": 87.0782,
    "T": 101.1051,
    "V": 99.1326,
    "W": 186.2132,
    "Y": 163.1760,
}
WATER = 18.0153

MOTIFS = [
    ("P69905", "LSDLHAHKLRVDPVNF", 1),  # around the haem's proximal histidine
    ("P68871", "LSELHCDKLHVDPENF", 1),
    ("P02144", "HGATVLTALGGILK", 1),  # around the distal histidine
    ("P61626", "STDYGIFQINSRYWCN", 1),  # lysozyme/alpha-lactalbumin signature
    ("P62979", "LRLRGG", 1),  # end of the ubiquitin part
    ("P0DP23", "D.D.[DN]G", 4),  # EF-hand loops
    ("P01112", "GAGGVGKS", 1),  # P-loop
    ("P01112", "DTAGQE", 1),  # switch II
    ("P01112", "NKCD", 1),  # guanine recognition
    ("P01112", "CVLS$", 1),  # CaaX box
    ("P10599", "WCGPC", 1),  # redox centre
    ("P99999", "C..CH", 1),  # haem attachment
    ("P00441", "GFHVHEFGD", 1),  # copper ligands
    ("P00918", "FHFHWGS", 1),  # zinc ligands
    ("P04637", "MCNSSCMGGMNRRPILTIITLE", 1),  # p53 family signature
    ("P01308", "CGSHLVEALYLVCG", 1),  # B chain
    ("P01308", "GIVEQCCTSICSLYQLENYCN$", 1),  # A chain
    ("P62942", "GWEEG", 1),
    ("P62937", "FHRIIPGFM.QGGDFT", 1),  # cyclophilin signature
    ("P24941", "G.G.YG", 1),  # glycine-rich loop
    ("P24941", "HRDLKPQN", 1),  # catalytic loop
    ("P24941", "DFG.*APE", 1),  # activation segment
    ("P60174", "AYEPVWAIGTG", 1),  # triosephosphate isomerase signature
    ("P00533", "G.GAFG", 1),
    ("P00533", "HRDLAARN", 1),
    ("P00533", "DFG.*ALE", 1),  # EGFR has ALE where most kinases have APE
    ("P37840", "K[AT][KV][EQ][GQ]", 6),  # imperfect repeats
    ("P04553", "RRRRRR", 1),
]

# Residues known by number: active sites, ligands, cross-links, well-known variants.
NUMBERED_RESIDUES = {
    "P69905": "H59 H88",
    "P68871": "E7 H64 H93 C94",
    "P02144": "H65 H94",
    "P61626": "C24 E53 D71",
    "P62979": "K48 K63 G76 A77",
    "P0DP23": "D21 D57 D94 D130 K116",
    "P01112": "G12 G13 Q61 D119 C186",
    "P10599": "C32 C35 C73",
    "P99999": "C15 C18 H19 M81",
    "P00441": "A5 H47 H49 H64 H72 H81 D84 G94 H121 C147",
    "P00918": "H64 H94 H96 H119",
    "P04637": "P72 R175 C176 H179 C238 C242 R248 R249 R273 R282 L344",
    "P01308": "C31 C43 C95 C96 C100 C109",
    "P62942": "Y27 F37 D38 W60 Y83",
    "P62937": "R55 F60 M61 F113 W121",
    "P24941": "T14 Y15 K33 F80 D127 D145 T160",
    "P60174": "K14 H96 E166",
    "P00533": "C797 T790 K745 L858 Y1016 Y1092 Y1172 Y1197",
    "P37840": "A30 E46 A53 Y125 S129",
    "P04553": "M1 R3 S9",
}

MINIMUM_TEMPLATES = 40


def read_records(path):
    records = []
    for line in path.read_text(encoding="ascii").splitlines():
        if line.startswith(">"):
            records.append([line[1:], ""])
        else:
            records[-1][1] += line
    return records


def accession(header):
    return header.split("|")[1]


QUERY_RECORDS = read_records(DEMO / "proteins.fasta")
QUERIES = {accession(header): sequence for header, sequence in QUERY_RECORDS}
TEMPLATES = {path.stem: read_records(path) for path in sorted((DEMO / "templates").glob("*.a3m"))}


def match_columns(row):
    return sum(1 for symbol in row if not symbol.islower())


def test_query_lengths_are_those_of_uniprot():
    assert {key: len(sequence) for key, sequence in QUERIES.items()} == UNIPROT_LENGTHS


@pytest.mark.parametrize("key", sorted(UNIPROT_MASSES))
def test_query_mass_is_that_of_uniprot(key):
    mass = sum(RESIDUE_MASSES[residue] for residue in QUERIES[key]) + WATER
    assert mass == pytest.approx(UNIPROT_MASSES[key], abs=1.5)


def test_query_ids_are_unique():
    ids = [header.split()[0] for header, _ in QUERY_RECORDS]
    assert len(set(ids)) == len(ids) == len(QUERIES)


def test_query_headers_are_in_uniprot_style():
    style = re.compile(r"sp\|[A-Z0-9]{6}\|[A-Z0-9]+_HUMAN .+ OS=Homo sapiens OX=9606 GN=\w+ PE=1 SV=\d")
    assert [header for header, _ in QUERY_RECORDS if not style.fullmatch(header)] == []


def test_queries_hold_only_the_twenty_amino_acids():
    assert {key for key, sequence in QUERIES.items() if set(sequence) - AMINO_ACIDS} == set()


def test_query_lines_are_sixty_residues_at_most():
    lines = (DEMO / "proteins.fasta").read_text(encoding="ascii").splitlines()
    assert max(len(line) for line in lines if not line.startswith(">")) == 60


def test_queries_start_with_methionine():
    assert {sequence[0] for sequence in QUERIES.values()} == {"M"}


def test_one_query_is_longer_than_a_thousand_residues():
    assert any(len(sequence) > 1000 for sequence in QUERIES.values())


@pytest.mark.parametrize(("key", "motif", "times"), MOTIFS)
def test_query_has_its_known_motif(key, motif, times):
    assert len(re.findall(motif, QUERIES[key])) >= times


@pytest.mark.parametrize("key", sorted(NUMBERED_RESIDUES))
def test_query_has_known_residues_at_their_published_positions(key):
    expected = NUMBERED_RESIDUES[key].split()
    found = [QUERIES[key][int(residue[1:]) - 1] + residue[1:] for residue in expected]
    assert found == expected


def test_there_are_enough_templates():
    assert len(TEMPLATES) >= MINIMUM_TEMPLATES


def test_template_files_are_named_by_pdb_id_and_chain():
    assert [name for name in TEMPLATES if not re.fullmatch(r"[1-9][0-9A-Z]{3}_[A-Z0-9]", name)] == []


def test_templates_start_with_their_own_chain():
    for name, records in TEMPLATES.items():
        header, sequence = records[0]
        assert re.fullmatch(re.escape(name) + r" .+ \{.+\}", header)
        assert sequence
        assert set(sequence) <= AMINO_ACIDS, name


def test_template_rows_all_have_the_same_number_of_match_columns():
    for name, records in TEMPLATES.items():
        assert {match_columns(row) for _, row in records} == {len(records[0][1])}, name


def test_template_rows_hold_only_amino_acids_and_gaps():
    for name, records in TEMPLATES.items():
        for _, row in records:
            assert set(row.upper()) <= AMINO_ACIDS | {"-"}, name


def test_template_record_names_are_unique_within_a_file():
    for name, records in TEMPLATES.items():
        ids = [header.split()[0] for header, _ in records]
        assert len(set(ids)) == len(ids), name


def test_template_homologues_resemble_the_chain():
    for name, records in TEMPLATES.items():
        chain = records[0][1]
        for header, row in records[1:]:
            columns = [symbol for symbol in row if not symbol.islower()]
            pairs = [(a, b) for a, b in zip(chain, columns, strict=True) if b != "-"]
            assert len(pairs) >= 0.5 * len(chain), (name, header)
            assert sum(a == b for a, b in pairs) >= 0.25 * len(pairs), (name, header)


def test_template_sequences_are_all_different():
    sequences = [records[0][1] for records in TEMPLATES.values()]
    assert len(set(sequences)) == len(sequences)
