"""Requests made from the OpenAPI description, those that fit it and those that do not, to a real server."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from webbench import served

from proteofold.service.accounts import find_user
from proteofold.service.database import platform_of
from proteofold.service.tokens import create_token

API = "/-/api/v1"
PASSWORD = "correct horse battery"
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
# What fits the description may be refused for what it names: an id that is not there, a file that is no FASTA.
NOT_CHECKED = dict.fromkeys(("stranger", "program"), "positive_data_acceptance")
# whether cookies are looked at cannot be seen where one is sent with every request
NOT_CHECKED["browser"] = "positive_data_acceptance,ignored_auth"
EXAMPLES = 10  # of each operation and phase; a few hundred requests


@pytest.fixture(scope="module")
def server(users_store, tmp_path_factory):
    """(address, file of what the server prints)"""
    log = tmp_path_factory.mktemp("fuzz") / "log"
    with served(users_store, log) as url:
        yield url, log


def headers_of(who, url, store):
    """What a request of a stranger, a program, or a browser has in its headers."""
    if who == "program":
        with platform_of(store) as conn:
            secret = create_token(conn, find_user(conn, "ann"), "fuzz", ("read", "upload", "run"))
        return [f"Authorization: Bearer {secret}"]
    if who == "browser":
        body = json.dumps({"name": "root", "password": PASSWORD}).encode()
        request = urllib.request.Request(f"{url}{API}/session", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            cookie, token = answer.headers["Set-Cookie"].partition(";")[0], json.load(answer)["form_token"]
        return [f"Cookie: {cookie}", f"X-Form-Token: {token}"]
    return []


@pytest.mark.slow
@pytest.mark.parametrize("who", ["stranger", "program", "browser"])
def test_the_api_answers_as_described_whatever_it_is_sent(server, users_store, tmp_path, who):
    url, log = server
    command = [SCHEMATHESIS, "run", f"{url}{API}/openapi.json", "--no-color", "--continue-on-failure"]
    command += ["--checks", "all", "--exclude-checks", NOT_CHECKED[who], "--max-examples", str(EXAMPLES)]
    command += ["--generation-deterministic", "--request-timeout", "30"]
    for header in headers_of(who, url, users_store):
        command += ["--header", header]
    if who == "browser":
        # its cookie is sent with every request, and after signing out all would be refused
        command += ["--generation-with-security-parameters", "false", "--exclude-operation-id", "sign_in_session_end"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    assert "Traceback" not in log.read_text()
