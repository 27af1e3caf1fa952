"""How far a run is, in proteins: one moving line in a terminal, a line now and then in a file."""

import contextlib
import os
import sys
import time
from datetime import UTC, datetime

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from proteofold.run.failures import last_words
from proteofold.run.rules import PREDICTION, SUMMARY
from proteofold.system.words import rough_duration

# A search costs about as much as this many residues before its query's length counts (template text is parsed
# again for every query: 40 CPU-seconds at PDB70's size against 0.09 a residue, docs/decisions.md).
SEARCH_BASE_RESIDUES = 440

# set to 1, each line begins with the time (UTC)
TIMES_VARIABLE = "PROTEOFOLD_LOG_TIMES"

_SECONDS_BETWEEN_LINES = 15
_BAR_LENGTH = 24
_ESTIMATE_AFTER = 3  # searches


class _Terminal(Console):
    """Standard error. If the reader of its pipe ends, the run continues, and its progress is not shown."""

    def on_broken_pipe(self):
        self.quiet = True


class Progress:
    """Counts the events of a run and shows them on standard error."""

    def __init__(self, file=None, quiet=False):
        self.console = _Terminal(file=file or sys.stderr, highlight=False, soft_wrap=True)
        self.quiet = quiet  # about progress; errors are reported all the same
        self.lengths = {}
        self.total = self.missing = self.due = self.succeeded = 0
        self.counted = None  # proteins that have their result, once the run has ended
        self.failures = set()  # proteins; one that succeeds at a later attempt leaves it
        self.batches = self.batches_done = 0
        self.work = self.work_done = 0
        self.began = self.last_line = None
        self.live = None

    def plan(self, lengths, missing):
        """Take up the proteins of the run, entry -> length, and how many of them have no result yet."""
        self.lengths, self.total, self.missing = lengths, len(lengths), missing

    def jobs(self, counts):
        """Take up how many jobs of each rule Snakemake has found to be due.

        With --until or files by name these are fewer than what is missing, with --forcerun they are more.
        """
        self.due, self.batches = counts.get(SUMMARY.name, 0), counts.get(PREDICTION.name, 0)
        whole = sum(SEARCH_BASE_RESIDUES + length for length in self.lengths.values())
        self.work = whole * self.due / max(self.total, 1)

    @property
    def done(self):
        """Proteins that have their result."""
        if self.counted is not None:
            return self.counted
        return self.total - max(self.due, self.missing) + self.succeeded

    def started(self, rule, wildcards):
        """A job begins (on a cluster: is submitted)."""
        if self.began is None:
            self.began = self.last_line = time.monotonic()
            if self.console.is_terminal and self.total and not self.quiet:
                self.live = Live(get_renderable=self._line, console=self.console, refresh_per_second=2, transient=True)
                self.live.start()

    def finished(self, rule, wildcards):
        """A job succeeded."""
        if rule == SUMMARY.name:
            self.succeeded += 1
            self.failures.discard(wildcards["entry"])
            self.work_done += SEARCH_BASE_RESIDUES + self.lengths.get(wildcards["entry"], 0)
        elif rule == PREDICTION.name:
            self.batches_done += 1
        if _with_times():
            self.print(" ".join((rule, wildcards.get("entry") or next(iter(wildcards.values()), ""), "finished")))
        now = time.monotonic()
        all_done = self.done == self.total  # reported once, by stop
        if (
            self.live is None
            and self.total
            and not self.quiet
            and not all_done
            and now - self.last_line >= _SECONDS_BETWEEN_LINES
        ):
            self.last_line = now
            self.print(self.text())

    def failed(self, rule, wildcards, logs):
        """A job failed: say at once which, why and where the log is."""
        if entry := wildcards.get("entry"):
            self.failures.add(entry)
        name = f" {next(iter(wildcards.values()))}" if len(wildcards) == 1 else f" {entry}" if entry else ""
        log = next(iter(logs), "")
        self.print(f"FAILED {rule}{name}: {last_words(log)}{f' (log: {log})' if log else ''}")

    def text(self, *, ended=False):
        """The state of the run in words; without the time left if it has ``ended``."""
        parts = [f"{self.done} of {self.total} proteins done"]
        if self.failures:
            parts.append(f"{len(self.failures)} failed")
        if self.batches_done < self.batches:
            parts.append(f"secondary structure: {self.batches_done} of {self.batches} batches")
        if not ended and (left := self.seconds_left()) is not None:
            parts.append(f"about {rough_duration(left)} left")
        return ", ".join(parts)

    def seconds_left(self):
        """Estimate from the searches finished so far, long queries counting more; None while there are too few."""
        if self.succeeded < _ESTIMATE_AFTER or self.began is None or self.done >= self.total:
            return None
        return (time.monotonic() - self.began) * max(self.work / self.work_done - 1, 0)

    def count(self, done):
        """Take up how many proteins have their result at the end: the merge may have removed damaged ones."""
        self.counted = done

    def print(self, text):
        """Show a line above the moving one; in the log of a platform's run with the time (UTC)."""
        if _with_times():
            text = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}  {text}"
        with contextlib.suppress(OSError):  # its log may be on a full disk
            self.console.print(Text(text))

    def stop(self):
        """Take the moving line away and leave the last state."""
        if self.live is not None:
            with contextlib.suppress(OSError):  # a terminal that is gone
                self.live.stop()
            self.live = None
        if self.began is not None and self.total and not self.quiet:
            self.print(self.text(ended=True))
            self.began = None

    def _line(self):
        text = self.text()
        length = max(
            min(_BAR_LENGTH, self.console.width - len(text) - 2), 0
        )  # on narrow terminals the text counts more
        filled = length * self.done // max(self.total, 1)
        line = Table.grid(padding=(0, 1))
        line.add_row(Text("█" * filled + "·" * (length - filled), style="cyan"), Text(text))
        return line


def _with_times():
    return bool(os.environ.get(TIMES_VARIABLE))
