"""Every page in a real browser: at desktop and phone width, in light and dark, by keyboard alone, by WCAG's rules."""

import itertools
import re
import sqlite3
from urllib.parse import quote

import pytest
from webbench import BROWSER_MARKS, SCHEMES, WIDTHS, axe, follow, served, sideways, without_internet

from proteofold.service.accounts import add_user, find_user
from proteofold.service.database import platform_of
from proteofold.service.tokens import create_token

pytestmark = BROWSER_MARKS

MYG, ODD = "sp|P02144|MYG_HUMAN", "x<script>alert('1')</script>\"&%2F/?#é"
HOSTILE_RUN = "a/b <b>&?#%2F'\""
RUN, BUSY, PROTEIN = "/-/runs/first", "/-/runs/busy", f"/-/protein/{quote(MYG, safe='')}"
PAGES = {
    "front": "/",
    "runs": "/-/runs",
    "run": RUN,
    "run going on": BUSY,
    "hostile run": f"/-/runs/{quote(HOSTILE_RUN, safe='')}",
    "unknown run": "/-/runs/nobody",
    "run in the dark": f"{RUN}?show=dark&view=table",
    "comparison": "/-/compare?a=first&b=second",
    "comparison without runs": "/-/compare",
    "protein": PROTEIN,
    "protein with an open alignment": f"{PROTEIN}?hit=1",
    "protein without hits": "/-/protein/lonely",
    "protein with insignificant hits": f"/-/protein/{quote(ODD, safe='')}?show=all",
    "hostile protein": f"/-/protein/{quote(ODD, safe='')}?hit=1",
    "unknown protein": "/-/protein/nobody",
    "database": "/proteofold",
    "table of runs": "/proteofold/runs",
    "table of proteins": "/proteofold/proteins?_search=myoglobin",
    "table of results": "/proteofold/protein_results?run_id=first&_sort=best_evalue",
    "table of domains": "/proteofold/domains",
    "table of hits": "/proteofold/hits",
    "table of predictions": "/proteofold/predictions",
    "table of templates": "/proteofold/templates",
    "row of a run": "/proteofold/runs/first",
    "row of a result": "/proteofold/protein_results/first,lonely",
    "query": "/proteofold/proteins_that_hit_template?template=1ABC_A",
    "query without rows": "/proteofold/best_hit_per_gene?run_id=none",
    "own SQL": "/proteofold/-/query?sql=select+run_id,status+from+runs",
    "no such page": "/nowhere",
}


@pytest.fixture(scope="module")
def address(busy_store, tmp_path_factory):
    """Where the site is served."""
    with served(busy_store, tmp_path_factory.mktemp("log") / "serve.log") as url:
        yield url


@pytest.fixture(scope="module")
def reader(busy_store):
    """The headers of a reader with an account, who alone may write SQL."""
    with platform_of(busy_store) as conn:
        add_user(conn, "reader", "correct horse battery")
        secret = create_token(conn, find_user(conn, "reader"), "for a test", ("read",))
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture(scope="module")
def windows(browser, reader):
    """(width, scheme) -> a window that is used again and again, and what its console said of the page it shows."""
    opened = {}
    for (width, size), scheme in itertools.product(WIDTHS.items(), SCHEMES):
        window = browser.new_page(viewport=dict(zip(("width", "height"), size, strict=True)), color_scheme=scheme)
        said = []
        without_internet(window)
        window.route("**/-/query?*", lambda route: route.continue_(headers=route.request.headers | reader))
        window.on("console", lambda message, said=said: said.append(f"{message.type}: {message.text}"))
        window.on("pageerror", lambda error, said=said: said.append(f"error: {error}"))
        opened[width, scheme] = window, said
    return opened


@pytest.fixture(params=list(itertools.product(WIDTHS, SCHEMES)), ids="-".join)
def window(request, windows):
    """One of the four windows; ``window.said`` is what the console said."""
    window, said = windows[request.param]
    said.clear()
    window.said = said
    return window


