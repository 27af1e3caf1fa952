"""Who may do what: signing in and out, tokens, forged forms; and a walk over every route of the table."""

import itertools
import os
import re
import socket
import subprocess
from urllib.parse import quote

import pytest
from webbench import WEBSITE

from proteofold.service.accounts import add_user
from proteofold.service.database import platform_of
from website.actions.account import browser_name
from website.actions.table import ROUTES
from website.requests.route import ANYONE, API, READER, SIGNED_IN
from website.sql import closed
from website.sql.parameters import PARAMETERS

VALUES = {
    "run_id": "first",
    "query_id": "lonely",
    "token_id": "1",
    "key": "none",
    "file": "overview.html",
    "code": "1abc",
    "session_id": "0",
    "format": "txt",
}
WRITING = [route for route in ROUTES if route.writes]
CLOSED = [route for route in ROUTES if route.right not in (ANYONE, READER)]
BY_RIGHT = [route for route in ROUTES if route.right not in (ANYONE, READER, SIGNED_IN)]


def named(routes):
    return pytest.mark.parametrize("route", routes, ids=[f"{route.method} {route.path}" for route in routes])


def path_of(route):
    return re.sub(r"\{(\w+)\}", lambda found: VALUES[found[1]], route.path)


# something for each field that a JSON body must have
FIELDS = {"name": "ann", "password": "x", "label": "x", "rights": ["read"], "ids": ["lonely"], "run_id": "forged"}


def sent(route):
    """Something that a route with a body reads; it is never stored, because it is sent by nobody who may."""
    if isinstance(route.body, dict):
        return {"json": {name: FIELDS[name] for name in route.body["required"]}}
    if route.body == "fasta":
        return {"content": b">p\nMKV\n", "headers": {"Content-Type": "text/plain"}}
    if route.body in ("upload", "list"):
        return {"data": {"text": ">p\nMKV\n"}, "files": {"fasta": ("", b"")}}
    return {"data": {"a": "b"}} if route.body else {}


def test_every_route_stands_in_the_table_once(users_site):
    """Datasette has no route of ours beside them and those of SQL, and no two share method and path."""
    assert len({(route.method, route.pattern) for route in ROUTES}) == len(ROUTES)
    patterns = {closed.CLOSED, PARAMETERS, *(route.pattern for route in ROUTES)}
    ours = [
        pattern.pattern
        for pattern, view in users_site.datasette._routes()
        if getattr(getattr(view, "__wrapped__", None), "__module__", "").startswith("website")
    ]
    assert set(ours) == patterns
    assert all(route.path.startswith("/-/") for route in ROUTES)
    # what changes something is never asked for with GET
    assert all(route.writes for route in ROUTES if route.body is not None)


@named(CLOSED)
def test_strangers_are_turned_away(users_site, route):
    answer = users_site.ask(route.method, path_of(route), **sent(route))
    if route.method == "GET" and not route.is_api:
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/-/sign-in")
    else:
        assert answer.status_code == 401
    if route.is_api:
        assert answer.json() == {"ok": False, "error": "Sign in first."}
        assert answer.headers["www-authenticate"] == "Bearer"


@named([route for route in WRITING if route.right != ANYONE])
@pytest.mark.parametrize("forged", ["", "0" * 64, "another"])
def test_forms_of_other_sites_are_turned_away(signed_in, route, forged):
    """The cookie of who is signed in goes with them; the token of the form cannot be known."""
    ann, bob = signed_in("ann"), signed_in("bob")
    forged = bob.form_token if forged == "another" else forged
    options = sent(route)
    if route.body in ("form", "upload", "list"):
        options["data"] = options.get("data", {}) | {"form_token": forged}
    headers = options.pop("headers", {}) | ({"X-Form-Token": forged} if route.is_api and forged else {})
    answer = ann.ask(route.method, path_of(route), headers=headers, **options)
    assert answer.status_code == 403
    assert "was not sent by a page of this site" in answer.text


@named(WRITING)
def test_browsers_that_report_of_another_site_are_turned_away(signed_in, route):
    ann = signed_in("ann")
    headers = {"Sec-Fetch-Site": "cross-site", "X-Form-Token": ann.form_token}
    options = sent(route)
    answer = ann.ask(route.method, path_of(route), headers=options.pop("headers", {}) | headers, **options)
    assert answer.status_code == 403


