"""What the pages of the platform look like in a real browser: at both widths, in both schemes, by WCAG's rules."""

from urllib.parse import quote

import pytest
from webbench import BROWSER_MARKS, User, follow, served, shots_folder

pytestmark = BROWSER_MARKS

PASSWORD = "correct horse battery"
MYG = quote("sp|P02144|MYG_HUMAN", safe="")
PAGES = {
    "front": "/",
    "search": "/-/search?q=l",
    "search-nothing": "/-/search?q=zzz",
    "upload": "/-/upload",
    "new-run": "/-/new-run?ids=lonely",
    "runs": "/-/runs",
    "runs-none": "/-/runs?show=waiting",
    "run": "/-/runs/first",
    "run-as-table": "/-/runs/first?view=table",
    "compare": "/-/compare?a=first&b=second",
    "compare-none": "/-/compare",
    "run-at-work": "/-/runs/busy",
    "log": "/-/runs/busy/log?protein=lonely",
    "report": "/-/runs/first/report",
    "cluster": "/-/cluster",
    "tokens": "/-/tokens",
    "account": "/-/account",
    "protein": f"/-/protein/{MYG}",
}


@pytest.fixture(scope="module")
def site(users_store, tmp_path_factory):
    with served(users_store, tmp_path_factory.mktemp("log") / "serve.log") as url:
        yield url


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    return shots_folder(tmp_path_factory.mktemp("screenshots"))


@pytest.fixture(scope="module")
def root(browser, site):
    """An administrator."""
    return User(browser, site).sign_in("root", PASSWORD)


@pytest.mark.parametrize("name", PAGES)
def test_page_fits_is_readable_and_logs_nothing_in_the_console(root, shots, name):
    assert root.go(PAGES[name]).status == 200
    if box := root.page.query_selector("details.same summary"):
        box.click()
    root.look(shots, name)


def test_signing_in_and_its_error_can_be_read(browser, site, shots):
    user = User(browser, site)
    user.go("/-/new-run")
    user.look(shots, "sign-in")
    user.page.fill("#name", "ann")
    user.page.fill("#password", "wrong password")
    follow(user.page, "main input[type=submit]")
    user.look(shots, "sign-in-wrong", status=401)
    assert user.page.input_value("#name") == "ann" and user.page.title().startswith("Error")
    user.context.close()


def test_what_became_of_an_upload_can_be_read(root, shots):
    root.go("/-/upload")
    root.page.locator("summary", has_text="Or paste").click()
    root.page.fill("#text", ">new\nMKVL\n>lonely\nMKV\n>bad\nM1\n")
    root.page.click("#upload input[type=submit]")
    root.page.wait_for_url("**/-/upload/*")
    assert "2 failed" in root.page.inner_text(".tally")
    root.look(shots, "uploaded")


def test_a_refused_upload_shows_the_reason_on_the_same_page(root, shots):
    root.go("/-/upload")
    assert not root.page.is_visible("#progress")
    file = {"name": "no.txt", "mimeType": "text/plain", "buffer": b"no fasta"}
    root.page.set_input_files("#fasta", file)
    root.page.click("#upload input[type=submit]")
    root.page.wait_for_selector("#error:not([hidden])")
    assert "not FASTA: the first record must start with '>'" in root.page.inner_text("#error")
    root.look(shots, "upload-refused", status=400)


def test_what_a_run_will_be_can_be_read(root, shots):
    root.go("/-/new-run")
    root.page.fill("#run_id", "looked-at")
    root.page.fill("#ids", "lonely P02144 nobody")
    follow(root.page, "button.act[value=check]")
    root.page.wait_for_selector("#checked")
    root.look(shots, "new-run-checked")
    follow(root.page, "text=Start without the absent 1")
    root.page.wait_for_url("**/-/runs/looked-at")
    root.page.click(".health summary")
    assert "Runner off" in root.page.inner_text(".health")
    root.look(shots, "run-waiting")
    root.page.click("button:text('Stop')")
    root.page.wait_for_selector("h1 .state:text('interrupted')")
    follow(root.page, "text=Delete …")
    root.look(shots, "delete")
    follow(root.page, "button:text('Delete run')")
    root.page.wait_for_url("**/-/runs")


def test_a_form_that_is_clicked_twice_is_sent_once(root):
    root.go("/-/new-run")
    send = "form => !form.dispatchEvent(new SubmitEvent('submit', {bubbles: true, cancelable: true}))"
    form = root.page.locator("main form")
    assert [form.evaluate(send), form.evaluate(send)] == [False, True], "whether it was held back"
    root.page.wait_for_timeout(1100)
    assert form.evaluate(send) is False, "it may be sent again, when an answer did not come"


def test_a_new_token_can_be_read_once(root, shots):
    root.go("/-/tokens")
    root.page.fill("#label", "my laptop")
    follow(root.page, "text=Create token")
    assert root.page.input_value("input.secret").startswith("pft_")
    root.look(shots, "token-created")


# What has the focus, if that is seen
FOCUS = """() => {
  const e = document.activeElement, style = getComputedStyle(e);
  if (e === document.body) return null;
  const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
  return `${e.tagName} ${e.id || e.value || e.textContent.trim()}`.slice(0, 40) + (seen ? "" : " unseen");
}"""


@pytest.mark.parametrize("path", ["/-/upload", "/-/new-run", "/-/tokens", "/-/runs/busy", "/-/cluster"])
def test_keyboard_reaches_what_can_be_done_and_is_seen(root, path):
    root.go(path)
    stops = []
    for _ in range(200):
        root.page.keyboard.press("Tab")
        stop = root.page.evaluate(FOCUS)
        if stop is None or stop in stops[:1]:
            break
        stops.append(stop)
    assert stops[0] == "A Skip to the content"
    assert [stop for stop in stops if stop.endswith("unseen")] == []
    controls = root.page.evaluate(
        "() => [...document.querySelectorAll('main :is(button, input, select, textarea, a[href], summary)')]"
        ".filter(e => e.checkVisibility({visibilityProperty: true}) && e.tabIndex >= 0 && e.type !== 'hidden').length"
    )
    assert len(stops) >= controls


def test_pictures_that_do_not_arrive_leave_the_drawing_behind_them(browser, site):
    user = User(browser, site)
    user.context.unroute("https://cdn.rcsb.org/**")
    user.context.route("https://cdn.rcsb.org/**", lambda route: route.abort())
    user.go("/-/runs/busy")
    user.page.wait_for_function("() => !document.querySelector('.picture img')")
    assert "structure.svg" in user.page.evaluate("getComputedStyle(document.querySelector('.picture')).backgroundImage")
    user.context.close()


def test_the_header_reports_when_the_site_does_not_answer(root):
    root.go("/-/runs")
    root.context.set_offline(True)
    root.page.click(".health summary")
    root.page.evaluate("refreshHealth()")
    root.page.wait_for_selector(".health summary.bad + ul .bad:text('the site does not answer')")
    root.context.set_offline(False)
    root.page.evaluate("refreshHealth()")
    root.page.wait_for_selector(".health summary:not(.bad) + ul .good:text('store: can be read')")
    root.page.keyboard.press("Escape")
    root.page.wait_for_selector(".health .good:text('store: can be read')", state="hidden")
    root.said.clear()
