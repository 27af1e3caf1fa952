"""Run folders as runs leave them, written by the project's own writers, without Snakemake and without searching."""

import hashlib
import os
from pathlib import Path

from proteofold import hits
from proteofold.alignments import pack_alignments
from proteofold.fasta import protein_stem, read_fasta
from proteofold.inputs import Query
from proteofold.planning import assign_batches
from proteofold.process import JobLog, Usage, usage_tsv
from proteofold.psipred import Prediction, format_horiz
from proteofold.runs import Run, RunFolder, load_run, read_members, write_plan

SETTINGS = {
    "key": "0123456789abcdef",
    "mode": "lean",
    "keep": [],
    "library": {"prefix": "resources/few/few", "templates": 283, "columns": 37049, "longest": 700, "key": "feed"},
    "weights": "config/demo/s4pred",
}

START = 1_790_000_000.0

HHR = Path(__file__).parent / "data" / "hhsearch3.hhr"


def make_hit(rank=1, template="1ABC_A", evalue=1e-20, score=150.0, **values):
    """A hit whose description has quotes, a comma and a semicolon."""
    values = {"probability": 99.5, "pvalue": 1e-25, "ss_score": 9.7, "aligned_columns": 50} | values
    return hits.Hit(rank, template, f'about "{template}", a; b', evalue=evalue, score=score, **values)


class FolderOfRuns:
    """``results/`` of a working directory."""

    def __init__(self, path):
        self.path = path / "results"

    def plan(self, run_id="demo", proteins=("P1", "P2", "P3"), **settings):
        """Write the plan of a run, as its head does when it starts; proteins are ids, or ids to sequences."""
        sequences = proteins if isinstance(proteins, dict) else dict.fromkeys(proteins, "MKV")
        folder = RunFolder(self.path / run_id)
        queries = [
            Query(name, protein_stem(name), text, hashlib.md5(text.encode()).hexdigest())
            for name, text in sequences.items()
        ]
        history = read_members(folder.manifest)
        members, batches = assign_batches(queries, history, history)
        write_plan(Run(folder, members, {"run": run_id} | SETTINGS | settings, batches, history))
        for batch in batches:
            os.utime(folder.batch_fasta(batch), (START, START))
        return load_run(folder.path)

    @staticmethod
    def predict(run, batch, at=START + 50):
        """Write the prediction of a batch, as its job does: helix, strand, coil, helix, ... with confidence 0 to 9."""
        predictions = [
            Prediction(record.sequence, _repeated("HEC", record.sequence), _repeated("0123456789", record.sequence))
            for record in read_fasta(run.folder.batch_fasta(batch))
        ]
        _write(run.folder.horiz(batch), "".join(map(format_horiz, predictions)).encode(), at)

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
        reused_from=None,
        hhr=None,
    ):
        """Write the result files of a protein, as its job does, or as they are taken from another run.

        The alignments are those of the .hhr file ``hhr``, whatever the hits ``found`` are. The prediction of its batch
        is written where it is missing.
        """
        member, folder = run.members[protein], run.folder
        if not folder.horiz(member.batch).exists():
            cls.predict(run, member.batch)
        found = [make_hit()] if found is None else found
        usage = usage_tsv(Usage(20.0, cpu_s, max_rss_mb, node, run.result_key(member)))
        if reused_from:
            usage = "".join(map("{}\t{}\n".format, usage.splitlines(), ("reused_from", reused_from)))
        files = {
            folder.hits(protein): hits.hits_csv_gz(member.query_id, found),
            folder.alignments(protein): pack_alignments((hhr or HHR).read_bytes()),
            folder.out(protein): hits.format_summary(hits.summarise(member.query_id, found)).encode(),
            folder.usage("search_templates", protein): usage.encode(),
        }
        for path, content in files.items():
            _write(path, content, at)

    @staticmethod
    def fail(run, protein, reason="hhsearch was killed (SIGKILL)"):
        """Leave the log of a job that failed."""
        with JobLog(run.folder.log("search_templates", protein)) as log:
            log.step("search")
            raise ValueError(reason)


def _repeated(letters, sequence):
    return (letters * len(sequence))[: len(sequence)]


def _write(path, content, at):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (at, at))
