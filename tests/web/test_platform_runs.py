"""Starting runs and looking after them, by form and as JSON; the runner that carries them out is not needed for it."""

import re
import sqlite3
from html import unescape

import pytest

from proteofold.service.database import platform_of
from proteofold.service.runs import order_of
from website.actions import run_actions
from website.requests.route import API
from website.requests.schemas import RUN_NAME


def words(page):
    return " ".join(unescape(re.sub("<[^>]*>", " ", page.text)).split())


def order(store, run_id):
    with platform_of(store) as platform:
        return order_of(platform, run_id)


@pytest.fixture
def ann(signed_in):
    ann = signed_in("ann")
    ann.get("/-/new-run")
    return ann


CHOICES = {"templates": "demo", "mode": "lean", "weights": "demo"}


def ask(visitor, run_id, ids, act="check", **more):
    return visitor.send("/-/new-run", run_id=run_id, ids=ids, act=act, **CHOICES | more)


def started(visitor, run_id, ids):
    """Look at a run, then start it, as the page does."""
    seen = re.search(r'name="seen" value="([^"]+)"', ask(visitor, run_id, ids).text)[1]
    answer = ask(visitor, run_id, ids, act="start", seen=seen)
    assert answer.status_code == 303, words(answer)
    return answer


def test_absent_ids_are_shown_counted_and_left_out_only_after_they_were_shown(ann, users_store, names):
    ids = f"P02144, nobody\n{names.lonely}; <script>x</script>"
    page = ask(ann, "absent-run", ids, act="start")
    assert page.status_code == 200 and order(users_store, "absent-run") is None
    shown = words(page)
    assert "2 proteins found" in shown and "2 absent" in shown
    assert "not in the store: upload its sequence" in shown
    assert "Start without the absent 2" in shown and "Upload them first" in shown
    assert "<script>x" not in page.text
    assert started(ann, "absent-run", ids).headers["location"] == "/-/runs/absent-run"
    assert order(users_store, "absent-run")["proteins"] == 2
    page = ann.get("/-/runs/absent-run")
    assert "waiting to start" in words(page)


def test_the_estimate_reports_what_a_run_takes_before_it_is_started(ann):
    text = words(ask(ann, "estimated", "P02144 lonely"))
    for expected in ("To be computed 2", "Computed already 0", "Longest protein sp|P02144|MYG_HUMAN, 100 residues"):
        assert expected in text, text
    assert re.search(r"Expected time \d+", text)


def test_a_list_is_taken_as_a_file(ann):
    files = {"list": ("ids.txt", b"\xef\xbb\xbfP02144\r\nlonely\r\n")}
    page = ann.send("/-/new-run", files=files, run_id="filed", ids="", act="check", **CHOICES)
    assert "2 proteins found" in words(page)


def test_a_list_that_no_memory_would_hold_is_refused(ann):
    files = {"list": ("ids.txt", b"P02144\n" * 700_000)}
    page = ann.send("/-/new-run", files=files, run_id="filed", ids="", act="check", **CHOICES)
    assert page.status_code == 400 and "too large" in words(page)


@pytest.mark.parametrize(
    "name", ["../x", "<script>alert(1)</script>", "'; drop table runs; --", "", ".", "x" * 65, "a b", "first", "ä"]
)
def test_names_that_is_invalid_are_refused_in_words(ann, users_store, name):
    page = ask(ann, name, "lonely", act="start")
    assert page.status_code == 400
    assert re.search(r'class="error" role="alert" id="error">[^<]{20}', page.text)
    assert "<script>alert" not in page.text
    with sqlite3.connect(users_store) as conn:
        assert conn.execute("select count(*) from runs where run_id = ?", (name,)).fetchone()[0] == (name == "first")


@pytest.mark.parametrize("fields", [{"mode": "x"}, {"templates": "../x"}, {"weights": "<b>"}, {"ids": " ,; "}])
def test_choices_that_are_not_offered_are_refused(ann, fields):
    page = ann.send("/-/new-run", **{"run_id": "odd", "ids": "lonely", "act": "start"} | CHOICES | fields)
    assert page.status_code == 400 and "<b>" not in re.sub(r"<(/?)b>(?=[\d<])", "", page.text.split("<main>")[1])[:400]


def test_what_was_changed_since_it_was_shown_is_shown_again(ann, users_store):
    seen = re.search(r'name="seen" value="([^"]+)"', ask(ann, "changed", "lonely").text)[1]
    page = ask(ann, "changed", "lonely P02144", act="start", seen=seen)
    assert page.status_code == 200 and "2 proteins found" in words(page)
    assert order(users_store, "changed") is None


def test_a_name_is_given_once(ann, signed_in):
    started(ann, "once", "lonely")
    page = ask(signed_in("bob"), "once", "lonely")
    assert page.status_code == 400 and "There is a run 'once' already" in words(page)


# --- Buttons ----------------------------------------------------------------------------------------


