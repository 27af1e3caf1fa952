"""The platform: accounts, uploads, orders of runs and the service that carries them out.

The store holds what may be read; orders and secrets lie beside it in ``platform.db``, which nobody serves. The web
process only asks (uploads, orders); ``proteofold runner`` is the one process that starts Snakemake.
"""
