"""Models of the proteins of a run, from their stored alignments and the structures of the templates."""

import csv
from functools import lru_cache
from operator import itemgetter

from proteofold.formats.hhr import parse_hhr
from proteofold.formats.mmcif import read_chain
from proteofold.formats.packed_hhr import read_alignments, unpack
from proteofold.run.results import read_out, read_packed_hhr
from proteofold.science.model import STRUCTURES, build_model, pdb_chain, structure_paths
from proteofold.science.verdict import judge
from proteofold.system.errors import UserError


def model_of(run, member, domain=None, rank=None, structures=STRUCTURES, read=read_chain):
    """The Model of a member of a run on the template of its domain of a number or of its hit of a rank.

    Without either it is that of the first domain. UserError if there is no such domain or hit, no structure of the
    template in the folder ``structures``, or nothing to make a model of. ``read`` is mmcif.read_chain, or remembers
    what that returned.
    """
    hit, alignment = _hit_and_alignment(run, member, domain, rank)
    path, chain = _structure_of(run, hit.template, structures)
    return build_model(alignment, hit, member.query_id, read(path, chain))


def models_of_domains(run, structures=STRUCTURES):
    """Yield (member, number of the domain, template, its Model or why there is none) of all domains of a merged run.

    Those of a template follow each other, so that its structure is read once. Why is an exception.
    """
    members = {member.query_id: member for member in run.members.values()}
    read = lru_cache(maxsize=2)(read_chain)
    for query_id, number, template in sorted(domains_of(run.folder), key=itemgetter(2)):
        if member := members.get(query_id):  # not of a protein that has left the run since
            try:
                _structure_of(run, template, structures)  # to read the hits takes long where no template has one
                made = model_of(run, member, number, structures=structures, read=read)
            except (UserError, OSError, MemoryError) as error:
                made = error
            yield member, number, template, made


def model_name(member, source, model, suffix=".cif"):
    """The name of the file of a Model of a member; ``source`` is what it is of: domain1, hit3."""
    return f"{member.protein}-{source}-{model.template}{suffix}"


def find_structure(template, structures):
    """The mmCIF file of a template in the folder ``structures``; None where it is not there or the name is no chain."""
    try:
        code, _ = pdb_chain(template)
    except UserError:
        return None
    return next((path for path in structure_paths(structures, code) if path.exists()), None)


def templates_of_domains(folder):
    """The templates of all domains of a run, by its RunFolder, each once."""
    return list(dict.fromkeys(template for _, _, template in domains_of(folder)))


def domains_of(folder):
    """(query_id, number, template) of all domains of a run, by its RunFolder."""
    path = folder.path / "domains.csv"
    try:
        with open(path, encoding="utf-8", newline="") as handle:
            return [(row["query_id"], int(row["number"]), row["template"]) for row in csv.DictReader(handle)]
    except FileNotFoundError:
        raise UserError(
            f"{path} is missing: the results of the run are not merged yet. Rerun its snakemake command.",
            topic="structures",
        ) from None
    except (KeyError, ValueError, csv.Error):
        raise UserError(
            f"{path} is damaged. Rerun the snakemake command of the run; it is written again.", topic="structures"
        ) from None


def _structure_of(run, template, structures):
    """(mmCIF file, chain) of a template; UserError where there is none."""
    code, chain = pdb_chain(template)
    path = find_structure(template, structures)
    if path is None:
        command = f"proteofold fetch structures {run.name}"
        raise UserError(
            f"{structure_paths(structures, code)[0]} is missing: '{command} --template {template}' fetches it, and "
            f"'{command}' those of all domains of the run.",
            topic="structures",
        )
    return path, chain


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
