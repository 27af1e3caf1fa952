"""The testbed, and what the steps of bin/test-cluster do with it."""

import os
import random
import re
import shutil
import subprocess
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTBED = Path(os.environ.get("TESTBED", "/var/lib/proteofold-testbed"))
NETWORK = os.environ.get("TESTBED_NETWORK", "10.99.0")
HOST, CLIENT, WORKER1 = f"{NETWORK}.1", f"{NETWORK}.10", f"{NETWORK}.11"

_IDLE_WITHIN_S = 120


class CommandError(Exception):
    """A command failed; the message has its last lines."""


def is_up():
    """Whether there is a testbed."""
    return (TESTBED / "nodes").exists()


def is_vm():
    """Whether the testbed has kernels of its own."""
    kind = TESTBED / "kind"
    return kind.exists() and kind.read_text().strip() == "vm"


def patience():
    """By how much more time is given to machines whose processors may be software."""
    return 10 if is_vm() else 1


def call(*command, stdin=None, limit_s=900, **options):
    """Output of a command; CommandError with its last lines if it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        input=stdin, capture_output=True, text=True, timeout=limit_s * patience(), **options,
    )  # fmt: skip
    if done.returncode:
        raise CommandError(f"{command[0]} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def ssh(node):
    """The command that logs in to a node."""
    return ["ssh", "-F", TESTBED / "ssh.cfg", node]


def on(node, script, user="root", **options):
    """Output of a shell script on a node."""
    return call(*ssh(node), f"sudo -u {user} -i bash -s", stdin=script, **options)


def wait_for(what, is_so, limit_s):
    """Wait until something is so, looking twice a second; returns what it was."""
    deadline = time.monotonic() + limit_s * patience()
    while not (found := is_so()):
        assert time.monotonic() < deadline, f"no {what} within {limit_s * patience()} s"
        time.sleep(0.5)
    return found


def http_status(path="/-/sign-in", *options, stdin=None):
    """The code with which the site answers, 000 while it does not."""
    ask = ["curl", "--silent", "--insecure", "--output", "/dev/null", "--write-out", "%{http_code}", *options]
    return subprocess.run([*ask, f"https://{CLIENT}{path}"], input=stdin, capture_output=True, text=True).stdout


def exposure(node, unit):
    """How exposed systemd says a service is: 0 best, 10 worst."""
    said = on(node, f"systemd-analyze security --no-pager {unit} | tail -n 1")
    return float(re.search(r"([\d.]+) \w+ \S+$", said)[1])


class Watcher(threading.Thread):
    """Looks at the command lines of all processes, those in the machines too, for secrets."""

    def __init__(self, secrets):
        super().__init__(daemon=True)
        self._secrets, self.found, self.looks, self._ended = secrets, set(), 0, threading.Event()

    def run(self):
        while not self._ended.wait(0.3):
            known = [path.read_bytes().strip() for path in self._secrets.glob("*") if path.is_file()]
            self.looks += 1
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    line = (process / "cmdline").read_bytes()
                except OSError:
                    continue
                self.found.update(line[:80] for secret in known if len(secret) > 8 and secret in line)

    def end(self):
        self._ended.set()
        self.join()


class Testbed:
    """The machines, and a copy of the checkout that is deployed to them.

    The checkout itself may be worked on meanwhile, and its copy changed.
    """

    __test__ = False  # for pytest, which takes a class of this name for tests

    def __init__(self, folder, base, seed, vm):
        self.folder, self.base, self.vm = folder, base, vm
        self.random = random.Random(seed)
        self.workers = 1 if vm else 2
        self.proteins = 3 if vm else 20  # of the demo, for a run
        self.source = folder / "source"
        self.ansible = self.source / "ansible"
        self.secrets = TESTBED / "secrets"
        self.watcher = Watcher(self.secrets)

    def copy_source(self):
        call("nice", "-n", "19", ROOT / "ansible/setup")
        archive = self.folder / "source.tar"
        call(ROOT / "ansible/roles/proteofold/files/pack-source", ROOT, archive)
        self.source.mkdir()
        call("tar", "--extract", "--file", archive, "--directory", self.source)
        shutil.copytree(ROOT / "ansible", self.ansible, ignore=shutil.ignore_patterns(".venv"))

    def up(self, workers=None):
        options = [*(["--vm"] if self.vm else []), *(["--base", self.base] if self.base else [])]
        call(self.ansible / "testbed/up", "--workers", workers or self.workers, *options)

    def down(self, *words):
        call(self.ansible / "testbed/down", *words)

    def command(self, playbook):
        """The command line that runs a playbook on the testbed."""
        wheels = os.environ.get("PIP_FIND_LINKS", "")
        settings = ["-e", f"proteofold_wheels={wheels}"] if wheels and Path(wheels).is_dir() else []
        ansible = ROOT / "ansible/.venv/bin/ansible-playbook"
        return ["nice", "-n", "19", ansible, "-i", TESTBED / "inventory.yml", *settings, playbook]

    def play(self, playbook, *options, limit_s=1500):
        """Run a playbook; {host: {ok: n, changed: n, ...}}."""
        output = call(*self.command(playbook), *options, cwd=self.ansible, limit_s=limit_s)
        with open(self.folder / "ansible.log", "a") as log:
            log.write(output)
        rows = re.findall(r"^(\S+) +: (ok=.*)$", output, re.MULTILINE)
        assert rows, f"{playbook}: no recap in\n{output[-1000:]}"
        return {host: {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", row)} for host, row in rows}

    def play_again(self, *options):
        """Run site.yml, which has nothing to do."""
        changed = {host: counts["changed"] for host, counts in self.play("site.yml", *options).items()}
        assert not any(changed.values()), f"a run that had nothing to do changed {changed}"

    def wait_until_idle(self, workers=None):
        """Wait until Slurm calls each node idle."""
        nodes = ["client", *(f"worker{number + 1}" for number in range(workers or self.workers))]

        def states():
            return dict(line.split() for line in on("client", "sinfo -h -N -o '%N %t'").splitlines())

        wait_for(f"idle {', '.join(nodes)}", lambda: states() == dict.fromkeys(nodes, "idle"), _IDLE_WITHIN_S)
