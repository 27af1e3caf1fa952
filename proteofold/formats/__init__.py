"""File formats: reading and writing, nothing else."""
