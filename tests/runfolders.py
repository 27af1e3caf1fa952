"""Run folders as runs leave them, written by the project's own writers, without Snakemake and without searching."""

import hashlib
import os
from pathlib import Path

from proteofold.formats.fasta import protein_stem
from proteofold.formats.hhr import Hit, parse_hhr
from proteofold.formats.packed_hhr import pack_hhr
from proteofold.formats.psipred import Prediction, format_horiz
from proteofold.run.inputs import Query
from proteofold.run.layout import RunFolder
from proteofold.run.manifest import Member, Run, load_run, write_run
from proteofold.run.planning import entry_of
from proteofold.run.results import sha256, write_out
from proteofold.science.batches import make_batch, new_batches, read_batch
from proteofold.science.classification import FILE, write_classification
from proteofold.science.summary import summarise
from proteofold.science.weights import batch_residues
from proteofold.system.process import Usage, format_usage

SETTINGS = {
    "search": "few.lean.01234567",
    "predictions": "demo-89abcdef",
    "depends_on": {"predictions": {}, "search": {}},
    "mode": "lean",
    "keep": [],
    "library": {"prefix": "resources/few/few", "templates": 283, "columns": 37049, "longest": 700, "key": "feed"},
    "weights": "config/demo/s4pred",
    "device": "cpu",
}

START = 1_790_000_000.0


def make_hit(rank=1, template="1ABC_A", evalue=1e-20, score=150.0, **values):
    """A hit whose description has quotes, a comma and a semicolon."""
    values = {"probability": 99.5, "pvalue": 1e-25, "ss_score": 9.7, "aligned_columns": 50} | values
    return Hit(rank, template, f'about "{template}", a; b', evalue=evalue, score=score, **values)


def span_hit(start, end, template="1ABC_A", score=100.0, evalue=1e-20, probability=99.0, columns=None, rank=1, **more):
    """A confident hit whose range in the query is from ``start`` to ``end``."""
    columns = end - start + 1 if columns is None else columns
    values = {"aligned_columns": columns, "query_start": start, "query_end": end}
    return make_hit(rank, template, evalue, score, probability=probability, **values, **more)


def format_hhr(query_id, found):
    """The text of an .hhr of these hits, each aligned in a few columns."""
    head = f"Query         {query_id}\nMatch_columns 60\nNo_of_seqs    1 out of 1\n\n"
    head += " No Hit                             Prob E-value P-value  Score    SS Cols Query HMM  Template HMM\n"
    rows, blocks = [], []
    for hit in found:
        first, last = hit.query_start or 1, hit.query_end or hit.aligned_columns
        there = f"{hit.template_start or 1}-{hit.template_end or hit.aligned_columns} ({hit.template_length or 90})"
        name = f"{hit.template} {hit.description}"[:30].ljust(30)
        rows.append(
            f"{hit.rank:3d} {name} {hit.probability:5.1f} {hit.evalue:.1E} {hit.pvalue:.1E} {hit.score:6.1f}"
            f" {hit.ss_score:5.1f} {hit.aligned_columns:4d} {first}-{last} {there}\n"
        )
        blocks.append(
            f"No {hit.rank}\n>{hit.template} {hit.description}\n"
            f"Probab={hit.probability}  E-value={hit.evalue}  Score={hit.score}  Aligned_cols={hit.aligned_columns}"
            f"{f'  Identities={hit.identity}%  Similarity=0.5' if hit.identity else ''}\n\n"
            f"Q {query_id[:14]:14} {first:4} MKV {first + 2:4} (60)\n"
            f"                    |||\nT {hit.template[:14]:14}    1 MKV    3 (90)\n\n"
        )
    return (head + "".join(rows) + "\n" + "".join(blocks)).encode()


