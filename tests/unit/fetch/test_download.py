"""A file comes whole over connections that break, stall and lie, or the error names what is wrong."""

import random
import time
from urllib.parse import urlsplit

import pytest
from fetch_server import (
    QUICK,
    breaks_after,
    chunked,
    chunked_and_breaks,
    drips,
    ignores_range,
    promises,
    says,
    sends_another_part,
    stalls_after,
)

from proteofold.fetch.download import Identity, StartAgainError, Stream
from proteofold.system.errors import UserError

CONTENT = random.Random(5).randbytes(500_000)


@pytest.fixture
def stream(server, said):
    """Function that opens a stream of CONTENT, which the server has."""
    server.files["/f"] = CONTENT
    return lambda *where: Stream(server.url("/f"), *where, patience=QUICK, report=said.say)


def read(stream):
    return b"".join(stream.chunks())


def test_file_is_read_whole(server, stream):
    whole = stream()
    assert read(whole) == CONTENT
    assert whole.identity == Identity('"one"', "Sun, 13 Mar 2022 10:00:00 GMT", len(CONTENT))
    assert server.asked == [None]


def test_look_reads_nothing(server, stream):
    assert stream().look().length == len(CONTENT)
    assert server.asked == [None]


@pytest.mark.parametrize("fault", [breaks_after, stalls_after])
def test_broken_and_stalled_connections_continue_where_they_were(server, stream, said, fault):
    server.faults = [fault(100_000), fault(1), fault(65_536)]
    assert read(stream()) == CONTENT
    assert server.asked == [None, "bytes=100000-", "bytes=100001-", "bytes=165537-"]
    assert said.text().count("trying again in") == 3
    assert "at byte 100,000 of 500,000" in said.text()


def test_dripping_server_counts_as_silent(server, stream, said):
    server.faults = [drips]
    assert read(stream()) == CONTENT
    assert "bytes in " in said.text()


@pytest.mark.parametrize("code", [429, 500, 503])
def test_busy_server_is_asked_again(server, stream, said, code):
    server.faults = [says(code), breaks_after(1000), says(code)]
    assert read(stream()) == CONTENT
    assert f"the server answered {code}" in said.text()


def test_retry_after_of_the_server_is_kept(server, stream, said):
    server.faults = [says(503, Retry_After="1")]
    assert read(stream()) == CONTENT
    assert "trying again in 1 s" in said.text()


def test_gives_up_on_a_server_that_brings_nothing(server, stream):
    server.faults = [breaks_after(1000), *[breaks_after(0)] * 10]
    with pytest.raises(UserError, match=r"gave up after 4 tries .*rerun the same command to resume.*--url"):
        read(stream())
    assert len(server.asked) == 4


def test_tries_count_only_while_they_bring_nothing(server, stream):
    server.faults = [breaks_after(50_000)] * 9
    assert read(stream()) == CONTENT


@pytest.mark.parametrize("url", ["http://no-such-host.invalid/f", "http://127.0.0.1:1/f"])
def test_gives_up_soon_where_there_is_no_connection_and_names_the_host(said, monkeypatch, url):
    monkeypatch.setenv("no_proxy", "*")
    host, began = urlsplit(url).hostname, time.monotonic()
    with pytest.raises(UserError, match=f"no connection to {host} in 3 tries"):
        read(Stream(url, report=said.say))
    assert time.monotonic() - began < 30
    assert said.text().count(host) == 2


def test_server_that_has_answered_is_waited_for_when_it_is_gone(server, stream):
    server.faults = [breaks_after(1000)]
    chunks = stream().chunks()
    next(chunks)
    server.shutdown()
    server.server_close()
    with pytest.raises(UserError, match="gave up after 4 tries.*Connection refused"):
        list(chunks)


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_wrong_address_is_reported_at_once(server, stream, code):
    server.faults = [says(code)]
    with pytest.raises(UserError, match=f"answered {code} .*Is the address right.*sources.yaml"):
        read(stream())
    assert len(server.asked) == 1


def test_server_without_ranges_is_read_again_from_the_start(server, stream, said):
    server.faults = [breaks_after(200_000), ignores_range]
    assert read(stream()) == CONTENT
    assert "reading again what is there already" in said.text()


def test_address_that_leads_on_is_followed_each_time(server, said):
    server.files |= {"/old": b"moved", "/f": CONTENT}
    server.faults = [says(302, Location="/f"), breaks_after(100_000), says(302, Location="/f")]
    assert read(Stream(server.url("/old"), patience=QUICK, report=said.say)) == CONTENT
    assert server.asked == [None, None, "bytes=100000-", "bytes=100000-"]


def test_another_part_than_asked_for_is_not_taken(server, stream):
    server.faults = [breaks_after(1000), sends_another_part]
    assert read(stream()) == CONTENT


def test_connection_may_break_while_passing_over_what_is_there(server, stream):
    def ignores_range_and_breaks(handler, content, start):
        handler.head(200, len(content))
        handler.body(content[:50_000])
        handler.hang_up()

    server.faults = [breaks_after(200_000), ignores_range_and_breaks, ignores_range]
    assert read(stream()) == CONTENT


@pytest.mark.parametrize("change", [{"etag": '"two"'}, {"etag": None, "modified": "Mon, 14 Mar 2022 10:00:00 GMT"}])
@pytest.mark.parametrize("later", [breaks_after(10**9), ignores_range])
def test_file_that_changed_between_two_tries_is_not_joined(server, stream, change, later):
    def breaks_and_changes(handler, content, start):
        handler.head(200, len(content))
        handler.body(content[:1000])
        vars(server).update(change)
        handler.hang_up()

    server.faults = [breaks_and_changes, later]
    with pytest.raises(StartAgainError, match="another file than before"):
        read(stream())


def test_file_that_grew_is_not_joined(server, stream):
    server.etag = server.modified = None

    def breaks_and_grows(handler, content, start):
        handler.head(200, len(content))
        handler.body(content[:1000])
        server.files["/f"] = CONTENT + b"more"
        handler.hang_up()

    server.faults = [breaks_and_grows]
    with pytest.raises(StartAgainError):
        read(stream())


def test_continues_for_another_process(server, stream):
    identity = stream().look()
    assert read(stream(400_000, identity)) == CONTENT[400_000:]
    assert server.asked[-1] == "bytes=400000-"
    assert read(stream(len(CONTENT), identity)) == b""
    with pytest.raises(StartAgainError):
        read(stream(400_000, identity._replace(etag='"other"')))


def test_length_that_is_too_large_is_not_believed_for_ever(server, stream):
    server.faults = [promises(+1000)]
    with pytest.raises(StartAgainError, match="has 500,000 bytes now, 501,000 before"):
        read(stream())


def test_length_that_is_too_large_each_time_ends_with_a_reason(server, stream):
    server.faults = [promises(+1000)] * 10
    with pytest.raises(UserError, match="gave up after 4 tries"):
        read(stream())


def test_answer_without_length_is_read_whole(server, stream):
    server.faults = [chunked]
    assert read(stream()) == CONTENT


def test_answer_without_length_cannot_be_continued(server, stream):
    server.faults = [chunked_and_breaks]
    with pytest.raises(StartAgainError, match="cannot continue"):
        read(stream())