# What is seen of text and controls, and where; what lies in a box that scrolls is cut to the box.
VISIBLE = """
() => {
  const shown = [];
  const clip = (box, element) => {
    let {left, top, right, bottom} = box;
    for (let parent = element.parentElement; parent && parent !== document.body; parent = parent.parentElement) {
      const style = getComputedStyle(parent);
      if (style.overflowX === "visible" && style.overflowY === "visible") continue;
      if (parent.namespaceURI.endsWith("svg")) continue;
      const outer = parent.getBoundingClientRect();
      left = Math.max(left, outer.left); right = Math.min(right, outer.right);
      top = Math.max(top, outer.top); bottom = Math.min(bottom, outer.bottom);
    }
    return {left, top, right, bottom};
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const add = (element, box, text) => {
    const cut = clip(box, element);
    if (cut.right - cut.left > 1 && cut.bottom - cut.top > 1) shown.push({...cut, text: text.trim().slice(0, 40),
      id: shown.length, inside: [...function* () { for (let e = element; e; e = e.parentElement) yield e; }()]});
  };
  for (let node; node = walker.nextNode();) {
    const element = node.parentElement;
    if (!node.textContent.trim() || element.closest("script, style, title, desc, option, textarea, .cm-editor, dialog"))
      continue;
    if (!element.checkVisibility({checkVisibilityCSS: true, checkOpacity: true})) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) add(element, box, node.textContent);
  }
  for (const control of document.querySelectorAll("input:not([type=hidden]), select, button, textarea"))
    if (control.checkVisibility({checkVisibilityCSS: true, checkOpacity: true}))
      add(control, control.getBoundingClientRect(), control.name || control.textContent);
  const over = [];
  shown.sort((a, b) => a.top - b.top);
  for (const [i, a] of shown.entries()) for (const b of shown.slice(i + 1)) {
    if (b.top >= a.bottom - 3) break;
    if (Math.min(a.right, b.right) - Math.max(a.left, b.left) < 3) continue;
    if (Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) < 4) continue;
    if (a.inside.includes(b.inside[0]) || b.inside.includes(a.inside[0])) continue;
    over.push(`${a.text} / ${b.text}`);
  }
  return over;
}
"""


# How many lines the children of each such element stand on
LINES = """selector => [...document.querySelectorAll(selector)].map(element =>
  new Set([...element.children].map(child => Math.round(child.getBoundingClientRect().top))).size)"""


def test_on_phones_places_are_one_line_and_so_are_the_figures_of_a_section(windows, address):
    window, _ = windows["phone", "light"]
    window.goto(address + RUN)
    assert set(window.evaluate(LINES, ".places")) == {1}
    lines = window.evaluate(LINES, ".figures")
    assert len(lines) > 1 and set(lines) == {1}


def test_on_phones_a_row_of_a_table_is_one_line(windows, address):
    window, _ = windows["phone", "light"]
    window.goto(f"{address}/proteofold/protein_results")
    heights = "[...document.querySelectorAll('.rows-and-columns tbody tr')].map(row => row.offsetHeight)"
    assert 0 < max(window.evaluate(heights)) < 45
    assert window.locator(".rows-and-columns thead").is_visible()


# By how many pixels the content of elements is wider and higher than what of it is seen
CUT = """selector => [...document.querySelectorAll(selector)].map(
  e => Math.max(e.scrollWidth - e.clientWidth, e.scrollHeight - e.clientHeight))"""


@pytest.mark.parametrize("path", ["/-/runs", BUSY, PROTEIN])
def test_paper_is_white_and_nothing_on_it_is_cut(browser, address, path):
    page = browser.new_page(viewport={"width": 794, "height": 1123}, color_scheme="dark")
    page.emulate_media(media="print")
    page.goto(address + path)
    assert max(page.evaluate(CUT, ".table-wrapper, .sequence")) <= 1
    assert sideways(page) <= 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.close()


@pytest.mark.parametrize("page", PAGES)
def test_page_fits_is_readable_and_logs_nothing_in_the_console(window, address, page):
    answer = window.goto(address + PAGES[page], wait_until="load")
    if page in ("unknown run", "unknown protein", "no such page"):
        assert answer.status == 404
        window.said[:] = [line for line in window.said if "status of 404" not in line]
    else:
        assert answer.status == 200
    assert sideways(window) <= 0, "the page scrolls sideways"
    assert window.said == []
    assert window.evaluate(VISIBLE) == []
    assert axe(window) == []


# Links and controls that can be seen and were not reached
MISSED = """
() => [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary")]
  .filter(e => e.checkVisibility({checkVisibilityCSS: true}) && !e.disabled && e.tabIndex >= 0 && !e.dataset.reached)
  .map(e => e.tagName + " " + e.textContent.trim().slice(0, 40))
"""


