"""A fetch shows how far it is: at a terminal with a moving line, in a log with a line now and then."""

import io

from proteofold.fetch import meter
from proteofold.fetch.meter import Meter


class Terminal(io.StringIO):
    """Takes itself for a terminal."""

    def isatty(self):
        """As a terminal says."""
        return True


def test_terminal_gets_a_moving_line_and_sentences_above_it(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    with Meter(stream) as shown:
        shown.begin("fetching", total=4_000_000)
        shown.add(1_000_000)
        shown.say("[bold]a sentence[/bold]")
        shown.begin("checking", total=8_000_000, done=4_000_000)
        shown.add(4_000_000)
    text = stream.getvalue()
    assert "checking" in text and "8.0/8.0 MB" in text
    assert "[bold]a sentence[/bold]" in text


def test_log_gets_a_line_a_minute(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(meter.time, "monotonic", lambda: clock[0])
    stream = io.StringIO()
    with Meter(stream) as shown:
        shown.begin("fetching", total=4_000_000)
        for _ in range(200):
            clock[0] += 1
            shown.add(15_000)
    assert stream.getvalue().splitlines() == [f"fetching: {done} of 4 MB" for done in (1, 2, 3)]
