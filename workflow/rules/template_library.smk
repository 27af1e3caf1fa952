"""Building a template library from a folder of FASTA or A3M files."""

from proteofold.files import existing_names
from proteofold.library_build import is_built
from proteofold.merge import whole_result

LIBRARY = RUN.library.prefix
LIBRARY_LOGS = f"{LIBRARY}_logs"

# What stands is never out of date: its folder carries the checksum of its text. Without rules for it nothing asks
# whether one of its files was touched.
LIBRARY_IS_TO_BUILD = RUN.settings["library_source"] is not None and not is_built(LIBRARY)


@functools.cache
def searched_proteins():
    """Proteins whose results are whole and of today's sequences and settings."""
    aligned = existing_names(run_file("alignments"))
    return {
        protein
        for protein, member in RUN.members.items()
        if RUN.folder.alignments(protein).name in aligned and whole_result(RUN, member)
    }


def library_to_search(wildcards):
    """The library's file that is written last.

    Of a protein that is searched already nothing: a library that is built again, because it was deleted, would have
    all of them searched again.
    """
    if LIBRARY_IS_TO_BUILD and wildcards.protein in searched_proteins():
        return []
    # ancient: what the library holds is in params.result_key; touching its files changes no result
    return ancient(f"{LIBRARY}_cs219.ffindex")


if LIBRARY_IS_TO_BUILD:

    rule collect_templates:
        """Gather the alignments of the templates into one file pair."""
        # the library's folder carries the checksum of its text, so the files of the folder need not be inputs
        output:
            multiext(f"{LIBRARY}_a3m", ".ffdata", ".ffindex"),
        log:
            f"{LIBRARY_LOGS}/collect_templates.log",
        localrule: True
        params:
            source=RUN.settings["library_source"],
            prefix=LIBRARY,
        shell:
            "{PYTHON:q} -m proteofold.library_build collect {params.source:q} {params.prefix:q} > {log:q} 2>&1"

    rule make_profiles:
        """Make a profile of each template's alignment with hhmake; fails if one of them is not whole."""
        input:
            multiext(f"{LIBRARY}_a3m", ".ffdata", ".ffindex"),
        output:
            multiext(f"{LIBRARY}_hhm", ".ffdata", ".ffindex"),
        log:
            f"{LIBRARY_LOGS}/make_profiles.log",
        conda:
            "../envs/hhsuite.yaml"
        resources:
            mem_mb=library_mem_mb,
            runtime=library_minutes,
            attempt=attempt_number,
        params:
            source=RUN.settings["library_source"],
            prefix=LIBRARY,
        shell:
            "{PYTHON:q} -m proteofold.library_build profiles {params.source:q} {params.prefix:q} > {log:q} 2>&1"

    rule translate_profiles:
        """Translate each template into one letter a column with cstranslate, and check the whole library."""
        input:
            multiext(f"{LIBRARY}_a3m", ".ffdata", ".ffindex"),
            multiext(f"{LIBRARY}_hhm", ".ffdata", ".ffindex"),
        output:
            multiext(f"{LIBRARY}_cs219", ".ffdata", ".ffindex"),
        log:
            f"{LIBRARY_LOGS}/translate_profiles.log",
        conda:
            "../envs/hhsuite.yaml"
        resources:
            mem_mb=library_mem_mb,
            runtime=library_minutes,
            attempt=attempt_number,
        params:
            prefix=LIBRARY,
        shell:
            "{PYTHON:q} -m proteofold.library_build translate {params.prefix:q} > {log:q} 2>&1"
