"""Folders of finished runs of made proteins, as the store imports them."""

import contextlib
import hashlib
import itertools
import json
import random
import shutil
import subprocess
import time
from pathlib import Path

import yaml
from measure import ROOT, write_proteins

from proteofold import hhsuite, hits, library_build, paths
from proteofold.alignments import pack_alignments
from proteofold.fasta import protein_stem, read_fasta
from proteofold.inputs import Query
from proteofold.planning import assign_batches, plan_run
from proteofold.process import Usage, usage_tsv
from proteofold.psipred import Prediction, format_horiz
from proteofold.runs import Run, RunFolder, load_run, write_plan
from proteofold.store import Event, open_store, record_events, start_run

TEMPLATES = 90_000  # about those of PDB70
SEARCHED = 24

_VARIANTS = 500  # different lists of hits; a protein has one of them
_SETTINGS = {
    "key": "0123456789abcdef",
    "mode": "lean",
    "keep": [],
    "weights_digest": "beef",
    "library": {"prefix": "made/made", "templates": TEMPLATES, "columns": 1, "longest": 700, "key": "feed"},
}
_WORDS = ("CRYSTAL", "STRUCTURE", "of", "human", "KINASE", "domain", "protein", "TRANSFERASE", "inhibitor", "HET: ATP")


def searched_alignments(folder, count):
    """What is kept of real searches, each with ``count`` alignments: chains of the demo against the demo library."""
    prefix = demo_library(folder)
    queries = sorted((ROOT / "config" / "demo" / "templates").glob("*.a3m"), key=lambda path: -path.stat().st_size)
    packed = []
    for query in queries[:SEARCHED]:
        command = hhsuite.search_command("lean", query, prefix, folder / "q.hhr", query_length=1000, maxres=2000)
        all_hits = ["-p", "0", "-z", str(count), "-b", str(count), "-Z", str(count), "-B", str(count)]
        subprocess.run(command + all_hits, check=True, capture_output=True)
        packed.append(pack_alignments((folder / "q.hhr").read_bytes()))
    return packed


def demo_library(folder, more=()):
    """Build the library of the demo, with more templates (name, sequence, its homologues); returns its prefix."""
    source = folder / "templates"
    shutil.copytree(ROOT / "config" / "demo" / "templates", source)
    for name, *sequences in more:
        (source / f"{name}.a3m").write_text("".join(f">{name}\n{sequence}\n" for sequence in sequences))
    prefix = folder / "demo"
    library_build.collect_alignments(source, prefix)
    library_build.make_profiles(source, prefix)
    library_build.translate_profiles(prefix)
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


def make_run(path, fasta, count, hits_each, alignments):
    """Write the folder of a finished run of ``count`` made proteins; ``alignments`` are dealt out to them."""
    write_proteins(fasta, count)
    queries = [
        Query(record.id, protein_stem(record.id), record.sequence, _md5(record.sequence), record.description)
        for record in read_fasta(fasta)
    ]
    folder = RunFolder(path)
    members, batches = assign_batches(queries, [], [])
    run = Run(folder, members, {"run": path.name} | _SETTINGS, batches, [])
    write_plan(run)
    finish(run, hits_each, alignments)
    return load_run(path)


def finish(run, hits_each, alignments):
    """Write the results of a run's new batches, as its jobs do; ``alignments`` are dealt out to the proteins."""
    dice, folder = random.Random(1), run.folder
    predict(run, dice)
    for place in (folder.out("x"), folder.hits("x"), folder.alignments("x"), folder.usage("search_templates", "x")):
        place.parent.mkdir(parents=True, exist_ok=True)
    lists = [_hits(dice, hits_each) for _ in range(_VARIANTS)]
    for of_batch in run.new_batches.values():
        for query in of_batch:
            data, found = dice.choice(lists)
            usage = Usage(50.0, dice.uniform(1, 300), dice.uniform(100, 900), f"worker{dice.randint(1, 8)}")
            usage = usage._replace(result_key=run.result_key(run.members[query.protein]))
            # the name of the protein in the rows of the hits is the only thing that is not its own
            folder.hits(query.protein).write_bytes(data)
            folder.alignments(query.protein).write_bytes(dice.choice(alignments))
            folder.usage("search_templates", query.protein).write_text(usage_tsv(usage))
            folder.out(query.protein).write_text(hits.format_summary(hits.summarise(query.query_id, found)))


