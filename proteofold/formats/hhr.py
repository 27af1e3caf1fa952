"""Hits of a search: reading ``.hhr`` files.

The ``.hhr`` format is HH-suite's (https://github.com/soedinglab/hh-suite/wiki): a table with one line an
alignment, then one block an alignment. HH-suite 2 and 3 and the HHpred server write it with small differences.
"""

import re
from collections import Counter
from itertools import islice
from typing import NamedTuple

from proteofold.formats.fasta import READ_ERRORS, open_text, read_error
from proteofold.system.errors import UserError

# A block of an alignment: rank; template and description; values. Of a file that is cut short parts are missing.
_BLOCK = re.compile(
    r"\nNo +(\d+)[ \t]*(?:\n>(\S*)[ \t]*(.*))?"
    r"(?:\n(?:Probab=(\S+)\s+)?E-value=(\S+)\s+Score=(\S+)(?:\s+Aligned_cols=(\d+))?"
    r"(?:[ \t]+Identities=(\d+)%)?(?:[ \t]+Similarity=(-?[\d.]+))?)?"
)
_NOTHING_OF_TABLE = (None,) * 7

# A piece of the secondary structure of query or template, as predicted or observed. Low confidence is in lower case.
_STATES = re.compile(r"\n([QT] ss_(?:pred|dssp)) +([A-Za-z~-]+)(?=\s)")
# The eight states of DSSP as three: HGI are helix, EB strand, all others coil. Gaps and unknown states stay.
THREE_STATES = str.maketrans("hGgIieBbcSsTtPp", "HHHHHEEECCCCCCC")
_UNKNOWN = {"-", "~"}

# At the ends of a query's name HH-suite drops all but printable ASCII, and an @ at its beginning. Where nothing is left
# it writes no_name_2.
_NOT_KEPT = re.compile("[^!-?A-~]+")
_NAMELESS = "no_name_"


class Hit(NamedTuple):
    """One alignment of the query with a template. Positions count residues from 1, ends included.

    What a file does not report is None.

    Two values are computed. ``template_coverage`` is the percentage of the template's residues from the first to the
    last aligned one, as BLAST's ``qcovhsp`` is for queries. ``ss_agreement`` is Q3, the percentage of aligned residues
    that have the same of three states (Rost and Sander, J. Mol. Biol. 232:584, 1993): as predicted for the query, and
    as observed in the template, or predicted where nothing was observed. DSSP's states are reduced as in EVA (Rost and
    Eyrich, Proteins Suppl. 5:192, 2001): HGI are helix, EB strand, all others coil.
    """

    rank: int
    template: str
    description: str
    probability: float | None = None  # percent
    evalue: float | None = None
    pvalue: float | None = None
    score: float | None = None
    ss_score: float | None = None
    aligned_columns: int | None = None
    query_start: int | None = None
    query_end: int | None = None
    template_start: int | None = None
    template_end: int | None = None
    template_length: int | None = None
    identity: int | None = None  # percent of the aligned residues
    similarity: float | None = None  # mean substitution score of the aligned residues
    template_coverage: float | None = None  # percent
    ss_agreement: float | None = None  # percent


HIT_COLUMNS = ("query_id", *Hit._fields)


class SearchResult(NamedTuple):
    """What a ``.hhr`` holds: the query's name and length, the size of the table, the list of hits in file order."""

    query: str
    query_length: int
    table_rows: int
    hits: list[Hit]

    @property
    def query_id(self):
        """The first word of the query's name, '' without one: its id, as far as HH-suite keeps it."""
        return next(iter(self.query.split()), "")


def read_hhr(path):
    """Read a ``.hhr`` file; raises UserError with the line where it is not one or is cut short.

    It may be a gzip file. Names that are not UTF-8 are kept with their bytes as ``\\xe9``.
    """
    try:
        with open_text(path, errors="backslashreplace") as handle:
            return _parse(handle.read(), path)
    except READ_ERRORS as error:
        raise UserError(f"{path}: cannot be read ({read_error(error)}).") from None


def is_of_query(found, query_id):
    """Whether a SearchResult is of this query, as far as HH-suite keeps an id."""
    name, kept = (_NOT_KEPT.sub("", text) for text in (found.query_id, query_id))
    return name == kept if kept else name.startswith(_NAMELESS)


