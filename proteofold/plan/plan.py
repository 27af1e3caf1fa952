"""The plan before a run: what is left to do, which machines can take it, and how long that takes.

All times are of cores that are as fast as the one the cost model was measured on, or, once proteins of the run are
finished, as those that finished them.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from proteofold.formats.packed_hhr import ALIGNED_HITS
from proteofold.plan import cost
from proteofold.plan.schedule import Job, lower_bound, simulated_makespan
from proteofold.science import hhsuite
from proteofold.science.alignment import ALIGN_STEP_MB
from proteofold.science.search import SEARCH_STEP_MB
from proteofold.science.weights import weight_files
from proteofold.system.files import existing_names
from proteofold.system.process import read_usage

# Bounds of the classes shown, in MB, beside what the nodes have.
_CLASS_MB = tuple(512 * 2**step for step in range(12))

# Modes that need less memory, in the order in which their results are closest to `reference`.
_THRIFTIER = {"reference": ("lean", "fast"), "lean": ("fast",), "hybrid": ("fast",), "fast": ()}

# Bytes on disk, each file filling blocks of 4,096. A protein has a file each of summary, usage and log, 5 records of
# Snakemake (417,792 bytes in 101 files for 20 proteins and their batch), and 8.9 kB in the store. A hit takes 47 bytes
# in hits.csv.gz (500 hits of one protein against PDB70: 23,527), and as much in the block that this is merged from. In
# the .hhr.gz a hit takes 370 bytes (PDB70, 500 hits: 185 kB), half of that beyond the best, of which less is kept.
# Sequences and predictions: 86,430 bytes for 13,516 residues.
_BLOCK = 4096
_SMALL_FILES, _RECORDS, _STORE_BYTES = 3, 5, 8_900
_HIT_BYTES, _HHR_HIT_BYTES, _RESIDUE_BYTES, _A3M_RESIDUE_BYTES = 2 * 47, 190, 6.5, 3.1
_MOST_HITS = 500
# A library that is not built yet, of templates with homologues: 147 bytes a column in _hhm, 1 in _cs219, and text.
_COLUMN_BYTES = 150

_MOST_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Protein:
    """A protein that is left to do: CPU seconds of its search, the memory that this asks for, and in how many shards.

    More than one shard where no node has the memory to search the whole library at once.
    """

    query_id: str
    length: int
    cpu_s: float
    mem_mb: int
    shards: int = 1


@dataclass(frozen=True, slots=True)
class Unfit:
    """A protein that no node has the memory for, and the modes in which one has, with what they need (MB)."""

    query_id: str
    length: int
    mem_mb: int
    modes: dict

    @property
    def advice(self):
        """What would help."""
        modes = "".join(f", or mode {mode} ({mem_mb:,} MB)" for mode, mem_mb in self.modes.items())
        return f"a node with {self.mem_mb:,} MB{modes}"


@dataclass(frozen=True, slots=True)
class MemoryClass:
    """Proteins whose searches need at most so much memory; ``at_once``: how many of them a node holds, by kind."""

    most_mb: int
    proteins: int
    cpu_s: float
    at_once: dict


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes that the run will write, those of the template library, and those free in the run's folder."""

    run_bytes: int
    library_bytes: int
    library_is_there: bool
    free_bytes: int


@dataclass(slots=True)
class Plan:
    """What is left of a run, on given machines; times in seconds, of the proteins that fit a node."""

    run: str
    mode: str
    library: hhsuite.Library
    proteins: int
    residues: int
    done: int
    kinds: list
    left: list  # Protein, the costliest first, those of unfit too
    unfit: list
    classes: list
    batches: int
    batch_mem_mb: int
    search_cpu_s: float
    prediction_cpu_s: float
    alignment_cpu_s: float
    wall_s: float
    bound_s: float
    disk: Disk
    search_calibration: cost.Calibration
    prediction_calibration: cost.Calibration
    notes: list

    @property
    def longest(self):
        """The longest proteins that are left to do."""
        return sorted(self.left, key=lambda protein: -protein.length)[:_MOST_LONGEST]

    @property
    def in_shards(self):
        """The proteins that fit a node only if the library is searched in shards, the longest first."""
        unfit = {one.query_id for one in self.unfit}
        found = [one for one in self.left if one.shards > 1 and one.query_id not in unfit]
        return sorted(found, key=lambda protein: -protein.length)

    @property
    def cores(self):
        """Cores of all nodes."""
        return sum(kind.count * kind.cores for kind in self.kinds)


