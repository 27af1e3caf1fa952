"""Take the screenshots of README.md and the tutorial: ``bin/docs --pictures [FOLDER]``.

The demo is run if its results are missing; Chromium takes pictures of its pages, small PNG files of 128 colours.
"""

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "tests")]

from PIL import Image  # noqa: E402  matplotlib brings it
from webbench import chromium, served  # noqa: E402

WIDTH = 1280
# name: address on the site, or page of the report; height that is shown
PICTURES = {
    "protein": ("/-/protein/P00533", 820),
    "run": ("/-/runs/demo", 820),
    "report": ("report.html", 760),
}


@contextlib.contextmanager
def runner(store):
    """The platform's second service: without it each page reports a problem."""
    command = [sys.executable, "-P", "-m", "proteofold", "runner", "--store", store]
    service = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        service.terminate()
        service.wait()


def take_pictures(results, folder):
    """Write the pictures of a finished demo into a folder; ``results`` holds the store and the run."""
    report, store = results / "demo" / "report", results / "proteofold.db"
    with contextlib.ExitStack() as stack:
        logs = stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(runner(store))
        url = stack.enter_context(served(store, Path(logs, "site.log")))
        browser = stack.enter_context(chromium())
        for name, (page, height) in PICTURES.items():
            tab = browser.new_page(viewport={"width": WIDTH, "height": height}, color_scheme="light")
            tab.goto(url + page if page.startswith("/") else (report / page).as_uri(), wait_until="load")
            tab.wait_for_timeout(2000)  # live parts of a page are filled in
            tab.screenshot(path=folder / f"{name}.png")
            tab.close()
            reduce_colours(folder / f"{name}.png")


def reduce_colours(path):
    """Make a picture small: 128 colours are enough for pages."""
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


def main():
    """Run the demo if need be, and write the pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKOUT / "docs" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    results = CHECKOUT / "results"
    if not (results / "demo" / "merge_results.csv").exists():
        subprocess.run([CHECKOUT / "bin" / "demo"], check=True)
    take_pictures(results, folder)
    print(
        "\n".join(f"{path.relative_to(folder.parent)}: {path.stat().st_size // 1000} kB" for path in folder.iterdir())
    )


if __name__ == "__main__":
    main()
