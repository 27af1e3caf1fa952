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
    assert not any(secret in said for secret in secrets), "a secret is in a log"


def test_secrets_are_for_their_owners_only(testbed):
    here = [testbed.secrets, *testbed.secrets.iterdir()]
    assert [oct(path.stat().st_mode & 0o777) for path in here] == ["0o700", *["0o600"] * (len(here) - 1)]
    for node, path, expected in (
        ("client", "/etc/munge/munge.key", "400 munge"),
        ("worker1", "/etc/munge/munge.key", "400 munge"),
        ("client", "/etc/proteofold/site.env", "400 root"),
        ("client", "/etc/proteofold/tls/key.pem", "600 root"),
        ("client", "/var/lib/proteofold-platform", "2770 root"),
        ("client", "/var/lib/proteofold-platform/platform.db", "660 proteofold-site"),
        ("client", "/var/backups/proteofold", "700 root"),
        ("client", "/shared/results", "2770 root"),
    ):
        assert on(node, f"stat -c '%a %U' {path}").strip() == expected, path


ATTACK = """cd /; accounts=/var/lib/proteofold-platform
for path in $accounts $accounts/platform.db /var/backups/proteofold/*; do
    cat "$path" || ls "$path" || touch "$path" || mv "$path" "$path.taken" && echo "$path is open"; done 2>/dev/null
mv /shared/results /shared/taken 2>/dev/null && echo results taken; true"""


def test_jobs_reach_neither_accounts_nor_backups(testbed):
    assert on("client", ATTACK, user="proteofold") == ""
    on("client", "runuser -u proteofold-site -- test -r /var/lib/proteofold-platform/platform.db")
    attack = f"sbatch --quiet --wait -w client --output=/shared/results/.attack --chdir=/tmp --wrap '{ATTACK}'"
    assert on("client", f"{attack} && cat /shared/results/.attack", user="proteofold") == ""


def test_runner_has_no_rights_of_root_and_only_it_has_runs_started(testbed):
    on(
        "client",
        "grep -q '^CapEff:[^1-9a-f]*$' /proc/$(systemctl show --property=MainPID --value proteofold-runner)/status",
    )
    reached = [
        user
        for user in ("proteofold-runner", "proteofold-site", "proteofold", "www-data")
        if on("client", f"runuser -u {user} -- test -w /run/proteofold-head.socket && echo yes || true")
    ]
    assert reached == ["proteofold-runner"]


def test_heads_of_runs_are_of_the_user_of_jobs_and_can_be_deleted_on_the_site(testbed):
    on("client", "test $(stat -c %U /shared/results/cluster-test/manifest.tsv) = proteofold")
    closed = "find /shared/results/cluster-test -type d ! -perm -g=rwx; find /shared/results/cluster-test ! -perm -g=r"
    assert on("client", closed) == "", "what site and runner cannot remove or read"


def test_sshd_takes_keys_only(testbed):
    for node in ("client", "worker1"):
        offered = on(node, "sshd -T")
        for line in ("passwordauthentication no", "permitrootlogin without-password", "x11forwarding no"):
            assert line in offered.splitlines()


def test_updates_leave_slurm_and_the_kernel_alone(testbed):
    ask = "apt-config dump Unattended-Upgrade::Package-Blacklist; systemctl is-enabled apt-daily-upgrade.timer"
    said = on("client", ask)
    assert '"slurm"' in said and '"linux-"' in said and "enabled" in said
