"""A copy from another node that has one already, by rsync: how the copies of many nodes make a tree.

A node hands its copy on to one node at a time, and who finds it busy asks another. So what N nodes need comes to all of
them in the time of log2(N) copies, and no node, nor the server of the shared folder, gives it N times.
"""

import contextlib
import random
import subprocess
import time

from proteofold.system.process import dying_with_us

_SECONDS_BETWEEN_ROUNDS = 2.0
_SECONDS_OF_PATIENCE = 3600
_TRIES_OF_BROKEN = 5
# rsync(1), exit values: errors in the protocol, streams that broke off, timeouts
_BROKEN_OFF = (12, 30, 35)
_BUSY = "max connections"
# ENOENT with its number, as rsync writes it: the peer has no copy yet
_NO_COPY_YET = "No such file or directory (2)"


def copy_from_peers(peers, name, files, part, is_good, meter):
    """Copy ``files`` ({name: bytes}) of the folder ``name``, which some peers have, to the folder ``part``.

    ``peers`` are addresses of rsync's daemons, rsync://host:port/module. A busy peer is asked again; so is one that has
    no copy yet, while another is busy, and, a few times, one whose connection broke. A peer that answers with any other
    error, or sends files that ``is_good()`` refuses, is not asked again. Returns the peer's address, or None if there
    is none to wait for.
    """
    left = {peer.rstrip("/"): _TRIES_OF_BROKEN for peer in peers}
    deadline = time.monotonic() + _SECONDS_OF_PATIENCE
    while left and time.monotonic() < deadline:
        waiting = False
        for peer in random.sample(list(left), len(left)):
            code, message = _copy(f"{peer}/{name}", files, part, meter)
            if code == 0:
                if is_good():
                    return peer
                meter.say(f"{peer} gave files that are not what the library has: it is not asked again")
                del left[peer]
            elif _BUSY in message:
                waiting = True
            elif _NO_COPY_YET not in message:
                reason = "; ".join(dict.fromkeys(message.splitlines())) or f"rsync exited with code {code}"
                left[peer] = left[peer] - 1 if code in _BROKEN_OFF else 0
                if left[peer]:
                    waiting = True
                    meter.say(f"{peer}: {reason}")
                else:
                    del left[peer]
                    meter.say(f"{peer}: {reason}: it is not asked again")
        if not waiting:
            break
        time.sleep(_SECONDS_BETWEEN_ROUNDS * random.uniform(0.5, 1))
    return None


def _copy(address, files, part, meter):
    """Exit code of rsync, 0 if all came, and what it said."""
    # links and other special files are left out: what comes is compared, but not followed
    command = ["rsync", "--protect-args", "--inplace", "--partial", "--ignore-times", "--no-motd", "--contimeout=10"]
    command += ["--timeout=60", *(f"{address}/{name}" for name in files), f"{part}/"]
    targets = [part / name for name in files]

    def copied():
        return sum(path.stat().st_size for path in targets if path.exists())

    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            # else the copy of a killed process would continue beside the next one's
            preexec_fn=dying_with_us(),
        )
    except OSError as error:
        return -1, f"rsync cannot be started: {error.strerror}"
    there = copied()
    meter.begin(f"copying from {address}", sum(files.values()), there)
    with process:
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    _, message = process.communicate(timeout=1)
                    return process.returncode, message.decode(errors="replace").strip()
                before, there = there, copied()
                meter.add(there - before)
        except BaseException:
            process.kill()
            raise
