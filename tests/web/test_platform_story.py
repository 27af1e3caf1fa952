"""A researcher's whole story in a real browser, with the real server, runner and pipeline on a small library."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from platformbench import Platform, wait_until
from runbench import finished, template_folder  # noqa: F401 - fixtures
from webbench import BROWSER_MARKS, User, follow, served, shots_folder

from proteofold.service.accounts import add_user
from proteofold.store import open_store

pytestmark = [*BROWSER_MARKS, pytest.mark.workflow, pytest.mark.hhsuite]

PASSWORD = "correct horse battery"
MYG = "sp|P02144|MYG_HUMAN"


@pytest.fixture(scope="module")
def bench(tmp_path_factory, finished):  # noqa: F811
    """A platform without proteins, whose template library is built, and its users."""
    made = Platform(tmp_path_factory.mktemp("story"), finished.config["templates"]["build"])
    made.store.execute("delete from proteins")  # they are uploaded here
    shutil.copytree(finished.path / "resources", made.path / "resources")
    for name in ("ann", "bob"):
        add_user(made.platform, name, PASSWORD)
    yield made
    made.close()


@pytest.fixture(scope="module")
def site(bench):
    """Address of the site; the runner is running."""
    with served(bench.store_path, bench.path / "serve.log") as url:
        bench.start_runner()
        yield url


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    """Folder of the pictures of the pages."""
    return shots_folder(tmp_path_factory.mktemp("screenshots"))


def start(user, run_id, ids):
    """Start a run by the form."""
    user.go("/-/new-run")
    user.page.fill("#run_id", run_id)
    user.page.fill("#ids", ids)
    follow(user.page, "button.act[value=check]")
    follow(user.page, "button[value=start]")
    user.page.wait_for_url(f"**/-/runs/{run_id}")


def wait_for_end(user):
    """Wait until the page says, without being loaded again, that its run has ended."""
    user.page.wait_for_function("() => document.querySelector('#live')?.textContent.includes('ended')")


@pytest.fixture(scope="module")
def ann(browser, site):
    return User(browser, site).sign_in("ann", PASSWORD)


def test_upload_start_watch_and_download(ann, bench, shots, tmp_path):
    page = ann.page
    text = (bench.path / "proteins.fasta").read_text()
    page.evaluate(
        "window.seen = []; document.querySelector('#progress-words') && new MutationObserver(() =>"
        " localStorage.setItem('seen', document.querySelector('#progress-words').textContent))"
        ".observe(document.querySelector('#progress-words'), {childList: true})"
    )
    data = page.evaluate_handle(
        "text => {const d = new DataTransfer(); d.items.add(new File([text], 'my.fasta')); return d}", text
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": data})
    page.click("#upload input[type=submit]")
    page.wait_for_url("**/-/upload/*")
    assert "4 added" in page.inner_text(".tally")
    assert page.evaluate("localStorage.getItem('seen')").startswith(("Sending", "Storing"))
    # the same again, with one that is another sequence and one that is none
    other = text.replace("MV", "MVV", 1) + ">broken\nMK1\n"
    page.goto(f"{ann.site}/-/upload")
    page.set_input_files("#fasta", {"name": "again.fasta", "mimeType": "text/plain", "buffer": other.encode()})
    page.click("#upload input[type=submit]")
    page.wait_for_url("**/-/upload/*")
    assert "2 failed" in page.inner_text(".tally") and "3 already there" in page.inner_text(".tally")
    ann.look(shots, "uploaded-with-failures")

    follow(page, "text=Start a run with these")
    assert len(page.input_value("#ids").split()) == 3
    page.fill("#ids", "\n".join([*bench.records, "P00000", "nobody"]))
    page.fill("#run_id", "story")
    follow(page, "button.act[value=check]")
    page.wait_for_selector("#checked")
    assert "4 proteins found" in page.inner_text(".tally") and "2 absent" in page.inner_text(".tally")
    assert "Longest protein" in page.inner_text(".estimate")
    bench.mark("fail", MYG)
    bench.mark("hold")
    follow(page, "text=Start without the absent 2")
    page.wait_for_url("**/-/runs/story")
    page.evaluate("window.stayed = true")

    wait_until(lambda: len(bench.searched()) >= 1, "first search")
    page.wait_for_function("() => document.querySelector('.tiles [data-count=running]')?.textContent > 0")
    ann.look(shots, "run-at-work")
    other_page = ann.context.new_page()
    other_page.goto(f"{ann.site}/-/cluster")
    assert "story" in other_page.inner_text("main")
    other_page.close()
    (bench.spy / "hold").unlink()
    wait_for_end(ann)
    assert "finished, some failed" in page.title()
    assert (
        page.locator("button:text('Stop')").count() == 0
        and page.locator("text=Retry what did not succeed").count() == 1
    )
    assert page.locator("main h1").count() == 1 and page.locator("figure").count() > 0
    assert page.evaluate("window.stayed"), "the page was not loaded again"
    assert page.locator("td.picture img").count() == 3
    assert "made to fail" in page.inner_text("#failed ~ .table-wrapper")
    page.locator("#failed ~ .table-wrapper details summary").click()
    ann.look(shots, "run-with-a-failure")

    bench.mark("fail")
    follow(page, "text=Retry what did not succeed")
    wait_for_end(ann)
    page.reload()
    assert page.inner_text("h1 .state") == "finished"
    assert sorted(bench.searched()) == sorted([*bench.records, MYG]), "nothing was searched twice"
    ann.look(shots, "run-finished")
    with page.expect_download() as download:
        page.click("main >> text=Download >> nth=0")
    download.value.save_as(tmp_path / "story.zip")
    with zipfile.ZipFile(tmp_path / "story.zip") as archive:
        assert archive.testzip() is None
        assert {"story/merge_results.csv", "story/hits.csv.gz", "story/report/overview.html"} <= set(archive.namelist())
        rows = archive.read("story/merge_results.csv").decode().splitlines()
        assert len(rows) == 5
    follow(page, "text=Report")
    # not by clicks: those that follow a scroll at once may hit the frame of the report
    page.press("main details summary", "Enter")
    ann.go(page.get_attribute("main details a:has-text('Best hits')", "href"))
    assert page.locator("table tbody tr").count() == 4
    assert ann.said == []


def test_a_token_made_on_the_page_serves_the_command_line(ann, bench, tmp_path):
    page = ann.page
    ann.go("/-/tokens")
    page.fill("#label", "command line")
    follow(page, "text=Create token")
    token = page.input_value("input.secret")

    def remote(*words, expect=0):
        command = [sys.executable, "-m", "proteofold", "remote", *words]
        environment = os.environ | {"PROTEOFOLD_URL": ann.site, "PROTEOFOLD_TOKEN": token}
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=180)
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout

    (tmp_path / "more.fasta").write_text(">more1 from the command line\nMKVLAAKKLLMKVLAAKKLLMKVLAAKKLL\n")
    assert "1 added" in remote("add", "more.fasta")
    assert "more1" in remote("search", "more1")
    (tmp_path / "ids.txt").write_text("more1, P69905\nabsent\n")
    assert "absent" in remote("estimate", "--ids", "ids.txt", "--json")
    estimate = remote("estimate", "--ids", "ids.txt")
    assert "to be computed" in estimate and not re.search(r"\d\.\d\d", estimate), estimate
    remote("start", "remote", "--ids", "ids.txt", expect=1)
    assert "2 of 2" in remote("start", "remote", "--ids", "ids.txt", "--without-absent", "--watch")
    assert json.loads(remote("show", "remote", "--json"))["run"]["author"] == "ann"
    assert "story" in remote("runs")
    remote("download", "remote")
    assert zipfile.is_zipfile(tmp_path / "remote.zip")
    assert remote("log", "remote") and remote("log", "remote", "--protein", "more1")
    assert "runner" in remote("health") and "waiting" in remote("cluster")
    assert "queued" in remote("repeat", "remote", "remote-2")
    remote("watch", "remote-2")
    (shared,) = open_store(bench.store_path).execute("select shared from runs where run_id = 'remote-2'").fetchone()
    assert shared == 2
    remote("delete", "remote-2", "--yes")
    assert "remote-2" not in remote("runs")
    remote("retry", "nobody", expect=1)


def test_two_users_and_a_stop(browser, site, shots, ann, bench):
    bob = User(browser, site).sign_in("bob", PASSWORD)
    bench.mark("hold")
    searched = len(bench.searched())
    ann.go("/-/upload")
    ann.page.locator("summary", has_text="Or paste").click()
    ann.page.fill("#text", "".join(f">stop{n}\n{'MKVLAAKKLW' * (n + 3)}\n" for n in range(3)))
    ann.page.click("#upload input[type=submit]")
    ann.page.wait_for_url("**/-/upload/*")
    start(ann, "stopped", "stop0 stop1 stop2")
    wait_until(lambda: len(bench.searched()) > searched, "first search")
    bob.go("/-/runs/stopped")
    assert bob.page.locator("button:text('Stop')").count() == 0
    follow(ann.page, "button:text('Stop')")
    wait_until(lambda: bench.order_of("stopped")["state"] == "ended", "end of the stopped run")
    (bench.spy / "hold").unlink()
    ann.go("/-/runs/stopped")
    assert ann.page.inner_text("h1 .state") == "interrupted"
    assert "stopped by ann" in ann.page.inner_text("main")
    ann.look(shots, "run-stopped")
    bob.page.reload()
    bob.page.locator("summary", has_text="Start again").click()
    bob.page.fill("#again", "of-bob")
    follow(bob.page, ".again input[type=submit]")
    bob.page.wait_for_url("**/-/runs/of-bob")
    wait_for_end(bob)
    bob.go("/-/runs?author=bob")
    assert re.findall("of-bob|stopped", bob.page.inner_text("table.runs tbody")) == ["of-bob"]
    ann.go("/-/runs/stopped")
    follow(ann.page, "text=Delete …")
    follow(ann.page, "button:text('Delete run')")
    ann.page.wait_for_url("**/-/runs")
    assert ann.go("/-/runs/stopped").status == 404
    assert not (bench.path / "results" / "stopped").exists()


def test_all_of_it_without_javascript(browser, site, bench):
    user = User(browser, site, java_script_enabled=False).sign_in("ann", PASSWORD)
    page = user.page
    page.set_input_files("#fasta", {"name": "plain.fa", "mimeType": "text/plain", "buffer": b">plain\nMKVLAAKKWW\n"})
    page.click("#upload input[type=submit]")
    assert "1 added" in page.inner_text(".tally")
    start(user, "plain-run", "plain")
    wait_until(lambda: bench.order_of("plain-run")["state"] == "ended", "end of the run")
    follow(page, "text=Reload")
    assert page.inner_text("h1 .state") == "finished"
    with page.expect_download() as download:
        page.click("main >> text=Download >> nth=0")
    assert download.value.suggested_filename == "plain-run.zip"
    follow(page, "button:text('Sign out')")
    assert page.locator("text=Sign in").count()


def test_the_runner_that_is_not_running_is_reported_in_the_header(ann, bench):
    for runner in bench.runners:
        runner.terminate()
        runner.wait()
    wait_until(lambda: ann.go("/-/runs") and "off since" in ann.page.text_content(".health"), "health", seconds=60)
    assert ann.page.locator(".health li.quiet").count() == 1 and ann.page.is_visible(".health summary.quiet")
