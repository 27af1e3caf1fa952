"""Pages of runs and proteins, and what is changed in Datasette's pages of tables."""
