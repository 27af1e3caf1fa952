"""The desk at which the submit command hands in job scripts: a thread of the head that submits them.

A Python that starts for each job costs 30 CPU-ms and, on a busy machine, several turns of waiting for a processor. So
``profiles/cluster/submit.sh`` is a shell of 2 ms, which passes the path of the script on and prints the answer. Both
ways are pipes of the head without a name in any folder: the shell opens them in /proc, and they end with the head.
"""

import os
import sys
import threading

from proteofold.slurm.submit import submit
from proteofold.slurm.tools import SlurmError

# How the submit command finds the two pipes.
TO_VARIABLE, FROM_VARIABLE = "PROTEOFOLD_SUBMIT_TO", "PROTEOFOLD_SUBMIT_FROM"

# A call of sbatch that is under way when the desk closes ends by itself: see tools.TIMEOUT_S.
_CLOSING_S = 30


class Desk:
    """Submits for one head, until it is closed. Each line that comes in is who asks (a process id) and a script."""

    def __init__(self, registry, largest_node_mb=0):
        self._registry, self._largest_node_mb = registry, largest_node_mb
        self._closing = threading.Event()
        # the head keeps all four ends open: a shell that comes and goes must not end a pipe
        self._pipes = [*os.pipe(), *os.pipe()]
        asked_from, to, self._from, answered_to = self._pipes
        os.environ[TO_VARIABLE] = f"/proc/{os.getpid()}/fd/{to}"
        os.environ[FROM_VARIABLE] = f"/proc/{os.getpid()}/fd/{self._from}"
        self._questions, self._answers = os.fdopen(asked_from, "rb", closefd=False), answered_to
        self._to = to
        self._thread = threading.Thread(target=self._serve, name="submissions", daemon=True)
        self._thread.start()

    def close(self):
        """Submit nothing more; returns when the last call of sbatch is over, so that its job can be cancelled."""
        self._closing.set()
        os.write(self._to, b"\n")
        self._thread.join(_CLOSING_S)

    def _serve(self):
        for line in self._questions:
            if self._closing.is_set():
                return
            asker, _, script = os.fsdecode(line).rstrip("\n").partition(" ")
            os.write(self._answers, f"{asker} {self._submit(script)}\n".encode())

    def _submit(self, script):
        """The id of a script's job, or nothing if it is not submitted."""
        try:
            return submit(script, self._registry, self._largest_node_mb, pause=self._closing.wait)
        except (SlurmError, OSError, ValueError) as error:
            print(f"proteofold: {error}", file=sys.stderr, flush=True)
            return ""
