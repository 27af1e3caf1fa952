"""Pages of runs and proteins."""
