#!/bin/sh
# One word for one job: running, success or failed. Snakemake calls this for each job in flight, again and again, so
# the ordinary answer comes from the file that the head keeps fresh (proteofold/slurm/registry.py), for 3 ms of CPU.
job=$1
states=$(cat "$PROTEOFOLD_SLURM/states" 2>/dev/null)
head=${states%%
*}
asked=${head%% *}
newest=${head##* }
case $asked in '' | *[!0-9]*) asked=999999999999 ;; esac # no answer yet, or a damaged one
read -r uptime _ </proc/uptime
age=$((${uptime%.*} - asked))
if [ "$age" -ge 0 ] && [ "$age" -lt 15 ]; then
    case $states in
    *"
$job running "*) echo running; exit 0 ;;
    *"
$job success "*) echo success; exit 0 ;;
    *"
$job failed "*) echo failed; exit 0 ;;
    esac
    # ids rise: this one was submitted after Slurm was asked
    if [ "$job" -gt "$newest" ] 2>/dev/null; then echo running; exit 0; fi
fi
"$PROTEOFOLD_PYTHON" -P -m proteofold.slurm.status "$job" || echo running
