"""Orders: names, ids and choices of strangers; one name is one run; who may do what; deleting touches nothing else."""

import json
import threading
from contextlib import closing

import pytest

from proteofold.run.lock import hold_run
from proteofold.service import deletion, orders
from proteofold.service.database import open_platform, platform_path
from proteofold.service.deletion import delete_run
from proteofold.service.heads import HeadSettings
from proteofold.service.matching import match_ids, read_ids
from proteofold.service.places import check_name, order_lock, run_folder
from proteofold.service.runs import (
    NameTakenError,
    NewRun,
    NotAllowedError,
    ask_retry,
    ask_stop,
    check_free,
    ids_of,
    list_orders,
    order_of,
    order_run,
    repeat_run,
)
from proteofold.store import open_store, start_run, transaction
from proteofold.store.database import path_of
from proteofold.store.queries import NotFoundError
from proteofold.system.errors import UserError

HOSTILE = ["../x", "..", ".", "", "a/b", "/etc", "<script>", "'; drop table runs; --", "x" * 65, "a\n", ".hidden", "-r"]
HOSTILE += ["a b", "a\0b", "ä", "\ud800", "${HOME}", "$(id)", "{x}"]


def new_run(run_id="one", ids=("P1", "P2"), author="alice", templates="demo", mode="lean", weights="demo"):
    return NewRun(run_id, list(ids), author, templates, mode, weights)


@pytest.fixture
def ordered(store, platform):
    order_run(store, platform, new_run())
    return platform


def end(store, platform, status, run_id="one", **columns):
    """Bring an order to its end, as the runner does."""
    with transaction(platform):
        platform.execute("update orders set state = 'ended', starts = 1 where run_id = ?", (run_id,))
    with transaction(store):
        store.execute("update runs set status = ? where run_id = ?", (status, run_id))


def status(store, run_id="one"):
    row = store.execute("select status from runs where run_id = ?", (run_id,)).fetchone()
    return row and row[0]


# --- lists of ids -----------------------------------------------------------------------------------


def test_pasted_lists_are_read_however_they_are_separated():
    assert read_ids("\ufeff>P1, P2;P3\r\n\n P4\tP1\nsp|P69905|HBA_HUMAN") == [
        *("P1", "P2", "P3", "P4"),
        "sp|P69905|HBA_HUMAN",
    ]


def test_ids_accessions_and_entry_names_are_found_and_others_reported(store):
    found, absent = match_ids(store, ["P3", "HBA_HUMAN", "P69905", "nothing", "P1", "' or 1 --", "P3", "\ud800"])
    assert found == ["P3", "sp|P69905|HBA_HUMAN", "P1"]
    assert [(one.id, one.reason) for one in absent] == [
        (name, "not in the store: upload its sequence") for name in ("nothing", "' or 1 --", "?")
    ]


def test_names_that_are_not_clear_or_cannot_be_run_are_absent(store, upload):
    upload(">sp|P69905|HBA_PANTR\nMVL\n>tr|P5|X_Y\nMKV\n>P5\nMKV\n")
    with transaction(store):
        store.execute("update proteins set sequence = null where query_id = 'P2'")
    found, absent = match_ids(store, ["P69905", "P2", "P5", "tr|P5|X_Y", "x" * 300])
    assert found == ["P5"]
    reasons = [one.reason for one in absent]
    assert reasons[0] == "matches several proteins: sp|P69905|HBA_HUMAN, sp|P69905|HBA_PANTR. Give a full id"
    assert reasons[1] == "the store does not have its sequence: upload it"
    assert reasons[2] == "would share the files 'P5' with P5"
    assert len(absent[3].id) == 200


# --- ordering ---------------------------------------------------------------------------------------


