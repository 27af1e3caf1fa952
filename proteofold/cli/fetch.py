"""The commands ``proteofold fetch``."""

import sys

import click

from proteofold.cli.store import run_folders, store_option
from proteofold.science import hhsuite
from proteofold.system.errors import UserError

_MODES = click.Choice(list(hhsuite.SEARCH_MODES))


def _url_option(name):
    variable = f"PROTEOFOLD_{name.upper()}_URL"
    return click.option(
        "--url", envvar=variable, show_envvar=True, help="Address to use instead of config/sources.yaml's."
    )


_checksum_option = click.option(
    "--checksum", help="md5:... or sha256:... of the packed file, instead of config/sources.yaml's; none: unchecked."
)
_stall_option = click.option(
    "--stall", type=click.FloatRange(1), default=60, show_default=True, help="Seconds without data before a retry."
)


def _to_option(default, about):
    """The option that names the folder of what is fetched."""
    path = click.Path(file_okay=False)
    return click.option("--to", "folder", type=path, default=default, show_default=True, help=about)


@click.group()
def fetch():
    """Fetch official data, and copy a template library's hot files to a local disk.

    A command can be interrupted at any moment: rerun it to resume. Files that are present are not fetched again.
    """


@fetch.command(short_help="Fetch PDB70 and switch to it when it is complete.")
@click.option("--parts", default=",".join(hhsuite.PARTS), show_default=True, help="What to keep of it.")
@_to_option("resources/templates", "Folder of the releases.")
@_url_option("pdb70")
@_checksum_option
@_stall_option
def pdb70(parts, folder, url, checksum, stall):
    """Fetch PDB70 and unpack it during the download: 78 GB on disk, or 4.6 GB with --parts hhm,cs219.

    hhm and cs219 are all that the modes lean, fast and hybrid read; reference also needs a3m. A release is in
    pdb70-<release>, and pdb70 is a link to the one in use.

    \b
    Examples:
      proteofold fetch pdb70 --parts hhm,cs219
      proteofold fetch pdb70 --url https://mirror.example.org/pdb70_from_mmcif_220313.tar.gz
    """
    from proteofold.fetch.pdb70 import fetch_pdb70
    from proteofold.fetch.sources import read_source

    chosen = [part.strip() for part in parts.split(",")]
    if set(chosen) - set(hhsuite.PARTS) or not {"hhm", "cs219"} <= set(chosen):
        raise UserError(f"--parts {parts}: expected hhm,cs219 or a3m,hhm,cs219; every search needs hhm and cs219.")
    with _meter() as meter:
        record = fetch_pdb70(read_source("pdb70", url, checksum), meter, chosen, folder, _patience(stall))
    size = sum(record["bytes"].values()) / 1e9
    click.echo(f"{_said(record)} {record['folder']}: {record['templates']} templates, {size:.1f} GB")
    if record["fetched"]:
        listed = record["listed_checksums"]
        click.echo(f"checked: {listed} files by the archive's list, every index entry, the names of all parts")
    click.echo(f"in use: {record['prefix']}")


@fetch.command(short_help="Fetch the official S4PRED weights.")
@_to_option("resources/s4pred", "Folder; the weights are in its subfolder weights.")
@_url_option("weights")
@_checksum_option
@_stall_option
def weights(folder, url, checksum, stall):
    """Fetch the official S4PRED weights (395 MB, GPL-3) for 's4pred: weights: official'.

    \b
    Example:
      proteofold fetch weights
    """
    from proteofold.fetch.official_weights import fetch_weights
    from proteofold.fetch.sources import read_source

    with _meter() as meter:
        record = fetch_weights(read_source("weights", url, checksum), meter, folder, _patience(stall))
    click.echo(f"{_said(record)} {record['folder']}" + (f": {record['checksum']}" if record.get("checksum") else ""))


@fetch.command(short_help="Fetch a proteome from UniProt.")
@click.argument("proteome_id", metavar="ID")
@click.option("--to", "path", type=click.Path(dir_okay=False), help="File to write.  [default: ID.fasta.gz]")
@_url_option("proteome")
@_stall_option
def proteome(proteome_id, path, url, stall):
    """Fetch the proteins of the UniProt proteome ID as FASTA, check that they are complete, and count them.

    \b
    Examples:
      proteofold fetch proteome UP000005640
      proteofold fetch proteome UP000000625 --to ecoli.fasta.gz
    """
    from proteofold.fetch.proteome import checked_id, fetch_proteome
    from proteofold.fetch.sources import read_source

    proteome_id = checked_id(proteome_id)
    path = path or f"{proteome_id}.fasta.gz"
    source = read_source("proteome", url)
    with _meter() as meter:
        found = fetch_proteome(source.url, proteome_id, path, meter, _patience(stall))
    release = f", UniProt {found['release']}" if found["release"] else ""
    click.echo(f"{_said(found)} {path}: {found['proteins']} proteins, {found['residues']} residues{release}")


