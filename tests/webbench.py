"""The site as bin/serve starts it, and a real browser on it."""

import base64
import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

WEBSITE = Path(__file__).parents[1] / "website"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
BROWSER_MARKS = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed (Debian: apt-get install chromium)"),
]
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}
SCHEMES = ("light", "dark")
AXED = tuple(zip(WIDTHS, SCHEMES, strict=True))
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# Where the tests of pages keep what these look like: page-width-scheme.png
SHOTS_VARIABLE = "PROTEOFOLD_SCREENSHOTS"


@contextlib.contextmanager
def served(store, log, **variables):
    """Serve a store; yields the address. ``log`` is the file that takes what the server prints."""
    with serving(store, log, **variables) as (url, _):
        yield url


@contextlib.contextmanager
def serving(store, log, **variables):
    """Serve a store as ``served`` does; yields the address and the process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [WEBSITE / "serve", store, "--port", str(port)]
    with Path(log).open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, env=os.environ | variables)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while not _answers(url):
            assert server.poll() is None and time.monotonic() < deadline, Path(log).read_text()
            time.sleep(0.1)
        yield url, server
    finally:
        server.terminate()
        server.wait()


def _answers(url):
    try:
        urllib.request.urlopen(f"{url}/-/api/v1/session").close()
    except urllib.error.URLError:
        return False
    return True


@contextlib.contextmanager
def chromium():
    """Chromium; closed at the end, because Playwright's event loop blocks every other."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # a sandbox needs rights that root in a container has not
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


# a picture of one grey dot
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAKq7zAAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw==")


def without_internet(context):
    """Answer for the one other site that pages show pictures of."""
    picture = {"status": 200, "content_type": "image/gif", "body": PIXEL}
    context.route("https://cdn.rcsb.org/**", lambda route: route.fulfill(**picture))


def axe(window):
    """What breaks WCAG's rules on the page that is shown: (rule, element)."""
    from axe_playwright_python.sync_playwright import Axe

    # without selectors: Datasette's <navigation-search> has a property "matches" that axe stumbles over
    found = Axe().run(window, options={"runOnly": WCAG, "selectors": False}).response["violations"]
    return [(rule["id"], node["html"]) for rule in found for node in rule["nodes"]]


def sideways(window):
    """By how many pixels the page is wider than the window."""
    return window.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def follow(page, selector):
    """Click what leads to another page, and wait until that page is there: until then the old one answers."""
    with page.expect_event("load"):
        page.click(selector)


class User:
    """Somebody at a browser of their own; ``said`` is what its console said."""

    # the machine may be busy
    PATIENCE_MS = 3 * 60 * 1000

    def __init__(self, browser, site, **options):
        self.context = browser.new_context(viewport=_size("desktop"), **options)
        self.context.set_default_timeout(self.PATIENCE_MS)
        without_internet(self.context)
        self.page, self.site, self.said = self.context.new_page(), site, []
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"error: {error}"))

    def go(self, path):
        """Go to a page of the site; its answer."""
        return self.page.goto(self.site + path)

    def sign_in(self, name, password):
        """Sign in on the page for it; returns the user."""
        self.go("/-/sign-in?next=/-/upload")
        self.page.fill("#name", name)
        self.page.fill("#password", password)
        follow(self.page, "main input[type=submit]")
        assert self.page.url.endswith("/-/upload")
        return self

    def look(self, shots, name, status=200):
        """Look at the page that is shown: at both widths, in both schemes, by WCAG's rules; keep pictures of it.

        ``status`` is that of its answer: browsers report any other in the console.
        """
        for width, scheme in itertools.product(WIDTHS, SCHEMES):
            self.page.set_viewport_size(_size(width))
            self.page.emulate_media(color_scheme=scheme)
            # colours that change slowly
            self.page.wait_for_timeout(250)
            self.page.screenshot(path=shots / f"{name}-{width}-{scheme}.png", full_page=True)
            assert sideways(self.page) <= 0, f"{name} scrolls sideways at {width}"
            # contrast is a matter of the scheme, all else of the width
            if (width, scheme) in AXED:
                assert axe(self.page) == [], (name, width, scheme)
        self.page.set_viewport_size(_size("desktop"))
        said = [line for line in self.said if f"status of {status}" not in line]
        self.said.clear()
        assert said == [], name


def _size(width):
    return dict(zip(("width", "height"), WIDTHS[width], strict=True))


def shots_folder(otherwise):
    """Where pictures of pages are kept."""
    folder = Path(os.environ.get(SHOTS_VARIABLE) or otherwise)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
