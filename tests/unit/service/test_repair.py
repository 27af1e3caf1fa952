"""What administrators repair: wrong sequences, unused proteins, old runs; with a trace of who and why. Quotas."""

import pytest
from click.testing import CliRunner

from proteofold.cli.main import cli
from proteofold.service.events import list_events
from proteofold.service.repair import delete_protein, replace_proteins
from proteofold.service.runs import NewRun, WrongStateError, order_run
from proteofold.store import start_run
from proteofold.store.queries import NotFoundError
from proteofold.system.errors import UserError


def sequence(store, query_id):
    row = store.execute("select sequence, length, description from proteins where query_id = ?", (query_id,)).fetchone()
    return row and tuple(row)


@pytest.fixture
def fasta(tmp_path):
    """Function: the path of a FASTA file of a text."""

    def write(text):
        (tmp_path / "right.fasta").write_text(text)
        return tmp_path / "right.fasta"

    return write


def test_a_wrong_sequence_is_replaced_with_a_trace_and_the_right_one_is_taken_from_then_on(
    store, platform, fasta, upload
):
    assert upload(">P1 right\nMKVLA\n").failed == 1
    assert replace_proteins(store, platform, fasta(">P1 right\nMKVLA\n"), "root", "wrong\nisoform") == ["P1"]
    assert sequence(store, "P1") == ("MKVLA", 5, "right")
    (event,) = list_events(platform)
    assert (event["kind"], event["user"]) == ("protein replaced", "root")
    assert event["about"].startswith("P1: 3 residues, MD5 ") and event["about"].endswith(": wrong isoform")
    assert upload(">P1 right\nMKVLA\n").present == 1
    found = store.execute("select rowid from proteins_fts where proteins_fts match 'right'").fetchall()
    number = store.execute("select number from proteins where query_id = 'P1'").fetchone()
    assert [tuple(row) for row in found] == [tuple(number)]


@pytest.mark.parametrize(
    "text, error",
    [
        (">P1\nMKVLA\n>absent\nMKV\n", NotFoundError),
        (">P1\nMKVLA\n>P2\nM1V\n", UserError),
        ("no FASTA", UserError),
    ],
)
def test_all_records_are_replaced_or_none(store, platform, fasta, text, error):
    with pytest.raises(error):
        replace_proteins(store, platform, fasta(text), "root", "why")
    assert sequence(store, "P1")[0] == "MKV" and list_events(platform) == []


def test_a_protein_is_deleted_with_a_trace_and_a_reason(store, platform):
    with pytest.raises(UserError, match="reason"):
        delete_protein(store, platform, "P3", "root", " ")
    delete_protein(store, platform, "P3", "root", "spam")
    assert sequence(store, "P3") is None
    (event,) = list_events(platform)
    assert event["kind"] == "protein deleted" and event["about"].startswith("P3: 3 residues")
    with pytest.raises(NotFoundError):
        delete_protein(store, platform, "P3", "root", "spam")


def test_proteins_of_runs_are_neither_deleted_nor_replaced_meanwhile(store, platform, results, fasta):
    order_run(store, platform, NewRun("one", ["P1"], "alice", "demo", "lean", "demo"))
    for change in (
        lambda: delete_protein(store, platform, "P1", "root", "why"),
        lambda: replace_proteins(store, platform, fasta(">P1\nMKVLA\n"), "root", "why"),
    ):
        with pytest.raises(WrongStateError, match="Run one"):
            change()
    start_run(store, results.plan("two", {"P2": "MKL"}))
    with pytest.raises(WrongStateError, match="two"):
        delete_protein(store, platform, "P2", "root", "why")
    # results keep the checksum of what they were made of
    replace_proteins(store, platform, fasta(">P2\nMKLA\n"), "root", "why")
    assert sequence(store, "P2")[0] == "MKLA"


def admin(*words, **options):
    return CliRunner().invoke(cli, ["admin", *words], **options)


