"""The list of runs, the page of a run, and the numbers it refreshes."""

import re
import sqlite3
from html import unescape

import pytest

from website.drawing import words
from website.pages import run_data
from website.pages.run_settings import settings_facts


def rows_of(page, label="Table of proteins"):
    """The first cells of a table's rows, as text."""
    table = re.search(f'aria-label="{label}"><table.*?</table>', page.text, re.DOTALL)[0]
    return [
        unescape(re.sub("<.*?>", "", cell)).split("\n")[0]
        for cell in re.findall(r'<th scope="row">(.*?)</th>', table, re.S)
    ]


def counts_of(page):
    """Part -> count, as the tiles show them."""
    found = re.findall(r'<b data-count="(\w+)">([\d,]+)</b>', page.text)
    return {part: int(count.replace(",", "")) for part, count in found}


def test_runs_that_continue_are_listed_first_then_the_newest(busy_site, names):
    page = busy_site.get("/-/runs")
    assert rows_of(page, "Table of runs") == ["busy", "second", "first", names.hostile_run]
    assert (busy_site.run("first"), "first") in busy_site.links(page)
    assert 'class="state busy">running</span>' in page.text


def test_every_link_to_a_run_leads_to_its_page(busy_site, names):
    for path in ("/", "/-/runs", "/proteofold/runs", "/proteofold/protein_results", busy_site.protein(names.myg)):
        links = busy_site.links(busy_site.get(path))
        assert (busy_site.run(names.hostile_run), names.hostile_run) in links, path
    assert busy_site.get(busy_site.run(names.hostile_run)).status_code == 200


def test_counts_of_a_run_add_up(busy_site):
    page = busy_site.get("/-/runs/busy")
    counts = counts_of(page)
    assert counts == {"covered": 0, "partly": 0, "dark": 0, "unknown": 1, "failed": 1, "running": 1, "waiting": 1}
    assert re.search(r"of <b>4</b> proteins finished", page.text)
    assert 'aria-valuemax="4"' in page.text and 'aria-valuenow="2"' in page.text


def test_counts_are_those_of_the_coverage_classes(site):
    assert counts_of(site.get("/-/runs/first")) == {"covered": 0, "partly": 0, "dark": 3}


def test_run_page_reports_dates_author_mode_library_and_versions(busy_site, site):
    page = unescape(re.sub("<.*?>", " ", busy_site.get("/-/runs/busy").text))
    assert re.search(r"By\s+Ann", page)
    assert re.search(r"Last started \(UTC\)\s+2026-08-02 00:00", page)
    assert "lean: hhsearch without realignment" in page
    assert "few, 3 templates, checksum feed" in page


def test_failed_proteins_have_step_reason_node_and_log(busy_site, names):
    page = busy_site.get("/-/runs/busy")
    assert rows_of(page, "Table of failed proteins") == [names.odd]
    assert "killed &lt;b&gt;hard&lt;/b&gt;" in page.text
    assert "node&lt;1&gt;" in page.text and "log?protein=" in page.text
    assert "results/busy/logs" not in page.text, "no paths of the server"


def test_what_was_taken_from_another_run_names_that_run(busy_site):
    page = busy_site.get("/-/runs/second")
    assert re.search(r'Computed in other runs</dt><dd>2 in <a href="/-/runs/first">first</a></dd>', page.text)
    assert page.text.count('<span class="about">computed in <a href="/-/runs/first">first</a></span>') == 2


def test_proteins_are_sorted_and_those_without_a_value_are_last(site, names):
    def listed(**arguments):
        return rows_of(site.get("/-/runs/first", params=arguments))

    assert listed() == [names.myg, names.odd, names.lonely]
    assert listed(order="backwards") == [names.odd, names.myg, names.lonely]
    assert listed(sort="length") == [names.myg, names.odd, names.lonely]
    assert listed(sort="cpu") == [names.odd, names.lonely, names.myg]
    assert listed(sort="position") == [names.myg, names.lonely, names.odd]


