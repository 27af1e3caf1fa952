"""Uploading proteins, by form and as a file; and finding them."""

import gzip
import json
import re
import sqlite3
from html import unescape

import pytest

from website.requests.route import API

FASTA = ">up1 first OS=Homo sapiens GN=UPA\nMKVLAAKKLL\n>up2\nMKKKKAAAAL\n"


def words(page):
    return " ".join(unescape(re.sub("<[^>]*>", " ", page.text)).split())


def uploaded(visitor, **sent):
    """The page with the result of an upload."""
    answer = visitor.send("/-/upload", **sent)
    assert answer.status_code == 303, words(answer)
    return visitor.get(answer.headers["location"])


@pytest.fixture
def ann(signed_in):
    ann = signed_in("ann")
    ann.get("/-/upload")
    return ann


def test_an_upload_reports_what_was_added_what_was_there_and_what_failed(ann):
    first = uploaded(ann, files={"fasta": ("my.fasta", FASTA.encode())})
    assert "2 added" in words(first) and "0 failed" in words(first)
    other = ">up1\nMKVLAAKKLM\n>up2\nMKKKKAAAAL\n>up3\nMKWWWWWWWW\n>bad\nMK1\n"
    page = uploaded(ann, files={"fasta": ("other.fasta", other.encode())})
    shown = words(page)
    assert "2 failed" in shown and "1 added" in shown and "1 already there" in shown
    failed = re.search(r'<ul class="reasons">(.*?)</ul>', page.text, re.S)[1]
    assert "up1" in failed and "MKVLAAKKLL" in failed and "MKVLAAKKLM" in failed, "both sequences are shown"
    assert "bad" in failed and "up2" not in failed


def test_from_an_upload_a_run_can_be_started_with_its_proteins(ann):
    page = uploaded(ann, files={"fasta": ("r.fasta", b">run1\nMKVA\n>run2\nMKVC\n>lonely\nMKV\n")})
    (address,) = re.findall(r'href="(/-/new-run\?upload=[^"]+)"', page.text)
    form = ann.get(address).text
    assert re.search(r'<textarea id="ids"[^>]*>run1\nrun2</textarea>', form), "what failed is left out"


def test_what_failed_is_left_out_even_where_it_is_not_reported_any_more(ann, monkeypatch):
    monkeypatch.setattr("proteofold.service.uploads.MOST_REPORTED", 1)
    page = uploaded(ann, files={"fasta": ("r.fasta", b">bad1\nM1\n>lonely\nMKV\n>left1\nMKV\n")})
    (address,) = re.findall(r'href="(/-/new-run\?upload=[^"]+)"', page.text)
    assert re.search(r'<textarea id="ids"[^>]*>left1</textarea>', ann.get(address).text)


def test_an_upload_is_reported_to_no_user_else(ann, signed_in):
    answer = ann.send("/-/upload", text=">mine\nMKVL\n")
    assert signed_in("bob").get(answer.headers["location"]).status_code == 400


def test_gzip_pasted_text_and_names_are_taken(ann):
    page = uploaded(ann, files={"fasta": ("zip<script>.gz", gzip.compress(b">zipped\nMKVL\n"))})
    assert "1 added" in words(page) and "zip&lt;script&gt;.gz" in page.text
    assert "1 added" in words(uploaded(ann, text=">pasted\nMKVLV\n"))


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "<script>alert(1)</script>", "'; drop table runs; --", "a\r\nb", ""]
)
def test_names_of_files_and_ids_are_only_ever_text(ann, users_store, name):
    record = f">{(name or 'none').split()[0]} {name}\nMKVLLA\n".replace("\r", "")
    page = uploaded(ann, files={"fasta": (name or "x", record.encode())})
    assert "<script>alert" not in page.text
    with sqlite3.connect(users_store) as conn:
        assert conn.execute("select count(*) from runs").fetchone()[0]


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"text": "no fasta"},
        {"files": {"fasta": ("x.fa", b"")}},
        {"files": {"fasta": ("x.gz", b"\x1f\x8bbroken")}},
        {"files": {"fasta": ("x.gz", gzip.compress(FASTA.encode())[:-9])}},
    ],
)
def test_what_is_no_fasta_is_refused_in_words(ann, sent):
    answer = ann.send("/-/upload", **sent)
    assert answer.status_code == 400
    assert re.search(r'class="error" role="alert" id="error">[^<]{10}', answer.text)


def test_a_zip_bomb_ends_early(users_site, token_of, monkeypatch):
    from proteofold.service import uploads

    monkeypatch.setattr(uploads, "MOST_UNPACKED_BYTES", 1 << 20)
    bomb = gzip.compress(b">x\n" + b"A\n" * (1 << 22))
    assert len(bomb) < 20_000
    answer = send(users_site, token_of, bomb)
    assert answer.status_code == 400 and "MB" in answer.json()["error"]


