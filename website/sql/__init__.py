"""Datasette's own pages, and the SQL that readers may run."""
