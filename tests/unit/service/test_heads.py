"""Heads that are stand-ins: the lock shows which are alive, signals come in order, ends are those of the journal."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from proteofold.service import heads, orders, starter
from proteofold.service.places import order_lock
from proteofold.service.runs import NewRun, ask_retry, ask_stop, order_of, order_run
from proteofold.store import Event, finish_run, record_events, start_run, transaction
from proteofold.store.journal import note_end, note_start
from proteofold.system.errors import UserError

SETTINGS = heads.HeadSettings("default")

# ignores what ends a process that is asked politely
STUBBORN = """
import signal, time
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def head(store, platform, monkeypatch):
    """Function: start a stand-in for the head of an order; ends it with the test."""
    started = []
    order_run(store, platform, NewRun("one", ["P1", "P2"], "alice", "demo", "lean", "demo"))

    def start(script, settings=SETTINGS):
        monkeypatch.setattr(heads, "_command", lambda *_: [sys.executable, "-c", script])
        started.extend(orders.start_next(store, platform, settings, 1, lambda text: None).values())
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def look(store, platform):
    """Function: look after the orders, as a runner that did not start them does, or did."""

    def look_after(children=None, settings=SETTINGS):
        reported = []
        orders.look_after(store, platform, settings, reported.append, {} if children is None else children)
        return reported

    return look_after


def wait_for_end(process):
    process.wait(timeout=30)


def wait_until_ready(platform, process):
    """Wait until a head says that it is ready; returns what it has printed."""
    deadline = time.monotonic() + 60
    while "ready" not in (words := heads.last_words(platform, orders._read(platform, "one"))):
        assert process.poll() is None and time.monotonic() < deadline, words
        time.sleep(0.05)
    return words


def status(store):
    return store.execute("select status from runs where run_id = 'one'").fetchone()[0]


def test_head_holds_the_lock_as_long_as_it_lives_and_hands_it_to_no_child(head, platform, look):
    script = "import subprocess, time; subprocess.Popen(['sleep', '30']); print('ready', flush=True); time.sleep(60)"
    process = head(script)
    with order_lock(platform, "one") as lock:
        assert lock is None
    wait_until_ready(platform, process)
    assert look() == [] and order_of(platform, "one")["state"] == "running"
    process.kill()
    process.wait()
    with order_lock(platform, "one") as lock:
        assert lock is not None
    os.killpg(process.pid, signal.SIGKILL)  # the child


