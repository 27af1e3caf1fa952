"""Building a template library from text: alignments, then a profile of each, then each as one letter a column.

Every file is written aside, checked, and moved into place; ``_cs219.ffindex`` is the last, and stands only if the
library is whole.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from proteofold import hhsuite, library_check
from proteofold.errors import UserError
from proteofold.hhsuite_log import search_problem
from proteofold.process import why_it_failed
from proteofold.template_source import read_templates

_SHOWN = 5  # templates that failed


def collect_alignments(source, prefix):
    """Write ``<prefix>_a3m.ff{data,index}`` from the templates of a folder."""
    aside = _aside(prefix, "a3m")
    scratch = Path(f"{prefix}_unpacked")  # beside the library, so that the next start clears what a killed one left
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        for template in read_templates(source):
            Path(scratch, template.name).write_text(template.a3m, encoding="utf-8")
        files = hhsuite.library_files(aside, ["a3m"])
        subprocess.run([hhsuite.find_program("ffindex_build"), "-s", *files, f"{scratch}/"], check=True)
    finally:
        shutil.rmtree(scratch)
    _move_checked(aside, prefix, "a3m")


def make_profiles(source, prefix):
    """Write ``<prefix>_hhm.ff{data,index}``: what hhmake makes of each alignment of ``<prefix>_a3m``.

    Raises UserError that names each template for which hhmake failed, its file in ``source``, and hhmake's reason.
    """
    command = [hhsuite.find_program("hhmake"), "-i", "stdin", "-o", "stdout", "-v", "0"]
    aside, failed = _aside(prefix, "hhm"), {}
    data, index = hhsuite.library_files(aside, ["hhm"])
    alignments = _entries(prefix, "a3m")
    with (
        open(f"{prefix}_a3m.ffdata", "rb") as texts,
        open(data, "wb") as profiles,
        open(index, "w", encoding="utf-8") as lines,
    ):
        for entry in alignments:
            texts.seek(entry.offset)
            alignment = texts.read(entry.length - 1)
            made = subprocess.run(command, input=alignment, capture_output=True, check=False)
            said = made.stderr.decode(errors="replace")
            problem = search_problem(said)
            name = library_check.shown(entry.name)
            if made.returncode or problem or not made.stdout:
                failed[name] = why_it_failed(command[0], made.returncode, said, problem)
                continue
            lines.write(f"{name}\t{profiles.tell()}\t{len(made.stdout) + 1}\n")
            profiles.write(made.stdout + b"\0")
    if failed:
        raise UserError(_failed_templates(source, failed))
    _move_checked(aside, prefix, "hhm")


def _failed_templates(source, failed):
    """One line that names each template that failed, its file, and why."""
    templates = {template.name: template for template in read_templates(source)}
    shown = [(templates[name], why) for name, why in list(failed.items())[:_SHOWN]]
    reasons = [f"{template.file}: template {template.id}: {why}" for template, why in shown]
    if len(failed) > _SHOWN:
        reasons.append(f"and {len(failed) - _SHOWN} more templates")
    return "; ".join(reasons) + ". Correct or remove the template, and start again."


def is_built(prefix):
    """Whether a library stands that was built from text: the last of its files is there, and whole."""
    return os.path.exists(hhsuite.library_files(prefix, ["cs219"])[-1])


def translate_profiles(prefix):
    """Write ``<prefix>_cs219.ff{data,index}`` with cstranslate once it agrees with the other files of the library."""
    aside = _aside(prefix, "cs219")
    command = [
        hhsuite.find_program("cstranslate"),
        *("-i", f"{prefix}_a3m", "-o", f"{aside}_cs219", "-A", hhsuite.context_data("cs219.lib")),
        *("-D", hhsuite.context_data("context_data.lib"), "-x", "0.3", "-c", "4", "-f", "-b", "-I", "a3m"),
    ]
    made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    said = made.stdout.decode(errors="replace")
    print(said, flush=True)
    if made.returncode:
        raise UserError(f"{why_it_failed(command[0], made.returncode, said)}. Start again.")
    for path, link in zip(*(hhsuite.library_files(name, ["a3m", "hhm"]) for name in (prefix, aside)), strict=True):
        os.symlink(os.path.abspath(path), link)
    library = hhsuite.read_library(aside)
    _move_checked(aside, prefix, "cs219")
    print(f"{prefix}: {library.templates} templates, {library.columns} columns, the longest {library.longest}")


def _aside(prefix, part):
    """The prefix under which a part is written before it is moved; what a killed build left there is removed."""
    aside = f"{prefix}_unfinished"
    Path(prefix).parent.mkdir(parents=True, exist_ok=True)
    for path in hhsuite.library_files(aside):
        Path(path).unlink(missing_ok=True)
    return aside


def _entries(prefix, part):
    problems = []
    entries = library_check.read_index(prefix, part, problems)
    library_check.check_part(prefix, part, entries, problems)
    if problems:
        raise UserError("; ".join(problems))
    return entries


def _move_checked(aside, prefix, part):
    """Move a part into place if its entries are whole and those of _a3m; the index last."""
    names = {entry.name for entry in _entries(aside, part)}
    if part != "a3m" and names != {entry.name for entry in _entries(prefix, "a3m")}:
        raise UserError(f"{prefix}_{part} would lack templates that _a3m has. Start again.")
    for kind in ("data", "index"):
        os.replace(f"{aside}_{part}.ff{kind}", f"{prefix}_{part}.ff{kind}")
    for path in hhsuite.library_files(aside):
        Path(path).unlink(missing_ok=True)


def main(words=None):
    """Entry point of the rules collect_templates, make_profiles and translate_profiles."""
    parser = argparse.ArgumentParser(prog="python -m proteofold.library_build", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    collect = steps.add_parser("collect", help="alignments of a folder")
    profiles = steps.add_parser("profiles", help="a profile of each alignment")
    for step in (collect, profiles):
        step.add_argument("source")
        step.add_argument("prefix")
    steps.add_parser("translate", help="each template as one letter a column, and the check").add_argument("prefix")
    arguments = parser.parse_args(words)
    try:
        if arguments.step == "collect":
            collect_alignments(arguments.source, arguments.prefix)
        elif arguments.step == "profiles":
            make_profiles(arguments.source, arguments.prefix)
        else:
            translate_profiles(arguments.prefix)
    except (UserError, subprocess.CalledProcessError) as error:
        return str(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
