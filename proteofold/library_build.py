"""Building a template library from text: the steps that HH-suite's own programs leave open."""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from proteofold import hhsuite
from proteofold.errors import UserError
from proteofold.template_source import read_templates


def collect_alignments(source, prefix):
    """Write ``<prefix>_a3m.ff{data,index}`` from the templates of a folder."""
    data, index = hhsuite.library_files(prefix, ["a3m"])
    Path(data).parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(f"{prefix}_unpacked")  # beside the library, so that the next start clears what a killed one left
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        for template in read_templates(source):
            Path(scratch, template.name).write_text(template.a3m, encoding="utf-8")
        for path in (data, index):
            Path(path).unlink(missing_ok=True)
        subprocess.run([hhsuite.find_program("ffindex_build"), "-s", data, index, f"{scratch}/"], check=True)
    finally:
        shutil.rmtree(scratch)


def is_built(prefix):
    """Whether a library stands that was built from text: the last of its files is there, and whole."""
    return os.path.exists(hhsuite.library_files(prefix, ["cs219"])[-1])


def translate_profiles(prefix):
    """Write ``<prefix>_cs219.ff{data,index}`` with cstranslate, then check that the six files agree."""
    aside = f"{prefix}_unfinished"
    command = [
        hhsuite.find_program("cstranslate"),
        *("-i", f"{prefix}_a3m", "-o", f"{aside}_cs219", "-A", hhsuite.context_data("cs219.lib")),
        *("-D", hhsuite.context_data("context_data.lib"), "-x", "0.3", "-c", "4", "-f", "-b", "-I", "a3m"),
    ]
    subprocess.run(command, check=True)
    for kind in ("data", "index"):
        os.replace(f"{aside}_cs219.ff{kind}", f"{prefix}_cs219.ff{kind}")
    library = hhsuite.read_library(prefix)
    print(f"{prefix}: {library.templates} templates, {library.columns} columns, the longest {library.longest}")


def main(words=None):
    """Entry point of the rules collect_templates and translate_profiles."""
    parser = argparse.ArgumentParser(prog="python -m proteofold.library_build", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    collect = steps.add_parser("collect", help="alignments of a folder")
    collect.add_argument("source")
    collect.add_argument("prefix")
    steps.add_parser("translate", help="profiles as one letter a column, and the check").add_argument("prefix")
    arguments = parser.parse_args(words)
    try:
        if arguments.step == "collect":
            collect_alignments(arguments.source, arguments.prefix)
        else:
            translate_profiles(arguments.prefix)
    except (UserError, subprocess.CalledProcessError) as error:
        return str(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
