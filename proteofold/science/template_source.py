"""A user's templates as text, FASTA or A3M, from which a template library is built.

A ``.a3m`` file is one template: its first record, and homologues aligned to it. In ``.fasta``, ``.fa``, ``.faa``
and ``.fas`` files each record is a template of its own. All may be gzip files (``.gz``).
"""

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

from proteofold.formats.a3m import is_annotation
from proteofold.formats.fasta import format_fasta, protein_stem, read_fasta
from proteofold.science.library_check import LONGEST_NAME
from proteofold.system.errors import UserError

# Raised when building makes another library from the same text.
BUILD_VERSION = 1

_ALIGNMENT = (".a3m",)
_SEQUENCES = (".fasta", ".fa", ".faa", ".fas")
ENDINGS = _ALIGNMENT + _SEQUENCES
_SHOWN = 5
_COLUMNS_ONLY = re.compile("[a-z.]")
_NO_RESIDUE = re.compile("[^A-Za-z]")
_NOT_OF_A3M = re.compile("[^A-Za-z.-]")


@dataclass(frozen=True, slots=True)
class Template:
    """One template: its id, its name in the library's indexes, its row of the alignment, its A3M text and its file.

    HH-suite reports the id, which the A3M text begins with, and not the name. ``annotated`` states whether the A3M text
    has secondary structure.
    """

    id: str
    name: str
    sequence: str
    a3m: str
    file: Path
    annotated: bool = False

    @property
    def columns(self):
        """Its number of match columns."""
        return _columns(self.sequence)

    def with_prediction(self, prediction):
        """The template with the Prediction of its residues as the records ``ss_pred`` and ``ss_conf``."""
        predicted = zip(prediction.states, prediction.confidence, strict=True)
        # an insertion has no column, and a gap no residue
        pairs = [("-", "-") if letter == "-" else next(predicted) for letter in self.sequence.replace(".", "")]
        rows = zip(pairs, self.sequence.replace(".", ""), strict=True)
        columns = [pair for pair, letter in rows if not letter.islower()]
        states, digits = ("".join(row) for row in zip(*columns, strict=True))
        text = format_fasta("ss_pred", states, width=None) + format_fasta("ss_conf", digits, width=None)
        return replace(self, a3m=text + self.a3m, annotated=True)

    @property
    def residues(self):
        """Its sequence without gaps."""
        return re.sub("[.-]", "", self.sequence).upper()


def read_templates(folder):
    """The templates of a folder, sorted by name; UserError lists every file that does not serve."""
    paths = sorted(path for path in Path(folder).iterdir() if _suffix(path)) if Path(folder).is_dir() else []
    if not paths:
        problem = f"holds no {', '.join(ENDINGS)} file (.gz too)" if Path(folder).is_dir() else "is no folder"
        raise UserError(
            f"templates: build: {folder} {problem}. "
            f"Give a folder of template sequences or alignments.{_other_files(folder)}",
            topic="template-library",
        )
    templates, problems = {}, []
    for path in paths:
        try:
            for template in _templates_of(path):
                if template.name in templates:
                    problems.append(f"{path}: a second template {template.id}: remove or rename one of the two.")
                templates[template.name] = template
        except UserError as error:
            problems.append(str(error))
    if problems:
        raise UserError("\n".join(problems), topic="template-library")
    return [templates[name] for name in sorted(templates)]


def skipped(folder):
    """Names in a folder of templates that are not read: other kinds of files, and folders, which end in '/'."""
    entries = sorted(path for path in Path(folder).iterdir() if not path.name.startswith("."))
    return [f"{path.name}/" if path.is_dir() else path.name for path in entries if not _suffix(path)]


def _other_files(folder):
    names = skipped(folder) if Path(folder).is_dir() else []
    return f" It holds {', '.join(names[:_SHOWN])}{', ...' if len(names) > _SHOWN else ''}." if names else ""


def source_key(templates, weights_digest=None):
    """Identity of the library that these templates make, with predictions by weights of this digest."""
    digest = hashlib.sha256(f"build {BUILD_VERSION}\n".encode())
    if weights_digest:
        digest.update(f"predicted by {weights_digest}\n".encode())
    for template in templates:
        digest.update(f"{template.name}\n{template.a3m}".encode())
    return digest.hexdigest()[:16]


def _suffix(path):
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    return suffix if suffix in ENDINGS else None


def _templates_of(path):
    records = [record._replace(sequence=_without_stop(record)) for record in read_fasta(path, comment="#")]
    if not records:
        raise UserError(
            f"{path}: no record: an empty file is no template. Remove it or fill it.", topic="template-library"
        )
    for record in records:
        if "\ufffd" in record.id or not record.id.isprintable():
            raise UserError(
                f"{path}, line {record.line}: {ascii(record.id)}: an id must be printable UTF-8. Re-encode it.",
                topic="template-library",
            )
    if _suffix(path) in _ALIGNMENT:
        _check_residues(path, records, _NOT_OF_A3M, "Only residues and gaps ('-', '.') are allowed.")
        return [_template(path, records)]
    advice = "A record of a FASTA file is a template by itself, of residues only; alignments go into .a3m files."
    _check_residues(path, records, _NO_RESIDUE, advice)
    # lower case is masking here; in an alignment it would be residues that the template does not have
    return [_template(path, [record._replace(sequence=record.sequence.upper())]) for record in records]


def _without_stop(record):
    return record.sequence if is_annotation(record.id) else record.sequence.removesuffix("*")


def _check_residues(path, records, foreign, advice):
    for record in records:
        if not is_annotation(record.id) and (found := foreign.search(record.sequence)):
            raise UserError(
                f"{path}, line {record.line}: {record.id} holds {found[0]!r}. {advice}", topic="template-library"
            )


def _template(path, records):
    first = next((record for record in records if not is_annotation(record.id)), None)
    if first is None:
        raise UserError(
            f"{path}, line {records[0].line}: no template sequence: HH-suite takes {records[0].id!r} for annotation. "
            "Rename it.",
            topic="template-library",
        )
    if first.id.startswith("@") or not first.id[0].isascii():
        raise UserError(
            f"{path}, line {first.line}: {first.id}: HH-suite would leave out {first.id[0]!r}. Begin the template's id "
            "with an ASCII character other than '@'.",
            topic="template-library",
        )
    columns = _columns(first.sequence)
    if columns < 2:
        raise UserError(
            f"{path}, line {first.line}: no template sequence of two residues or more.", topic="template-library"
        )
    for record in records:
        if _columns(record.sequence) != columns:
            raise UserError(
                f"{path}, line {record.line}: {record.id} has {_columns(record.sequence)} match columns "
                f"(upper case and '-'), the template {first.id} has {columns}: not an A3M alignment.",
                topic="template-library",
            )
    text = "".join(
        format_fasta(f"{record.id} {record.description}".strip(), record.sequence, width=None) for record in records
    )
    annotated = any(record.id.startswith("ss_") for record in records)
    return Template(first.id, _library_name(first.id), first.sequence, text, path, annotated)


def _columns(sequence):
    return len(_COLUMNS_ONLY.sub("", sequence))


def _library_name(template_id):
    """The stem of an id; one too long for an index is cut and gets a checksum."""
    stem = protein_stem(template_id)
    if len(stem) <= LONGEST_NAME:
        return stem
    checksum = hashlib.sha256(template_id.encode("utf-8", "replace")).hexdigest()[:12]
    return f"{stem[: LONGEST_NAME - 13]}-{checksum}"
