"""How far a fetch is: a moving line at a terminal, else a line a minute."""

import sys
import time

_SECONDS_BETWEEN_LINES = 60


class Meter:
    """Shows on stderr how many bytes of one thing after another are done."""

    def __init__(self, stream=None):
        """``stream``: where to show it; sys.stderr if not given."""
        self._stream = stream or sys.stderr
        self._progress, self._task = None, None
        self._what, self._done, self._total, self._next_line = "", 0, None, 0.0

    def __enter__(self):
        if self._stream.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
            from rich.progress import TransferSpeedColumn as Speed

            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), Speed(), TimeRemainingColumn())
            self._progress = Progress(*columns, console=Console(file=self._stream))
            self._progress.start()
        return self

    def __exit__(self, *_):
        if self._progress is not None:
            self._progress.stop()

    def begin(self, what, total=None, done=0):
        """From now on ``what`` is done; ``total`` bytes of it, None where it is unknown, ``done`` of them before."""
        self._what, self._done, self._total = what, done, total
        self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES
        if self._progress is not None:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._task = self._progress.add_task(what, total=total, completed=done)

    def add(self, count):
        """So many bytes more are done."""
        self._done += count
        if self._progress is not None:
            self._progress.update(self._task, completed=self._done)
        elif time.monotonic() > self._next_line:
            self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES
            of = f" of {self._total / 1e6:,.0f}" if self._total else ""
            self.say(f"{self._what}: {self._done / 1e6:,.0f}{of} MB")

    def say(self, sentence):
        """Print a sentence, above the moving line if there is one."""
        if self._progress is not None:
            self._progress.console.print(sentence, markup=False, highlight=False)
        else:
            print(sentence, file=self._stream, flush=True)
