#!/bin/sh
# Submits a job script of Snakemake and prints the id of the job. See proteofold/slurm/submit.py.
exec "$PROTEOFOLD_PYTHON" -m proteofold.slurm.submit "$@"