def test_a_queued_run_is_stopped_retried_and_deleted_by_its_author_only(ann, signed_in, users_store):
    started(ann, "mine", "lonely")
    bob = signed_in("bob")
    bob.get("/-/runs/mine")
    page = ann.get("/-/runs/mine")
    assert 'action="/-/runs/mine/stop"' in page.text and 'action="/-/runs/mine/retry"' not in page.text
    assert 'action="/-/runs/mine/stop"' not in bob.get("/-/runs/mine").text
    assert bob.send("/-/runs/mine/stop").status_code == 403
    assert ann.send("/-/runs/mine/stop").status_code == 303
    page = ann.get("/-/runs/mine")
    assert "interrupted" in words(page) and "stopped by ann before it began" in words(page)
    assert ann.send("/-/runs/mine/retry").status_code == 303
    assert order(users_store, "mine")["state"] == "queued"
    assert ann.get("/-/runs/mine/delete").status_code == 409, "it waits"
    assert bob.get("/-/runs/mine/delete").status_code == 403
    assert bob.send("/-/runs/mine/delete").status_code == 403
    ann.send("/-/runs/mine/stop")
    page = ann.get("/-/runs/mine/delete")
    assert "Delete the run mine?" in words(page)
    assert ann.send("/-/runs/mine/delete").status_code == 303
    assert ann.get("/-/runs/mine").status_code == 404


def test_the_same_list_is_ordered_once_more_by_anybody_who_may(ann, signed_in, users_store):
    started(ann, "again", "lonely P02144")
    bob = signed_in("bob")
    page = bob.get("/-/runs/again")
    assert 'value="again-2"' in page.text
    answer = bob.send("/-/runs/again/repeat", run_id="again-2")
    assert answer.headers["location"] == "/-/runs/again-2"
    assert order(users_store, "again-2")["author"] == "bob"
    answer = bob.send("/-/runs/again/repeat", run_id="again-2")
    assert answer.status_code == 409


def test_strangers_see_no_buttons_but_how_to_get_them(users_site):
    page = users_site.get("/-/runs/busy").text
    assert "/stop" not in page and "Sign in</a> to stop, retry or repeat runs" in page


@pytest.mark.parametrize("run_id", ["nobody", "..", "%2e%2e%2fx", "%3Cb%3E", "a%00b"])
@pytest.mark.parametrize("act", ["stop", "retry", "repeat", "delete"])
def test_acts_on_runs_that_are_not_there_change_nothing(ann, run_id, act):
    answer = ann.ask("POST", f"/-/runs/{run_id}/{act}", data={"form_token": ann.form_token, "run_id": "x"})
    assert answer.status_code in (400, 404)
    assert "<b>" not in answer.text.split("<main>")[1]


def test_next_names_count():
    assert [run_actions.next_name(name) for name in ("human", "human-2", "a-b", "x" * 64)] == [
        "human-2",
        "human-3",
        "a-b-2",
        f"{'x' * 57}-2",
    ]


# --- The list of runs -------------------------------------------------------------------------------


def test_runs_are_chosen_by_state_and_author(ann, users_site, signed_in):
    started(ann, "filtered", "lonely")

    def listed(path):
        return re.findall(r'<th scope="row"><a href="/-/runs/([^"]+)"', users_site.get(path).text)

    assert "filtered" in listed("/-/runs?show=waiting") and "first" not in listed("/-/runs?show=waiting")
    assert listed("/-/runs?author=Ann") == ["busy"]
    assert "filtered" in listed("/-/runs?author=ann") and listed("/-/runs?author=nobody") == []
    assert "me (ann)" in ann.get("/-/runs").text
    assert len(listed("/-/runs?show=<b>&author=")) == len(listed("/-/runs"))


# --- As JSON ----------------------------------------------------------------------------------------


@pytest.fixture
def call(users_site, token_of):
    """Function: (status, answer) of a request of the API with ann's token."""
    headers = {"Authorization": f"Bearer {token_of('read', 'upload', 'run')}"}

    def ask(method, path, **options):
        answer = users_site.ask(method, f"{API}{path}", headers=headers, **options)
        return answer.status_code, answer.json()

    return ask


def test_a_queued_run_does_not_count_proteins_that_it_cannot_list_yet(ann):
    started(ann, "queued", "P02144")
    page = ann.get("/-/runs/queued").text
    assert "The proteins are listed when the run has started." in page and "1 of 1" not in page
    ann.send("/-/runs/queued/stop")
    ann.send("/-/runs/queued/delete")


