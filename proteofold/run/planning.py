"""What a start would do: the checked inputs, where the results lie, which are missing, and the batches.

Reads only; the run's folder is written when the run starts (runs.write_run).
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from proteofold import __version__
from proteofold.formats.fasta import sequence_md5
from proteofold.run.alignments import alignment_digest
from proteofold.run.classes import chosen_classification
from proteofold.run.inputs import check_inputs, collected
from proteofold.run.layout import RESULTS, RunFolder, folder_name
from proteofold.run.manifest import Member, Run, checksum
from proteofold.run.merge import changed_tables
from proteofold.run.results import done
from proteofold.science import hhsuite
from proteofold.science.batches import existing_batches, new_batches
from proteofold.science.template_source import BUILD_VERSION
from proteofold.science.weights import batch_residues, check_tensors, weights_digest
from proteofold.system.errors import UserError

# Searches of a sequence database for the relatives of a query, if the configuration does not say.
ITERATIONS = 2

# Raised when the same sequences and weights give another prediction.
PREDICTION_VERSION = 1

# Raised when the same query and database give another alignment.
ALIGNMENT_VERSION = 1

# Raised when the same query and library give another .hhr.
SEARCH_VERSION = 1

# Of a step that runs in an image: the versions that the names of its results say, as METHODS of its Snakemake.
METHODS_VARIABLE = "PROTEOFOLD_METHODS"
METHODS = f"{__version__}-{SEARCH_VERSION}.{ALIGNMENT_VERSION}.{BUILD_VERSION}"


@dataclass
class Plan:
    """What a start would do: the run, the proteins without a result, and the files of the run to be made again."""

    run: Run
    missing: list  # entries, in input order
    changed: list  # (name, time) of merged tables, and of what describes the run, that are not as the run left them
    notes: list = field(default_factory=list)


def plan_run(config, results=RESULTS):
    """Check all inputs and plan the run: a Plan. Nothing is written. Raises UserError."""
    checked = check_inputs(config)
    digest = weights_digest(checked.weights) if checked.weights else ""
    if checked.errors:
        checked.raise_errors()
    run = Run(RunFolder(Path(results) / config["run"]), {}, _settings(config, checked, digest), config)
    entries = {query.query_id: entry_of(query, _digest(config, query)) for query in checked.queries}
    finished = done(run.search, entries.values())
    batch_of = _batches(run, checked.queries, entries, finished)
    for query in checked.queries:
        entry = entries[query.query_id]
        description = " ".join(query.description.split())
        run.members[query.protein] = Member(
            query.query_id,
            query.protein,
            len(query.sequence),
            query.md5,
            entry,
            batch_of.get(query.md5, ""),
            description,
        )
    checked.errors.extend(
        f"{path}: a link to a file that is not there. Mount the disk that it leads to, or remove the link."
        for path in _dangling_links(run)
    )
    checked.raise_errors()
    missing = [member.entry for member in run.members.values() if member.entry not in finished]
    # the process that wrote the folder's settings had checked the weights that it is named after
    if _predictions_missing(run, missing) and not run.predictions.settings.exists():
        with collected(checked):
            check_tensors(checked.weights)
        checked.raise_errors()
    return Plan(run, missing, changed_tables(run), checked.notes)


def entry_of(query, alignment=""):
    """The name of a query's results: its stem, and a checksum of its id and its sequence as searched.

    The checksum of the ``alignment`` that is given of it, if any, is part of that.
    """
    searched = "\n".join(filter(None, (query.query_id, query.sequence, alignment)))
    digest = hashlib.sha256(searched.encode()).hexdigest()
    return f"{query.protein}-{digest[:8]}"


def _digest(config, query):
    """The checksum of the alignment that is given of a query; '' without one. UserError if it cannot be read."""
    folder = (config["msa"] or {}).get("folder")
    try:
        return alignment_digest(folder, query.protein) if folder else ""
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read ({error.strerror}).") from None


def _settings(config, checked, digest):
    """What a run's results depend on, and where they lie, as settings.json has it."""
    library, mode = checked.templates.library, config["search"]["mode"]
    predictions = {
        "weights": digest,
        "precision": config["s4pred"]["precision"],
        "version": PREDICTION_VERSION,
    }
    predictions_name = f"{_weights_name(config)}-{checksum(predictions)[:8]}"
    search = {
        "library": library.key,
        "templates": library.templates,
        "columns": library.columns,
        "mode": mode,
        "predictions": predictions_name,
        "version": SEARCH_VERSION,
    }
    alternatives = config["search"].get("alternatives", hhsuite.ALTERNATIVES)
    if alternatives != hhsuite.ALTERNATIVES:  # searches of before had no choice, and keep their names
        search["alternatives"] = alternatives
    depends_on = {"predictions": predictions, "search": search}
    msa = dict(config["msa"] or {})
    if checked.database:
        msa["iterations"] = iterations = msa.get("iterations", ITERATIONS)
        made = {"database": checked.database.key, "iterations": iterations, "version": ALIGNMENT_VERSION}
        name = f"{_library_name(checked.database)}-n{iterations}-{checksum(made)[:8]}"
        msa |= {"alignments": name, "library": checked.database._asdict()}
        depends_on["alignments"], search["alignments"] = made, name
    elif msa:
        search["alignments"] = "given"  # each is part of the name of its protein's results
    return {
        "run": config["run"],
        "search": f"{_library_name(library)}.{mode}.{checksum(search)[:8]}",
        "predictions": predictions_name,
        "depends_on": depends_on,
        "mode": mode,
        "alternatives": alternatives,
        "msa": msa,
        "domains": config["domains"],
        "classification": chosen_classification(),
        "keep": config["keep"],
        "library": library._asdict(),
        "library_source": checked.templates.source,
        "library_weights": checked.templates.weights,
        "weights": checked.weights,
        "device": config["s4pred"]["device"],
        "precision": config["s4pred"]["precision"],
        "memory_mb": config["s4pred"]["memory_mb"],
        "versions": {"proteofold": __version__, "hhsuite": hhsuite.hhsuite_version()},
    }