@pytest.mark.parametrize("part", (*run_data.PARTS, "all"))
def test_the_list_shows_as_many_proteins_as_are_counted(busy_site, part):
    for run_id in ("first", "busy"):
        page = busy_site.get(f"/-/runs/{run_id}?show={part}")
        expected = counts_of(page).get(part, 0) if part != "all" else 3
        # of those that wait the store of a run that has just begun has no rows
        if (run_id, part) != ("busy", "waiting"):
            assert page.text.count('<th scope="row"><a href="/-/protein/', page.text.index('id="proteins"')) == expected


@pytest.mark.parametrize(
    "arguments", ["page=99", "page=0", "page=x", "page=٣", "show=<b>&sort=';drop&order=1", "page=-1"]
)
def test_odd_arguments_are_as_if_not_given(site, arguments):
    page = site.get(f"/-/runs/first?{arguments}")
    assert page.status_code == 200
    assert len(rows_of(page)) == 3


def test_a_long_list_has_pages(store, tmp_path, open_site):
    path = tmp_path / "long.db"
    with sqlite3.connect(store) as source, sqlite3.connect(path) as copy:
        source.backup(copy)
        copy.execute("delete from protein_results where run_id = 'first'")
        copy.execute(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < 120)"
            " insert into proteins (query_id, number, length, md5, added_at, source)"
            " select 'p' || i, 1000 + i, i, 'm', '', '' from n"
        )
        copy.execute(
            "insert into protein_results (run_id, query_id, result_id, position, md5, entry, phase, best_hit,"
            " best_evalue) select 'first', query_id, number, number, md5, query_id, 'done', 'T', length from proteins"
            " where query_id like 'p%'"
        )
        copy.execute("update runs set total = 120, succeeded = 120 where run_id = 'first'")
    site = open_site(path)
    page = site.get("/-/runs/first")
    seen = rows_of(page)
    assert "1 to 24 of 120" in page.text
    for _ in range(4):
        page = site.get(next(address for address, text in site.links(page) if text == "Next").partition("#")[0])
        seen += rows_of(page)
    assert seen == [f"p{number}" for number in range(1, 121)]
    assert "Next" not in [text for _, text in site.links(page)]


def test_downloads_are_datasettes_rows_of_the_run(busy_site, names):
    page = busy_site.get("/-/runs/first")
    csv = [address for address, text in busy_site.links(page) if text == "CSV"]
    assert csv
    answer = busy_site.get(csv[0])
    assert answer.status_code == 200
    assert len(answer.text.strip().splitlines()) == 4
    for address, text in busy_site.links(busy_site.get(busy_site.run(names.hostile_run))):
        if text in ("CSV", "JSON", "table"):
            assert busy_site.get(address).status_code == 200, address
    assert "proteofold export first" in page.text


def test_plots_have_a_text_alternative_and_their_numbers(site):
    page = site.get("/-/runs/first").text
    labels = re.findall(r'<svg class="plot" role="img" aria-label="([^"]*)"', page)
    assert any("2 proteins with a hit, 1 of them with E" in unescape(label) for label in labels)
    assert {label.split(":")[0] for label in labels} >= {"CPU time and length", "Memory and length"}
    assert page.count("<summary>Numbers</summary>") == page.count("<figcaption>") > 5


def test_unknown_run_is_a_404_in_words(site):
    page = site.get("/-/runs/" + "%3Cu%3Ewho%3C%2Fu%3E")
    assert page.status_code == 404
    assert "No run" in page.text and "<u>" not in page.text


def test_hostile_names_and_settings_are_never_markup(busy_site, names):
    for path in ("/", "/-/runs", busy_site.run(names.hostile_run), "/-/runs/busy", "/proteofold/runs"):
        page = busy_site.get(path).text
        hostile = ("<b>&", "<i>who", "<u>", "<img src=x", "<b>hard", "<script>alert")
        assert not [odd for odd in hostile if odd in page], path


@pytest.mark.parametrize(
    "settings", [None, {}, [], {"library": 3, "versions": []}, {"mode": ["x"]}, {"library": {"templates": "x"}}]
)
def test_settings_of_any_form_are_reported_as_far_as_they_go(settings):
    assert all(isinstance(value, str) for pair in settings_facts(settings) for value in pair)


