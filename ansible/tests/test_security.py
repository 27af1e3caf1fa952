"""What the cluster shows to strangers."""

import re

import pytest
from testbed import CLIENT, WORKER1, call, on


@pytest.mark.parametrize(
    ("address", "ports"), [(CLIENT, ["22", "443"]), (WORKER1, [])], ids=["of-the-client", "of-a-worker"]
)
def test_only_ssh_and_https_are_open(testbed, address, ports):
    options = ["-Pn", "-n", "-p-", "--open", "--min-rate", "1500", "--max-retries", "2", "-oG", "-"]
    assert re.findall(r"(\d+)/open/", call("nmap", *options, address)) == ports


# the processes of a virtual machine are not seen from here
@pytest.mark.containers
def test_secrets_stand_in_no_process_list_and_no_log(testbed):
    assert not testbed.watcher.found, "a secret stood in a command line"
    assert testbed.watcher.looks > 50, "the process lists were hardly looked at"
    secrets = [path.read_text().strip() for path in testbed.secrets.iterdir()]
    assert len(secrets) == 3
    logs = [path.read_text() for path in testbed.folder.glob("*.log")]
    said = "".join(logs) + on("client", "journalctl --no-pager")
    assert not any(secret in said for secret in secrets), "a secret stands in a log"


def test_secrets_are_for_their_owners_only(testbed):
    here = [testbed.secrets, *testbed.secrets.iterdir()]
    assert [oct(path.stat().st_mode & 0o777) for path in here] == ["0o700", *["0o600"] * (len(here) - 1)]
    for node, path, expected in (
        ("client", "/etc/munge/munge.key", "400 munge"),
        ("worker1", "/etc/munge/munge.key", "400 munge"),
        ("client", "/etc/proteofold/site.env", "400 root"),
        ("client", "/etc/proteofold/tls/key.pem", "600 root"),
        ("client", "/var/lib/proteofold/platform.db", "600 proteofold"),
    ):
        assert on(node, f"stat -c '%a %U' {path}").strip() == expected, path


def test_the_key_that_copies_the_program_opens_nothing_else(testbed):
    opens = "ssh -n -i ~/.ssh/to_workers -o IdentitiesOnly=yes -o BatchMode=yes"
    assert on("client", f"{opens} {WORKER1} id || echo refused", user="pfdeploy").strip() == "refused"
    there = f"{WORKER1}:../../var/lib/pfdeploy/"
    copied = f"rsync -e '{opens.replace(' -n', '')}' /etc/hostname {there} </dev/null || echo refused"
    assert on("client", copied, user="pfdeploy").strip() == "refused"
    assert on("worker1", "stat -c '%a %U' /etc/ssh/proteofold_deploy_keys").strip() == "644 root"