def make_plan(run, kinds):
    """Plan what is left of a Run (planning.plan_run) on some NodeKinds; nothing is written."""
    finished = run.done()
    open_members = [member for member in run.members.values() if member.entry not in finished]
    predicted = _predicted_batches(run)
    search = _search_calibration(run, finished)
    prediction = _prediction_calibration(run, predicted)
    largest = max(kind.mem_mb for kind in kinds)

    mode = run.settings["mode"]
    shards = {m.protein: _fewest_shards(m, run, mode, largest) for m in open_members}
    needs = {m.protein: search_mem_mb(m, run, mode, shards[m.protein]) for m in open_members}
    due = {m.batch for m in open_members if m.batch not in predicted}
    batch_needs = {batch: run.batch_mem_mb(batch) for batch in due}
    left, unfit, fitting = [], [], []
    for member in open_members:
        need, batch_need = needs[member.protein], batch_needs.get(member.batch, 0)
        count = shards[member.protein]
        seconds = search.ratio * cost.search_cpu_s(member.length, run.library, mode, count)
        left.append(Protein(member.query_id, member.length, seconds, need, count))
        if max(need, batch_need) > largest:
            modes = _thriftier(member, run, largest) if batch_need <= largest else {}
            modes = {mode: mem_mb for mode, mem_mb in modes.items() if mem_mb <= largest}
            unfit.append(Unfit(member.query_id, member.length, max(need, batch_need), modes))
        else:
            fitting.append((member, left[-1]))

    predictions = {
        batch: prediction.ratio * cost.prediction_cpu_s(*run.batch_size(batch), _weights_bytes(run))
        for batch in dict.fromkeys(member.batch for member, _ in fitting)
        if batch in due
    }
    place = {batch: number for number, batch in enumerate(predictions)}
    jobs = [Job(seconds, batch_needs[batch]) for batch, seconds in predictions.items()]
    alignments = {
        member.entry: cost.alignment_cpu_s(member.length, run.database, run.settings["msa"]["iterations"])
        for member, _ in fitting
        if run.alignments and not run.alignments.a3m(member.entry).exists()
    }
    for member, one in fitting:
        after = place.get(member.batch)
        if member.entry in alignments:  # it takes longer than the prediction, which a job waits for otherwise
            jobs.append(Job(alignments[member.entry], min(alignment_mem_mb(member, run), largest)))
            after = len(jobs) - 1
        jobs.append(Job(one.cpu_s, needs[member.protein], after))
    return Plan(
        run=run.settings["run"],
        mode=mode,
        library=run.library,
        proteins=len(run.members),
        residues=sum(member.length for member in run.members.values()),
        done=len(finished),
        kinds=list(kinds),
        left=sorted(left, key=lambda protein: -protein.cpu_s),
        unfit=sorted(unfit, key=lambda one: -one.length),
        classes=_classes([one for _, one in fitting], kinds),
        batches=len(predictions),
        batch_mem_mb=max((batch_needs[batch] for batch in predictions), default=0),
        search_cpu_s=sum(one.cpu_s for _, one in fitting),
        prediction_cpu_s=sum(predictions.values()),
        alignment_cpu_s=sum(alignments.values()),
        wall_s=simulated_makespan([Job(job.seconds + cost.JOB_S, job.mem_mb, job.after) for job in jobs], kinds),
        bound_s=lower_bound(jobs, kinds),
        disk=_disk(run, open_members),
        search_calibration=search,
        prediction_calibration=prediction,
        notes=_notes(run, predictions),
    )


def search_usages(run, finished):
    """entry -> Usage of its search, of those of these entries of which it is known."""
    return {entry: used for entry in finished if (used := known_usage(run.search.usage(entry)))}


