"""Models of the proteins of a run, from their stored alignments and the structures of the templates."""

import csv

from proteofold.formats.hhr import parse_hhr
from proteofold.formats.mmcif import read_chain
from proteofold.formats.packed_hhr import read_alignments, unpack
from proteofold.run.results import read_out, read_packed_hhr
from proteofold.science.model import STRUCTURES, build_model, pdb_chain, structure_paths
from proteofold.science.verdict import judge
from proteofold.system.errors import UserError


def model_of(run, member, domain=None, rank=None, structures=STRUCTURES):
    """The Model of a member of a run on the template of its domain of a number or of its hit of a rank.

    Without either it is that of the first domain. UserError if there is no such domain or hit, no structure of the
    template in the folder ``structures``, or nothing to make a model of.
    """
    hit, alignment = _hit_and_alignment(run, member, domain, rank)
    code, chain = pdb_chain(hit.template)
    paths = structure_paths(structures, code)
    path = next((path for path in paths if path.exists()), None)
    if path is None:
        command = f"proteofold fetch structures {run.name}"
        raise UserError(
            f"{paths[0]} is missing: '{command} --template {hit.template}' fetches it, and '{command}' those of all "
            "domains of the run.",
            topic="structures",
        )
    return build_model(alignment, hit, member.query_id, read_chain(path, chain))


def templates_of_domains(folder):
    """The templates of all domains of a run, by its RunFolder, each once."""
    path = folder.path / "domains.csv"
    try:
        with open(path, encoding="utf-8", newline="") as handle:
            return list(dict.fromkeys(row["template"] for row in csv.DictReader(handle)))
    except FileNotFoundError:
        raise UserError(
            f"{path} is missing: the results of the run are not merged yet. Rerun its snakemake command.",
            topic="structures",
        ) from None
    except (KeyError, ValueError, csv.Error):
        raise UserError(
            f"{path} is damaged. Rerun the snakemake command of the run; it is written again.", topic="structures"
        ) from None


def _hit_and_alignment(run, member, domain, rank):
    try:
        packed = read_packed_hhr(run.search, member.entry, read_out(run.search, member.entry))
    except FileNotFoundError:
        raise UserError(f"{member.query_id} has no result in the run {run.name}.", topic="structures") from None
    hits = parse_hhr(unpack(packed), run.search.hhr(member.entry)).hits
    if rank is not None:
        chosen, what = {hit.rank: hit for hit in hits}.get(rank), f"{len(hits)} hits"
    else:
        domains = judge(hits, member.length, run.thresholds).domains
        chosen = dict(enumerate(domains, 1)).get(domain or 1)
        what = f"{len(domains)} domains. A model of any hit is made with --hit"
    if chosen is None:
        wanted = f"hit {rank}" if rank is not None else f"domain {domain or 1}"
        raise UserError(f"{member.query_id} has no {wanted} in the run {run.name}: it has {what}.", topic="structures")
    return chosen, next(iter(read_alignments(packed, chosen.rank)))
