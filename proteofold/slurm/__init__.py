"""Slurm, as the cluster profile uses it: submitting, asking, cancelling, and finding jobs again after a head died.

Nothing here schedules: Snakemake decides what is due, Slurm decides where it runs.
"""