# Two superfamilies of a fold, and one of another; 9ZZZ is not in it.
CATH_DOMAINS = [
    "1abcA00 v4_4_0 1.10.8.10 1-200:A",
    "2xyzB00 v4_4_0 1.10.8.50 1-200:B",
    "3farC00 v4_4_0 3.40.50.300 1-90:C",
]
CATH_NAMES = ["1.10.8 Helicase", "1.10.8.10 DNA helicase", "1.10.8.50 RNA <b>helicase</b>", "3.40.50 Rossmann fold"]
CATH_NAMES += ["3.40.50.300 P-loop"]


def add_classification(working, name="cath-20261101", domains=CATH_DOMAINS, names=CATH_NAMES):
    """Put a classification into a working folder; returns what the settings of a run have of it."""
    release = Path("resources/classification") / name
    (working / release).mkdir(parents=True)
    write_classification(working / release / FILE, domains, names)
    return str(release)


class FolderOfRuns:
    """``results/`` of a working directory."""

    def __init__(self, path):
        self.path = path / "results"

    def plan(self, run_id="demo", proteins=("P1", "P2", "P3"), **settings):
        """Write the plan of a run, as its head does when it starts; proteins are ids, or ids to sequences."""
        sequences = proteins if isinstance(proteins, dict) else dict.fromkeys(proteins, "MKV")
        queries = [
            Query(name, protein_stem(name), text, hashlib.md5(text.encode()).hexdigest())
            for name, text in sequences.items()
        ]
        run = Run(RunFolder(self.path / run_id), {}, {"run": run_id} | SETTINGS | settings)
        batches = new_batches(queries, batch_residues())
        batch_of = {query.md5: name for name, members in batches.items() for query in members}
        for query in queries:
            run.members[query.protein] = Member(
                query.query_id, query.protein, len(query.sequence), query.md5, entry_of(query), batch_of[query.md5]
            )
        write_run(run)
        for name, members in batches.items():
            _write(run.predictions.fasta(name), make_batch(members)[1].encode(), START)
        return load_run(run.folder.path)

    @staticmethod
    def predict(run, batch, at=START + 50):
        """Write the prediction of a batch, as its job does: helix, strand, coil, helix, ... with confidence 0 to 9."""
        predictions = [
            Prediction(record.sequence, _repeated("HEC", record.sequence), _repeated("0123456789", record.sequence))
            for record in read_batch(run.predictions.fasta(batch))
        ]
        _write(run.predictions.horiz(batch), "".join(map(format_horiz, predictions)).encode(), at)

    @classmethod
    def finish(
        cls,
        run,
        protein,
        found=None,
        at=START + 100,
        node="worker1",
        cpu_s=19.5,
        max_rss_mb=300.0,
        computed_in=None,
        hhr=None,
    ):
        """Write the result files of a protein, as its steps do, or as they did for the run ``computed_in``.

        The hits are ``found``, or those of the .hhr file ``hhr``. The prediction of its batch is written where it is
        missing.
        """
        member, search = run.members[protein], run.search
        if not run.predictions.horiz(member.batch).exists():
            cls.predict(run, member.batch)
        usage = Usage(20.0, cpu_s, max_rss_mb, node, computed_in or run.name, "3.3.0")
        text = hhr.read_bytes() if hhr else format_hhr(member.query_id, [make_hit()] if found is None else found)
        packed = pack_hhr(text)
        _write(search.usage(member.entry), format_usage(usage).encode(), at)
        _write(search.hhr(member.entry), packed, at)
        row = summarise(member.query_id, parse_hhr(text, "made").hits)
        write_out(search.out(member.entry), member.entry, search.name, row, sha256(packed))
        os.utime(search.out(member.entry), (at, at))

    @staticmethod
    def fail(run, protein, reason="hhsearch was killed (SIGKILL)"):
        """Leave the log of a search that failed."""
        log = run.search.log("search", run.members[protein].entry)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"$ hhsearch\nError: {reason}\n")


def _repeated(letters, sequence):
    return (letters * len(sequence))[: len(sequence)]


def _write(path, content, at):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (at, at))
