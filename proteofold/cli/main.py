"""The command ``proteofold``. Imports wait until they are needed."""

import importlib
import os
import shlex

import click

from proteofold import __version__
from proteofold.system import paths
from proteofold.system.errors import UserError, missing_extra, with_help

_FILE = click.Path(exists=True, dir_okay=False)

# Where the commands are that are not below. Each job of a run starts this program, so only what it needs is imported.
_MODULES = {
    "fetch": ("fetch",),
    "model": ("model",),
    "plan": ("plan",),
    "remote": ("remote",),
    "service": ("admin", "runner"),
    "steps": ("a3m", "align", "batch", "build-library", "merge", "report", "s4pred", "search", "summarise"),
    "store": ("add", "export", "protein", "proteins", "runs", "show", "store"),
    "top": ("top",),
}
_MODULE_OF = {command: module for module, commands in _MODULES.items() for command in commands}


class _Group(click.Group):
    """Shows a UserError, a missing extra or an unusable store as one message without a traceback; exit code 1."""

    def list_commands(self, context):
        return sorted([*self.commands, *_MODULE_OF])

    def get_command(self, context, name):
        if name not in _MODULE_OF:
            return super().get_command(context, name)
        module = importlib.import_module(f"proteofold.cli.{_MODULE_OF[name]}")
        return getattr(module, name.replace("-", "_"))

    def resolve_command(self, context, words):
        try:
            return super().resolve_command(context, words)
        except click.NoSuchCommand as error:  # click proposes similar names of commands that are imported
            names = self.list_commands(context)
            raise click.NoSuchCommand(error.command_name, possibilities=names, ctx=context) from None

    def invoke(self, context):
        try:
            return super().invoke(context)
        except UserError as error:
            raise click.ClickException(with_help(error)) from None
        except click.UsageError as error:
            options = {option.name for option in error.ctx.command.params} if error.ctx else ()
            if "config_files" in options and "unexpected extra argument" in error.message:
                error.message += ". Name a configuration with --configfile, as for snakemake."
            raise
        except Exception as error:
            from proteofold.cli.store import store_error
            from proteofold.system.disks import describe

            message = missing_extra(error) or store_error(context, error)
            if message := message or (isinstance(error, OSError) and describe(error)):
                raise click.ClickException(message) from None
            raise


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="proteofold")
def cli():
    """Find, for every protein of a proteome, the known 3D structures it resembles.

    Runs are started with Snakemake: see docs/tutorial.md.

    \b
    Example:
      proteofold check --configfile my.yaml
    """


@cli.command(short_help="Check all inputs of a run without running anything.")
@click.option("--configfile", "config_files", type=_FILE, multiple=True, help="As for snakemake; may be repeated.")
def check(config_files):
    """Check configuration, sequences, ids, template library, weights and programs, and list every problem.

    \b
    Example:
      proteofold check --configfile my.yaml
    """
    from proteofold.run.config import load_config
    from proteofold.run.inputs import check_inputs, check_writing
    from proteofold.science.library_build import is_built
    from proteofold.system.words import counted

    config = load_config(*config_files)
    checked = check_inputs(config, read_weights=True)
    check_writing(config, checked)
    for note in checked.notes:
        click.echo(f"note: {note}")
    checked.raise_errors()
    if config["s4pred"]["device"] == "gpu":
        from proteofold.science.s4pred import device_for

        try:
            device_for("gpu")
        except UserError as error:
            click.echo(f"note: {error}")  # a node of a cluster may have one
    residues = sum(len(query.sequence) for query in checked.queries)
    library = checked.templates.library
    source = checked.templates.source
    built = f", {'built' if is_built(library.prefix) else 'to be built'} from {source}" if source else ""
    click.echo(
        f"ready: {counted(len(checked.queries))} with {counted(residues, 'residue')}, "
        f"{counted(library.templates, 'template')}{built}"
    )


@cli.command(short_help="Cut a large run into parts.")
@click.argument("config_files", metavar="CONFIGFILE...", type=_FILE, nargs=-1, required=True)
@click.option("--size", type=click.IntRange(1), default=40_000, show_default=True, help="Most proteins per part.")
@click.option("--folder", type=click.Path(file_okay=False), default="parts", show_default=True, help="Where to write.")
def parts(config_files, size, folder):
    """Write configurations of ordinary runs over slices of the proteins of CONFIGFILE, for hundreds of thousands.

    Each part plans in the time and memory of a proteome, and all share their results. When the parts are done,
    'proteofold merge --configfile' with the whole configuration writes its tables.

    \b
    Example:
      proteofold parts my.yaml --size 40000
    """
    from pathlib import Path

    from proteofold.run.config import load_config
    from proteofold.run.parts import write_parts
    from proteofold.system.words import counted

    config = load_config(*config_files)
    written, name = write_parts(config, size, Path(folder)), config["run"]
    given = shlex.join(word for path in config_files for word in ("--configfile", path))
    click.echo(f"{counted(len(written), 'part')} of up to {counted(size)} written to {folder}/. Run them, then merge:")
    some = shlex.quote(f"{folder}/{name}.part") + "*.yaml"
    click.echo(f'  for part in {some}; do snakemake --configfile "$part" --cores all; done')
    click.echo(f"  proteofold merge {given}")


@cli.command(short_help="Remove results that no run uses.")
@click.option("--results", default="results", show_default=True, type=click.Path(exists=True, file_okay=False))
@click.option("--dry-run", is_flag=True, help="Only report what would be removed.")
def clean(results, dry_run):
    """Remove the shared results and predictions that no run uses any more.

    Runs that were deleted, proteins that were removed, and modes, libraries and weights that no run uses now leave
    results behind, so that switching back computes nothing again; an upgrade may leave summaries of an earlier version.
    Fails while any run is working.

    \b
    Example:
      proteofold clean --dry-run
    """
    from proteofold.run.cleaning import find_unused, remove_unused
    from proteofold.system.words import counted

    unused = find_unused(results)
    if not dry_run:
        remove_unused(results, unused)
    parts = [counted(unused.counts[f"{kind}s"], kind) for kind in ("result", "prediction")]
    if aligned := unused.counts["alignments"]:
        parts.append(counted(aligned, "alignment"))
    if earlier := unused.counts["summaries"]:
        parts.append(f"{earlier:,} .out of earlier versions")
    click.echo(
        f"{'would be removed' if dry_run else 'removed'}: {' and '.join(parts)} that no run uses, "
        f"{unused.size / 1e6:,.1f} MB"
    )


def main():
    """Entry point of the command ``proteofold``."""
    os.environ.update(paths.SAFE_PATH)
    cli(prog_name="proteofold")