def test_a_program_matches_estimates_starts_stops_retries_repeats_and_deletes(call):
    assert call("POST", "/ids", json={"ids": ["P02144", "x"]})[1]["found"] == ["sp|P02144|MYG_HUMAN"]
    status, answer = call("POST", "/estimate", json={"ids": ["P02144", "lonely", "x"]})
    assert (status, answer["total"], len(answer["absent"])) == (200, 2, 1)
    status, answer = call("POST", "/runs", json={"run_id": "api", "ids": ["P02144", "x"]})
    assert status == 400 and "without_absent" in answer["error"]
    status, answer = call("POST", "/runs", json={"run_id": "api", "ids": ["P02144", "x"], "without_absent": True})
    assert (status, answer["proteins"]) == (201, 1)
    assert call("POST", "/runs", json={"run_id": "api", "ids": ["P02144"]})[0] == 409
    answer = call("GET", "/runs/api")[1]
    assert (answer["run"]["status"], answer["progress"]["counts"]["waiting"]) == ("QUEUED", 1)
    assert call("POST", "/runs/api/stop")[0] == 200
    assert call("POST", "/runs/api/stop")[0] == 409
    assert call("POST", "/runs/api/retry")[0] == 200
    assert call("POST", "/runs/api/repeat", json={"run_id": "api-2"})[0] == 201
    assert call("DELETE", "/runs/api")[0] == 409, "it waits"
    call("POST", "/runs/api/stop")
    assert call("DELETE", "/runs/api")[0] == 200
    assert call("GET", "/runs/api")[0] == 404
    assert "api-2" in [run["run_id"] for run in call("GET", "/runs?author=ann")[1]["runs"]]


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"run_id": "x"},
        {"run_id": "x", "ids": []},
        {"run_id": "x", "ids": "lonely"},
        {"run_id": "x", "ids": [1]},
        {"run_id": "../x", "ids": ["lonely"]},
        {"run_id": "x", "ids": ["lonely"], "mode": "<b>"},
        {"run_id": "x", "ids": ["lonely"], "odd": 1},
    ],
)
def test_invalid_runs_are_refused_with_the_reason(call, sent):
    status, answer = call("POST", "/runs", json=sent)
    assert status == 400 and answer["ok"] is False and answer["error"]


def test_invalid_name_of_a_run_is_refused_with_what_is_expected(call):
    answer = call("POST", "/runs", json={"run_id": "my run", "ids": ["lonely"]})[1]
    assert answer["error"] == "run_id: 'my run' is invalid: expected " + RUN_NAME["description"] + "."


def test_the_cluster_page_shows_machines_jobs_queue_and_finished_runs(ann, users_site):
    started(ann, "queued-run", "lonely")
    text = words(users_site.get("/-/cluster"))
    assert "without Slurm" in text
    assert "queued-run" in text and "waits for its turn" in text
    answer = users_site.get(f"{API}/cluster").json()
    assert answer["nodes"][0]["cores"] >= 1


def test_proteins_of_a_run_as_json_have_their_best_hit(call, names):
    # the alignments of this run are too short for a domain
    assert call("GET", "/runs/first/proteins?show=significant")[1]["proteins"] == []
    found = call("GET", "/runs/first/proteins?show=weak")[1]["proteins"]
    assert [(row["query_id"], row["best_hit"]) for row in found] == [(names.myg, "1ABC_A"), (names.odd, "1ABC_A")]


def test_cards_have_the_picture_of_the_template_and_a_link_to_it(users_site):
    page = users_site.get("/-/runs/busy").text
    # the template's name stands beside it
    assert 'src="https://cdn.rcsb.org/images/structures/1abc_assembly-1.jpeg" alt="" loading="lazy"' in page
    assert 'href="https://www.rcsb.org/structure/1ABC"' in page
    assert "cdn.rcsb.org" not in users_site.get("/-/runs/busy?view=table").text
    assert "cdn.rcsb.org" not in users_site.get("/-/runs/first?show=dark").text


def test_page_of_a_failed_protein_shows_reason_and_log_and_its_author_can_retry(ann, signed_in, users_store):
    started(ann, "broken", "lonely")
    with sqlite3.connect(users_store) as conn:
        conn.execute(
            "update runs set status = 'FAILED', date_started = '2030-01-01T00:00:00.000Z' where run_id = 'broken'"
        )
        conn.execute(
            "insert into protein_results (run_id, query_id, result_id, position, md5, entry, phase, step, reason)"
            " select 'broken', query_id, 4321, 1, md5, 'lonely-00000000', 'failed', 'search', 'killed <b>hard</b>'"
            " from proteins where query_id = 'lonely'"
        )
    page = ann.get("/-/protein/lonely")
    assert "/-/runs/broken/log?protein=lonely" in page.text and "killed &lt;b&gt;hard" in page.text
    assert 'action="/-/runs/broken/retry"' in page.text
    assert 'action="/-/runs/broken/retry"' not in signed_in("bob").get("/-/protein/lonely").text
    with sqlite3.connect(users_store) as conn:
        conn.execute("update runs set status = 'INTERRUPTED' where run_id = 'broken'")
    assert ">Resume</button>" in ann.get("/-/runs/broken").text
    with sqlite3.connect(users_store) as conn:
        conn.execute("delete from protein_results where run_id = 'broken'")