def test_repairs_from_the_command_line(store, platform, fasta):
    done = admin("replace-protein", str(fasta(">P1\nMKVLA\n")), "--why", "wrong isoform")
    assert done.output == "replaced: P1\n"
    assert admin("delete-protein", "P3", "--why", "spam").output == "deleted: P3\n"
    assert admin("delete-protein", "P3", "--why", "spam").exit_code == 1
    assert admin("delete-protein", "P2").exit_code == 2
    assert {event["user"].endswith("(command line)") for event in list_events(platform)} == {True}


def test_runs_that_ended_long_ago_are_deleted_and_no_others(store, platform, results):
    for run_id, status, ended in (
        ("old", "SUCCESS", "2020-01-01T00:00:00.000Z"),
        ("other", "FAILED", "2020-01-02T00:00:00.000Z"),
        ("new", "SUCCESS", "2999-01-01T00:00:00.000Z"),
        ("running", "RUNNING", None),
    ):
        start_run(store, results.plan(run_id, {"P1": "MKV"}), "bob" if run_id == "other" else "alice")
        store.execute("update runs set status = ?, date_finished = ? where run_id = ?", (status, ended, run_id))
    assert admin("delete-runs", "--older-than", "30", input="n\n").output.startswith("old\nother\n")
    assert (results.path / "old").exists()
    done = admin("delete-runs", "--older-than", "30", "--author", "alice", "--yes")
    assert done.output == "old\ndeleted: 1 run\n"
    left = sorted(run_id for (run_id,) in store.execute("select run_id from runs"))
    assert left == ["new", "other", "running"] and not (results.path / "old").exists()
    assert [(event["kind"], event["about"]) for event in list_events(platform)] == [("run deleted", "old")]


# --- Quotas -----------------------------------------------------------------------------------------


def configured(tmp_path, text):
    (tmp_path / "config").mkdir(exist_ok=True)
    (tmp_path / "config" / "platform.yaml").write_text(text)


def test_a_user_has_so_many_queued_runs_and_others_have_theirs(store, platform, tmp_path):
    configured(tmp_path, "limits: {waiting_runs: 2}")
    for run_id in ("one", "two"):
        order_run(store, platform, NewRun(run_id, ["P1"], "alice", "demo", "lean", "demo"))
    with pytest.raises(WrongStateError, match="2 queued runs"):
        order_run(store, platform, NewRun("three", ["P1"], "Alice", "demo", "lean", "demo"))
    assert store.execute("select count(*) from runs where run_id = 'three'").fetchone()[0] == 0
    order_run(store, platform, NewRun("three", ["P1"], "bob", "demo", "lean", "demo"))
    platform.execute("update orders set state = 'ended' where run_id = 'one'")
    order_run(store, platform, NewRun("four", ["P1"], "alice", "demo", "lean", "demo"))


def test_a_user_has_so_many_proteins_in_the_store(store, upload):
    assert upload(">Q1\nMKV\n", most_stored=5).added == 1
    with pytest.raises(UserError, match="6 proteins of yours.*5.*Nothing was stored"):
        upload(">Q2\nMKV\n", most_stored=5)
    assert sequence(store, "Q2") is None
    assert upload(">Q1\nMKV\n", most_stored=0).present == 1
    store.execute("update proteins set source = 'x, uploaded by notalice' where query_id = 'Q1'")
    assert upload(">Q2\nMKV\n", most_stored=5).added == 1


@pytest.mark.parametrize(
    "text", ["limits: 5", "limits: {waiting_runs: x}", "limits: {waiting_runs: -1}", "limits: {x: 1}"]
)
def test_limits_that_are_none_are_reported(store, platform, tmp_path, text):
    configured(tmp_path, text)
    with pytest.raises(UserError, match="platform.yaml, limits"):
        order_run(store, platform, NewRun("one", ["P1"], "alice", "demo", "lean", "demo"))


def test_long_descriptions_fail_alone(upload):
    done = upload(f">L1 {'x' * 2001}\nMKV\n>L2 {'x' * 1900}\nMKV\n")
    assert (done.added, done.failed) == (1, 1)
