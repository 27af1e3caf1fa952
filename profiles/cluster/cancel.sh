#!/bin/sh
# Cancels the jobs of this head. Snakemake waits two seconds for this and then gives up, a busy Slurm may need longer: so
# the work is done in a process of its own session, which a second Ctrl-C does not reach either.
setsid "$PROTEOFOLD_PYTHON" -P -m proteofold.slurm.cancel </dev/null >/dev/null 2>&1 &
