"""The report of a run on the site, and the file of it that is mailed, in a browser."""

import pytest
from webbench import BROWSER_MARKS

from proteofold.report import one_file
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


PROTEIN = ["sp|P00533|EGFR_HUMAN", "Epidermal growth factor receptor", 1210, "covered", 2, 78, "1IVO_A"]
PROTEIN += ["Epidermal growth factor receptor, extracellular region {Homo sapiens}", 1.3e-173, 100.0]
PROTEIN += ["Two confident domains (25\u2013646: 1IVO_A; 695\u20131022: 1M17_A) cover 78% of the protein.", 2674.9]
FAILED = ["P1", "", 35213, "failed", None, None, "", "", None, None, "search: out of memory", None]

LINES = """cell => {
  const range = document.createRange();
  range.selectNodeContents(cell.lastChild);
  return new Set([...range.getClientRects()].map(box => box.top)).size;
}"""


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

    # the last is that of the frame on the site, in a window of 1280
    @pytest.mark.parametrize("width", [390, 1000, 1400, 1248])
    @pytest.mark.parametrize("count", [3, 3000])
    def test_the_table_of_proteins_is_never_wider_than_the_page(self, browser, tmp_path, width, count):
        rows = [PROTEIN, FAILED] * count
        path = tmp_path / "report.html"
        path.write_text(page("Report", table(one_file.COLUMNS, rows, [], sorted_by=8, whole=""), script=True))
        window = browser.new_page(viewport={"width": width, "height": 900})
        window.goto(path.as_uri())
        window.wait_for_selector("#controls:not([hidden])")
        sizes = "element => [element.scrollWidth, element.clientWidth]"
        wide, shown = window.locator(".scroll").evaluate(sizes)
        assert wide <= shown
        assert window.locator("td[data-name=Class]").first.evaluate(LINES) == 1, "a word is not broken"
        without_script = path.read_text().partition('data-name="Length" class="number">')[2].partition("<")[0]
        assert window.locator("td[data-name=Length]").first.text_content() == without_script == "1,210"
        if width == 390:
            assert not window.locator("td.absent").first.is_visible()
