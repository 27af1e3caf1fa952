"""Building a template library from a folder of FASTA or A3M files."""

LIBRARY = RUN.library.prefix
LIBRARY_LOGS = f"{LIBRARY}_logs"

if RUN.settings["library_source"]:

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
        """Make a profile of each template's alignment with hhmake."""
        input:
            multiext(f"{LIBRARY}_a3m", ".ffdata", ".ffindex"),
        output:
            multiext(f"{LIBRARY}_hhm", ".ffdata", ".ffindex"),
        log:
            f"{LIBRARY_LOGS}/make_profiles.log",
        conda:
            "../envs/hhsuite.yaml"
        shell:
            "ffindex_apply {input:q} -d {output[0]:q} -i {output[1]:q} -- hhmake -i stdin -o stdout -v 0"
            " > {log:q} 2>&1"

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
        params:
            prefix=LIBRARY,
        shell:
            "{PYTHON:q} -m proteofold.library_build translate {params.prefix:q} > {log:q} 2>&1"