def test_head_starts_with_its_inputs_its_author_and_signals_that_work(head, platform, store, results, monkeypatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    monkeypatch.setenv("PROTEOFOLD_STORE", "/elsewhere")
    try:
        script = (
            "import os, signal; print(os.environ['PROTEOFOLD_AUTHOR'], os.environ['PROTEOFOLD_STORE'], os.getcwd(), "
        )
        script += "signal.getsignal(signal.SIGINT) is signal.default_int_handler, os.getpid() == os.getsid(0))"
        wait_for_end(head(script))
    finally:
        signal.signal(signal.SIGINT, before)
    words = heads.last_words(platform, orders._read(platform, "one"))
    assert words == f"alice {results.path / 'proteofold.db'} {results.path.parent} True True"
    folder = results.path / ".platform" / "orders" / "one"
    assert (folder / "proteins.fasta").read_text() == ">P1 first\nMKV\n>P2\nMKL\n"
    assert "run: one" in (folder / "config.yaml").read_text()
    assert (folder / "config.yaml").stat().st_mode & 0o077 == 0 or folder.stat().st_mode & 0o077 == 0


def test_what_heads_print_lies_beside_the_accounts_and_no_link_among_the_runs_is_followed(
    head, platform, store, results, tmp_path
):
    secret = tmp_path / "secret"
    secret.write_text("hash of a password\n")
    orders_of = results.path / ".platform" / "orders" / "one"
    orders_of.mkdir(parents=True)
    for name in ("head-1.log", "head-1.pid"):
        (orders_of / name).symlink_to(secret)
    wait_for_end(head("print('mine')"))
    order = orders._read(platform, "one")
    assert secret.read_text() == "hash of a password\n"
    assert heads.last_words(platform, order) == "mine"
    assert [path.parent for path in heads.log_files(platform, "one")] == [results.path / ".platform/heads/one"]


def test_inputs_are_kept_for_the_next_start_unless_a_power_cut_emptied_them(head, platform, store, results):
    wait_for_end(head("print('x')"))
    order, folder = orders._read(platform, "one"), results.path / ".platform" / "orders" / "one"
    whole = {name: (folder / name).read_bytes() for name in ("proteins.fasta", "config.yaml")}
    with transaction(store):
        store.execute("update proteins set sequence = 'MMM' where query_id = 'P1'")
    heads.write_inputs(store, platform, order)
    assert {name: (folder / name).read_bytes() for name in whole} == whole
    for name in whole:
        (folder / name).write_bytes(b"")
        heads.write_inputs(store, platform, order)
        assert (folder / name).stat().st_size and b"MMM" in (folder / "proteins.fasta").read_bytes()


def test_proteins_of_an_order_keep_their_headers(store):
    text = heads.fasta_of(store, ["P1", "sp|P69905|HBA_HUMAN"])
    assert text == ">P1 first\nMKV\n>sp|P69905|HBA_HUMAN Hemoglobin OS=Homo sapiens GN=HBA1\nMVLSPADKTN\n"
    with transaction(store):
        store.execute("update proteins set sequence = null where query_id = 'P1'")
    with pytest.raises(UserError, match="no sequence of 'P1' any more"):
        heads.fasta_of(store, ["P1"])


def test_stubborn_head_is_asked_then_terminated_then_killed(head, platform, store, users, look, monkeypatch):
    process = head(STUBBORN)
    wait_until_ready(platform, process)
    ask_stop(store, platform, "one", users["alice"])
    with transaction(platform):
        platform.execute("update orders set stop_asked_at = stop_asked_at - 1000")  # no runner was there meanwhile
    assert look() == ["one: SIGINT sent, as alice asked"]
    assert look() == []
    reported = []
    for _ in range(3):
        with transaction(platform):
            platform.execute("update orders set signalled_at = signalled_at - 60")
        reported += look()
    assert reported[:2] == ["one: SIGTERM sent, as alice asked", "one: SIGKILL sent, as alice asked"]
    wait_for_end(process)
    look()
    assert (order_of(platform, "one")["message"], status(store)) == ("stopped by alice", "INTERRUPTED")


@pytest.fixture
def service(tmp_path):
    """Settings for heads that a service starts, and its processes: what systemd does, but as the same user."""
    address, processes = tmp_path / "socket", []
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(str(address))
        listening.listen()

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        script = "from proteofold.service.starter import main; main()"
                        processes.append(subprocess.Popen([sys.executable, "-c", script], stdin=connection, cwd="/"))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield heads.HeadSettings("default", socket=str(address)), processes
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    for process in processes:
        process.kill()
        process.wait()


def test_head_that_a_service_starts_is_watched_and_can_be_stopped(head, store, platform, users, look, service):
    settings, _ = service
    script = "import os, time; print(os.getpid()); print('ready', flush=True); time.sleep(60)"
    process = head(script, settings)
    words = wait_until_ready(platform, process)
    assert words.split()[0] == str(process.pid)
    assert heads.lives(platform, "one") and heads.began(platform, orders._read(platform, "one"))
    ask_stop(store, platform, "one", users["alice"])
    assert look(settings=settings) == ["one: SIGINT sent, as alice asked"]
    assert process.wait() == -signal.SIGINT
    look({"one": process}, settings)
    assert (order_of(platform, "one")["message"], status(store)) == ("stopped by alice", "INTERRUPTED")


def test_head_that_a_service_starts_outlives_it_and_its_exit_code_is_known_otherwise(
    head, platform, store, look, service
):
    settings, processes = service
    process = head("import sys; print('2 problems in the inputs'); sys.exit(1)", settings)
    process.wait()
    look({"one": process}, settings)
    assert (order_of(platform, "one")["message"], status(store)) == ("2 problems in the inputs", "FAILED")
    with transaction(platform):
        platform.execute("update orders set state = 'queued'")
    process = head("import time; time.sleep(60)", settings)
    processes[-1].kill()
    assert process.wait() < 0
    assert heads.lives(platform, "one")
    look({"one": process}, settings)
    assert order_of(platform, "one")["state"] == "running"
    assert heads.signal_head(platform, orders._read(platform, "one"), signal.SIGKILL, settings)


def test_jobs_are_cancelled_in_the_folder_that_they_were_submitted_from(service, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for settings in (SETTINGS, service[0]):
        assert settings.run(["pwd"]) == (0, str(tmp_path))


def test_run_is_not_started_where_no_service_is_at_the_socket(head, platform, tmp_path):
    with pytest.raises(IndexError):
        head("", heads.HeadSettings("default", socket=str(tmp_path / "none")))
    assert order_of(platform, "one")["message"].startswith("could not be started")


def test_head_that_fails_before_it_records_anything_reports_its_last_words(head, platform, store, look):
    process = head("import sys; print('2 problems in the inputs'); sys.exit(1)")
    wait_for_end(process)
    look({"one": process})
    assert (order_of(platform, "one")["message"], status(store)) == ("2 problems in the inputs", "FAILED")


def test_head_of_an_earlier_runner_that_ended_without_a_record_is_interrupted_and_retried(
    head, platform, store, users, look
):
    wait_for_end(head("print('started')"))
    look()
    assert order_of(platform, "one")["message"].endswith("It printed last:\nstarted")
    assert status(store) == "INTERRUPTED"
    ask_retry(store, platform, "one", users["alice"])
    assert (order_of(platform, "one")["state"], order_of(platform, "one")["message"]) == ("queued", None)


def run_to(store, results, *events, ended=None):
    """What a head records of a run that has begun a second from now."""
    run, at = results.plan("one", ["P1", "P2"]), time.time() + 1
    start_run(store, run, author="alice", at=at)
    record_events(store, run, [Event(protein, phase, at + 1) for protein, phase in events])
    if ended:
        finish_run(store, run, ended, at + 2)
    return run


def phases(store):
    query = "select query_id, phase from protein_results where run_id = 'one' order by 1"
    return dict(store.execute(query).fetchall())


def test_head_that_was_killed_leaves_an_interrupted_run(head, platform, store, results, look):
    process = head("import time; time.sleep(60)")
    run_to(store, results, ("P1", "running"))
    process.kill()
    process.wait()
    look({"one": process})
    assert "was killed" in order_of(platform, "one")["message"]
    assert status(store) == "INTERRUPTED" and set(phases(store).values()) == {"waiting"}


def test_what_failed_by_a_stop_waits_again(head, platform, store, results, users, look):
    process = head("import time; time.sleep(60)")
    ask_stop(store, platform, "one", users["alice"])
    run_to(store, results, ("P1", "running"), ("P1", "failed"), ended="FAILED")
    assert phases(store)["P1"] == "failed"
    process.kill()
    process.wait()
    time.sleep(2.5)  # events are ordered by their time, and those above lie ahead
    look({"one": process})
    assert status(store) == "INTERRUPTED" and set(phases(store).values()) == {"waiting"}


def test_end_that_the_recorder_could_not_write_is_read_from_the_files(head, platform, store, results, look):
    process = head("import time; time.sleep(60)")
    run = results.plan("one", ["P1", "P2"])
    note_start(run.folder.path, time.time() + 1, "alice")
    note_end(run.folder.path, time.time() + 2, "FAILED")
    process.kill()
    process.wait()
    look({"one": process})
    assert status(store) == "FAILED" and set(phases(store).values()) == {"failed"}
    assert order_of(platform, "one")["state"] == "ended"


@pytest.mark.parametrize(
    "name, content",
    [
        ("manifest.tsv", "header\nnot a row\n"),
        ("settings.json", "{}"),
        ("settings.json", "[]"),
        ("settings.json", '{"run": "other"}'),
        ("events.jsonl", '{"at": "never"}\nnothing\n'),
    ],
)
@pytest.mark.parametrize("ended", [None, "FAILED"])
def test_damaged_run_folder_does_not_hold_up_the_runner(head, platform, store, results, look, name, content, ended):
    process = head("import time; time.sleep(60)")
    run = run_to(store, results, ended=ended)
    path = run.folder.path / name
    assert path.is_file()
    path.write_text(content)
    process.kill()
    process.wait()
    look({"one": process})
    assert order_of(platform, "one")["state"] == "ended"
    assert status(store) in ("FAILED", "INTERRUPTED")


def test_head_that_cannot_be_started_is_reported_and_holds_up_no_other(head, platform, store, monkeypatch):
    """A full disk, for example: what the new process does before it becomes Snakemake fails."""

    def fail(pid_file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(starter, "_begin", fail)
    with pytest.raises(IndexError):  # nothing was started
        head("")
    order = order_of(platform, "one")
    assert (order["state"], status(store)) == ("ended", "FAILED")
    assert order["message"].startswith("could not be started: ")


def test_nothing_left_to_do_is_success(head, platform, store, results, users, look):
    run = results.plan("one", ["P1", "P2"])
    results.predict(run, run.members["P1"].batch)
    for protein in run.members:
        results.finish(run, protein)
    start_run(store, run, at=time.time() - 100)
    finish_run(store, run, "INTERRUPTED", time.time() - 90)
    with transaction(store):
        store.execute("update runs set status = 'QUEUED'")
    process = head("print('Nothing to be done (all requested files are present and up to date).')")
    wait_for_end(process)
    look()
    assert (status(store), order_of(platform, "one")["message"]) == ("SUCCESS", None)
