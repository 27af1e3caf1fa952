"""The SQL that readers may run, and which of Datasette's own pages are closed."""