OPEN = {
    "menu": ("front", "document.querySelector('details.nav-menu').open = true", "details.nav-menu ul"),
    "jump to": ("front", "document.querySelector('[data-navigation-search-open]').click()", "navigation-search dialog"),
    "columns": ("table of results", "openColumnChooser()", "column-chooser dialog"),
    "column actions": (
        "table of results",
        "document.querySelector('button.column-actions-mobile').click()",
        "dialog[open]",
    ),
}


@pytest.mark.parametrize("part", OPEN)
def test_what_opens_can_be_read_too(window, address, part):
    """Contrast only: these are Datasette's own, with a label where none may be."""
    from axe_playwright_python.sync_playwright import Axe

    page, act, opened = OPEN[part]
    window.goto(address + PAGES[page], wait_until="load")
    if part == "column actions" and window.viewport_size["width"] > 576:
        pytest.skip("menus in the head of the table there")
    window.evaluate(act)
    window.wait_for_selector(opened)
    if part == "jump to":
        window.keyboard.type("run")
        window.wait_for_selector("navigation-search .result-item")
    # it slides in
    window.wait_for_timeout(300)
    options = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "selectors": False}
    found = Axe().run(window, options=options).response["violations"]
    assert [(rule["id"], node["html"]) for rule in found for node in rule["nodes"]] == []


# What has the focus, in words, and whether that is seen; nothing where the page itself has it
FOCUS = """
() => {
  let e = document.activeElement;
  while (e.shadowRoot && e.shadowRoot.activeElement) e = e.shadowRoot.activeElement;
  if (e === document.body) return null;
  // the editor of SQL draws a frame around all of it
  const style = getComputedStyle(e.closest(".cm-editor") || e), box = e.getBoundingClientRect();
  e.dataset.reached = "1";
  const marked = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
  return [e.tagName + " " + (e.textContent || e.name || e.value || "").trim().slice(0, 30),
    (marked || style.boxShadow !== "none") && box.bottom > 0 && box.top < innerHeight];
}
"""


def tab_stops(window):
    """What the tabulator key reaches, in this order: (tag and words, whether its focus is seen)."""
    stops = []
    for _ in range(500):
        window.keyboard.press("Tab")
        stop = window.evaluate(FOCUS)
        if stop and not stop[1]:
            # some are drawn a moment later
            window.wait_for_timeout(100)
            stop = window.evaluate(FOCUS)
        if stop is None or stop in stops[:1]:
            break
        stops.append(stop)
    return stops


KEYED = ("front", "runs", "run", "run going on", "protein", "table of results", "query", "own SQL")


@pytest.mark.parametrize("page", KEYED)
@pytest.mark.parametrize("window", [("desktop", "light"), ("phone", "dark")], indirect=True, ids="-".join)
def test_keyboard_reaches_everything_and_is_seen(window, address, page):
    window.goto(address + PAGES[page], wait_until="load")
    # A live page is refreshed only while it is visible. Links that it draws again are not marked as reached.
    window.evaluate("Object.defineProperty(document, 'hidden', {value: true})")
    stops = tab_stops(window)
    assert stops[0][0] == "A Skip to the content"
    assert [name for name, seen in stops if not seen] == []
    assert window.evaluate(MISSED) == []


@pytest.mark.parametrize("page", PAGES)
def test_skip_link_leads_past_the_menu(windows, address, page):
    window, _ = windows["desktop", "light"]
    window.goto(address + PAGES[page], wait_until="load")
    window.keyboard.press("Tab")
    window.keyboard.press("Enter")
    window.keyboard.press("Tab")
    assert window.evaluate("!document.activeElement.closest('header')")


# a reader who allows notices; those that are shown are in window.notices
NOTICES = """window.notices = [];
window.Notification = class {
  static permission = "granted";
  constructor(title, { body }) { window.notices.push([title, body]); }
};"""


