"""A copy from another node that has one already, by rsync: how the copies of many nodes make a tree.

A node hands its copy on to one node at a time, and who finds it busy asks another. So what N nodes need comes to all of
them in the time of log2(N) copies, and no node, nor the server of the shared folder, gives it N times.
"""

import contextlib
import random
import subprocess
import time

from proteofold.process import die_with_parent

_SECONDS_BETWEEN_ROUNDS = 2.0
_SECONDS_OF_PATIENCE = 3600
_TRIES_OF_BROKEN = 5
# rsync(1), exit values: errors in the protocol, streams that broke off, timeouts
_BROKEN_OFF = (12, 30, 35)
_BUSY = "max connections"


def copy_from_peers(peers, name, files, part, is_good, meter):
    """Copy ``files`` ({name: bytes}) of the folder ``name``, which some peers have, to the folder ``part``.

    ``peers`` are addresses of rsync's daemons, rsync://host:port/module. Who is busy is asked again; a peer of whom
    ``is_good()`` says that what came is not, never. Returns the peer's address, or None if there is none to wait for.
    """
    left = {peer.rstrip("/"): _TRIES_OF_BROKEN for peer in peers}
    deadline = time.monotonic() + _SECONDS_OF_PATIENCE
    while left and time.monotonic() < deadline:
        nobody = True
        for peer in random.sample(list(left), len(left)):
            code, told = _copy(f"{peer}/{name}", files, part, meter)
            if code == 0:
                if is_good():
                    return peer
                meter.say(f"{peer} gave files that are not what the library has: it is not asked again")
                del left[peer]
            elif _BUSY in told:
                nobody = False
            elif code in _BROKEN_OFF:
                nobody = False
                meter.say(f"{peer}: {told.splitlines()[-1] if told else f'rsync ended with {code}'}")
                left[peer] -= 1
                if not left[peer]:
                    del left[peer]
        if nobody:
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
            preexec_fn=die_with_parent,  # else the copy of a killed process would go on beside the next one's
        )
    except OSError as error:
        return -1, f"rsync cannot be started: {error.strerror}"
    there = copied()
    meter.begin(f"copying from {address}", sum(files.values()), there)
    with process:
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    _, told = process.communicate(timeout=1)
                    return process.returncode, told.decode(errors="replace").strip()
                before, there = there, copied()
                meter.add(there - before)
        except BaseException:
            process.kill()
            raise
