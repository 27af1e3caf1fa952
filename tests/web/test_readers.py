"""What readers see on several pages: health in the header, earlier results of a protein, its sequence as a file."""

import re


def test_the_header_shows_the_states_of_the_answer(users_site):
    answer = users_site.get("/-/api/v1/health").json()
    assert [service["state"] for service in answer["services"]] == ["good", "quiet"], "store, runner"
    assert answer["state"] == "quiet" and answer["workers"]["state"] == "good"
    page = users_site.get("/").text
    assert '<summary class="quiet"' in page
    assert re.findall(r'<li class="(\w+)">(store|runner|1 live worker):', page) == [
        *(("good", "store"), ("quiet", "runner"), ("good", "1 live worker"))
    ]


def test_the_name_of_the_user_leads_to_the_account(signed_in):
    assert re.search(r'<a href="/-/account"[^>]*>ann</a>', signed_in("ann").get("/").text)


def test_sequence_of_a_protein_without_a_result_is_a_file(busy_site, names):
    path = f"{busy_site.protein(names.lonely)}/fasta"
    answer = busy_site.get(path)
    assert answer.text == f">lonely\n{'MKVAAAKKKK' * 3}\n"
    assert 'filename="lonely.fasta"' in answer.headers["content-disposition"]
    assert busy_site.get("/-/protein/nobody/fasta").status_code == 404


def test_an_earlier_result_is_shown_on_request_and_marked_as_such(site, names):
    page = site.get(site.protein(names.myg))
    assert 'Result of run <a href="/-/runs/second">' in page.text and "earlier result" not in page.text
    (path,) = re.findall(r'<a href="([^"]+)" aria-label="Show the result of run first"', page.text)
    earlier = site.get(path)
    assert 'Result of run <a href="/-/runs/first">' in earlier.text
    assert "This is an earlier result." in earlier.text
    assert '<input type="hidden" name="run" value="first">' in earlier.text, "filters keep the run"


def test_a_run_without_a_result_shows_the_latest_and_names_its_run(site, names):
    page = site.get(f"{site.protein(names.myg)}?run=no%3Cbody").text
    assert 'Result of run <a href="/-/runs/second">' in page
    assert "Run no&lt;body has no result of this protein; the latest is shown." in page
    for run in ("", "?run=first", "?run=second"):
        assert "has no result of this protein" not in site.get(site.protein(names.myg) + run).text


def test_parameters_of_sql_are_listed_for_users_and_refused_in_words(signed_in, stranger):
    path = "/proteofold/-/query/parameters?sql=select+:a,+:b"
    assert signed_in("ann").get(path).json() == {"ok": True, "parameters": ["a", "b"]}
    refused = stranger.get(path)
    assert refused.status_code == 403
    assert "execute-sql" not in refused.text and "Sign in to run your own SQL" in refused.text
    assert signed_in("ann").get("/nowhere/-/query/parameters?sql=x").status_code == 404
