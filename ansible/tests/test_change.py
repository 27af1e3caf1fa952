"""A cluster that is changed: upgraded, given data and certificates, made larger and smaller."""

import contextlib
import functools
import http.server
import json
import os
import re
import shutil
import ssl
import subprocess
import threading
import time

import pytest
from testbed import CLIENT, HOST, ROOT, call, exposure, on, ssh, wait_for

pytestmark = pytest.mark.containers

# What a deployment makes of a worker, a line each. A folder's size and time show its history, not its content.
FINGERPRINT = r"""set -e
dpkg-query -W -f '${Package} ${Version} ${Status}\n'
systemctl list-unit-files --no-legend --state=enabled
find /etc/slurm /etc/munge /etc/proteofold /etc/systemd/system /etc/fstab /usr/local -type f -exec sha256sum {} + | sort
find /opt/proteofold \( -type d -printf '%P d %m %u\n' \) -o -printf '%P %y %m %s %T@ %u\n' | sort
getent passwd proteofold pfdeploy munge slurm | cut -d : -f 1,6,7
"""


def kill_a_deployment(testbed, *powerless):
    """Kill it with all its processes at a random moment of a random task, and pull plugs; the task's name."""
    log = testbed.folder / "killed.log"

    def tasks():
        return re.findall(r"\nTASK \[(.*?)\]", log.read_text()) if log.exists() else []

    last = len(tasks()) + testbed.random.randint(15, 75)
    with open(log, "a") as writer:
        killed = subprocess.Popen(
            testbed.command("site.yml"), cwd=testbed.ansible, stdout=writer, stderr=writer, start_new_session=True
        )
        wait_for(f"{last} tasks", lambda: len(tasks()) >= last or killed.poll() is not None, 1500)
        time.sleep(testbed.random.uniform(0, 2))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(killed.pid, 9)
        killed.wait()
    for node in powerless:
        testbed.down(node)
    return tasks()[-1]


