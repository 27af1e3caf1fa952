"""The services of compose.yaml, started by podman-compose on this machine's network."""

import json
import os
import shutil
import signal
import ssl
import time

import httpx2
import yaml
from engine import STORAGE

from proteofold.client import Client

PORT = 8443
SERVICES = ("site", "runner", "proxy")
ADMIN, PASSWORD = "ann", "correct-horse-42-battery"


class Compose:
    """compose.yaml of the clone, in a project of its own."""

    def __init__(self, engine):
        self.engine, self.folder = engine, engine.clone / "containers"
        self.settings = {"PROTEOFOLD_TAG": "0.1.0", "RUNNER_MEMORY": "4g"}
        # bridges need a firewall, which not every kernel has
        here = {"proxy": {"network_mode": "host"}}
        (STORAGE / "here.yaml").write_text(yaml.safe_dump({"services": here}))
        shutil.copy(self.folder / ".env.example", self.folder / ".env")
        (self.folder / "secrets").mkdir(mode=0o700, exist_ok=True)
        secret = self.folder / "secrets" / "site_secret"
        secret.write_text("f" * 64 + "\n")
        secret.chmod(0o444)

    def __call__(self, *words, **options):
        command = [self.engine.compose, "-p", "pftest", "-f", "compose.yaml", "-f", STORAGE / "here.yaml", *words]
        return self.engine.run(*command, cwd=self.folder, env=self.settings, **options)

    def up(self):
        self("up", "--detach")
        self.wait_for_site()

    def down(self):
        self("down", "--volumes", check=False)

    def name(self, service):
        return f"pftest_{service}_1"

    def state(self, service):
        return json.loads(self.engine.podman("inspect", self.name(service)))[0]["State"]

    def crash(self, service):
        """Kill a container from outside, as the kernel would, and wait until podman has started it again."""
        pid = self.state(service)["Pid"]
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: self.state(service)["Pid"] not in (0, pid), f"{service} is started again")

    def processes(self, service):
        """Process ids of a container, and the users they run as."""
        lines = self.engine.podman("top", self.name(service), "hpid", "huser").splitlines()[1:]
        return [line.split() for line in lines]

    def exec(self, service, *words, **options):
        return self.engine.podman("exec", "--interactive", self.name(service), *words, **options)

    def client(self, token=None):
        """The Python client, which accepts the certificate that the proxy made for itself."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return Client(f"https://localhost:{PORT}", token, transport=httpx2.HTTPTransport(verify=context))

    def wait_for_site(self):
        def answers():
            try:
                return self.status("/-/sign-in") == 200
            except httpx2.TransportError:
                return False

        wait_until(answers, "the site answers")

    def status(self, path, **headers):
        """The HTTP status of a page."""
        with httpx2.Client(verify=False) as http:
            return http.get(f"https://localhost:{PORT}{path}", headers=headers).status_code


def wait_until(condition, what, seconds=300):
    """Wait until a condition holds, and return what it gave; fails the test if that takes too long."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.2)
    return found
