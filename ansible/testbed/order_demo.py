"""Order the demo on a platform with its Python client, wait, print the progress at the end: order_demo.py URL RUN COUNT

The first COUNT of its proteins are ordered. Standard input has the name and the password of an account, a line each.
Runs with proteofold's own Python.
"""

import http.cookiejar
import json
import ssl
import sys
import urllib.request

from proteofold.client import API, Client
from proteofold.formats.fasta import read_fasta
from proteofold.system.paths import DEMO


def new_token(url, name, password):
    """A token of the account, as its page of tokens gives one."""
    cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    opener = urllib.request.build_opener(cookies, urllib.request.HTTPSHandler(context=ssl.create_default_context()))

    def post(path, body, **headers):
        sent = json.dumps(body).encode()
        request = urllib.request.Request(url + API + path, sent, {"content-type": "application/json", **headers})
        with opener.open(request, timeout=60) as answer:
            return json.load(answer)

    session = post("/session", {"name": name, "password": password})
    wanted = {"label": "test of the cluster", "rights": ["read", "upload", "run"]}
    return post("/tokens", wanted, **{"X-Form-Token": session["form_token"]})["token"]


def main(url, run, count):
    name, password = sys.stdin.read().split()
    with Client(url, new_token(url, name, password)) as client:
        uploaded = client.add_fasta(DEMO / "proteins.fasta")
        ids = [record.id for record in read_fasta(DEMO / "proteins.fasta")][: int(count)]
        ordered = client.start_run(run, ids, templates="demo", weights="demo")
        print(f"{uploaded['added']} proteins added, {ordered['proteins']} ordered", file=sys.stderr)
        print(json.dumps(client.wait(run)))


if __name__ == "__main__":
    main(*sys.argv[1:])
