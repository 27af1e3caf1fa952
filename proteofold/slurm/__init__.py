"""Slurm, as the cluster profile uses it: three programs that submit, ask and cancel, and what they share.

Nothing here schedules: Snakemake decides what is due, Slurm decides where it runs. ``profiles/cluster/config.yaml``
says how Snakemake calls them.
"""