def test_upgrade_that_is_killed_again_and_again_ends_in_the_same_state(testbed, record_property):
    (testbed.source / "docs/upgrade.md").write_text("New in this version.\n")
    testbed.up(3)
    killed_at = [kill_a_deployment(testbed), kill_a_deployment(testbed)]
    # with the third the new worker loses its power, too
    killed_at.append(kill_a_deployment(testbed, "worker3"))
    record_property("note", f"in {', '.join(killed_at)}")
    testbed.up(3)
    testbed.play("site.yml")
    testbed.wait_until_idle(3)
    testbed.play_again()
    undisturbed, disturbed = (on(node, FINGERPRINT, limit_s=300).splitlines() for node in ("worker2", "worker3"))
    assert disturbed == undisturbed
    for node in ("client", "worker3"):
        on(node, "grep -q New /opt/proteofold/docs/upgrade.md")


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files without a line of log for each, and without one when a reader has enough."""

    def log_message(self, *words):
        pass

    def copyfile(self, source, outputfile):
        with contextlib.suppress(ConnectionError):
            super().copyfile(source, outputfile)


@contextlib.contextmanager
def serving(folder):
    """Serve the files of a folder to the nodes; gives the address."""
    handler = functools.partial(QuietHandler, directory=folder)
    with http.server.ThreadingHTTPServer((HOST, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{HOST}:{server.server_port}"
        server.shutdown()


def test_official_data_and_a_given_certificate_come_once(testbed):
    served, tls = testbed.folder / "served", testbed.folder / "tls"
    served.mkdir()
    tls.mkdir()
    pack = """set -e; cd /shared; index=$(ls -t resources/templates/demo-*/*_hhm.ffindex | head -n 1)
        folder=$(mktemp -d); for file in "${index%_hhm.ffindex}"_*.ff*; do
            cp "$file" "$folder/pdb70_${file##*_}"; done
        cd "$folder"; tar -czf - *; rm -rf "$folder"
        """
    release = served / "pdb70_from_mmcif_990101.tar.gz"
    with open(release, "wb") as archive:
        packer = [*ssh("client"), "sudo -u proteofold -i bash -s"]
        subprocess.run(packer, input=pack.encode(), stdout=archive, check=True, timeout=120)
    call("tar", "-czf", served / "weights.tar.gz", "-C", ROOT / "config/demo", "s4pred")
    call(testbed.ansible / "roles/platform/files/self-signed", tls, "cluster.test", CLIENT)
    with serving(served) as address:
        settings = {
            "platform_tls": "files",
            "platform_tls_certificate": str(tls / "certificate.pem"),
            "platform_tls_key": str(tls / "key.pem"),
            "templates_library": "pdb70",
            "templates_weights": True,
            "templates_pdb70_options": ["--url", f"{address}/{release.name}"],
            "templates_weights_options": ["--url", f"{address}/weights.tar.gz", "--checksum", "none"],
        }
        testbed.play("site.yml", "-e", json.dumps(settings))
        testbed.play_again("-e", json.dumps(settings))
    assert ssl.get_server_certificate((CLIENT, 443)) == (tls / "certificate.pem").read_text()
    hot = "cd /var/lib/proteofold-templates/pdb70/ && cat pdb70_hhm.ff* pdb70_cs219.ff* | sha256sum"
    assert len({on(node, hot) for node in ("client", "worker1", "worker2")}) == 1, "the nodes' copies differ"
    on("worker1", "systemctl is-active proteofold-warm && ! ls /var/lib/proteofold-templates/pdb70/pdb70_a3m*")
    for worker in ("worker1", "worker2"):
        source = on(worker, "sed -n 's/.*\"source\": //p' /var/lib/proteofold-templates/pdb70/fetched.json")
        assert source.startswith('"rsync://'), f"{worker} has its copy from {source}"
    assert exposure("worker1", "proteofold-share") <= 1.5


def test_removed_worker_is_no_node_any_more(testbed):
    testbed.down("--remove", "worker3")
    testbed.up()
    testbed.play("site.yml")
    testbed.wait_until_idle()


@contextlib.contextmanager
def acme_server(folder):
    """Run Pebble, Let's Encrypt's server for tests, with a resolver that takes all names for the client; settings."""
    programs = [shutil.which(name) for name in ("pebble", "pebble-challtestsrv")]
    if not all(programs):
        pytest.skip("pebble is not installed")
    folder.mkdir()
    # the server's own certificate is its root, too
    call(ROOT / "ansible/roles/platform/files/self-signed", folder, "acme.test", HOST)
    config = {
        "listenAddress": f"{HOST}:14000",
        "managementListenAddress": f"{HOST}:15000",
        "certificate": str(folder / "certificate.pem"),
        "privateKey": str(folder / "key.pem"),
        "httpPort": 80,
        "tlsPort": 443,
    }
    (folder / "config.json").write_text(json.dumps({"pebble": config}))
    resolver = ["-dns01", f"{HOST}:8053", "-management", f"{HOST}:8055", "-defaultIPv4", CLIENT, "-defaultIPv6", ""]
    resolver += ["-http01", "", "-https01", "", "-tlsalpn01", ""]
    commands = (
        [programs[1], *resolver],
        [programs[0], "-config", folder / "config.json", "-dnsserver", f"{HOST}:8053"],
    )
    with open(folder / "log", "w") as log, contextlib.ExitStack() as servers:
        for command in commands:
            begun = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"PEBBLE_VA_NOSLEEP": "1"})
            servers.callback(begun.wait)
            servers.callback(begun.kill)
        yield {
            "platform_tls": "acme",
            "platform_name": "proteofold.test",
            "platform_acme_email": "admin@proteofold.test",
            "platform_acme_server": f"https://{HOST}:14000/dir",
            "platform_acme_ca": str(folder / "certificate.pem"),
        }


def certificate_of_pebble():
    """The certificate that the site shows, of an authority that is not itself."""
    shown = ssl.get_server_certificate((CLIENT, 443))
    certificate = call("openssl", "x509", "-noout", "-issuer", "-ext", "subjectAltName", stdin=shown)
    assert "Pebble" in certificate
    assert "DNS:proteofold.test" in certificate
    return shown


def test_certificate_comes_by_acme_and_is_shown_at_once_when_renewed(testbed):
    with acme_server(testbed.folder / "acme") as settings:
        options = ("-e", json.dumps(settings))
        # what an earlier server here knew, this one does not
        on("client", "rm -rf /etc/letsencrypt/{accounts,archive,live,renewal}")
        testbed.play("site.yml", *options)
        issued = certificate_of_pebble()
        testbed.play_again(*options)
        nginx = "systemctl show --property=MainPID --value nginx"
        began = on("client", nginx)
        # as certbot's timer does, but not only what is about to end
        sooner = "s/^\\[renewalparams\\]/renew_before_expiry = 9999 days\\n&/"
        on("client", f"sed -i '{sooner}' /etc/letsencrypt/renewal/*.conf")
        on("client", "systemctl is-active certbot.timer && systemctl start certbot")
        wait_for("renewed certificate", lambda: certificate_of_pebble() != issued, 30)
        assert on("client", nginx) == began, "nginx was restarted for a renewed certificate"
        testbed.play_again(*options)
    testbed.play("site.yml")
