"""The command ``proteofold model``."""

from functools import partial
from pathlib import Path

import click

from proteofold.cli.output import print_facts, print_json
from proteofold.cli.store import folder_of, json_option, open_fresh, or_not_found, store_option
from proteofold.system.errors import UserError


@click.command(short_help="Write a model of a protein on a template.")
@click.argument("name", metavar="PROTEIN")
@click.option("--run", "run_id", help="The run.  [default: the newest with a result of the protein]")
@click.option("--domain", type=click.IntRange(1), help="Number of the domain.  [default: 1]")
@click.option("--hit", "rank", type=click.IntRange(1), help="Rank of the hit, instead of a domain.")
@click.option(
    "--to",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write: .cif is mmCIF, .pdb is PDB.  [default: PROTEIN-domain1-TEMPLATE.cif]",
)
@click.option(
    "--structures",
    type=click.Path(file_okay=False, path_type=Path),
    default="resources/structures",
    show_default=True,
    help="Folder of the mmCIF files.",
)
@store_option
@json_option
def model(name, run_id, domain, rank, path, structures, store_path, as_json):
    """Write a model of PROTEIN: its residues on the coordinates of a template, along the alignment.

    Backbone and beta carbon of each aligned residue are those of the template, side chains where the amino acids are
    the same. Residues have the numbers of the protein, gaps are left open, and nothing is refined. The B factor is the
    confidence of the alignment, 0 to 100 (docs/structures.md).

    PROTEIN is a name as for 'proteofold protein'. 'proteofold fetch structures RUN' fetches the templates first. Exit
    code 3 if the store has no such protein or run.

    \b
    Examples:
      proteofold model P00533 --domain 2
      proteofold model P00533 --run demo --hit 3 --to egfr.pdb
    """
    from proteofold.run.models import model_name, model_of
    from proteofold.science.model_text import model_text
    from proteofold.store import lookup, queries, run_files
    from proteofold.system.files import write_aside

    if domain and rank:
        raise UserError("--domain and --hit: give one of them.")
    conn = open_fresh(store_path)
    found = or_not_found(partial(lookup.find, or_words=True), conn, name)
    if len(found) > 1:
        raise UserError(f"{name} matches several proteins: {lookup.listed([row['query_id'] for row in found])}.")
    query_id = found[0]["query_id"]
    if run_id is None:
        results = queries.results_of(conn, query_id)
        run_id = next((result["run_id"] for result in results if result["status"] == "SUCCESS"), None)
        if run_id is None:
            raise UserError(f"{query_id} has no result in any run.")
    folder = or_not_found(folder_of, conn, store_path, run_id)
    run, member = or_not_found(run_files.find_member, folder, query_id)
    made = model_of(run, member, domain, rank, structures)
    source = f"hit{rank}" if rank else f"domain{domain or 1}"
    path = path or Path(model_name(member, source, made))
    write_aside(path, model_text(made, path.suffix))
    facts = {"file": str(path)} | made.described()
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)
