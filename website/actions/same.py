"""The very requests of a page, for users to copy: with Python, with the command line, with curl."""

import shlex
from urllib.parse import quote

from website.requests.route import API

_CURL = 'curl -H "Authorization: Bearer $PROTEOFOLD_TOKEN"'


def _text(visit, python, remote, curl):
    """(name, text) of each way."""
    lines = ["from proteofold.client import Client", "", f"client = Client({visit.site!r})  # token: PROTEOFOLD_TOKEN"]
    return [
        ("Python", "\n".join([*lines, *python])),
        ("Command line", f"export PROTEOFOLD_URL={shlex.quote(visit.site)}\nproteofold remote {remote}"),
        ("curl", curl),
    ]


def _url(visit, path):
    return shlex.quote(f"{visit.site}{API}{path}")


def upload(visit):
    """Adding proteins."""
    return _text(
        visit,
        ["upload = client.add_fasta('my.fasta')", "print(upload['added'], upload['present'], upload['failed'])"],
        "add my.fasta",
        f"{_CURL} --data-binary @my.fasta -H 'Content-Type: text/plain' \\\n  {_url(visit, '/proteins?name=my.fasta')}",
    )


def search(visit, text):
    """Finding proteins."""
    shown = text or "HBA"
    return _text(
        visit,
        [f"for protein in client.search({shown!r})['proteins']:", "    print(protein['query_id'])"],
        f"search {shlex.quote(shown)}",
        f"{_CURL} {_url(visit, f'/search?q={quote(shown, safe=str())}')}",
    )


def protein(visit, query_id):
    """A protein and its runs."""
    return _text(
        visit,
        [
            f"for protein in client.protein({query_id!r}):",
            "    print(protein['query_id'], [run['run_id'] for run in protein['runs']])",
        ],
        f"protein {shlex.quote(query_id)}",
        f"{_CURL} {_url(visit, f'/proteins/{quote(query_id, safe=str())}')}",
    )


def new_run(visit):
    """Starting a run."""
    body = '{"run_id": "my-run", "ids": ["P69905", "P02144"]}'
    return _text(
        visit,
        [
            "ids = open('ids.txt').read().split()",
            "print(client.match_ids(ids)['absent'])",
            "print(client.estimate(ids))",
            "client.start_run('my-run', ids)",
            "client.wait('my-run')",
        ],
        "start my-run --ids ids.txt",
        f"{_CURL} -H 'Content-Type: application/json' \\\n  -d {shlex.quote(body)} \\\n  {_url(visit, '/runs')}",
    )


def runs(visit):
    """The list of runs."""
    return _text(
        visit,
        [
            "for run in client.runs()['runs']:",
            "    print(run['run_id'], run['status'], run['succeeded'], run['total'])",
        ],
        "runs",
        f"{_CURL} {_url(visit, '/runs')}",
    )


def run(visit, run_id):
    """Following a run, and having its results."""
    path = f"/runs/{quote(run_id, safe='')}"
    return _text(
        visit,
        [f"client.wait({run_id!r})", f"client.download({run_id!r}, 'results.zip')"],
        f"watch {shlex.quote(run_id)}\nproteofold remote download {shlex.quote(run_id)} --to results.zip",
        f"{_CURL} {_url(visit, path)}\n{_CURL} -o results.zip {_url(visit, f'{path}/download.zip')}",
    )


def cluster(visit):
    """Nodes and jobs."""
    return _text(
        visit,
        ["for node in client.cluster()['nodes']:", "    print(node['name'], node['state'], node['cores_used'])"],
        "cluster",
        f"{_CURL} {_url(visit, '/cluster')}",
    )


def log(visit, run_id, query_id):
    """The log of a job."""
    path = f"/runs/{quote(run_id, safe='')}/log" + (f"?protein={quote(query_id, safe='')}" if query_id else "")
    more = f", {query_id!r}" if query_id else ""
    option = f" --protein {shlex.quote(query_id)}" if query_id else ""
    return _text(
        visit,
        [f"print(client.log({run_id!r}{more}))"],
        f"log {shlex.quote(run_id)}{option}",
        f"{_CURL} {_url(visit, path)}",
    )
