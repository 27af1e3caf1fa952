"""The checks before a run: every problem of every input at once, each with where it is and what to do."""

import os
import re
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from proteofold.formats.a3m import is_annotation
from proteofold.formats.fasta import (
    READ_ERRORS,
    FastaError,
    open_text,
    protein_stem,
    read_error,
    read_fasta,
    sequence_md5,
)
from proteofold.run.alignments import given_alignment
from proteofold.run.config import config_problems, database_choice, template_choice, weights_folder
from proteofold.run.layout import ALIGNMENTS, PREDICTIONS, RESULTS, SEARCHES, SHARED, RunFolder
from proteofold.science import hhsuite
from proteofold.science.template_source import ENDINGS, skipped
from proteofold.science.weights import check_tensors, weight_files
from proteofold.system import paths
from proteofold.system.disks import disk_error
from proteofold.system.errors import UserError

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
# Accepted: ambiguous or unusual residues. S4PRED takes all as unknown; HH-suite reads B as D, Z as E and U as C.
RARE_RESIDUES = "BJOUXZ"

# in either case, but of ASCII only: the upper case of some other letters is one of these
_FOREIGN = re.compile(f"[^{RESIDUES}{RARE_RESIDUES}]", re.IGNORECASE | re.ASCII)
_RARE = re.compile(f"[{RARE_RESIDUES}]")
_NUCLEOTIDES = re.compile("[ACGTUN]+")
_LONGEST_QUERY_ID = 500
_BUILDING_PROGRAMS = ("ffindex_build", "hhmake", "cstranslate")
# Snakemake's own records. Where it cannot make or write this folder, it ends with a traceback (docs/decisions.md).
_SNAKEMAKE = Path(".snakemake")
_EXAMPLES = 5
_MOST_ERRORS = 200  # shown: a wrong list of ids would fill the screen with thousands


@dataclass(frozen=True, slots=True)
class Query:
    """A protein given to the pipeline; ``protein`` is its file-safe stem, ``md5`` that of its sequence."""

    query_id: str
    protein: str
    sequence: str
    md5: str
    description: str = ""


@dataclass(slots=True)
class Checked:
    """What the checks found: the queries in input order, the choices, errors, and notes on what was corrected.

    ``templates``, ``weights`` and ``database``, of query alignments, are set when nothing is wrong with them.
    """

    queries: list = field(default_factory=list)
    templates: object = None
    weights: str = ""
    database: object = None
    errors: list = field(default_factory=list)
    topics: list = field(default_factory=list)  # of the errors that another section than "inputs" explains
    notes: list = field(default_factory=list)

    def raise_errors(self):
        """Raise one UserError that lists all errors, if there are any."""
        if self.errors:
            count = "1 problem" if len(self.errors) == 1 else f"{len(self.errors)} problems"
            lines = "\n".join(f"  - {error}" for error in self.errors[:_MOST_ERRORS])
            if len(self.errors) > _MOST_ERRORS:
                lines += f"\n  and {len(self.errors) - _MOST_ERRORS} more"
            of_one_topic = len(self.topics) == len(self.errors) and len(set(self.topics)) == 1
            topic = self.topics[0] if of_one_topic else "inputs"
            raise UserError(f"{count} in the inputs; nothing was run:\n{lines}", topic=topic)