def parse_hhr(data, name, most=None):
    """As ``read_hhr``, from the bytes of a ``.hhr``; of its hits only the first ``most`` where that is given."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    return _parse(data.decode(errors="backslashreplace"), name, most)


def _parse(text, name, most=None):
    # of an alignment, most of the text, no line is looked at: a proteome has two million of them
    blocks = list(islice(_BLOCK.finditer(text), most))
    head = text[: blocks[0].start() if blocks else None]
    query, query_length, table = _read_head(name, head.split("\n"))
    if query is None:
        raise UserError(f"{name}: no line starts with 'Query': not a .hhr file of HH-suite.")
    if table is None:
        raise UserError(f"{name}: no list of hits, not even an empty one. Is the file cut short?")
    ends = [*(block.start() for block in blocks[1:]), len(text)]
    hits = [_hit(name, text, block, end, table) for block, end in zip(blocks, ends, strict=False)]
    return SearchResult(query, query_length, len(table), hits)


def _read_head(name, lines):
    """Name and length of the query, None and 0 if they are missing, and rank -> row of the table, None without one."""
    query, query_length = None, 0
    numbered = enumerate(lines, 1)
    for number, line in numbered:
        if line.startswith("Query ") and query is None:
            query = line[6:].strip()
        elif line.startswith("Match_columns"):
            try:
                query_length = int(line.split()[-1])
            except ValueError:
                raise UserError(f"{name}, line {number}: not a number: {line.strip()!r}") from None
        elif line.split(maxsplit=2)[:2] == ["No", "Hit"]:
            rows = map(_table_row, (line for _, line in numbered))
            return query, query_length, {row[0]: row[1:] for row in rows if row}
    return query, query_length, None


def _table_row(line):
    """Rank and what only the table has of a hit: P-value, SS score, positions, template length. None for other lines.

    Read from the right: the name may hold anything.
    """
    try:
        rank_and_more, pvalue, _, ss_score, _, query, template, length = line.replace("(", " (").rsplit(None, 7)
        (query_start, query_end), (template_start, template_end) = query.split("-"), template.split("-")
        return (
            *(int(rank_and_more.split(None, 1)[0]), float(pvalue), float(ss_score)),
            *(int(query_start), int(query_end), int(template_start), int(template_end), int(length[1:-1])),
        )
    except ValueError:
        return None


def _hit(name, text, block, end, table):
    """The hit of a block, which ends at ``end`` of the text, and its row of the table."""
    rank, template, description, probability, evalue, score, columns, identity, similarity = block.groups()
    try:
        if template is None or evalue is None:
            raise ValueError("no template or no values. Is the file cut short?")
        evalue, score, probability = float(evalue), float(score), probability and float(probability)
        identity, similarity = identity and int(identity), similarity and float(similarity)
    except ValueError as error:
        line = text.count("\n", 0, block.start()) + 2
        raise UserError(f"{name}, line {line}: hit {rank}: {error}") from None
    pvalue, ss_score, *positions = table.get(int(rank), _NOTHING_OF_TABLE)
    columns = columns and int(columns)
    description = description.strip().lstrip(" ;")
    values = probability, evalue, pvalue, score, ss_score, columns
    computed = _template_coverage(*positions[2:]), _ss_agreement(text, block.end(), end)
    return Hit(int(rank), template, description, *values, *positions, identity, similarity, *computed)


def _template_coverage(start, end, length):
    """Percentage of a template from its first to its last aligned residue; None where that is not known."""
    return round(100 * (end - start + 1) / length, 1) if length else None


def _ss_agreement(text, start, end):
    """Percentage of aligned residues with the same state, None without any; the alignment is ``text[start:end]``."""
    rows = {}
    for label, states in _STATES.findall(text, start, end):
        rows[label] = rows.get(label, "") + states
    query = rows.get("Q ss_pred", "").translate(THREE_STATES)
    for label in ("T ss_dssp", "T ss_pred"):  # a structure may have no observed states in what is aligned
        template = rows.get(label, "").translate(THREE_STATES)
        if not template or len(query) != len(template):
            continue
        pairs = Counter(zip(query, template, strict=True))
        if known := sum(count for pair, count in pairs.items() if not _UNKNOWN.intersection(pair)):
            return round(100 * sum(pairs[state, state] for state in "HEC") / known, 1)
    return None
