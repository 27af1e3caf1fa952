#!/bin/sh
# One word for one job: running, success or failed. Snakemake asks again and again for each job, so the ordinary answer
# comes from the last answer of Slurm, a job a line (id, word, ...), for 6 ms of CPU; proteofold/slurm/status.py asks
# Slurm when that is five seconds old, and answers for jobs that are not listed there.
trap '' INT # Ctrl-C is for Snakemake
find "$PROTEOFOLD_SLURM/states" -newermt '-5 seconds' -exec sed -n "s/^$1 \(running\|success\|failed\) .*/\1/p" {} + 2>/dev/null |
    grep . || "$PROTEOFOLD_PYTHON" -P -m proteofold.slurm.status "$1" || echo running
