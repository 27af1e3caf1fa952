"""One run: what is asked for, what is there, what is missing, its tables."""