def test_run_page_refreshes_itself_until_the_run_ends_and_reports_it(browser, address, busy_store):
    window = browser.new_page()
    window.add_init_script(NOTICES)
    window.goto(address + BUSY)
    window.evaluate("window.stayed = true")
    running = window.locator('.tiles [data-count="running"]')
    assert running.inner_text() == "1"
    with sqlite3.connect(busy_store) as conn:
        conn.execute("update protein_results set phase = 'done' where run_id = 'busy' and phase = 'running'")
    window.wait_for_function(
        "() => document.querySelector('.tiles [data-count=running]').textContent === '0'", timeout=60_000
    )
    assert window.locator('.tiles [data-count="unknown"]').inner_text() == "2"
    assert window.locator("[role=progressbar]").get_attribute("aria-valuenow") == "3"
    window.wait_for_function("() => document.querySelector('#live').textContent.includes('refreshes by itself')")
    with sqlite3.connect(busy_store) as conn:
        conn.execute("update runs set status = 'INTERRUPTED' where run_id = 'busy'")
    window.wait_for_function("() => document.querySelector('#live').textContent.includes('ended')", timeout=60_000)
    assert window.locator("h1 .state").inner_text() == "interrupted"
    assert window.evaluate("window.stayed"), "the page was not loaded again"
    assert window.title() == "interrupted · Run busy"
    assert window.evaluate("window.notices") == [["Run busy", "interrupted: 3 of 4"]]
    with sqlite3.connect(busy_store) as conn:
        conn.execute("update runs set status = 'RUNNING' where run_id = 'busy'")
        conn.execute("update protein_results set phase = 'running' where run_id = 'busy' and query_id = 'lonely'")
    window.close()


def test_first_results_of_a_run_are_drawn_when_they_are_counted(browser, address, busy_store):
    with sqlite3.connect(busy_store) as conn:
        conn.execute(
            "insert into runs (run_id, status, date_started, date_resumed, settings, total, succeeded, failed)"
            " select 'begun', status, date_started, date_resumed, settings, 1, 0, 0 from runs where run_id = 'busy'"
        )
        conn.execute(
            "insert into protein_results (run_id, query_id, phase, result_id, position, md5, entry)"
            " select 'begun', query_id, 'running', 990, 1, md5, 'x-00000000' from proteins where query_id = 'lonely'"
        )
    window = browser.new_page()
    window.goto(address + "/-/runs/begun")
    assert "as soon as proteins are finished" in window.inner_text("#proteome")
    assert "– of the residues in domains" in window.text_content("#residues")
    window.wait_for_function("() => document.querySelector('#live').textContent.includes('refreshes by itself')")
    with sqlite3.connect(busy_store) as conn:
        conn.execute(
            "update protein_results set phase = 'done', coverage_class = 'covered', coverage = 1.0, domains = 1"
            " where run_id = 'begun'"
        )
        conn.execute("update runs set succeeded = 1 where run_id = 'begun'")
    window.wait_for_function("() => document.querySelector('#residues').textContent.includes('100%')", timeout=60_000)
    assert window.locator("#proteome figure").count() == 2
    window.close()
    with sqlite3.connect(busy_store) as conn:
        conn.execute("delete from protein_results where run_id = 'begun'")
        conn.execute("delete from runs where run_id = 'begun'")


def test_pages_work_without_javascript(browser, address):
    context = browser.new_context(java_script_enabled=False)
    window = context.new_page()
    window.goto(address + BUSY)
    assert "Reload to update the numbers" in window.locator("#live").inner_text()
    window.select_option("select[name=show]", "failed")
    follow(window, "form.choose input[type=submit]")
    assert "show=failed&template=&cath=&sort=evalue&view=cards" in window.url and window.url.endswith("#proteins")
    assert window.locator("#listed tbody tr").count() == 1
    window.goto(address + PROTEIN)
    follow(window, "svg.bars a[data-rank='2'] rect")
    assert window.url.endswith("?hit=2#hit-2") and window.locator("tr.alignment pre").is_visible()
    window.fill("form.hits input[name=from]", "90")
    follow(window, "form.hits button")
    assert "from=90" in window.url and window.url.endswith("#hits")
    context.close()


ALIGNED = "tr.alignment[data-rank='1']"


def test_a_hits_rank_opens_and_closes_its_alignment_below_it(browser, address):
    window = browser.new_page()
    window.goto(address + PROTEIN)
    window.click("#hit-1 .rank a")
    window.wait_for_selector(ALIGNED)
    assert window.evaluate("document.querySelector('#hit-1').getBoundingClientRect().top") >= 0
    assert window.url.endswith("hit=1#hit-1")
    window.click("#hit-1 .rank a")
    window.wait_for_selector(ALIGNED, state="detached")
    window.close()