@named(BY_RIGHT)
def test_tokens_without_the_right_are_turned_away(users_site, token_of, route):
    other = [right for right in ("read", "upload", "run") if right != route.right]
    options = sent(route)
    headers = options.pop("headers", {}) | {"Authorization": f"Bearer {token_of(*other)}", "Accept": "application/json"}
    answer = users_site.ask(route.method, path_of(route), headers=headers, **options)
    assert answer.status_code == 403
    assert answer.json()["error"] == f"This token lacks the right '{route.right}'."


@named([route for route in ROUTES if route.right == SIGNED_IN])
def test_tokens_cannot_manage_tokens_or_sessions(users_site, token_of, route):
    headers = {"Authorization": f"Bearer {token_of('read', 'upload', 'run')}", "Accept": "application/json"}
    answer = users_site.ask(route.method, path_of(route), headers=headers, **sent(route))
    assert answer.status_code == 403
    assert "sign in with name and password" in answer.json()["error"]


@pytest.fixture(scope="module")
def private_site(users_store, open_site):
    """The site as bin/serve starts it with PROTEOFOLD_PUBLIC=0."""
    return open_site(users_store, allow={"rights": "read"})


@named([route for route in ROUTES if route.right == READER and route.method == "GET"])
@pytest.mark.parametrize("token", [None, "upload"])
def test_a_site_that_is_not_public_shows_nothing_to_strangers(private_site, token_of, route, token):
    headers = {"Authorization": f"Bearer {token_of(token)}"} if token else {}
    answer = private_site.ask("GET", path_of(route), headers=headers)
    assert answer.status_code in (401, 403)
    assert "MYG_HUMAN" not in answer.text and "busy" not in answer.text


def test_a_site_that_is_not_public_is_read_with_a_token_and_by_who_is_signed_in(private_site, visitor_of, token_of):
    answer = private_site.get("/-/api/v1/runs", headers={"Authorization": f"Bearer {token_of('read')}"})
    assert answer.status_code == 200
    for path in ("/", "/proteofold/runs", "/-/runs/first", "/proteofold/-/schema"):
        page = private_site.get(path)
        assert page.status_code == 403 and "Sign in first" in page.text and "view-" not in page.text
        assert f"/-/sign-in?next={quote(path, safe='')}" in page.text
    ann = visitor_of(private_site).sign_in("ann")
    assert "busy" in ann.get("/-/runs").text


@named([route for route in ROUTES if route.method == "GET"])
def test_addresses_answer_to_their_methods_only(users_site, route):
    allowed = {other.method for other in ROUTES if other.pattern == route.pattern} | {"HEAD"}
    for method in ("PUT", "PATCH"):
        answer = users_site.ask(method, path_of(route))
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("token", ["", "pft_unknown", "x" * 5000, "dstok_x", "Ünknown"])
def test_unknown_tokens_are_reported_so_even_where_anybody_may_read(users_site, token):
    answer = users_site.get("/-/api/v1/runs", headers={"Authorization": f"Bearer {token}".encode()})
    assert answer.status_code == 401
    assert answer.json()["ok"] is False


# --- Signing in and out -----------------------------------------------------------------------------


def test_signing_in_leads_back_and_shows_who_is_signed_in(stranger):
    page = stranger.get("/-/new-run")
    assert page.headers["location"] == "/-/sign-in?next=%2F-%2Fnew-run"
    page = stranger.get(page.headers["location"])
    assert 'name="next" value="/-/new-run"' in page.text
    answer = stranger.send("/-/sign-in", name="ann", password="correct horse battery", next="/-/new-run")
    assert (answer.status_code, answer.headers["location"]) == (303, "/-/new-run")
    assert ">ann</a>" in stranger.get("/-/runs").text
    answer = stranger.send("/-/sign-out")
    assert answer.status_code == 303
    assert "proteofold_session" not in stranger.cookies
    assert "Sign in</a>" in stranger.get("/-/runs").text


def test_a_session_that_was_ended_is_worthless(stranger):
    stranger.sign_in("bob")
    cookie = dict(stranger.cookies)
    stranger.send("/-/sign-out")
    stranger.cookies = cookie
    assert stranger.get("/-/tokens").status_code == 303


def test_wrong_passwords_are_reported_without_disclosing_which_names_exist(stranger):
    messages = set()
    for name in ("ann", "nobody"):
        stranger.get("/-/sign-in")
        answer = stranger.send("/-/sign-in", name=name, password="wrong password")
        assert answer.status_code == 401
        assert "proteofold_session" not in stranger.cookies
        messages.add(re.search(r'role="alert" id="error">(.*?)<', answer.text)[1])
    assert messages == {"Name or password is wrong."}


