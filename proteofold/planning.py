"""What a start of a run would do: the checked inputs, the batches, and what can be taken from other runs.

Batches are immutable: a protein that is added, or whose sequence changes, gets a new batch, and no other protein
moves. A batch's name carries the checksum of its members, so a prediction file can belong to nothing else.
"""

import hashlib
from pathlib import Path

from proteofold import __version__, hhsuite
from proteofold.batches import cut
from proteofold.files import existing_names
from proteofold.hits import SUMMARY_VERSION
from proteofold.inputs import check_inputs, collected
from proteofold.reuse import find_sources
from proteofold.runs import RESULTS, Member, Run, RunFolder, checksum, kept_files, predicted_with, read_members
from proteofold.weights import BATCH_RESIDUES, batch_residues, check_tensors_once, weights_digest


def plan_run(config, results=RESULTS):
    """Check all inputs and plan the run; returns (run, notes). The run's folder is not touched. Raises UserError."""
    checked = check_inputs(config)
    digest = weights_digest(checked.weights) if checked.weights else ""
    run = None if checked.errors else _planned(config, checked, digest, Path(results))
    if digest and not (run and _all_predicted(run)):
        with collected(checked):
            check_tensors_once(checked.weights, digest)
    checked.raise_errors()
    return run, checked.notes


def _planned(config, checked, digest, results):
    folder = RunFolder(results / config["run"])
    history, settings, sources = read_members(folder.manifest), _settings(config, checked, digest), {}
    if config["reuse"] and not kept_files(settings):
        known = {member.protein for member in history}
        new = [query for query in checked.queries if query.protein not in known]
        sources, why_not = find_sources(new, settings, results)
        checked.notes += [f"no results of other runs are taken: {why_not}"] if why_not else []
    most = batch_residues(settings["device"])
    members, new_batches = assign_batches(checked.queries, history, _still_usable(folder, history), sources, most)
    return Run(folder, members, settings, new_batches, history, sources)


def _all_predicted(run):
    """Whether nothing is left for the networks to do."""
    batches = {member.batch for member in run.members.values() if member.protein not in run.sources}
    return all(run.folder.horiz(batch).exists() for batch in batches)


def _settings(config, checked, digest):
    library, mode = checked.templates.library, config["search"]["mode"]
    of_prediction = {"weights_digest": digest, "precision": config["s4pred"]["precision"]}
    return {
        "run": config["run"],
        "key": checksum([mode, library.key, *predicted_with(of_prediction), SUMMARY_VERSION]),
        "mode": mode,
        "keep": config["keep"],
        "library": library._asdict(),
        "library_source": checked.templates.source,
        "weights": checked.weights,
        **of_prediction,
        "device": config["s4pred"]["device"],
        "versions": {
            "proteofold": __version__,
            "hhsuite": hhsuite.hhsuite_version(),
        },
    }


def _still_usable(folder, history):
    """The members whose batch can serve them: its FASTA is there, or they are done and need it no more."""
    cut_batches, done = existing_names(folder.path / "fas"), existing_names(folder.path / "out")
    return [m for m in history if f"{m.batch}.fas" in cut_batches or f"{m.protein}.out" in done]


def assign_batches(queries, history, usable, reused=(), most_residues=BATCH_RESIDUES):
    """Members in input order, and the batches to make (name -> queries) for queries that have none yet.

    ``history`` are the members so far, ``usable`` those of them whose batch can serve; ``reused`` the proteins to be
    taken from other runs: they get batches of their own, so that nothing is predicted for them.
    """
    known = {(member.query_id, member.protein, member.md5): member for member in usable}
    members = {query.protein: known.get((query.query_id, query.protein, query.md5)) for query in queries}
    new = [query for query in queries if members[query.protein] is None]
    number = len({member.batch for member in history})
    batches = {}
    # longest first: they start the longest searches, and neighbours of one length make full batches
    longest_first = sorted(new, key=lambda query: -len(query.sequence))
    parts = (
        [query for query in longest_first if query.protein not in reused],
        [query for query in longest_first if query.protein in reused],
    )
    for batch_queries in (batch for part in parts for batch in cut(part, _residues, most_residues)):
        number += 1
        lines = "".join(f"{query.query_id}\t{query.protein}\t{query.md5}\n" for query in batch_queries)
        batch = f"{number:04d}-{hashlib.sha256(lines.encode()).hexdigest()[:8]}"
        batches[batch] = batch_queries
        for query in batch_queries:
            member = Member(query.query_id, query.protein, len(query.sequence), query.md5, batch)
            members[query.protein] = member
    return members, batches


def _residues(query):
    return len(query.sequence)
