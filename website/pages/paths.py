"""Where the pages are. Every address is made by ``datasette.urls``, so that nothing depends on where it is served."""

from urllib.parse import quote, urlencode

from datasette.utils import tilde_encode

from website.requests.databases import DATABASE
from website.requests.route import API


def protein_path(datasette, query_id):
    """The page of a protein."""
    if query_id in (".", ".."):  # browsers take these for folders, quoted or not
        return datasette.urls.path(f"/-/protein?id={query_id}")
    return datasette.urls.path(f"/-/protein/{quote(query_id, safe='')}")


def runs_path(datasette):
    """The list of all runs."""
    return datasette.urls.path("/-/runs")


def run_path(datasette, run_id):
    """The page of a run."""
    return datasette.urls.path(f"/-/runs/{quote(run_id, safe='')}")


def progress_path(datasette, run_id):
    """The numbers of a run as JSON."""
    return datasette.urls.path(f"/-/runs/{quote(run_id, safe='')}/progress")


def protein_file_path(datasette, run_id, query_id, name):
    """A file of a protein of a run, one of PROTEIN_FILES."""
    there = f"{API}/runs/{quote(run_id, safe='')}/proteins/{quote(query_id, safe='')}"
    return datasette.urls.path(f"{there}/{name}")


def model_path(datasette, run_id, query_id, ending, **chosen):
    """A model of a protein of a run, as cif or pdb; ``chosen`` is the number of its domain or the rank of its hit."""
    return protein_file_path(datasette, run_id, query_id, f"model.{ending}?{urlencode(chosen)}")


def models_path(datasette, run_id):
    """The zip of the models of a run."""
    return datasette.urls.path(f"{API}/runs/{quote(run_id, safe='')}/models.zip")


def compare_path(datasette, run_id=None):
    """The page that compares two runs, with the first of them chosen."""
    return datasette.urls.path("/-/compare") + (f"?a={quote(run_id, safe='')}" if run_id else "")


def differences_path(datasette, run_a, run_b):
    """The proteins in which two runs differ, as CSV: a saved query of the configuration."""
    arguments = f"run_a={quote(run_a, safe='')}&run_b={quote(run_b, safe='')}"
    return f"{datasette.urls.query(DATABASE, 'compare_runs', format='csv')}?{arguments}&_size=max"


def log_path(datasette, run_id, query_id):
    """The last lines of the log of a protein in a run."""
    return f"{run_path(datasette, run_id)}/log?protein={quote(query_id, safe='')}"


def job_log_path(datasette, run_id, step, job):
    """The last lines of the log of a job, named by its step and the file stem of its protein or batch."""
    return f"{run_path(datasette, run_id)}/log?step={quote(step, safe='')}&job={quote(job, safe='')}"


def row_path(datasette, table, key):
    """Datasette's page of one row."""
    return datasette.urls.row(DATABASE, table, tilde_encode(key))


def table_path(datasette, table, format=None, **arguments):
    """A table's page or, with ``format`` "csv" or "json", its rows; the arguments are those of the query string."""
    pairs = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in arguments.items())
    return f"{datasette.urls.table(DATABASE, table, format=format)}?{pairs}"


def results_path(datasette, run_id, **arguments):
    """The results of a run, without two columns that only programs read: the best hit comes into sight."""
    path = table_path(datasette, "protein_results", run_id=run_id, **arguments)
    return f"{path}&_nocol=result_id&_nocol=md5"