@pytest.mark.parametrize(
    "path", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\nx", "", "\\/x"]
)
def test_signing_in_leads_nowhere_else(stranger, path):
    stranger.get("/-/sign-in")
    answer = stranger.send("/-/sign-in", name="bob", password="correct horse battery", next=path)
    assert answer.headers["location"] == "/"


def test_the_cookie_is_out_of_reach_for_scripts_and_goes_over_tls_only_behind_tls(users_store, open_site, visitor_of):
    for https, site in ((False, open_site(users_store)), (True, open_site(users_store, force_https_urls=True))):
        visitor = visitor_of(site)
        visitor.get("/-/sign-in")
        answer = visitor.send("/-/sign-in", name="ann", password="correct horse battery")
        (cookie,) = [line for line in answer.headers.get_list("set-cookie") if line.startswith("proteofold_session=")]
        assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Max-Age=604800" in cookie
        assert ("Secure" in cookie) == https


def test_the_form_of_signing_in_is_bound_to_its_browser(users_site, stranger, visitor_of):
    other = visitor_of(users_site)
    other.get("/-/sign-in")
    stranger.get("/-/sign-in")
    stranger.form_token = other.form_token
    answer = stranger.send("/-/sign-in", name="ann", password="correct horse battery")
    assert answer.status_code == 403


def test_a_program_signs_in_and_out(users_site):
    answer = users_site.ask("POST", f"{API}/session", json={"name": "ann", "password": "correct horse battery"})
    reported = answer.json()
    assert (reported["user"], reported["admin"], reported["by"]) == ("ann", False, "session")
    cookie = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
    assert users_site.get(f"{API}/session", headers=cookie).json()["user"] == "ann"
    assert users_site.ask("DELETE", f"{API}/session", headers=cookie).status_code == 403
    cookie["X-Form-Token"] = reported["form_token"]
    assert users_site.ask("DELETE", f"{API}/session", headers=cookie).status_code == 200
    assert users_site.get(f"{API}/session", headers=cookie).json()["user"] is None


@pytest.mark.parametrize("sent", [b"", b"{", b"[]", b'{"name": 1, "password": "x"}', b'{"name": "\\ud800"}', b"\xff"])
def test_what_is_no_request_is_reported_so(users_site, sent):
    headers = {"Content-Type": "application/json"}
    answer = users_site.ask("POST", f"{API}/session", content=sent, headers=headers)
    assert answer.status_code == 400 and answer.json()["ok"] is False
    assert users_site.ask("POST", f"{API}/session", content=b'{"name": "a", "password": "b"}').status_code == 415


# --- Tokens -----------------------------------------------------------------------------------------


def test_a_token_is_created_shown_once_listed_and_revoked(users_site, signed_in):
    bob = signed_in("bob")
    page = bob.send("/-/tokens", label="  my <b>laptop</b> ", rights="run", days="7")
    (secret,) = re.findall(r'value="(pft_[^"]+)"', page.text)
    headers = {"Authorization": f"Bearer {secret}"}
    reported = users_site.get(f"{API}/session", headers=headers).json()
    assert (reported["user"], reported["rights"], reported["by"]) == ("bob", ["run"], "token")
    page = bob.get("/-/tokens").text
    assert secret not in page and "my &lt;b&gt;laptop&lt;/b&gt;" in page
    answer = bob.send(re.search(r'action="(/-/tokens/\d+/revoke)"', page)[1])
    assert answer.status_code == 303
    assert "&lt;b&gt;laptop" not in bob.get("/-/tokens").text
    assert users_site.get(f"{API}/session", headers=headers).status_code == 401


def test_tokens_of_others_are_neither_seen_nor_revoked(users_site, signed_in, token_of):
    secret = token_of("read", user="ann")
    ids = [token["token_id"] for token in signed_in("ann").get(f"{API}/tokens").json()["tokens"]]
    bob = signed_in("bob")
    assert bob.get(f"{API}/tokens").json()["tokens"] == []
    answer = bob.send(f"/-/tokens/{ids[0]}/revoke")
    assert answer.status_code == 400
    assert users_site.get(f"{API}/session", headers={"Authorization": f"Bearer {secret}"}).status_code == 200