def predict(run, dice):
    """Write made predictions of a run's new batches."""
    for batch, of_batch in run.new_batches.items():
        horiz, usage = run.folder.horiz(batch), run.folder.usage("predict_secondary_structure", batch)
        for path in (horiz, usage):
            path.parent.mkdir(parents=True, exist_ok=True)
        horiz.write_text("".join(_prediction(dice, query.sequence) for query in of_batch))
        usage.write_text(usage_tsv(Usage(300.0, 300.0, 1000.0, "worker1", run.prediction_key)))


def predicted_run(folder, name, count):
    """Plan a run of made proteins in a working directory, with predictions, so that only searches are left to do.

    Writes ``<name>.yaml``, the configuration, and returns the lengths of the proteins by their ids.
    """
    lengths = write_proteins(folder / f"{name}.fasta", count)
    config = {"run": name, "proteins": [f"{name}.fasta"], "templates": "demo", "reuse": False}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(config))
    with contextlib.chdir(folder):
        run, _ = plan_run(yaml.safe_load(paths.DEFAULT_CONFIG.read_text()) | config)
        write_plan(run)
        predict(run, random.Random(1))
    return dict(zip((member.query_id for member in run.members.values()), lengths, strict=True))


def link_run(run, path):
    """Another finished run of the same proteins with the same settings: its files are those of the first."""
    path.mkdir()
    for entry in run.folder.path.iterdir():
        if entry.is_dir():
            (path / entry.name).symlink_to(entry)
    shutil.copy(run.folder.queries, path)
    settings = run.settings | {"run": path.name}
    (path / "settings.json").write_text(json.dumps(settings))


def _prediction(dice, sequence):
    states = "".join(dice.choice("HEC") * 7 for _ in range(len(sequence) // 7 + 1))[: len(sequence)]
    digits = "".join(dice.choices("0123456789", k=len(sequence)))
    return format_horiz(Prediction(sequence, states, digits))


def _hits(dice, count):
    """(the bytes of a file of hits, the hits): scores fall and E-values rise as in a search."""
    found, score, evalue = [], dice.uniform(20, 400), 10 ** dice.uniform(-70, 0)
    for rank in range(1, count + 1):
        score, evalue = round(score * 0.97, 2), float(f"{evalue * dice.uniform(1, 20):.2g}")
        template = f"{dice.randrange(TEMPLATES):05d}_A"
        description = ", ".join(" ".join(dice.choices(_WORDS, k=4)) for _ in range(4))
        values = (round(dice.uniform(1, 100), 1), evalue, evalue / 1e5, score, round(dice.uniform(0, 20), 1))
        places = (dice.randint(20, 300), dice.randint(1, 50), dice.randint(60, 900), dice.randint(1, 50))
        found.append(hits.Hit(rank, template, description, *values, *places, dice.randint(60, 400), 500))
    return hits.hits_csv_gz("made", found), found


def _md5(sequence):
    return hashlib.md5(sequence.encode(), usedforsecurity=False).hexdigest()


def record_run(store, path, begun, done, at_once, pause_s=0):
    """Record a finished run as if it went on, ``at_once`` proteins and then a pause, until it is over or ``done``.

    Returns how many results; ``begun`` is set when the first may be seen.
    """
    run, recorded = load_run(path), 0
    (path / "out").rename(path / "hidden")  # nothing is finished yet
    (path / "out").mkdir()
    with contextlib.closing(open_store(store)) as conn:
        start_run(conn, run)
        (path / "out").rmdir()
        (path / "hidden").rename(path / "out")
        begun.set()
        proteins = iter(run.members)
        while not done.is_set() and (part := list(itertools.islice(proteins, at_once))):
            record_events(conn, run, [Event(protein, "running", time.time(), node="w") for protein in part])
            record_events(conn, run, [Event(protein, "done", time.time() + 0.001) for protein in part])
            recorded += len(part)
            time.sleep(pause_s)
    return recorded
