"""What only machines with kernels of their own can do: the shared folder by NFS, data disks, swap."""

import contextlib
import itertools
import re
import socket

import pytest
from testbed import CLIENT, WORKER1, CommandError, http_status, on, wait_for

pytestmark = pytest.mark.vm

# Adds a line with the time to a file, each safely on the disk of the server before the next.
WRITER = """import os, time
with open("/shared/results/.times", "a") as times:
    while True:
        times.write(f"{time.time()}\\n")
        times.flush()
        os.fsync(times.fileno())
        time.sleep(0.2)
"""


def assert_may_mount(*addresses):
    exported = re.findall(r"(\S+)\(", on("client", "exportfs -s"))
    assert exported == list(addresses), f"the client lets {exported} mount the shared folder"


@contextlib.contextmanager
def writing():
    """Have worker1 write to the shared folder meanwhile; what is given gets the seconds of its longest wait."""
    times, waits_s = "/shared/results/.times", []
    on("client", f"rm -f {times}")
    on("worker1", f"systemd-run --quiet --uid=proteofold --unit=test-writer python3 -c '{WRITER}'")

    def written():
        return [float(line) for line in on("client", f"cat {times} 2>/dev/null || true").split()]

    wait_for("line of worker1", written, 60)
    yield waits_s
    before = len(written())
    wait_for("line of worker1 again", lambda: len(written()) > before, 180)
    on("worker1", "systemctl is-active --quiet test-writer && systemctl stop test-writer")
    waits_s.append(max(later - earlier for earlier, later in itertools.pairwise(written())))
    on("client", f"rm {times}")


def test_nodes_share_files_with_their_owners_and_no_other_machine_may(testbed):
    mounted = on("worker1", "ls /shared/results >/dev/null; findmnt --noheadings --types nfs4 /shared")
    for option in ("hard", "vers=4.2", "acregmin=10", "acdirmax=10", f"addr={CLIENT}"):
        assert option in mounted
    for writer, reader in (("client", "worker1"), ("worker1", "client")):
        file = f"/shared/results/.of-{writer}"
        on(writer, f"hostname >{file}", user="proteofold")
        look = f"cat {file} 2>/dev/null && stat -c '%U %G %u %a' {file} || true"
        seen = wait_for(f"file of {writer}", lambda: on(reader, look).split(), 30)  # noqa: B023
        assert seen == [writer, "proteofold", "proteofold", "2000", "644"]
        on("client", f"rm {file}")
    on("worker1", "! touch /shared/results/.root 2>/dev/null && ! touch /shared/.root 2>/dev/null")
    for port in (111, 2049):
        with socket.socket() as asked:
            asked.settimeout(5)
            assert asked.connect_ex((CLIENT, port)), f"the client answers strangers on port {port}"
    assert_may_mount(WORKER1)


def test_worker_waits_for_a_client_without_power_and_continues(testbed, record_property):
    with writing() as waits_s:
        testbed.down("client")
        testbed.up()
    testbed.wait_until_idle()
    wait_for("page of the site", lambda: http_status() == "200", 60)
    record_property("note", f"it waited {waits_s[0]:.0f} s")


def test_worker_that_reboots_has_the_shared_folder_again(testbed):
    def boot():
        try:
            return on("worker1", "cat /proc/sys/kernel/random/boot_id")
        except CommandError:
            return None

    before = boot()
    on("worker1", "systemd-run --quiet --on-active=1 systemctl reboot")
    wait_for("worker1 after its reboot", lambda: boot() not in (None, before), 60)
    on("worker1", "ls /shared/results >/dev/null && findmnt --types nfs4 /shared")
    testbed.wait_until_idle()


def test_data_disks_and_swap_files_are_in_use_after_a_boot(testbed):
    for node, folder in (("client", "/shared"), ("worker1", "/srv/data")):
        assert on(node, f"findmnt --noheadings --output SOURCE --types ext4 {folder}").strip() == "/dev/vdb1", node
        assert on(node, "swapon --show=NAME,SIZE --noheadings").split() == ["/swapfile", "256M"], node


def test_added_worker_may_mount_and_removed_one_may_not_and_no_node_waits(testbed, record_property):
    with writing() as waits_s:
        testbed.up(2)
        testbed.play("site.yml")
        testbed.wait_until_idle(2)
        on("worker2", "ls /shared/results >/dev/null && findmnt --types nfs4 /shared")
        testbed.down("--remove", "worker2")
        testbed.up()
        testbed.play("site.yml")
    testbed.wait_until_idle()
    assert_may_mount(WORKER1)
    record_property("note", f"worker1 waited {waits_s[0]:.1f} s at most")
    assert waits_s[0] < 45