@pytest.mark.parametrize("fields", [{"label": "", "rights": "run"}, {"label": "x"}, {"label": "x", "rights": "admin"}])
def test_tokens_need_a_name_and_a_right(signed_in, fields):
    answer = signed_in("ann").send("/-/tokens", **fields)
    assert answer.status_code == 400
    assert 'class="error"' in answer.text and "pft_" not in re.sub("<pre.*?</pre>", "", answer.text, flags=re.S)


@pytest.mark.parametrize("token_id", ["0", "-1", "x", "9" * 30, "1;drop table tokens", "%00"])
def test_odd_numbers_of_tokens_revoke_nothing(signed_in, token_id):
    assert signed_in("ann").send(f"/-/tokens/{token_id}/revoke").status_code == 400


def test_every_answer_forbids_frames_and_guessing(users_site):
    for path in ("/", "/-/runs", f"{API}/health", "/static/pages.css", "/nowhere"):
        headers = users_site.get(path).headers
        assert headers["x-frame-options"] == "DENY" and headers["x-content-type-options"] == "nosniff", path
        policy = headers["content-security-policy"]
        assert all(f"{name} 'none'" in policy for name in ("frame-ancestors", "base-uri", "object-src")), path


def test_the_header_shows_health_and_workers_in_words(users_site):
    for path, inside in itertools.product(
        ("/", "/-/runs", "/proteofold/proteins"), ('class="health"', 'class="places"')
    ):
        assert inside in users_site.get(path).text
    answer = users_site.get(f"{API}/health").json()
    page = users_site.get("/-/runs").text
    # the load may change between the two
    assert f"{answer['workers']['live']} live worker" in page
    assert answer["workers"]["words"].partition(", load")[0] in page


DATASETTES_WRITES = {
    "/proteofold/-/create": {"table": "evil", "rows": [{"a": 1}]},
    "/proteofold/proteins/-/insert": {"rows": [{"query_id": "evil"}]},
    "/proteofold/proteins/-/upsert": {"rows": [{"query_id": "lonely", "sequence": "A"}]},
    "/proteofold/proteins/lonely/-/update": {"update": {"sequence": "A"}},
    "/proteofold/proteins/lonely/-/delete": {},
    "/proteofold/runs/-/drop": {"confirm": True},
    "/proteofold/-/execute-write": {"sql": "delete from runs"},
    "/-/create-token": {},
}


@pytest.mark.parametrize("path", DATASETTES_WRITES)
@pytest.mark.parametrize("name", ["ann", "root", None])
def test_no_user_writes_past_our_routes(users_site, signed_in, name, path):
    """Datasette can change tables, too; no user may, administrators of the platform included."""
    headers = {"Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"}
    ask = signed_in(name).ask if name else users_site.ask
    answer = ask("POST", path, json=DATASETTES_WRITES[path], headers=headers)
    assert answer.status_code in (400, 403, 404), answer.text[:500]
    assert answer.status_code != 400 or "csrf" not in answer.text
    rows = users_site.rows("/proteofold/proteins.json", query_id="lonely")
    assert rows[0]["sequence"] == "MKVAAAKKKK" * 3
    assert len(users_site.rows("/proteofold/runs.json")) >= 4


def test_a_wrong_address_is_no_news_for_the_log(users_site, capsys):
    assert users_site.get("/nothing", headers={"Cookie": "proteofold_session=secret"}).status_code == 404
    assert capsys.readouterr() == ("", "")


def test_secrets_are_not_in_what_is_served(users_site, signed_in, token_of):
    token_of("run")
    query = {"sql": "select name from sqlite_master", "_shape": "array"}
    tables = [row["name"] for row in signed_in("ann").get("/proteofold/-/query.json", params=query).json()]
    assert not {"users", "sessions", "tokens", "orders"} & set(tables)
    for path in ("/-/schema.json", "/-/queries.json", f"{API}/session", "/-/jump.json?q=a"):
        text = signed_in("ann").get(path).text
        assert "pft_" not in text and signed_in("ann").cookies["proteofold_session"] not in text, path
    attach = signed_in("ann").get("/proteofold/-/query.json", params={"sql": "attach 'platform.db' as p"})
    assert attach.status_code in (400, 403)


# --- Accounts ---------------------------------------------------------------------------------------


@pytest.fixture
def carol(users_store, users_site, visitor_of):
    """Function: a new Visitor who is signed in as carol, an account of this test."""
    with platform_of(users_store) as conn:
        conn.execute("delete from users where name = 'carol'")
        add_user(conn, "carol", "correct horse battery")
    return lambda password="correct horse battery": visitor_of(users_site).sign_in("carol", password)