def check_inputs(config, read_weights=False):
    """Check configuration, sequences, ids, template library, weights and programs; nothing is written.

    ``read_weights`` loads the weights too, which takes seconds.
    """
    checked = Checked(errors=config_problems(config))
    if checked.errors:
        checked.topics = ["configuration"] * len(checked.errors)
        return checked
    sequences = Sequences(checked)
    for path in config["proteins"]:
        sequences.read(path)
    checked.queries = sequences.select(config["ids"]) if config["ids"] else sequences.queries()
    sequences.add_notes()
    if not checked.queries and not checked.errors:
        checked.errors.append("no protein is left to run: see 'proteins' and 'ids' in the configuration.")
    with collected(checked):
        checked.templates = template_choice(config)
        if isinstance(config["templates"], dict) and (names := skipped(checked.templates.source)):
            more = f" and {len(names) - _EXAMPLES} more" if len(names) > _EXAMPLES else ""
            checked.notes.append(
                f"{checked.templates.source}: not read as templates: {', '.join(names[:_EXAMPLES])}{more}. Only files "
                f"that end in {', '.join(ENDINGS)}, or in one of these and .gz, are."
            )
    _check_alignments(config, checked)
    with collected(checked):
        folder = weights_folder(config["s4pred"]["weights"])
        weight_files(folder)
        if read_weights:
            check_tensors(folder)
        checked.weights = folder
    _check_paths(config, checked)
    shared = [RESULTS / SHARED, *(RESULTS / SHARED / name for name in (PREDICTIONS, ALIGNMENTS, SEARCHES))]
    run = RunFolder(RESULTS / config["run"])
    own = (run.path, run.logs, run.a3m_folder, run.blocks, run.marks, run.report, run.slurm)
    for folder in (RESULTS, *own, *shared, paths.RESOURCES, _SNAKEMAKE):
        if os.path.lexists(folder) and not folder.is_dir():
            checked.errors.append(f"{folder}: a run needs a folder of this name. Move or rename what is there.")
    _check_programs(config, checked)
    return checked


def check_writing(config, checked):
    """Add an error for each folder that a run would write into and cannot."""
    for folder in (RESULTS / config["run"], _SNAKEMAKE) if isinstance(config["run"], str) else ():
        checked.errors.extend(_unwritable(folder))


def check_records():
    """Raise UserError where Snakemake cannot make the folder of its records."""
    if not _SNAKEMAKE.exists():
        Checked(errors=_unwritable(_SNAKEMAKE)).raise_errors()