def send(site, token_of, content, path=f"{API}/proteins?name=api.fasta", **headers):
    headers = {"Authorization": f"Bearer {token_of('upload')}", "Content-Type": "text/plain"} | headers
    return site.ask("POST", path, content=content, headers=headers)


def test_a_program_uploads_a_file_as_it_is(users_site, token_of):
    answer = send(users_site, token_of, b">api1 words\nMKVLLLL\n>lonely\nMM\n").json()
    assert (answer["added"], answer["present"], answer["failed"]) == (1, 0, 1)
    assert answer["source"] == "api.fasta, uploaded by ann"
    assert {row["id"]: row["outcome"] for row in answer["rows"]} == {"api1": "added", "lonely": "failed"}


def test_nothing_is_stored_of_what_does_not_arrive_whole(users_site, users_store, token_of):
    """The connection breaks: what was sent till then is a FASTA file by itself."""
    messages = [
        {"type": "http.request", "body": b">cut1\nMKVLAA\n>cut2\n", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive():
        return messages.pop(0)

    sent = []

    async def send_message(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": f"{API}/proteins",
        "raw_path": f"{API}/proteins".encode(),
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {token_of('upload')}".encode()), (b"host", b"localhost")],
        "scheme": "http",
        "client": ("127.0.0.1", 1),
    }
    users_site._loop.run_until_complete(users_site.datasette.app()(scope, receive, send_message))
    assert sent[0]["status"] == 400
    assert "connection was closed" in json.loads(sent[1]["body"])["error"]
    with sqlite3.connect(users_store) as conn:
        assert conn.execute("select count(*) from proteins where query_id like 'cut%'").fetchone() == (0,)


def test_a_form_that_is_cut_stores_nothing(ann, users_store):
    body = (
        f'--b\r\nContent-Disposition: form-data; name="form_token"\r\n\r\n{ann.form_token}\r\n'
        '--b\r\nContent-Disposition: form-data; name="fasta"; filename="x.fa"\r\n\r\n>cutform\nMKV\n'
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = ann.ask("POST", "/-/upload", content=body.encode(), headers=headers)
    assert answer.status_code == 400
    with sqlite3.connect(users_store) as conn:
        assert conn.execute("select count(*) from proteins where query_id = 'cutform'").fetchone() == (0,)


def test_no_scratch_file_is_left(ann, tmp_path, monkeypatch, users_site, token_of):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ann.send("/-/upload", files={"fasta": ("x.fa", FASTA.encode())})
    send(users_site, token_of, b"no fasta")
    assert list(tmp_path.iterdir()) == []


# --- Search -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["MYG", "p02144", "sp|P02144|MYG_HUMAN", " myoglobin ", "P02144|MYG"])
def test_one_match_goes_straight_to_the_protein(users_site, names, part):
    answer = users_site.get("/-/search", params={"q": part})
    assert (answer.status_code, answer.headers["location"]) == (303, users_site.protein(names.myg))


@pytest.mark.parametrize("part", ["myg_human", "mb", "p02144", "myoglobin"])
def test_the_box_that_a_slash_opens_and_the_api_find_the_same(users_site, names, part):
    answer = users_site.get("/-/jump", params={"q": part}).json()
    assert names.myg in [match["name"] for match in answer["matches"]]
    found = users_site.get(f"{API}/search", params={"q": part}).json()["proteins"]
    assert [row["query_id"] for row in found] == [names.myg]


def test_several_matches_are_offered(users_site, names):
    page = users_site.get("/-/search", params={"q": "l"})
    found = [text for address, text in users_site.links(page) if address.startswith("/-/protein/")]
    assert names.lonely in found and names.odd in found and names.myg in found
    assert "<script>alert" not in page.text


@pytest.mark.parametrize("part", ["%", "_", "\\", "'; drop table proteins; --", "<b>x", "\x00", "é" * 500, "nothing"])
def test_odd_parts_find_what_has_them_and_nothing_else(users_site, names, part):
    reported = users_site.get(f"{API}/search", params={"q": part}).json()
    assert all(part in " ".join(str(value) for value in row.values()) for row in reported["proteins"])
    answer = users_site.get("/-/search", params={"q": part})
    assert answer.status_code in (200, 303)
    assert "<b>x" not in answer.text


def test_the_protein_as_json_has_its_sequence_and_all_its_runs(users_site, names):
    answer = users_site.get(f"{API}/proteins/sp%7CP02144%7CMYG_HUMAN").json()
    (protein,) = answer["proteins"]
    assert protein["sequence"].startswith("MGLSDGEWQL")
    assert {run["run_id"] for run in protein["runs"]} == {"first", "second", "busy", names.hostile_run}
    assert users_site.get(f"{API}/proteins/nobody").status_code == 404
