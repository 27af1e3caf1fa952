"""Folders of finished runs of made proteins, as the store imports them."""

import contextlib
import itertools
import random
import shutil
import subprocess
import time
from pathlib import Path

import yaml
from measure import ROOT, write_proteins

from proteofold.formats.hhr import parse_hhr
from proteofold.formats.packed_hhr import pack_hhr, unpack
from proteofold.formats.psipred import Prediction, format_horiz
from proteofold.run.inputs import read_queries
from proteofold.run.layout import RunFolder
from proteofold.run.manifest import Member, Run, load_run, write_run
from proteofold.run.planning import entry_of, plan_run
from proteofold.run.results import sha256, write_out
from proteofold.science import hhsuite, library_build
from proteofold.science.batches import make_batch, new_batches, read_batch
from proteofold.science.summary import summarise
from proteofold.science.weights import batch_residues
from proteofold.store import Event, open_store, record_events, start_run
from proteofold.system import paths
from proteofold.system.files import write_aside
from proteofold.system.process import Usage, format_usage

TEMPLATES = 90_000  # about those of PDB70
SEARCHED = 24

_NOISE = 0.36  # part of the proteins without a significant hit
_VARIANTS = 500
_SETTINGS = {
    "predictions": "made-89abcdef",
    "depends_on": {"predictions": {}, "search": {}},
    "mode": "lean",
    "keep": [],
    "library": {"prefix": "made/made", "templates": TEMPLATES, "columns": 1, "longest": 700, "key": "feed"},
    "device": "cpu",
}
_WORDS = ("CRYSTAL", "STRUCTURE", "of", "human", "KINASE", "domain", "protein", "TRANSFERASE", "inhibitor", "HET: ATP")


def searched_hhrs(folder, count):
    """The text of real searches, each with ``count`` alignments: chains of the demo against the demo library."""
    prefix = demo_library(folder)
    queries = sorted((ROOT / "config" / "demo" / "templates").glob("*.a3m"), key=lambda path: -path.stat().st_size)
    written = []
    for query in queries[:SEARCHED]:
        command = hhsuite.search_command("lean", query, prefix, folder / "q.hhr", query_length=1000, maxres=2000)
        all_hits = ["-p", "0", "-z", str(count), "-b", str(count), "-Z", str(count), "-B", str(count)]
        subprocess.run(command + all_hits, check=True, capture_output=True)
        written.append((folder / "q.hhr").read_text())
    return written


def demo_library(folder, more=()):
    """Build the library of the demo, with more templates (name, sequence, its homologues); returns its prefix."""
    source = folder / "templates"
    shutil.copytree(ROOT / "config" / "demo" / "templates", source)
    for name, *sequences in more:
        (source / f"{name}.a3m").write_text("".join(f">{name}\n{sequence}\n" for sequence in sequences))
    prefix = folder / "library" / "demo"
    library_build.build_library(source, prefix)
    return prefix


def repeated_library(prefix, new, count, repeated=None):
    """A library of so many templates: those of another, ``repeated`` (all) under more names. Text lies there once."""
    for part in hhsuite.PARTS:
        shutil.copy(f"{prefix}_{part}.ffdata", f"{new}_{part}.ffdata")
        lines = [line.split("\t", 1) for line in Path(f"{prefix}_{part}.ffindex").read_text().splitlines()]
        again = [line for line in lines if repeated is None or line[0] in repeated]
        more = itertools.islice(itertools.cycle(again), count - len(lines))
        named = lines + [[f"{number:05d}{name}", place] for number, (name, place) in enumerate(more)]
        Path(f"{new}_{part}.ffindex").write_text("".join(f"{name}\t{place}\n" for name, place in sorted(named)))
    return new


def make_run(path, fasta, count, hits_each, hhrs, variants=_VARIANTS):
    """Write a finished run of ``count`` made proteins; the alignments of ``hhrs`` are dealt out to their hits.

    There are so many different lists of hits (``variants``); a protein has one of them.
    """
    write_proteins(fasta, count)
    queries, _ = read_queries([fasta])
    run = Run(RunFolder(path), {}, {"run": path.name, "search": f"{path.name}.lean.01234567"} | _SETTINGS)
    batches = new_batches(queries, batch_residues())
    batch_of = {query.md5: name for name, members in batches.items() for query in members}
    for query in queries:
        run.members[query.protein] = Member(
            *(query.query_id, query.protein, len(query.sequence), query.md5),
            *(entry_of(query), batch_of[query.md5], query.description),
        )
    write_run(run)
    predict(run, queries)
    finish(run, run.by_entry, hits_each, hhrs, variants)
    return load_run(path)


def finish(run, entries, hits_each, hhrs, variants=_VARIANTS):
    """Write results of a run, as its jobs do; the alignments of ``hhrs`` are dealt out to their hits."""
    dice, search = random.Random(1), run.search
    lists = [_hits(dice, hits_each, dice.choice(hhrs)) for _ in range(variants)]
    for entry in entries:
        packed, checksum, summary = dice.choice(lists)
        usage = Usage(50.0, dice.uniform(1, 300), dice.uniform(100, 900), f"worker{dice.randint(1, 8)}", run.name, "3")
        write_aside(search.usage(entry), format_usage(usage))
        write_aside(search.hhr(entry), packed)  # the name of the protein in it is the only thing that is not its own
        summary = summary._replace(query_id=run.by_entry[entry].query_id)
        write_out(search.out(entry), entry, search.name, summary, checksum)


