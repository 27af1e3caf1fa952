"""Building a template library from text: alignments, then a profile of each, then each as one letter a column.

A library is built in a folder beside its own, checked, and moved into place as a whole.
"""

import fcntl
import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

from proteofold.science import hhsuite, library_check
from proteofold.science.hhsuite_log import search_problem
from proteofold.science.template_source import read_templates
from proteofold.science.weights import MEMORY_MB
from proteofold.system.disks import blaming_full_disk
from proteofold.system.errors import UserError
from proteofold.system.files import existing_names
from proteofold.system.process import KILLED, STOPPED, die_with, run_tool, why_it_failed

_SHOWN = 5  # templates that failed


def build_library(source, prefix, weights=None, memory_mb=MEMORY_MB):
    """Build the library of the templates in a folder; does nothing if it is there.

    With ``weights``, a folder, S4PRED predicts the secondary structure of templates whose alignment has none, in
    ``memory_mb``. While another process builds the library, this one waits. UserError says which template or tool
    failed, or that the folder of the library holds other files.
    """
    prefix = Path(prefix)
    folder = prefix.absolute().parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f".{folder.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_built(prefix):
            return
        _remove_rest(prefix, folder)
        aside = folder.with_name(f".{folder.name}.building")
        shutil.rmtree(aside, ignore_errors=True)  # left by a build that was killed
        aside.mkdir()
        try:
            with blaming_full_disk(aside):
                _collect_alignments(_templates(source, weights, memory_mb), aside / prefix.name)
                _make_profiles(source, aside / prefix.name)
                _translate_profiles(aside / prefix.name)
                library = hhsuite.read_library(aside / prefix.name)
            aside.rename(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    print(f"{prefix}: {library.templates} templates, {library.columns} columns, the longest {library.longest}")


def is_built(prefix):
    """Whether a library stands that was built from text."""
    return os.path.exists(hhsuite.library_files(prefix, ["cs219"])[-1])


def _remove_rest(prefix, folder):
    """Remove the folder of a library that is not whole; UserError if it holds anything else."""
    own = {os.path.basename(path) for path in hhsuite.library_files(prefix)}
    if others := sorted(existing_names(folder) - own):
        raise UserError(
            f"{folder} holds {others[0]}: build the library {prefix.name} in a folder of its own.",
            topic="template-library",
        )
    shutil.rmtree(folder, ignore_errors=True)


def _templates(source, weights, memory_mb):
    """The templates of a folder, with predicted secondary structure where ``weights`` are given and none is known."""
    templates = read_templates(source)
    if weights:
        from proteofold.science.prediction import predict_structures  # here: PyTorch takes seconds

        bare = [template for template in templates if not template.annotated]
        predicted = predict_structures([template.residues for template in bare], weights, memory_mb=memory_mb)
        found = {one.name: one.with_prediction(own) for one, own in zip(bare, predicted, strict=True)}
        templates = [found.get(template.name, template) for template in templates]
    return templates


def _collect_alignments(templates, prefix):
    """Write ``<prefix>_a3m.ff{data,index}`` from templates."""
    scratch = Path(f"{prefix}_unpacked")
    scratch.mkdir()
    for template in templates:
        Path(scratch, template.name).write_text(template.a3m, encoding="utf-8")
    files = hhsuite.library_files(prefix, ["a3m"])
    run_tool([hhsuite.find_program("ffindex_build"), "-s", *files, f"{scratch}/"])
    shutil.rmtree(scratch)


def _make_profiles(source, prefix):
    """Write ``<prefix>_hhm.ff{data,index}``: what hhmake makes of each alignment of ``<prefix>_a3m``.

    Raises UserError that names each template for which hhmake failed, its file in ``source``, and hhmake's reason.
    """
    command = [hhsuite.find_program("hhmake"), "-i", "stdin", "-o", "stdout", "-v", "0"]
    failed = {}
    data, index = hhsuite.library_files(prefix, ["hhm"])
    alignments = _entries(prefix, "a3m")
    with (
        open(f"{prefix}_a3m.ffdata", "rb") as texts,
        open(data, "wb") as profiles,
        open(index, "w", encoding="utf-8") as lines,
    ):
        for entry in alignments:
            texts.seek(entry.offset)
            alignment = texts.read(entry.length - 1)
            ends_with_this = partial(die_with, os.getpid())
            made = subprocess.run(command, input=alignment, capture_output=True, check=False, preexec_fn=ends_with_this)
            said = made.stderr.decode(errors="replace")
            problem = search_problem(said)
            name = library_check.shown(entry.name)
            if made.returncode or problem or not made.stdout:
                failed[name] = why_it_failed(command[0], made.returncode, said, problem)
                continue
            lines.write(f"{name}\t{profiles.tell()}\t{len(made.stdout) + 1}\n")
            profiles.write(made.stdout + b"\0")
    if failed:
        raise UserError(_failed_templates(source, failed), topic="template-library")


def _failed_templates(source, failed):
    """One line that names each template that failed, its file, and why."""
    templates = {template.name: template for template in read_templates(source)}
    shown = [(templates[name], why) for name, why in list(failed.items())[:_SHOWN]]
    reasons = [f"{template.file}: template {template.id}: {why}" for template, why in shown]
    if len(failed) > _SHOWN:
        reasons.append(f"and {len(failed) - _SHOWN} more templates")
    if any(words in why for why in failed.values() for words in (KILLED, STOPPED)):
        return "; ".join(reasons) + ". Start again; if it is killed again, give the build more memory."
    return "; ".join(reasons) + ". Correct or remove the template, and start again."


def _translate_profiles(prefix):
    """Write ``<prefix>_cs219.ff{data,index}`` with cstranslate."""
    run_tool(
        [
            hhsuite.find_program("cstranslate"),
            *("-i", f"{prefix}_a3m", "-o", f"{prefix}_cs219", "-A", hhsuite.context_data("cs219.lib")),
            *("-D", hhsuite.context_data("context_data.lib"), "-x", "0.3", "-c", "4", "-f", "-b", "-I", "a3m"),
        ]
    )


def _entries(prefix, part):
    problems = []
    entries = library_check.read_index(prefix, part, problems)
    library_check.check_part(prefix, part, entries, problems)
    if problems:
        raise UserError("; ".join(problems), topic="template-library")
    return entries
