"""The platform: accounts, uploads, orders of runs and the service that carries them out.

The store holds what may be read; orders and secrets are beside it in ``platform.db``, which is not served. The web
process only asks (uploads, orders); ``proteofold runner`` is the one process that starts Snakemake.
"""