# --- While a run is running -------------------------------------------------------------------------


def test_progress_is_small_json_that_is_not_kept(busy_site):
    answer = busy_site.get("/-/runs/busy/progress")
    assert answer.headers["cache-control"] == "no-store"
    reported = answer.json()
    assert (reported["status"], reported["finished"], reported["total"], reported["percent"]) == ("RUNNING", 2, 4, 50)
    assert sum(reported["counts"].values()) == 4
    assert busy_site.get("/-/runs/nobody/progress").status_code == 404


def test_only_a_run_that_continues_refreshes_itself(busy_site, names):
    assert 'data-progress="/-/runs/busy/progress"' in busy_site.get("/-/runs/busy").text
    assert "run.js" not in busy_site.get("/-/runs/first").text
    page = busy_site.get("/-/runs/busy")
    assert ("/-/runs/busy", "Reload") in busy_site.links(page), "for those without JavaScript"


def test_time_running_of_a_running_run_continues():
    run = {"status": "RUNNING", "duration_s": 100.0, "date_resumed": "1970-01-01T00:01:00.000Z"}
    assert words.time_at_work(run, now=80.0) == "2 min 0 s"
    assert words.time_at_work(run | {"status": "SUCCESS"}, now=80.0) == "1 min 40 s"
    assert words.time_at_work(run | {"status": "QUEUED", "duration_s": None}) == ""


# --- Where it is served -----------------------------------------------------------------------------


def test_site_works_on_an_empty_store(empty_store, open_site):
    site = open_site(empty_store)
    for path in ("/", "/-/runs", "/proteofold", "/proteofold/runs", "/proteofold/proteins", "/proteofold/hits"):
        assert site.get(path).status_code == 200, path
    assert "No run yet" in site.get("/-/runs").text
    assert site.get("/-/runs/none").status_code == 404


def test_a_store_that_is_not_for_all_users_is_not_shown(busy_store, open_site, names):
    site = open_site(busy_store, allow={"id": "ann"})
    for path in ("/-/runs", "/-/runs/busy", "/-/runs/busy/progress", site.protein(names.myg)):
        assert site.get(path).status_code == 403, path
        assert site.get(path, actor={"id": "ann"}).status_code == 200, path
    page = site.get("/")
    assert "busy" not in page.text and ("/-/runs", "Runs") not in site.links(page)


def test_every_address_begins_with_the_base_of_the_site(busy_store, open_site, names):
    site = open_site(busy_store, base_url="/x/")
    for path in ("/x/", "/x/-/runs", "/x/-/runs/busy", "/x" + site.protein(names.myg), "/x/proteofold/runs/first"):
        page = site.get(path)
        assert page.status_code == 200, path
        addresses = re.findall(r'(?:href|src|action|data-progress)="(/[^"]*)"', page.text)
        assert addresses and all(unescape(address).startswith("/x/") for address in addresses), path
        # an action is only where a form adds to
        for address in re.findall(r'(?:href|src|data-progress)="(/[^"]*)"', page.text):
            assert site.get(unescape(address).partition("#")[0]).status_code in (200, 303), address


@pytest.mark.parametrize(
    "text, found", [("MYG", ["myg"]), ("myoglobin", ["myg"]), ("1abc", ["myg", "odd"]), ("%", ["odd"])]
)
def test_proteins_of_a_run_are_filtered_by_text(site, names, text, found):
    page = site.get("/-/runs/first", params={"q": text})
    assert sorted(rows_of(page, "Table of proteins")) == sorted(getattr(names, name) for name in found)
    answer = site.get("/-/api/v1/runs/first/proteins", params={"q": text, "rows": "100"}).json()
    assert answer["total"] == len(found)


def test_a_filter_stays_in_the_links_of_the_list(site):
    page = site.get("/-/runs/first", params={"q": "a&b <i>", "rows": "100"})
    assert "<i>" not in page.text.split("<main")[1].split("</main>")[0].replace("<i>odd</i>", "")
    assert "q=a%26b+%3Ci%3E" in page.text and "rows=100" in page.text
