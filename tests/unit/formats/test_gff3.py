"""GFF3: what the specification asks of each line, with ids and descriptions that need escapes."""

from urllib.parse import unquote

from runfolders import span_hit

from proteofold.formats.gff3 import GFF3_HEADER, feature, sequence_region
from proteofold.run.manifest import Member
from proteofold.run.verdicts import judged
from proteofold.science.domains import DomainThresholds


def test_ids_are_escaped_where_the_specification_asks_for_it():
    assert sequence_region("sp|P69905|HBA_HUMAN", 142) == "##sequence-region sp|P69905|HBA_HUMAN 1 142\n"
    name = ">a;b,c=日 %"
    _, escaped, start, end = sequence_region(name, 9).split()
    assert (start, end) == ("1", "9")
    assert unquote(escaped) == name and escaped.isascii() and not escaped.startswith(">")


def test_attributes_are_parted_by_semicolons_only():
    line = feature("p", "s", "polypeptide_domain", 2, 9, 1e-20, {"ID": "a;b", "Note": "x=1, 50%\t日 ä", "none": None})
    *columns, attributes = line.rstrip("\n").split("\t")
    assert columns == ["p", "s", "polypeptide_domain", "2", "9", "1e-20", ".", "."]
    pairs = dict(pair.split("=") for pair in attributes.split(";"))
    assert {name: unquote(text) for name, text in pairs.items()} == {"ID": "a;b", "Note": "x=1, 50%\t日 ä"}
    assert "," not in attributes


def test_number_zero_is_shown_and_missing_numbers_are_not():
    assert "identity=0" in feature("p", "s", "k", 1, 2, None, {"identity": 0, "probability": None})
    assert feature("p", "s", "k", 1, 2, None, {}).split("\t")[5:] == [".", ".", ".", ".\n"]


class Run:
    """What ``judged`` asks of a run."""

    thresholds = DomainThresholds()


def test_domains_of_a_protein_lie_in_its_region_and_have_ids_of_their_own():
    member = Member("a b", "a_b", 200, "", "a_b-0", "")
    hits = [
        span_hit(1, 80, "T1", score=200.0, template_start=3, template_end=82, template_length=90),
        span_hit(101, 180, "T1", rank=2),
    ]
    region, *lines = judged(Run, member, hits).gff3(member.query_id, member.length).splitlines()
    assert GFF3_HEADER == "##gff-version 3\n" and region == "##sequence-region a%20b 1 200"
    rows = [line.split("\t") for line in lines]
    assert [(row[0], row[2], row[3], row[4]) for row in rows] == [
        ("a%20b", "polypeptide_domain", "1", "80"),
        ("a%20b", "polypeptide_domain", "101", "180"),
    ]
    attributes = [dict(pair.split("=") for pair in row[8].split(";")) for row in rows]
    assert [found["ID"] for found in attributes] == ["a b:domain1", "a b:domain2"]
    assert attributes[0]["Target"] == "T1 3 82" and attributes[0]["Name"] == "T1"
    assert unquote(attributes[0]["Note"]) == 'about "T1", a; b'
