"""Building a template library from a folder of FASTA or A3M files."""

from proteofold.science.library_build import is_built

# What stands is never out of date: its folder carries the checksum of its text. Without a rule for it nothing asks
# whether one of its files was touched. On a node, where the job of the rule runs, it may have been built meanwhile.
if RUN.settings["library_source"] is not None and not (IS_HEAD and is_built(RUN.library.prefix)):

    rule build_template_library:
        """Build a template library: alignments, a profile of each, and each as one letter a column."""
        output:
            update(f"{RUN.library.prefix}_cs219.ffindex"),
        log:
            run_file(layout.LIBRARY_LOG),
        conda:
            "../envs/hhsuite.yaml"
        container:
            config["container"]
        resources:
            mem_mb=library_mem_mb,
            runtime=library_minutes,
            job_name=job_name("build_template_library", RUN.library.prefix),
        params:
            source=RUN.settings["library_source"],
            prefix=library_prefix,
            predict=[f"--predict={weights}" for weights in [RUN.settings["library_weights"]] if weights],
            memory_mb=lambda wildcards, resources: resources.mem_mb - BESIDE_MB,
        shell:
            "proteofold build-library {params.source:q} {params.prefix:q} {params.predict:q}"
            " --memory-mb {params.memory_mb}"
            " > {log:q} 2>&1"
