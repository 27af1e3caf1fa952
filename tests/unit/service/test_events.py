"""Security events: what is kept, for how long, and what is never kept."""

import json

from click.testing import CliRunner

from proteofold.cli.main import cli
from proteofold.service import events
from proteofold.service.accounts import add_user
from proteofold.service.events import account_of, list_events, record_event


def test_the_latest_events_come_first_and_are_chosen_by_user_and_kind(platform):
    for kind, user in (("sign-in", "ann"), ("sign-out", "ann"), ("sign-in", "bob")):
        record_event(platform, kind, user, "10.0.0.1", "x")
    assert [(row["kind"], row["user"]) for row in list_events(platform)] == [
        ("sign-in", "bob"),
        ("sign-out", "ann"),
        ("sign-in", "ann"),
    ]
    assert [row["user"] for row in list_events(platform, kind="sign-in")] == ["bob", "ann"]
    assert [row["kind"] for row in list_events(platform, user="ANN", limit=1)] == ["sign-out"]
    assert list_events(platform)[0]["at"].startswith("20")


def test_old_events_and_more_than_a_limit_are_dropped(platform, monkeypatch):
    monkeypatch.setattr(events, "_MOST_KEPT", 3)
    monkeypatch.setattr(events, "_TIDIED_EVERY", 1)
    for number in range(6):
        record_event(platform, "sign-in", str(number))
    assert [row["user"] for row in list_events(platform)] == ["5", "4", "3"]
    platform.execute("update events set at = at - 400 * 86400 where user < '5'")
    record_event(platform, "sign-in", "6")
    assert [row["user"] for row in list_events(platform)] == ["6", "5"]


def test_refusals_that_strangers_cause_drive_out_no_other_event(platform, monkeypatch):
    monkeypatch.setattr(events, "_MOST_KEPT", 3)
    monkeypatch.setattr(events, "_TIDIED_EVERY", 1)
    record_event(platform, "run deleted", "ann")
    for number in range(10):
        record_event(platform, ("unknown token", "refused", "sign-in failed")[number % 3], None, f"10.0.0.{number}")
    assert [row["address"] for row in list_events(platform)] == ["10.0.0.9", "10.0.0.8", "10.0.0.7", None]


def test_what_was_sent_stays_one_short_line(platform):
    record_event(platform, "refused", None, None, "a\nsecurity: {}\x1b[31m" + "x" * 1000)
    (row,) = list_events(platform)
    assert row["about"].isprintable() and len(row["about"]) == 300


def test_names_that_are_no_accounts_are_not_kept(platform, cheap):
    add_user(platform, "alice", "a long password")
    assert account_of(platform, "ALICE") == "alice"
    assert account_of(platform, "a long password") == account_of(platform, "\ud800") == "(unknown name)"


def test_changes_at_the_command_line_are_kept_and_listed(results, cheap):
    def admin(*words, **options):
        return CliRunner().invoke(cli, ["admin", *words], **options)

    admin("add-user", "ann", "--password-stdin", input="a long password\n")
    admin("set-password", "ann", "--password-stdin", input="b long password\n")
    admin("disable-user", "ann")
    admin("enable-user", "ann")
    answer = json.loads(admin("events", "--json").output)
    assert [(row["kind"], row["about"]) for row in answer] == [
        ("account opened", "ann"),
        ("account closed", "ann"),
        ("password set", "ann"),
        ("account added", "ann"),
    ]
    assert all(row["user"].endswith("(command line)") for row in answer)
    assert {row["kind"] for row in answer} <= set(events.KINDS)
    listed = admin("events", "--kind", "account closed").output
    assert "account closed" in listed and "account opened" not in listed