def test_order_is_queued_for_all_to_see(store, platform):
    order_run(store, platform, new_run())
    order_run(store, platform, new_run("two", ["P3"], "bob"))
    assert store.execute("select run_id, status, author, total from runs order by 1").fetchall() == [
        ("one", "QUEUED", "alice", 2),
        ("two", "QUEUED", "bob", 1),
    ]
    order = order_of(platform, "two")
    assert (order["state"], order["author"], order["ahead"], order["proteins"]) == ("queued", "bob", 1, 1)
    assert ids_of(store, platform, "one") == ["P1", "P2"]
    assert [order["run_id"] for order in list_orders(platform)] == ["two", "one"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_no_runs(store, platform, results, name):
    for refuse in (check_name, lambda name: order_run(store, platform, new_run(name))):
        with pytest.raises(UserError, match="is not a valid name"):
            refuse(name)
    for act in (ask_stop, ask_retry, delete_run):
        with pytest.raises(UserError):
            act(store, platform, name, runs_root())
    assert list_orders(platform) == [] and store.execute("select count(*) from runs").fetchone() == (0,)


def runs_root():
    from proteofold.service.accounts import User

    return User("root", True)


def test_names_of_runs_folders_and_files_that_are_there_are_taken(store, ordered, results):
    results.plan("planned")
    (results.path / "dangling").symlink_to("nowhere")
    (results.path / "afile").touch()
    names = (
        "one",
        "planned",
        "dangling",
        "afile",
        "proteofold.db",
        "proteofold.db-wal",
        "platform.db",
        "platform.db-x",
    )
    for name in names:
        with pytest.raises(NameTakenError, match="choose another name"):
            order_run(store, ordered, new_run(name))
        with pytest.raises(NameTakenError):
            check_free(store, ordered, name)
    check_free(store, ordered, "free")


@pytest.mark.parametrize(
    "wrong",
    [
        {"ids": []},
        {"ids": ["P1", "absent"]},
        {"ids": ["P1", "P1"]},
        {"ids": ["P69905"]},
        {"templates": "/etc"},
        {"mode": "x"},
        {"weights": "../x"},
    ],
)
def test_order_that_is_invalid_leaves_nothing(store, platform, wrong):
    with pytest.raises(UserError):
        order_run(store, platform, new_run(**wrong))
    assert list_orders(platform) == [] and status(store) is None


def test_of_orders_of_one_name_at_the_same_time_one_is_taken(store, platform, store_path):
    outcomes = []

    def order(author):
        own, own_platform = open_store(store_path), open_platform(platform_path(store_path))
        try:
            order_run(own, own_platform, new_run(author=author))
            outcomes.append(author)
        except NameTakenError:
            outcomes.append(None)
        own.close()
        own_platform.close()

    threads = [threading.Thread(target=order, args=(f"user{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = filter(None, outcomes)
    assert len(outcomes) == 6 and order_of(platform, "one")["author"] == winner


# --- stopping, retrying, repeating ------------------------------------------------------------------


def test_stopped_order_leaves_the_queue_and_is_retried_by_its_author(store, ordered, users):
    with pytest.raises(NotAllowedError, match="belongs to alice"):
        ask_stop(store, ordered, "one", users["bob"])
    ask_stop(store, ordered, "one", users["alice"])
    assert status(store) == "INTERRUPTED" and order_of(ordered, "one")["state"] == "ended"
    with pytest.raises(UserError, match="nothing to stop"):
        ask_stop(store, ordered, "one", users["alice"])
    with pytest.raises(NotAllowedError):
        ask_retry(store, ordered, "one", users["bob"])
    ask_retry(store, ordered, "one", users["root"])
    assert status(store) == "QUEUED"
    order = order_of(ordered, "one")
    assert (order["state"], order["author"], order["message"], order["stop_asked_by"]) == (
        "queued",
        "alice",
        None,
        None,
    )


def test_running_run_is_asked_to_stop_once(store, ordered, users):
    with transaction(ordered):
        ordered.execute("update orders set state = 'running'")
    ask_stop(store, ordered, "one", users["root"])
    ask_stop(store, ordered, "one", users["alice"])
    assert (order_of(ordered, "one")["state"], order_of(ordered, "one")["stop_asked_by"]) == ("running", "root")


def test_success_is_not_retried(store, ordered, users):
    end(store, ordered, "SUCCESS")
    with pytest.raises(UserError, match="nothing to retry"):
        ask_retry(store, ordered, "one", users["alice"])


def test_repeat_takes_the_list_and_the_choices_for_any_user(store, ordered, users):
    made = repeat_run(store, ordered, "one", "again", users["bob"])
    assert made == new_run("again", author="bob")
    assert json.loads(ordered.execute("select ids from order_proteins where run_id = 'again'").fetchone()[0]) == [
        *("P1", "P2")
    ]
    with pytest.raises(NameTakenError):
        repeat_run(store, ordered, "one", "again", users["bob"])
    with pytest.raises(NotFoundError):
        repeat_run(store, ordered, "absent", "more", users["bob"])


def test_run_that_was_started_manually_is_left_to_who_started_it(store, platform, results, users):
    start_run(store, results.plan("byhand", ["P1"]), author="alice")
    for act in (ask_stop, ask_retry):
        with pytest.raises(UserError, match="not started on this site"):
            act(store, platform, "byhand", users["alice"])
    with pytest.raises(UserError, match="not started on this site"):
        repeat_run(store, platform, "byhand", "new", users["alice"])
    with pytest.raises(NotAllowedError):  # alice of the machine is not alice of the platform
        delete_run(store, platform, "byhand", users["alice"])


# --- deleting ---------------------------------------------------------------------------------------


def finished(store, platform, results, run_id="one"):
    run = results.plan(run_id, ["P1", "P2"])
    start_run(store, run)
    end(store, platform, "SUCCESS", run_id)
    return run.folder.path


def test_deleting_removes_folder_rows_and_order_and_nothing_else(store, ordered, results, users):
    order_run(store, ordered, new_run("two"))
    folder, other = finished(store, ordered, results), finished(store, ordered, results, "two")
    outside = results.path.parent / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    (folder / "link").symlink_to(outside)
    with pytest.raises(NotAllowedError):
        delete_run(store, ordered, "one", users["bob"])
    delete_run(store, ordered, "one", users["alice"])
    assert not folder.exists() and other.is_dir() and (outside / "kept").exists()
    assert not list(results.path.glob(".one*"))
    assert status(store) is None and status(store, "two") == "SUCCESS"
    assert store.execute("select distinct run_id from protein_results").fetchall() == [("two",)]
    assert store.execute("select count(*) from proteins").fetchone() == (4,)
    assert [order["run_id"] for order in list_orders(ordered)] == ["two"]
    with pytest.raises(NotFoundError):
        delete_run(store, ordered, "one", users["alice"])


def test_folder_that_is_a_link_is_not_touched(store, ordered, results, users, tmp_path):
    end(store, ordered, "FAILED")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "kept").touch()
    (results.path / "one").symlink_to(tmp_path / "precious")
    with pytest.raises(UserError, match="is a link"):
        delete_run(store, ordered, "one", users["alice"])
    assert (tmp_path / "precious" / "kept").exists() and status(store) == "FAILED"
    assert order_of(ordered, "one")["state"] == "ended"


@pytest.mark.parametrize("linked", [".platform", ".platform/orders"])
def test_nothing_is_deleted_through_a_link_that_jobs_can_make(store, ordered, results, users, tmp_path, linked):
    finished(store, ordered, results)
    victim = tmp_path / "victim"
    kept = victim / ("orders/one" if linked == ".platform" else "one") / "kept"
    kept.parent.mkdir(parents=True)
    kept.touch()
    place = results.path / linked
    place.parent.mkdir(exist_ok=True)
    if place.exists():
        place.rename(tmp_path / "aside")
    place.symlink_to(victim)
    with pytest.raises(OSError, match="one|orders|platform"):
        delete_run(store, ordered, "one", users["alice"])
    assert kept.exists()
    place.unlink()
    orders.repair(store, ordered)
    assert kept.exists() and order_of(ordered, "one") is None


def test_hostile_name_in_the_store_deletes_nothing(store, platform, results, users, tmp_path):
    (tmp_path / "kept").touch()
    for name in ("..", ".", "../results", "/"):
        with transaction(store):
            store.execute("insert into runs (run_id, status) values (?, 'FAILED')", (name,))
        with pytest.raises(UserError, match="that could be changed here"):
            delete_run(store, platform, name, users["root"])
    assert (tmp_path / "kept").exists() and results.path.is_dir()


def test_run_that_waits_or_works_is_not_deleted(store, ordered, results, users):
    with pytest.raises(UserError, match="stop it first"):
        delete_run(store, ordered, "one", users["alice"])
    folder = finished(store, ordered, results)
    with order_lock(ordered, "one"), pytest.raises(UserError, match="is running"):
        delete_run(store, ordered, "one", users["alice"])
    with hold_run(folder), pytest.raises(UserError, match="is running"):  # as a head that was started by hand
        delete_run(store, ordered, "one", users["alice"])
    assert folder.is_dir() and status(store) == "SUCCESS"


@pytest.mark.parametrize("act", [ask_retry, delete_run])
def test_who_sees_the_end_of_a_run_may_act_at_once(store, ordered, results, users, act):
    finished(store, ordered, results)
    end(store, ordered, "FAILED")
    with transaction(ordered):  # its head has written down the end, and the runner has not noticed yet
        ordered.execute("update orders set state = 'running' where run_id = 'one'")
    waiting = threading.Timer(0.5, notice_end, [path_of(ordered)])
    waiting.start()
    act(store, ordered, "one", users["alice"])
    waiting.join()
    order = order_of(ordered, "one")
    assert order["state"] == "queued" if act is ask_retry else order is None


def notice_end(path):
    with closing(open_platform(path)) as conn, transaction(conn):
        conn.execute("update orders set state = 'ended'")


@pytest.mark.parametrize("moment", ["_remove_rows", "shutil"])
def test_deletion_that_was_cut_short_is_finished_by_the_runner(store, ordered, results, users, monkeypatch, moment):
    folder = finished(store, ordered, results)

    class Killed(BaseException):
        pass

    def die(*_, **__):
        raise Killed

    with monkeypatch.context() as patched:
        if moment == "shutil":
            patched.setattr(deletion.shutil, "rmtree", die)
        else:
            patched.setattr(deletion, moment, die)
        with pytest.raises(Killed):
            delete_run(store, ordered, "one", users["alice"])
    with pytest.raises(NameTakenError):
        check_free(store, ordered, "one")
    orders.repair(store, ordered)
    assert order_of(ordered, "one") is None and status(store) is None
    assert not folder.exists() and not list(results.path.glob(".one*"))
    check_free(store, ordered, "one")


# --- what the runner makes good ---------------------------------------------------------------------


def test_order_that_the_store_does_not_show_yet_is_shown(store, ordered):
    with transaction(store):
        store.execute("delete from runs")
    orders.repair(store, ordered)
    assert store.execute("select run_id, status, author, total from runs").fetchall() == [("one", "QUEUED", "alice", 2)]


def test_run_that_seems_to_wait_without_an_order_is_interrupted(store, ordered):
    with transaction(store):
        store.execute("insert into runs (run_id, status) values ('ghost', 'QUEUED')")
    orders.repair(store, ordered)
    assert status(store, "ghost") == "INTERRUPTED" and status(store) == "QUEUED"


def look_after(store, platform, children=None):
    reported = []
    orders.look_after(store, platform, HeadSettings("default"), reported.append, children or {})
    return reported


def test_order_that_was_claimed_and_never_started_waits_again(store, ordered):
    assert orders._claim(ordered, "one")["starts"] == 1
    assert orders._claim(ordered, "one") is None
    look_after(store, ordered)
    assert order_of(ordered, "one")["state"] == "queued"


def test_order_that_was_claimed_never_started_and_stopped_ends(store, ordered, users):
    orders._claim(ordered, "one")
    ask_stop(store, ordered, "one", users["alice"])
    look_after(store, ordered)
    assert (order_of(ordered, "one")["state"], status(store)) == ("ended", "INTERRUPTED")
    assert order_of(ordered, "one")["message"] == "stopped by alice before it began"


def test_order_with_a_choice_that_is_gone_fails_and_reports_why(store, ordered):
    with transaction(ordered):
        ordered.execute("update orders set templates = 'gone'")
    assert orders.start_next(store, ordered, HeadSettings("default"), 1, lambda text: None) == {}
    order = order_of(ordered, "one")
    assert (order["state"], status(store)) == ("ended", "FAILED")
    assert "no templates 'gone' here" in order["message"]


def test_run_folder_lies_in_results_of_the_working_folder(platform, results):
    assert run_folder(platform, "x") == results.path / "x"
