"""GFF3, the table of features that genome browsers read.

As the specification 1.26 of the Sequence Ontology defines it
(https://github.com/The-Sequence-Ontology/Specifications/blob/master/gff3.md).
"""

import re
from urllib.parse import quote

GFF3_HEADER = "##gff-version 3\n"

# What a sequence id may hold as it is; a text in column 9 may hold all but these.
_SEQUENCE_ID = ".:^*$@!+_?-|"
_RESERVED = re.compile(r"[%;=&,\x00-\x1f\x7f]")


def sequence_region(sequence, length):
    """The directive that a sequence has residues 1 to ``length``."""
    return f"##sequence-region {_sequence_id(sequence)} 1 {length}\n"


def feature(sequence, source, kind, start, end, score, attributes):
    """The line of a feature without strand and phase. Positions count residues from 1, ends included.

    ``kind`` is a term of the Sequence Ontology; ``score`` an E-value, as the specification recommends for similarity.
    ``attributes`` are texts or numbers by name; those that are None or empty are left out.
    """
    pairs = ";".join(f"{name}={_escaped(value)}" for name, value in attributes.items() if value not in (None, ""))
    columns = (
        _sequence_id(sequence),
        source,
        kind,
        start,
        end,
        "." if score is None else score,
        ".",
        ".",
        pairs or ".",
    )
    return "\t".join(map(str, columns)) + "\n"


def _sequence_id(text):
    return quote(text, safe=_SEQUENCE_ID)


def _escaped(value):
    return _RESERVED.sub(lambda found: quote(found[0], safe=""), str(value))