def test_users_change_their_password_and_stay_signed_in_here_only(carol, users_site, visitor_of):
    here, there = carol(), carol()
    page = here.get("/-/account").text
    assert "correct horse battery" not in page and page.count("Sign out the session") == 1
    new = "another horse in the rain"
    for fields, words in (
        ({"old": "wrong", "new": new, "again": new}, "The old password is wrong."),
        ({"old": "correct horse battery", "new": new, "again": "x"}, "differ"),
        ({"old": "correct horse battery", "new": "aaaaaaaaaa", "again": "aaaaaaaaaa"}, "easily guessed"),
    ):
        answer = here.send("/-/account/password", **fields)
        assert answer.status_code == 400 and words in answer.text, words
    assert there.get("/-/tokens").status_code == 200
    answer = here.send("/-/account/password", old="correct horse battery", new=new, again=new)
    assert answer.status_code == 200 and "is changed" in answer.text
    assert here.get("/-/tokens").status_code == 200
    assert there.get("/-/tokens").status_code == 303
    assert carol(new)


def test_users_sign_out_their_other_sessions(carol, signed_in):
    here, there = carol(), carol()
    action = re.search(r'action="(/-/account/sessions/\w+/end)"', here.get("/-/account").text)[1]
    assert signed_in("bob").send(action).status_code == 400
    assert there.get("/-/tokens").status_code == 200
    assert here.send(action).status_code == 303
    assert there.get("/-/tokens").status_code == 303
    assert "Sign out the session" not in here.get("/-/account").text


@pytest.mark.parametrize(
    "agent, name",
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/150.0 Safari/537.36 Edg/150.0", "Edge on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605 Version/17 Safari/605", "Safari on macOS"),
        ("curl/8.0", "curl/8.0"),
        ("", ""),
    ],
)
def test_sessions_are_called_by_the_browser_and_its_system(agent, name):
    assert browser_name(agent) == name


@pytest.fixture(scope="module")
def proxied_site(users_store, open_site):
    """The site as website/serve starts it with PROTEOFOLD_USER_HEADER."""
    return open_site(users_store, plugin={"user_header": "X-Remote-User"})


def test_who_the_proxy_of_the_institute_has_signed_in_needs_no_password(proxied_site, visitor_of):
    ann = visitor_of(proxied_site)
    answer = ann.get("/-/sign-in?next=/-/new-run", headers={"X-Remote-User": "ann"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/-/new-run")
    assert ">ann</a>" in ann.get("/-/runs").text
    stranger = visitor_of(proxied_site)
    answer = stranger.get("/-/sign-in", headers={"X-Remote-User": "<b>nobody"})
    assert answer.status_code == 403 and "has no account here" in answer.text and "<b>nobody" not in answer.text
    assert "proteofold_session" not in stranger.cookies
    # without the header passwords still work
    assert visitor_of(proxied_site).sign_in("bob")


def test_the_header_of_a_proxy_counts_for_nothing_unless_it_is_configured(users_site, visitor_of, users_store):
    stranger = visitor_of(users_site)
    for header in ("X-Remote-User", "Remote-User", "X-Forwarded-User"):
        assert stranger.get("/-/sign-in", headers={header: "root"}).status_code == 200
        assert stranger.get("/-/tokens", headers={header: "root"}).status_code == 303
    command = [WEBSITE / "serve", users_store, "--port", "1"]
    refused = subprocess.run(
        command, env=os.environ | {"PROTEOFOLD_USER_HEADER": "X-Remote-User"}, capture_output=True, text=True
    )
    assert refused.returncode == 1 and "--uds" in refused.stderr


def test_secret_of_the_site_is_read_from_a_file_and_a_short_one_is_refused(users_store, tmp_path):
    secret = tmp_path / "secret"
    for text in (None, "short\n"):
        if text:
            secret.write_text(text)
        command = [WEBSITE / "serve", users_store, "--port", "1"]
        refused = subprocess.run(
            command, env=os.environ | {"DATASETTE_SECRET_FILE": str(secret)}, capture_output=True, text=True, timeout=60
        )
        assert refused.returncode == 1 and "secret" in refused.stderr


def test_port_that_is_in_use_is_named(users_store):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [WEBSITE / "serve", users_store, "--port", str(port)]
        refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1 and f"port {port} cannot be used" in refused.stderr
    assert "Traceback" not in refused.stderr
