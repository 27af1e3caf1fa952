"""Start commands as another Unix user, without any right to become it: through a socket of a service of systemd.

The runner sends a command and its open files; systemd starts this module for each connection, as the user of runs
(``proteofold-head@.service`` in ansible/). It starts the command, answers with its process id and, when the command has
ended, with its exit code. Who may connect decides the mode of the socket.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess

_LARGEST_REQUEST = 1 << 17
_LARGEST_ANSWER = 1000
_ANSWER_WITHIN_S = 60


def start_command(words, cwd, variables, output, lock=None, pid_file=None):
    """Start a command in a session of its own; returns its Popen.

    ``variables`` are added to the environment. ``output``, ``lock`` and ``pid_file`` are file descriptors: what it
    prints goes to the first, the second it keeps open, and into the third its process id is written before it begins.
    """
    return subprocess.Popen(
        words,
        cwd=cwd,
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=() if lock is None else (lock,),
        preexec_fn=lambda: _begin(pid_file),
    )


def _begin(pid_file):
    """What the new process does before it becomes the command."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)  # what was started in the background ignores Ctrl-C, and hands that on
    if pid_file is not None:
        os.write(pid_file, b"%d\n" % os.getpid())


class RemoteCommand:
    """A command started like that of ``start_command``, but by the service at the socket ``address``.

    It has what the runner uses of Popen: ``pid``, ``returncode``, ``poll`` and ``wait``. OSError if it cannot be
    started.
    """

    def __init__(self, address, words, cwd, variables, *files):
        self.returncode = None
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._connection.settimeout(_ANSWER_WITHIN_S)
            self._connection.connect(str(address))
            request = json.dumps({"words": words, "cwd": str(cwd), "variables": variables})
            socket.send_fds(self._connection, [request.encode()], files)
            answer = self._connection.recv(_LARGEST_ANSWER)
            if not answer.isdigit():
                raise OSError(f"{address}: {answer.decode(errors='replace') or 'the service ended'}")
        except OSError:
            self._connection.close()
            raise
        self._connection.settimeout(None)
        self.pid = int(answer)

    def poll(self):
        """The exit code, None while the command runs; -SIGKILL if the service ended before it."""
        return self._ended(socket.MSG_DONTWAIT)

    def wait(self):
        """Wait for the exit code."""
        return self._ended()

    def _ended(self, flags=0):
        if self.returncode is None:
            try:
                self.returncode = int(self._connection.recv(_LARGEST_ANSWER, flags))
            except BlockingIOError:
                return None
            except (OSError, ValueError):
                self.returncode = -signal.SIGKILL
            self._connection.close()
        return self.returncode


def main():
    """Answer one request of the runner, which systemd connected to standard input."""
    with socket.socket(fileno=0) as connection:
        text, files, _, _ = socket.recv_fds(connection, _LARGEST_REQUEST, 3)
        request = json.loads(text)
        try:
            command = start_command(request["words"], request["cwd"], request["variables"], *files)
        except (OSError, subprocess.SubprocessError) as error:
            connection.send(str(error).encode())
            return
        for descriptor in files:
            os.close(descriptor)  # the lock is the command's alone
        with contextlib.suppress(OSError):  # the runner may have ended meanwhile
            connection.send(b"%d" % command.pid)
        code = command.wait()
        with contextlib.suppress(OSError):
            connection.send(b"%d" % code)


if __name__ == "__main__":
    main()