def known_usage(path):
    """The Usage in a file; None where it is missing or damaged, or was lost."""
    try:
        used = read_usage(path)
    except (OSError, ValueError):
        return None
    return used if used.cpu_s > 0 else None


def _predicted_batches(run):
    """The batches whose prediction is there."""
    return {name.removesuffix(".horiz") for name in existing_names(run.predictions.horiz_folder)}


def _search_calibration(run, finished):
    mode = run.settings["mode"]
    return cost.calibrated(
        (used.cpu_s, cost.search_cpu_s(run.by_entry[entry].length, run.library, mode))
        for entry, used in search_usages(run, finished).items()
    )


def _prediction_calibration(run, predicted):
    batches = {member.batch for member in run.members.values()} & predicted
    used = ((batch, known_usage(run.predictions.usage(batch))) for batch in sorted(batches))
    return cost.calibrated(
        (used.cpu_s, cost.prediction_cpu_s(*run.batch_size(batch), _weights_bytes(run))) for batch, used in used if used
    )


def _weights_bytes(run):
    return sum(path.stat().st_size for path in weight_files(run.settings["weights"]))


def search_mem_mb(member, run, mode, shards=1):
    needed = hhsuite.search_mem_mb(member.length, run.library, mode, shards=shards)
    return needed + run.alignment_mb(member) + SEARCH_STEP_MB


def alignment_mem_mb(member, run):
    return hhsuite.alignment_mem_mb(member.length, run.database) + ALIGN_STEP_MB


def _fewest_shards(member, run, mode, largest_mb):
    return hhsuite.fewest_shards(
        member.length, run.library, mode, largest_mb - SEARCH_STEP_MB - run.alignment_mb(member)
    )


def _thriftier(member, run, largest_mb):
    return {
        mode: search_mem_mb(member, run, mode, _fewest_shards(member, run, mode, largest_mb))
        for mode in _THRIFTIER[run.settings["mode"]]
    }


def _classes(proteins, kinds):
    """MemoryClasses that hold a protein, bounded so that a kind of node takes all of one or none."""
    bounds = sorted({*_CLASS_MB, *(kind.mem_mb for kind in kinds)})
    members = {}
    for protein in proteins:
        members.setdefault(next(bound for bound in bounds if protein.mem_mb <= bound), []).append(protein)
    classes = []
    for most, inside in sorted(members.items()):
        largest_mb = max(protein.mem_mb for protein in inside)
        at_once = {kind.name: kind.at_once(largest_mb) for kind in kinds}
        classes.append(MemoryClass(most, len(inside), sum(protein.cpu_s for protein in inside), at_once))
    return classes


def _disk(run, open_members):
    hits = min(_MOST_HITS, run.library.templates)
    hhr_bytes = (hits + min(hits, ALIGNED_HITS)) * _HHR_HIT_BYTES
    protein_bytes = (_SMALL_FILES + _RECORDS) * _BLOCK + _STORE_BYTES + hits * _HIT_BYTES + hhr_bytes
    residue_bytes = _RESIDUE_BYTES
    if "a3m" in run.settings["keep"]:
        protein_bytes += _BLOCK
        residue_bytes += _A3M_RESIDUE_BYTES
    residues = sum(member.length for member in open_members)
    files = [Path(name) for name in hhsuite.library_files(run.library.prefix)]
    is_there = files[-1].exists()  # written last; _a3m may be left out
    there = sum(file.stat().st_size for file in files if file.exists())
    library_bytes = there if is_there else _COLUMN_BYTES * run.library.columns
    place = run.folder.path.absolute()
    while not place.is_dir():
        place = place.parent
    run_bytes = round(len(open_members) * protein_bytes + residues * residue_bytes)
    return Disk(run_bytes, library_bytes, is_there, shutil.disk_usage(place).free)


def _notes(run, predictions):
    notes = []
    if predictions and run.settings["device"] != "cpu":
        notes.append(
            f"s4pred: device: {run.settings['device']}: the predictions are counted as on CPU cores; a GPU takes a "
            "small part of that."
        )
    return notes
