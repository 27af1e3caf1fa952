"""Answers that are kept for some seconds, so that a hundred readers ask Slurm, or the disk, once."""

import threading
import time

_kept = {}  # key -> (when, answer)
_asking = {}  # key -> lock
_guard = threading.Lock()


def cached(key, seconds, ask):
    """What ``ask()`` returns, or what it returned at most so many seconds ago.

    While one thread asks again, others get the earlier answer; they wait only if there is none.
    """
    kept = _kept.get(key)
    if kept and time.monotonic() - kept[0] < seconds:
        return kept[1]
    with _guard:
        lock = _asking.setdefault(key, threading.Lock())
    if not lock.acquire(blocking=kept is None):
        return kept[1]
    try:
        now = _kept.get(key)
        if now is None or time.monotonic() - now[0] >= seconds:  # not asked by another thread meanwhile
            _kept[key] = (time.monotonic(), ask())
        return _kept[key][1]
    finally:
        lock.release()