def _weights_name(config):
    choice = config["s4pred"]["weights"]
    return choice if choice in ("demo", "official") else folder_name(Path(choice).resolve().name)


def _library_name(library):
    """A release of PDB70 by its folder, which names the date; any other library by its prefix."""
    prefix = Path(library.prefix)
    return folder_name(prefix.parent.name if prefix.parent.name.startswith(prefix.name) else prefix.name)


def _batches(run, queries, entries, finished):
    """The batch of each sequence: md5 -> batch. Those that need a prediction and have no batch get new ones."""

    def needs_prediction(entry):
        keeps_a3m = "a3m" in run.settings["keep"]
        return entry not in finished or (keeps_a3m and not run.a3m(entry).exists())

    wanted = {query.md5 for query in queries}
    batch_of = {}
    for name, records in existing_batches(run.predictions):
        for record in records:
            md5 = sequence_md5(record.sequence)
            if md5 in wanted:
                batch_of.setdefault(md5, name)
    left = [query for query in queries if needs_prediction(entries[query.query_id]) and query.md5 not in batch_of]
    for name, members in new_batches(left, batch_residues(run.settings["memory_mb"], run.settings["device"])).items():
        batch_of |= {query.md5: name for query in members}
    return batch_of


def _dangling_links(run):
    """Links to nothing in place of a run's results, tables and pages: Snakemake takes them for files, and stops."""
    batches = sorted({member.batch for member in run.members.values() if member.batch})
    predicted = [path_of(batch) for batch in batches for path_of in (run.predictions.fasta, run.predictions.horiz)]
    made = [path for folder in (run.folder.path, run.folder.blocks, run.folder.report) for path in folder.glob("*")]
    paths = (*predicted, *map(run.search.out, run.by_entry), *made)
    return [path for path in paths if path.is_symlink() and not path.exists()]


def _predictions_missing(run, missing):
    """Whether anything is left for the networks to do."""
    batches = {run.by_entry[entry].batch for entry in missing}
    return any(not run.predictions.horiz(batch).exists() for batch in batches)