def test_a_bar_marks_its_row_and_opens_its_alignment(browser, address):
    window = browser.new_page()
    window.goto(address + PROTEIN)
    window.hover("svg.bars a[data-rank='1'] rect")
    assert window.locator("#hit-1.marked").count() == 1
    window.hover("#hit-2 .rank a")
    assert window.evaluate("[...document.querySelectorAll('.marked')].map(one => one.dataset.rank)") == ["2", "2"]
    window.click("svg.bars a[data-rank='1'] rect")
    window.wait_for_selector(ALIGNED)
    assert window.evaluate("document.querySelector('#hit-1').getBoundingClientRect().top") >= 0, "heading is hidden"
    window.close()


def _mmcif():
    """A chain B of 30 residues on a line."""
    columns = (
        *("group_PDB", "id", "type_symbol", "label_atom_id", "label_comp_id", "label_seq_id"),
        *("Cartn_x", "Cartn_y", "Cartn_z", "auth_asym_id", "pdbx_PDB_model_num"),
    )
    atoms = [
        f"ATOM {4 * number + place} {atom[0]} {atom} ALA {number} {3.8 * number + place} {place % 2} {number % 3} B 1"
        for number in range(1, 31)
        for place, atom in enumerate(("N", "CA", "C", "O"))
    ]
    return "\n".join(["data_2XYZ", "loop_", *(f"_atom_site.{name}" for name in columns), *atoms, "#", ""])


# as on the page of a site with a folder of structures
VIEWER = (
    '<div class="in-3d" data-viewer="/static/3dmol/3Dmol-min.js" data-chain="B" data-name="2XYZ_B" data-first="3"'
    ' data-quality="|||+++...---===" data-places="/-/structures/2xyz">'
    '<button type="button" class="show">Show</button></div>'
)


def test_structure_is_shown_when_it_is_asked_for_and_works_by_keyboard(browser, address):
    window, asked = browser.new_page(), []
    window.on("request", lambda request: asked.append(request.url))

    def with_viewer(route):
        html = route.fetch().text().replace("<pre ", f"{VIEWER}<pre ")
        route.fulfill(body=html, content_type="text/html")

    window.route(re.compile("part=alignment"), with_viewer)
    window.route("**/-/structures/2xyz", lambda route: route.fulfill(body=_mmcif(), content_type="chemical/x-cif"))
    window.goto(address + PROTEIN)
    window.click("#hit-1 .rank a")
    window.wait_for_selector(ALIGNED)
    assert not [url for url in asked if "3Dmol" in url or "structures" in url]
    window.click(".in-3d .show")
    window.wait_for_selector(".viewer canvas")
    assert window.evaluate("document.activeElement.className") == "viewer"
    before = window.locator(".viewer").screenshot()
    window.keyboard.press("ArrowLeft")
    assert window.locator(".viewer").screenshot() != before
    with window.expect_download() as download:
        window.click("text=Save picture")
    assert download.value.suggested_filename == "2XYZ_B.png"
    window.close()


def test_dragging_along_the_strip_lists_the_hits_of_a_region(browser, address):
    window = browser.new_page()
    window.goto(address + PROTEIN)
    box = window.locator("svg.overview").bounding_box()
    y = box["y"] + 5
    window.mouse.move(box["x"] + 0.2 * box["width"], y)
    window.mouse.down()
    window.mouse.move(box["x"] + 0.1 * box["width"], y, steps=5)
    window.mouse.up()
    window.wait_for_selector("svg.bars rect.region")
    assert window.input_value("form.hits [name=from]") in ("10", "11")
    assert window.input_value("form.hits [name=to]") in ("20", "21")
    assert "from=1" in window.url
    window.reload()
    assert window.locator("svg.bars rect.region").count() == 1
    window.close()


def test_sequence_is_as_wide_as_its_drawing(browser, address):
    """A letter below each tenth of a unit: the drawing and the residues of a block have one width."""
    window = browser.new_page(viewport={"width": 390, "height": 800})
    window.goto(address + PROTEIN)
    sizes = window.evaluate(
        """() => [...document.querySelectorAll(".sequence > div")].map(block => {
          const range = document.createRange();
          range.selectNodeContents(block.querySelector(".residues"));
          return [range.getBoundingClientRect().width, block.querySelector("svg").getBoundingClientRect().width];
        })"""
    )
    assert len(sizes) == 4
    assert all(text == pytest.approx(drawing, abs=1) for text, drawing in sizes)
    window.close()


def test_numbers_of_the_page_do_not_hang_on_the_language(browser, address):
    context = browser.new_context(locale="de-DE")
    window = context.new_page()
    window.goto(address + RUN)
    assert re.search(r"100% of 3 proteins finished", window.locator("main").inner_text())
    context.close()
