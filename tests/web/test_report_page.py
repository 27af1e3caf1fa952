"""The report of a run on the site, and the file of it that is mailed, in a browser."""

import pytest
from webbench import BROWSER_MARKS

from proteofold.report.draw import WHOLE_REPORT
from proteofold.report.html_parts import bars, page, table

COLUMNS = ({"name": "Protein", "kind": "text"}, {"name": "Domains", "kind": "integer"})


@pytest.fixture
def report(users_store):
    """Path of the file of the report of the run 'first'."""
    folder = users_store.parent / "first" / "report"
    folder.mkdir(exist_ok=True)
    (folder / WHOLE_REPORT).write_text("<p>all of it</p>")
    yield folder / WHOLE_REPORT
    (folder / WHOLE_REPORT).unlink()


def test_report_is_shown_below_the_menu_and_offered_as_a_file(users_site, report):
    text = users_site.get("/-/runs/first/report").text
    path = f"/-/runs/first/report/{WHOLE_REPORT}"
    assert f'<iframe class="report" src="{path}"' in text
    assert f'<a href="{path}" download="first.html">' in text


def test_only_this_site_may_show_the_file_in_a_frame_and_it_cannot_act_for_its_reader(users_site, report):
    headers = users_site.get(f"/-/runs/first/report/{WHOLE_REPORT}").headers
    assert headers["x-frame-options"] == "SAMEORIGIN"
    policy = headers["content-security-policy"]
    assert "frame-ancestors 'self'" in policy
    assert "sandbox" in policy and "allow-same-origin" not in policy


@pytest.fixture(scope="module")
def opened(browser, tmp_path_factory):
    """Function: a window with a page of the report that has so many rows, a third of them without a domain."""

    def open_page(count):
        rows = [[f"protein {number}", number % 3] for number in range(count)]
        found = [("open", "0", 0, 1, count // 3), ("good", "1+", 1, None, count - count // 3)]
        body = bars("Domains", "per protein", 1, found) + '<p id="picked"></p>'
        path = tmp_path_factory.mktemp("report") / "report.html"
        path.write_text(page("Report", body + table(COLUMNS, rows, [], sorted_by=0, whole=""), script=True))
        window = browser.new_page()
        window.goto(path.as_uri())
        window.wait_for_selector("#controls:not([hidden])")
        return window

    return open_page


class TestInABrowser:
    """What the script of the file does, with a table that is plain and with one that is packed."""

    pytestmark = BROWSER_MARKS

    @pytest.mark.parametrize("count", [300, 3000])
    def test_a_bar_lists_its_proteins_and_a_second_click_lists_all_again(self, opened, count):
        window = opened(count)
        window.locator(".pick").first.click()
        assert f"of {count // 3:,}; {count:,} in all" in window.locator("#status").text_content()
        window.locator(".pick").first.press("Enter")
        assert f"of {count:,}." in window.locator("#status").text_content()

    def test_a_filter_is_removed_by_its_button(self, opened):
        window = opened(300)
        window.locator(".pick").last.click()
        window.get_by_role("button", name="Domains: 1+ ×").click()
        assert "of 300." in window.locator("#status").text_content()
