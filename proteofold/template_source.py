"""A user's templates as text, FASTA or A3M, from which a template library is built.

A ``.a3m`` file is one template: its first record, and homologues aligned to it. In ``.fasta``, ``.fa``, ``.faa``
and ``.fas`` files each record is a template of its own. All may be gzip files (``.gz``).
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from proteofold.errors import UserError
from proteofold.fasta import format_fasta, protein_stem, read_fasta

# Raised when building makes another library from the same text.
BUILD_VERSION = 1

_ALIGNMENT = (".a3m",)
_SEQUENCES = (".fasta", ".fa", ".faa", ".fas")
_COLUMNS_ONLY = re.compile("[a-z.]")
_ANNOTATION = re.compile(r"ss_(pred|conf|dssp)|sa_dssp|aa_(pred|dssp|conf)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Template:
    """One template: its id, its file-safe name in the library, its number of columns and its A3M text."""

    id: str
    name: str
    columns: int
    a3m: str


def read_templates(folder):
    """The templates of a folder, sorted by name; UserError lists every file that does not serve."""
    paths = sorted(path for path in Path(folder).iterdir() if _suffix(path)) if Path(folder).is_dir() else []
    if not paths:
        raise UserError(
            f"templates: build: {folder} holds no {', '.join(_ALIGNMENT + _SEQUENCES)} file (.gz too): "
            "give a folder of template sequences or alignments."
        )
    templates, problems = {}, []
    for path in paths:
        try:
            for template in _templates_of(path):
                if template.name in templates:
                    problems.append(f"{path}: a second template {template.id}")
                templates[template.name] = template
        except UserError as error:
            problems.append(str(error))
    if problems:
        raise UserError("\n".join(problems))
    return [templates[name] for name in sorted(templates)]


def source_key(templates):
    """Identity of the library that these templates make."""
    digest = hashlib.sha256(f"build {BUILD_VERSION}\n".encode())
    for template in templates:
        digest.update(f"{template.name}\n{template.a3m}".encode())
    return digest.hexdigest()[:16]


def _suffix(path):
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    return suffix if suffix in _ALIGNMENT + _SEQUENCES else None


def _templates_of(path):
    records = list(read_fasta(path))
    if not records:
        raise UserError(f"{path}: no record: an empty file is no template. Remove it or fill it.")
    if _suffix(path) in _SEQUENCES:
        return [_template(path, [record]) for record in records]
    return [_template(path, records)]


def _template(path, records):
    first = next((record for record in records if not _ANNOTATION.fullmatch(record.id)), None)
    columns = len(_COLUMNS_ONLY.sub("", first.sequence)) if first else 0
    if columns < 2:
        raise UserError(f"{path}, line {records[0].line}: no template sequence of two residues or more.")
    for record in records:
        sequence = record.sequence if _ANNOTATION.fullmatch(record.id) else record.sequence.removesuffix("*")
        if len(_COLUMNS_ONLY.sub("", sequence)) != columns:
            raise UserError(
                f"{path}, line {record.line}: {record.id} has {len(_COLUMNS_ONLY.sub('', sequence))} match columns "
                f"(upper case and '-'), the template {first.id} has {columns}: not an A3M alignment."
            )
    text = "".join(
        format_fasta(f"{record.id} {record.description}".strip(), record.sequence.removesuffix("*"), width=None)
        for record in records
    )
    return Template(first.id, protein_stem(first.id)[:40], columns, text)