@fetch.command(short_help="Fetch the structures of a run's templates.")
@click.argument("run")
@click.option("--template", "templates", multiple=True, help="Only this one, such as 1M17_A; repeatable.")
@_to_option("resources/structures", "Folder of the mmCIF files.")
@_url_option("structures")
@_stall_option
@store_option
def structures(run, templates, folder, url, stall, store_path):
    """Fetch the mmCIF files of the templates of all domains of RUN, for 'proteofold model'.

    They are kept by the code of the entry for all runs; four are fetched at a time. Exit code 1 if any is not
    available: an entry that the PDB has replaced, or a file that arrived damaged.

    \b
    Examples:
      proteofold fetch structures demo
      proteofold fetch structures demo --template 1M17_A
    """
    from proteofold.fetch.sources import read_source
    from proteofold.fetch.structures import fetch_structures
    from proteofold.run.layout import RunFolder
    from proteofold.run.models import templates_of_domains
    from proteofold.system.words import counted

    if not templates:
        folders = run_folders(store_path, run)
        if not folders:
            raise UserError(
                f"run {run}: no folder {run} beside the store {store_path} or in results/. "
                "'proteofold runs' lists the runs.",
                topic="structures",
            )
        templates = templates_of_domains(RunFolder(folders[0]))
    source = read_source("structures", url)
    with _meter() as meter:
        done = fetch_structures(source.url, templates, meter, folder, _patience(stall))
    click.echo(f"fetched {counted(done['fetched'], 'structure')} to {folder}; {done['present']} already present")
    if done["others"]:
        click.echo(f"no chains of the PDB: {', '.join(done['others'])}")
    for reason in done["failed"].values():
        click.echo(reason, err=True)
    if done["failed"]:
        sys.exit(1)


@fetch.command(short_help="Fetch the CATH classification of templates.")
@_to_option("resources/classification", "Folder of the releases.")
@_url_option("classification")
@click.option(
    "--names-url",
    envvar="PROTEOFOLD_CLASSIFICATION_NAMES_URL",
    show_envvar=True,
    help="Address of the list of names, instead of config/sources.yaml's.",
)
@_stall_option
def classification(folder, url, names_url, stall):
    """Fetch CATH's superfamilies of PDB chains and their names, about 10 MB.

    Runs that are started afterwards, also those that are complete, list the superfamily of each domain. A release is
    in cath-<date>, and cath is a link to the one in use. Rerun the command to fetch a newer release.

    \b
    Example:
      proteofold fetch classification
    """
    from proteofold.fetch.classification import fetch_classification
    from proteofold.fetch.sources import read_source

    domains, names = read_source("classification", url), read_source("classification_names", names_url)
    with _meter() as meter:
        record = fetch_classification(domains, names, meter, folder, _patience(stall))
    counts = f"{record['domains']:,} domains in {record['superfamilies']:,} superfamilies, CATH {record['version']}"
    click.echo(f"{_said(record)} {record['folder']}: {counts}")


@fetch.command("local-copy", short_help="Copy a library's hot files to a local disk.")
@click.argument("prefix")
@click.argument("folder", type=click.Path(file_okay=False))
@click.option("--mode", type=_MODES, default="lean", show_default=True, help="Copy the files that this mode reads.")
@click.option("--link-a3m", is_flag=True, help="With --mode reference: link to _a3m where it is, don't copy it.")
@click.option("--from", "peers", metavar="URL", multiple=True, help="rsync://HOST:PORT/MODULE of a node; repeatable.")
def local_copy(prefix, folder, mode, link_a3m, peers):
    """Copy what searches of a mode read of the library PREFIX to a local FOLDER.

    The copy is compared with what was read. It is in FOLDER-<checksum>-<parts>, and FOLDER becomes a link to it when
    it is complete. Its files are then in the page cache.

    Nodes named by --from, whose rsync offers the folder that FOLDER is in, are asked first for their copy of the same
    library, and again while they are busy with others, until one provides it or none has it.

    \b
    Examples:
      proteofold fetch local-copy /shared/resources/templates/pdb70/pdb70 /local/pdb70 --mode lean
      proteofold fetch local-copy /shared/resources/templates/pdb70/pdb70 /local/pdb70 \\
          --from rsync://10.0.0.10:8730/templates --from rsync://10.0.0.11:8730/templates
    """
    from proteofold.fetch.local_copy import copy_library

    with _meter() as meter:
        done = copy_library(prefix, folder, mode, meter, link_a3m, peers)
    if done["copied"]:
        click.echo(f"copied {done['bytes'] / 1e9:.2f} GB in {done['seconds']:.0f} s from {done['source']}")
    else:
        click.echo("already present")
    click.echo(f"in use: {done['prefix']}")


@fetch.command(short_help="Read a library's hot files into memory.")
@click.argument("prefix")
@click.option("--mode", type=_MODES, default="lean", show_default=True)
def warm(prefix, mode):
    """Read the files of the library PREFIX that every search of a mode reads once, so that none waits for the disk.

    \b
    Example:
      proteofold fetch warm /local/pdb70/pdb70
    """
    import time

    from proteofold.fetch.local_copy import warm as read_hot_files

    begin = time.monotonic()
    with _meter() as meter:
        size = read_hot_files(prefix, mode, meter)
    click.echo(f"read {size / 1e9:.2f} GB in {time.monotonic() - begin:.1f} s")


def _meter():
    from proteofold.fetch.meter import Meter

    return Meter()


def _patience(stall):
    from proteofold.fetch.download import Patience

    return Patience(stall_s=stall)


def _said(record):
    return "fetched" if record["fetched"] else "already present:"
