"""The log of security events: who did what, from where; in the log of the service and beside the accounts."""

import json
from types import SimpleNamespace

import pytest

from proteofold.service.accounts import add_user
from proteofold.service.database import platform_of
from proteofold.service.events import KINDS, list_events
from website.requests import events
from website.requests.route import API

PASSWORD = "correct horse battery"


@pytest.fixture
def kept(users_store, monkeypatch, capsys):
    """Function: the events since the test began, the oldest first, as (kind, user, about)."""
    monkeypatch.setattr(events, "_noted", {})
    with platform_of(users_store) as conn:
        conn.execute("delete from events")
        conn.execute("delete from attempts")
        conn.execute("delete from users where name = 'eve'")
        add_user(conn, "eve", PASSWORD)

    def read():
        with platform_of(users_store) as conn:
            rows = list_events(conn)[::-1]
        printed = [line for line in capsys.readouterr().err.splitlines() if line.startswith("security: ")]
        assert [json.loads(line.removeprefix("security: ")) for line in printed] == rows
        assert {row["kind"] for row in rows} <= set(KINDS)
        # the test's client has this address
        assert all(row["address"] == "127.0.0.1" for row in rows)
        return [(row["kind"], row["user"], row["about"]) for row in rows]

    return read


def test_signing_in_and_out_and_failing_to_is_noted(kept, stranger):
    stranger.get("/-/sign-in")
    for name in ("eve", "typed my password here"):
        stranger.send("/-/sign-in", name=name, password="wrong password")
    stranger.sign_in("EVE")
    stranger.send("/-/sign-out")
    assert kept() == [
        ("sign-in failed", None, "eve"),
        ("sign-in failed", None, "(unknown name)"),
        ("sign-in", "eve", ""),
        ("sign-out", "eve", ""),
    ]


def test_attempts_that_have_to_wait_are_noted_once_in_a_while(kept, users_site):
    for _ in range(12):
        users_site.ask("POST", f"{API}/session", json={"name": "eve", "password": "wrong password"})
    kinds = [kind for kind, _, _ in kept()]
    assert kinds[:5] == ["sign-in failed"] * 5
    assert kinds.count("sign-in refused") == 1 and len(kinds) < 12


def test_tokens_passwords_and_sessions_are_noted_without_secrets(kept, users_store, users_site, visitor_of):
    eve, other = visitor_of(users_site).sign_in("eve"), visitor_of(users_site).sign_in("eve")
    page = eve.send("/-/tokens", label="my laptop", rights="run", days="7").text
    secret = page.partition('value="pft_')[2].partition('"')[0]
    number = page.rpartition("/revoke")[0].rpartition("/")[2]
    eve.send(f"/-/tokens/{number}/revoke")
    headers = {"Authorization": f"Bearer pft_{secret}"}
    assert users_site.get(f"{API}/session", headers=headers).status_code == 401
    new = "another horse in the rain"
    eve.send("/-/account/password", old="wrong", new=new, again=new)
    eve.send("/-/account/password", old=PASSWORD, new=new, again=new)
    seen = kept()
    assert seen[2:] == [
        ("token created", "eve", "my laptop (run)"),
        ("token revoked", "eve", f"token {number}"),
        ("unknown token", None, ""),
        ("sign-in failed", "eve", "changing the password"),
        ("password changed", "eve", ""),
    ]
    secrets = (secret, PASSWORD, new, *eve.cookies.values(), *other.cookies.values(), eve.form_token)
    assert not any(word in str(seen) for word in secrets)


def test_refused_requests_are_noted_by_path_once_in_a_while(kept, users_site, token_of, signed_in):
    ann = signed_in("ann")
    headers = {"Authorization": f"Bearer {token_of('read')}", "Accept": "application/json"}
    for _ in range(3):
        users_site.get("/-/upload?key=secret", headers=headers)
        ann.ask("POST", "/-/tokens", data={"form_token": "0" * 80})
    seen = [event for event in kept() if event[0] == "refused"]
    assert seen == [("refused", "ann", "GET /-/upload"), ("refused", "ann", "POST /-/tokens")]


def test_a_network_of_ipv6_is_one_stranger(users_site, monkeypatch, capsys):
    monkeypatch.setattr(events, "_noted", {})
    for number in range(5):
        request = SimpleNamespace(scope={"client": (f"2001:db8::{number}", 1)})
        users_site._loop.run_until_complete(events.note(users_site.datasette, request, "unknown token"))
    assert capsys.readouterr().err.count("security: ") == 1


def test_the_memory_of_what_was_noted_is_bounded(monkeypatch):
    monkeypatch.setattr(events, "_noted", {})
    for number in range(3000):
        assert not events._is_repeated(("refused", "10.0.0.1", None, str(number)))
    assert len(events._noted) <= 1000
