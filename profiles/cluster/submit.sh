#!/bin/sh
# Submits a job script of Snakemake and prints the id of the job. See proteofold/slurm/submit.py.
exec "$PROTEOFOLD_PYTHON" -I -S "${0%/*}/submit.py" "$@"