def predict(run, queries):
    """Write made predictions of a run's batches, of which ``queries`` are the members."""
    dice, by_batch = random.Random(1), {}
    batch_of = {member.query_id: member.batch for member in run.members.values()}
    for query in queries:
        by_batch.setdefault(batch_of[query.query_id], []).append(query)
    usage = format_usage(Usage(300.0, 300.0, 1000.0, "worker1", run.name))
    for batch, members in by_batch.items():
        write_aside(run.predictions.fasta(batch), make_batch(members)[1])
        records = read_batch(run.predictions.fasta(batch))
        write_aside(run.predictions.usage(batch), usage)
        write_aside(run.predictions.horiz(batch), "".join(_prediction(dice, record.sequence) for record in records))


def predicted_run(folder, name, count):
    """Plan a run of made proteins in a working directory, with predictions, so that only searches are left to do.

    Writes ``<name>.yaml``, the configuration, and returns the lengths of the proteins by their ids.
    """
    fasta = f"{name}.fasta"
    write_proteins(folder / fasta, count)
    config = {"run": name, "proteins": [fasta], "templates": "demo"}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(config))
    with contextlib.chdir(folder):
        run = plan_run(yaml.safe_load(paths.DEFAULT_CONFIG.read_text()) | config).run
        write_run(run)
        predict(run, read_queries([fasta])[0])
    return {member.query_id: member.length for member in run.members.values()}


def link_run(run, path):
    """Another finished run of the same proteins with the same settings: it shares the results of the first."""
    write_run(Run(RunFolder(path), run.members, run.settings | {"run": path.name}))


def _prediction(dice, sequence):
    states = "".join(dice.choice("HEC") * 7 for _ in range(len(sequence) // 7 + 1))[: len(sequence)]
    digits = "".join(dice.choices("0123456789", k=len(sequence)))
    return format_horiz(Prediction(sequence, states, digits))


def _hits(dice, count, hhr):
    """(a packed .hhr, its checksum, its summary): scores fall and E-values rise as in a search.

    The alignments are those of another ``.hhr``. As in the human proteome, a third has no significant hit.
    """
    head, _, rest = hhr.partition("\n\n")
    table_head, *_ = rest.partition("\n")
    alignments = [block.split("\n", 3)[3] for block in rest.split("\nNo ")[1:]]
    is_noise = dice.random() < _NOISE
    score, evalue = (10, 1.0) if is_noise else (dice.uniform(20, 400), 10 ** dice.uniform(-70, 0))
    table, blocks = [], []
    for rank in range(1, count + 1):
        score, evalue = round(score * 0.97, 2), float(f"{evalue * dice.uniform(1, 20):.2g}")
        description = ", ".join(" ".join(dice.choices(_WORDS, k=4)) for _ in range(4))
        name = f"{dice.randrange(TEMPLATES):05d}_A {description}"
        probability, columns = round(dice.uniform(1, 60 if is_noise else 100), 1), dice.randint(20, 300)
        places = f"{dice.randint(1, 50)}-{dice.randint(60, 900)} {dice.randint(1, 50)}-{dice.randint(60, 400)} (500)"
        table.append(
            f"{rank:3d} {name[:30]} {probability:5.1f} {evalue:7.1E} {evalue / 1e5:7.1E} {score:6.1f}"
            f" {dice.uniform(0, 20):5.1f} {columns:4d} {places}\n"
        )
        values = f"Probab={probability:.2f}  E-value={evalue}  Score={score}  Aligned_cols={columns}  Identities=20%"
        blocks.append(f"No {rank}\n>{name}\n{values}\n{alignments[rank % len(alignments)]}\n")
    packed = pack_hhr(f"{head}\n\n{table_head}\n{''.join(table)}\n{''.join(blocks)}".encode())
    found = parse_hhr(unpack(packed), "made").hits
    return packed, sha256(packed), summarise("", found)


def record_run(store, path, begun, done, at_once, pause_s=0):
    """Record a finished run as if it went on, ``at_once`` proteins and then a pause, until it is over or ``done``.

    Returns how many results; ``begun`` is set when the first may be seen.
    """
    run, recorded = load_run(path), 0
    results = run.search.out_folder
    hidden = results.with_name("hidden")
    results.rename(hidden)  # nothing is finished yet
    with contextlib.closing(open_store(store)) as conn:
        start_run(conn, run)
        hidden.rename(results)
        begun.set()
        proteins = iter(run.members)
        while not done.is_set() and (part := list(itertools.islice(proteins, at_once))):
            record_events(conn, run, [Event(protein, "running", time.time(), node="w") for protein in part])
            record_events(conn, run, [Event(protein, "done", time.time() + 0.001) for protein in part])
            recorded += len(part)
            time.sleep(pause_s)
    return recorded