def _unwritable(folder):
    """A list of the error that a folder cannot be written, or made; empty if it can."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or os.access(there, os.W_OK | os.X_OK):
        return []
    return [f"{folder}: cannot be written. Change the rights of {there}, or start in a folder that is yours."]


class collected:
    """Turn a UserError of the block, or a file that it cannot read, into one of the checked errors."""

    def __init__(self, checked):
        self.checked = checked

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if isinstance(error, UserError):
            # the weights of templates and of queries may be the same
            lines = [line for line in str(error).splitlines() if line not in self.checked.errors]
            self.checked.errors.extend(lines)
            self.checked.topics.extend([error.topic] * len(lines) if error.topic else ())
        elif isinstance(error, OSError):
            problem = disk_error(error, error.filename)
            self.checked.errors.append(str(problem or f"{error.filename}: cannot be read ({read_error(error)})."))
        return isinstance(error, UserError | OSError)


def _check_alignments(config, checked):
    """Check the choice of query alignments; those of a folder are read when the queries are joined with them."""
    choice = config["msa"] or {}
    if "database" in choice:
        with collected(checked):
            checked.database = database_choice(config)
    if "folder" not in choice:
        return
    folder = Path(choice["folder"])
    if not folder.is_dir():
        checked.errors.append(f"configuration, msa: folder: {folder}: no such folder.")
        return
    absent = [query.protein for query in checked.queries if not given_alignment(folder, query.protein).is_file()]
    if absent and len(absent) == len(checked.queries):
        checked.errors.append(
            f"{folder}: holds no alignment of any protein. Name the files after the proteins: {absent[0]}.a3m."
        )
    elif absent:
        checked.notes.append(
            f"{folder}: no alignment of {len(absent)} of {len(checked.queries)} proteins, which will be listed in "
            f"failed.csv: {', '.join(absent[:_EXAMPLES])}{', ...' if len(absent) > _EXAMPLES else ''}."
        )


def _check_paths(config, checked):
    templates = config["templates"]
    of_keys = {
        "templates": templates["build"] if isinstance(templates, dict) else templates,
        "templates: predict": templates.get("predict", "") if isinstance(templates, dict) else "",
        "s4pred: weights": config["s4pred"]["weights"],
        "msa": next((value for value in (config["msa"] or {}).values() if isinstance(value, str)), ""),
    }
    for key, path in of_keys.items():
        if "{" in path or "}" in path:
            checked.errors.append(
                f"configuration, {key}: {path}: braces in a path are wildcards to Snakemake. Rename or link the folder."
            )


def _check_programs(config, checked):
    if config["container"] or shutil.which("conda"):
        return  # the programs may be in the image, or in the environment that Snakemake makes for the rule
    building = checked.templates is not None and checked.templates.source
    with collected(checked):
        for name in (
            "hhsearch",
            *(("hhblits",) if checked.database else ()),
            *(_BUILDING_PROGRAMS if building else ()),
        ):
            hhsuite.find_program(name)


class Sequences:
    """The records of all FASTA files, distinguished by id and by file stem."""

    def __init__(self, checked):
        self.checked = checked
        self.by_id = {}  # query_id -> (Query, where)
        self.by_stem = {}  # protein -> query_id
        self.refused = set()  # ids and stems of records with an error
        self.all_read = True
        self.corrected = Counter()  # (path, what was corrected) -> records
        self.examples = {}

    def read(self, path):
        """Take up one FASTA file; its problems go to the checked errors."""
        count, problems = 0, len(self.checked.errors)
        try:
            for record in read_fasta(path, nameless=self._refuse_nameless):
                count += 1
                self._add(path, record)
        except FastaError as error:
            advice = "" if os.path.exists(path) else " Paths are relative to the current folder."
            self.checked.errors.append(f"{error}.{advice}")
            self.all_read = False
            return
        if not count and len(self.checked.errors) == problems:
            self.all_read = False
            why = "is empty" if not os.path.getsize(path) else "holds no FASTA record (no line starts with '>')"
            self.checked.errors.append(f"{path} {why}. Give a FASTA file with at least one protein.")

    def _refuse_nameless(self, error):
        self.checked.errors.append(f"{error}.")
        self.all_read = False

    def _add(self, path, record):
        errors = len(self.checked.errors)
        self._add_or_refuse(path, record)
        if len(self.checked.errors) > errors:
            self.refused |= {record.id, protein_stem(record.id)}

    def _add_or_refuse(self, path, record):
        where = f"{path}, line {record.line}: {_shown(record.id)}"
        query = self.query(path, record, where)
        if query is None:
            return
        if record.id in self.by_id:
            first, first_where = self.by_id[record.id]
            if first.md5 == query.md5:
                self._note(path, "given again with the same sequence, taken once", record)
            else:
                self.checked.errors.append(
                    f"{where}: this id has another sequence at {first_where.rpartition(': ')[0]}. "
                    "Rename or remove one of the two."
                )
            return
        if query.protein in self.by_stem:
            other = self.by_stem[query.protein]
            self.checked.errors.append(
                f"{where}: would share the files '{query.protein}' with {_shown(other)} "
                f"({self.by_id[other][1].rpartition(': ')[0]}). Remove or rename one of the two."
            )
            return
        self.by_id[record.id] = (query, where)
        self.by_stem[query.protein] = record.id

    def query(self, path, record, where):
        """A record as a Query; None if it is invalid, with the reason added to the checked errors."""
        sequence = record.sequence
        if "\ufffd" in record.id or not record.id.isprintable() or len(record.id) > _LONGEST_QUERY_ID:
            self.checked.errors.append(
                f"{where}: an id must be printable UTF-8 of at most {_LONGEST_QUERY_ID} characters. Shorten or "
                "re-encode it."
            )
            return None
        if is_annotation(record.id):
            self.checked.errors.append(
                f"{where}: HH-suite takes ids that begin with ss_, sa_ or aa_ or hold _consensus for annotation. "
                "Rename it."
            )
            return None
        if sequence.endswith("*"):
            self._note(path, "with a '*' at the end, which was dropped", record)
            sequence = sequence[:-1]
        if not sequence:
            self.checked.errors.append(f"{where}: no sequence. Add it or remove the record.")
            return None
        if foreign := _FOREIGN.search(sequence):
            self.checked.errors.append(f"{where}: {_foreign_advice(sequence, foreign)}")
            return None
        if not sequence.isupper():
            self._note(path, "with lower-case residues, taken as upper case", record)
            sequence = sequence.upper()
        if _RARE.search(sequence):
            self._note(path, f"with residues of {', '.join(RARE_RESIDUES)}, which S4PRED takes as unknown", record)
        if len(sequence) >= 30 and _NUCLEOTIDES.fullmatch(sequence):
            self._note(path, "of nucleotide letters only; if this is DNA or RNA, translate it first", record)
        return Query(record.id, protein_stem(record.id), sequence, sequence_md5(sequence), record.description)

    def _note(self, path, what, record):
        self.corrected[path, what] += 1
        self.examples.setdefault((path, what), []).append(f"{_shown(record.id)} (line {record.line})")
        del self.examples[path, what][_EXAMPLES:]

    def add_notes(self):
        """Add one note for each kind of correction in each file."""
        for (path, what), count in self.corrected.items():
            shown = ", ".join(self.examples[path, what])
            more = f" and {count - _EXAMPLES} more" if count > _EXAMPLES else ""
            records = "1 record" if count == 1 else f"{count} records"
            self.checked.notes.append(f"{path}: {records} {what}: {shown}{more}.")

    def queries(self):
        return [query for query, _ in self.by_id.values()]

    def select(self, ids_path):
        """The queries that the list of ids names, by full id or accession, in the order of the FASTA."""
        wanted = set()
        try:
            with open_text(ids_path) as handle:
                for number, line in enumerate(handle, 1):
                    name = line.strip()
                    if not name:
                        continue
                    query_id = name if name in self.by_id else self.by_stem.get(name)
                    if query_id is None and self.all_read and name not in self.refused:
                        self.checked.errors.append(
                            f"{ids_path}, line {number}: {_shown(name)} is in none of the FASTA files of "
                            "'proteins'. Add its record there or take it off the list."
                        )
                    wanted.add(query_id)
        except READ_ERRORS as error:
            why = read_error(error)
            self.checked.errors.append(f"{ids_path}: cannot be read ({why}). See 'ids' in the configuration.")
        return [query for query in self.queries() if query.query_id in wanted]


def read_queries(paths, wanted=None):
    """The records of FASTA files as Queries in their order, handled as in a run, and notes on what was changed.

    With ``wanted``, a set of ids, only those are judged and returned. UserError lists every problem, with its line.
    """
    sequences = Sequences(Checked())
    queries = [
        sequences.query(path, record, f"{path}, line {record.line}: {_shown(record.id)}")
        for path in paths
        for record in read_fasta(path)
        if wanted is None or record.id in wanted
    ]
    if sequences.checked.errors:
        raise UserError("\n".join(sequences.checked.errors), topic="inputs")
    if not queries:
        raise UserError(
            f"{', '.join(map(str, paths))}: holds no FASTA record (no line starts with '>').", topic="inputs"
        )
    sequences.add_notes()
    return queries, sequences.checked.notes


def _foreign_advice(sequence, foreign):
    letter, position = foreign[0], foreign.start() + 1
    advice = {
        "-": "This looks like an alignment: give the sequence without gaps.",
        ".": "This looks like an alignment: give the sequence without gaps.",
        "*": "A stop inside a sequence: cut the translation there or leave the record out.",
    }.get(letter, "Only amino-acid letters are allowed: correct the sequence or leave the record out.")
    return f"{letter!r} at position {position} of {len(sequence)} is not an amino acid. {advice}"


def _shown(text):
    """An id as it can appear in a message: control characters escaped, long ones cut."""
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= 80 else f"{text[:77]}..."
