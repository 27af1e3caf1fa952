"""Accounts, sessions and tokens: what opens the door, what does not, and what is kept of secrets."""

import contextlib
import os
import stat
import threading

import pytest

from proteofold.service import accounts, passwords, tokens
from proteofold.service.accounts import (
    TooManyAttemptsError,
    WrongPasswordError,
    add_user,
    disable_user,
    enable_user,
    list_users,
    session_user,
    set_password,
    sign_in,
    sign_out,
)
from proteofold.service.database import open_platform, platform_path
from proteofold.service.tokens import create_token, list_tokens, revoke_token, token_actor
from proteofold.store import transaction
from proteofold.system.errors import UserError

PASSWORD = "correct horse battery"


@pytest.fixture
def conn(platform, cheap):
    add_user(platform, "alice", PASSWORD)
    return platform


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests move: ``clock.now += seconds``."""

    class Clock:
        now = 1_790_000_000.0

        def time(self):
            return self.now

    made = Clock()
    monkeypatch.setattr(accounts.time, "time", made.time)
    return made


def everything(conn):
    """All that the file and its log hold."""
    path = next(file for _, _, file in conn.execute("pragma database_list"))
    return b"".join(open(f"{path}{ending}", "rb").read() for ending in ("", "-wal"))


def test_password_of_full_cost_opens_a_session_and_no_other_does(platform):
    add_user(platform, "alice", PASSWORD)
    secret = sign_in(platform, "Alice", PASSWORD, "10.0.0.1")
    assert session_user(platform, secret) == accounts.User("alice", False)
    with pytest.raises(WrongPasswordError):
        sign_in(platform, "alice", PASSWORD + "x", "10.0.0.1")
    (stored,) = platform.execute("select password from users").fetchone()
    assert stored.startswith("scrypt$32768$8$3$")


def test_unknown_name_costs_as_much_as_a_known_one(platform, monkeypatch):
    add_user(platform, "alice", PASSWORD)
    costs, scrypt = [], passwords._scrypt
    monkeypatch.setattr(passwords, "_scrypt", lambda *given: costs.append(given[2:]) or scrypt(*given))
    for name in ("alice", "nobody"):
        with pytest.raises(WrongPasswordError, match="Name or password is wrong"):
            sign_in(platform, name, "wrong password", None)
    assert costs[0] == costs[1] == (2**15, 8, 3)


def test_neither_passwords_nor_secrets_are_in_the_file_and_others_may_not_read_it(conn, users):
    session = sign_in(conn, "alice", PASSWORD, "10.0.0.1")
    token = create_token(conn, users["alice"], "script", ["read"])
    with pytest.raises(WrongPasswordError):
        sign_in(conn, "typed-into-the-wrong-field", PASSWORD, "10.0.0.2")
    held = everything(conn)
    for secret in (PASSWORD, session, token, token.removeprefix("pft_"), "typed-into-the-wrong-field"):
        assert secret.encode() not in held
    path = next(file for _, _, file in conn.execute("pragma database_list"))
    for ending in ("", "-wal", "-shm"):
        assert stat.S_IMODE(os.stat(f"{path}{ending}").st_mode) == 0o600


def test_file_that_others_could_read_is_closed_to_them(tmp_path):
    path = tmp_path / "platform.db"
    path.touch(0o644)
    path.chmod(0o644)
    open_platform(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_file_in_a_folder_of_a_group_is_open_to_the_group_only(tmp_path):
    tmp_path.chmod(0o2770)
    before = os.umask(0o007)
    try:
        path = tmp_path / "platform.db"
        path.touch(0o666)
        with contextlib.closing(open_platform(path)) as conn, transaction(conn):
            conn.execute("delete from users")
            for ending in ("", "-wal", "-shm"):
                assert stat.S_IMODE(os.stat(f"{path}{ending}").st_mode) == 0o660
    finally:
        os.umask(before)


def test_accounts_may_lie_elsewhere_than_the_store(tmp_path, monkeypatch):
    assert platform_path(tmp_path / "store.db") == tmp_path / "platform.db"
    monkeypatch.setenv("PROTEOFOLD_PLATFORM", str(tmp_path / "private"))
    assert platform_path(tmp_path / "store.db") == tmp_path / "private/platform.db"


def test_link_in_the_place_of_the_file_is_refused(tmp_path):
    (tmp_path / "elsewhere").touch()
    (tmp_path / "platform.db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="platform.db"):
        open_platform(tmp_path / "platform.db")


@pytest.mark.parametrize("name", ["", "a b", "../x", "<script>", "x" * 65, "alice\n", "-x"])
def test_hostile_names_are_no_accounts(conn, name):
    with pytest.raises(UserError, match="is not a valid user name"):
        add_user(conn, name, PASSWORD)


@pytest.mark.parametrize("name", ["", "\ud800", "a\0", "' or 1 --", "x" * 100_000])
def test_hostile_names_sign_in_to_nothing(conn, name):
    with pytest.raises(WrongPasswordError):
        sign_in(conn, name, PASSWORD, "' or 1 --")


def test_name_in_other_letters_is_taken(conn):
    with pytest.raises(UserError, match="There is a user"):
        add_user(conn, "ALICE", PASSWORD)


@pytest.mark.parametrize(
    "password",
    [
        *("", "short", "x" * 1001, "Name-of-the-user", "the name-of-the-user", "Proteofold123"),
        *(
            "aaaaaaaaaaaa",
            "112211221122",
            "x7#kQ!pw9Z",
            "abcabcabcabc",
            "hunter2hunter2",
            "abcdefghijkl",
            "012345678901",
            "QWERTZUIOPASD",
            "qwertyuiopqwertyuiop",
        ),
        *("password123", "Password123", "manchester", "Manchester1!", "1q2w3e4r5t6y", "1qaz2wsx3edc"),
    ],
)
def test_passwords_that_are_tried_first_are_refused(conn, password):
    for change in (add_user, set_password):
        with pytest.raises(UserError, match="password is"):
            change(conn, "name-of-the-user", password)


@pytest.mark.parametrize(
    "password", [PASSWORD, "manchester weather boats", "ünï cödé ïs fïne", "x7#kQ!pw9Zs2", "f3ad81c7b20e"]
)
def test_passwords_of_own_invention_are_taken(conn, password):
    add_user(conn, "bob", password)
    assert sign_in(conn, "bob", password, None)


def test_sessions_end_after_idleness_after_a_week_and_on_request(conn, clock):
    secret = sign_in(conn, "alice", PASSWORD, None)
    for _ in range(13):
        clock.now += 11 * 3600
        assert session_user(conn, secret)
    clock.now += 12 * 3600 + 61
    assert session_user(conn, secret) is None
    secret = sign_in(conn, "alice", PASSWORD, None)
    for _ in range(16):
        clock.now += 11 * 3600
        last = session_user(conn, secret)
    assert last is None
    secret = sign_in(conn, "alice", PASSWORD, None)
    sign_out(conn, secret)
    assert session_user(conn, secret) is None
    assert session_user(conn, "' or 1 --") is None


def test_closed_account_and_new_password_end_sessions(conn, users):
    secret, token = sign_in(conn, "alice", PASSWORD, None), create_token(conn, users["alice"], "x", ["run"])
    disable_user(conn, "alice")
    assert session_user(conn, secret) is None and token_actor(conn, token) is None
    with pytest.raises(WrongPasswordError):
        sign_in(conn, "alice", PASSWORD, None)
    assert [row["disabled_at"] is None for row in list_users(conn)] == [False]
    enable_user(conn, "alice")
    assert token_actor(conn, token) is None and list_tokens(conn) == []
    secret = sign_in(conn, "alice", PASSWORD, None)
    set_password(conn, "alice", "another good one")
    assert session_user(conn, secret) is None
    assert sign_in(conn, "alice", "another good one", None)
    for change in (disable_user, enable_user):
        with pytest.raises(UserError, match="no user 'nobody'"):
            change(conn, "nobody")


def fail(conn, name="alice", address="10.0.0.1"):
    try:
        sign_in(conn, name, "wrong password", address)
    except UserError as error:
        return error


def test_failures_make_a_name_wait_twice_as_long_each_time_from_one_address(conn, clock):
    assert [type(fail(conn)) for _ in range(5)] == [WrongPasswordError] * 5
    assert fail(conn).seconds == 1
    waits = []
    for _ in range(4):
        clock.now += waits[-1] + 1 if waits else 2
        fail(conn)
        waits.append(fail(conn).seconds)
    assert waits == sorted(waits) and waits[-1] >= 10
    with pytest.raises(TooManyAttemptsError):  # the right password, too
        sign_in(conn, "alice", PASSWORD, "10.0.0.1")
    clock.now += 301
    assert sign_in(conn, "alice", PASSWORD, "10.0.0.1")
    assert type(fail(conn)) is WrongPasswordError  # the count of the name began again


def test_a_stranger_alone_locks_no_account(conn, clock):
    for _ in range(100):
        fail(conn, address="203.0.113.1")
        clock.now += 60
    assert sign_in(conn, "alice", PASSWORD, "10.0.0.1")


def test_strangers_at_many_addresses_are_stopped_and_do_not_keep_the_owner_out_of_known_places(conn, clock):
    assert sign_in(conn, "alice", PASSWORD, "10.0.0.1")
    kinds = [type(fail(conn, address=f"203.0.113.{number}")) for number in range(60)]
    assert kinds.count(WrongPasswordError) == 50 and set(kinds[50:]) == {TooManyAttemptsError}
    with pytest.raises(TooManyAttemptsError):  # the right password from there, too
        sign_in(conn, "alice", PASSWORD, "203.0.113.99")
    assert sign_in(conn, "alice", PASSWORD, "10.0.0.1")


def test_failures_make_an_address_wait_whatever_the_name_and_networks_of_ipv6_are_one(conn, clock):
    for number in range(10):
        assert type(fail(conn, f"name{number}", f"2001:db8::{number}")) is WrongPasswordError
    assert type(fail(conn, "name11", "2001:db8::ffff")) is TooManyAttemptsError
    assert type(fail(conn, "name12", "2001:db9::1")) is WrongPasswordError


def test_signing_in_again_and_again_does_not_wear_out_an_address(conn, clock):
    for _ in range(15):
        sign_in(conn, "alice", PASSWORD, "10.0.0.1")
    for day in range(30):
        clock.now += 3600
        assert type(fail(conn, f"name{day}")) is WrongPasswordError


def test_counts_of_failures_outlive_the_process(conn, clock, store_path):
    for _ in range(6):
        fail(conn)
    again = open_platform(next(file for _, _, file in conn.execute("pragma database_list")))
    assert type(fail(again)) is TooManyAttemptsError
    again.close()


def test_attempts_at_the_same_time_do_not_slip_through_together(conn):
    path, outcomes = next(file for _, _, file in conn.execute("pragma database_list")), []

    def attempt():
        own = open_platform(path)
        outcomes.append(type(fail(own)))
        own.close()

    threads = [threading.Thread(target=attempt) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(WrongPasswordError) <= 6 and len(outcomes) == 12


def test_token_carries_its_user_and_rights_until_it_is_revoked(conn, users):
    secret = create_token(conn, users["alice"], " my\tscript ", ["run", "read"], days=1)
    assert secret.startswith("pft_")
    assert token_actor(conn, secret) == (users["alice"], frozenset({"read", "run"}))
    (listed,) = list_tokens(conn, users["alice"])
    assert (listed["label"], listed["rights"], listed["expired"]) == ("my script", ["read", "run"], False)
    assert listed["last_used_at"] and "digest" not in listed
    add_user(conn, "bob", PASSWORD)
    assert list_tokens(conn, users["bob"]) == []
    with pytest.raises(UserError, match="no token"):
        revoke_token(conn, listed["token_id"], users["bob"])
    revoke_token(conn, listed["token_id"], users["root"])
    assert token_actor(conn, secret) is None and list_tokens(conn) == []


def test_token_expires(conn, users, clock):
    secret = create_token(conn, users["alice"], "x", ["read"], days=1)
    clock.now += 86_401
    assert token_actor(conn, secret) is None
    assert [row["expired"] for row in list_tokens(conn)] == [True]


@pytest.mark.parametrize(
    "label, rights, days",
    [("x", [], None), ("x", ["admin"], None), ("x", ["read", "all"], None), ("", ["read"], None), ("x", ["read"], 0)]
    + [("x" * 101, ["read"], None), ("x", ["read"], 10**9)],
)
def test_invalid_tokens_are_refused(conn, users, label, rights, days):
    with pytest.raises(UserError):
        create_token(conn, users["alice"], label, rights, days)
    assert list_tokens(conn) == []


def test_number_of_tokens_is_bounded(conn, users, monkeypatch):
    monkeypatch.setattr(tokens, "_MOST_OF_A_USER", 2)
    for _ in range(2):
        create_token(conn, users["alice"], "x", ["read"])
    with pytest.raises(UserError, match="enough"):
        create_token(conn, users["alice"], "x", ["read"])


# --- what users do themselves -----------------------------------------------------------------------


def test_users_change_their_password_and_their_other_sessions_end(conn, users):
    here, other = (sign_in(conn, "alice", PASSWORD, "10.0.0.1") for _ in range(2))
    token = create_token(conn, users["alice"], "x", ["run"])
    with pytest.raises(WrongPasswordError):
        accounts.change_password(conn, "alice", "not the old one", "another good one", "10.0.0.1", here)
    with pytest.raises(UserError, match="easily guessed"):
        accounts.change_password(conn, "alice", PASSWORD, "aaaaaaaaaaaa", "10.0.0.1", here)
    assert session_user(conn, other)
    accounts.change_password(conn, "alice", PASSWORD, "another good one", "10.0.0.1", here)
    assert session_user(conn, here) and session_user(conn, other) is None and token_actor(conn, token)
    with pytest.raises(WrongPasswordError):
        sign_in(conn, "alice", PASSWORD, "10.0.0.1")
    assert sign_in(conn, "alice", "another good one", "10.0.0.1")


def test_old_passwords_are_not_guessed_from_a_session_that_was_left_open(conn, clock):
    secret = sign_in(conn, "alice", PASSWORD, "10.0.0.1")
    kinds = []
    for _ in range(8):
        with pytest.raises(UserError) as error:
            accounts.change_password(conn, "alice", "not the old one", "another good one", "10.0.0.1", secret)
        kinds.append(error.type)
    assert kinds[-1] is TooManyAttemptsError


def test_sessions_are_listed_without_secrets_and_ended_one_by_one(conn, users, clock):
    add_user(conn, "bob", PASSWORD)
    first = sign_in(conn, "alice", PASSWORD, "10.0.0.1", "Firefox\n<b>" + "x" * 500)
    clock.now += 120
    second, bobs = sign_in(conn, "alice", PASSWORD, "2001:db8::5"), sign_in(conn, "bob", PASSWORD, None)
    newer, older = accounts.list_sessions(conn, users["alice"])
    assert (newer["network"], older["network"]) == ("2001:db8::/64", "10.0.0.1")
    assert older["agent"].startswith("Firefox?<b>x") and len(older["agent"]) == 200
    assert not any(secret in str(row) for secret in (first, second) for row in (newer, older))
    (of_bob,) = accounts.list_sessions(conn, users["bob"])
    with pytest.raises(UserError, match="ended already"):
        accounts.end_session(conn, of_bob["session_id"], users["alice"])
    accounts.end_session(conn, older["session_id"], users["alice"])
    assert session_user(conn, first) is None and session_user(conn, second) and session_user(conn, bobs)


def test_an_account_without_a_password_has_none_that_opens_it(conn):
    add_user(conn, "carol", None)
    for password in ("", "-", "None", PASSWORD):
        with pytest.raises(WrongPasswordError):
            sign_in(conn, "carol", password, None)


def test_tokens_of_an_account_that_an_earlier_version_closed_stay_revoked(tmp_path, monkeypatch, users, cheap):
    from proteofold.service import database

    monkeypatch.setattr(database, "MIGRATIONS", database.MIGRATIONS[:2])
    old = open_platform(tmp_path / "platform.db")
    add_user(old, "alice", PASSWORD)
    secret = create_token(old, users["alice"], "x", ["read"])
    old.execute("update users set disabled_at = 5")
    old.close()
    monkeypatch.undo()
    conn = open_platform(tmp_path / "platform.db")
    enable_user(conn, "alice")
    assert token_actor(conn, secret) is None
    conn.close()
