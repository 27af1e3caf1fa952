"""A library's hot files on the disks of many workers: one node gives to all, or each hands its copy on.

The nodes are network namespaces of this machine, each with a link of its own of limited speed.
"""

import contextlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from made_runs import demo_library
from measure import PROTEOFOLD, LeftOutError, table

from proteofold.science import hhsuite

WORKERS = (1, 3, 7, 15)
SIZE_MB = 100
MBIT = 100
NETWORK = "10.97.0"
BRIDGE = "pf-copies"
PORT = 8730


class Node(NamedTuple):
    """A namespace of the network, and a folder for its disk."""

    name: str
    address: str
    disk: str


def run(folder, options):
    """Copies to 1 to 15 workers at once: how long until the last has its files."""
    if os.geteuid() or not all(map(shutil.which, ("ip", "tc", "rsync"))):
        raise LeftOutError("it needs root, iproute2 and rsync.")
    library = demo_library(folder)
    files = hhsuite.library_files(library, hhsuite.PARTS_READ["lean"])
    with open(f"{library}_hhm.ffdata", "ab") as data:  # behind the last template
        data.write(os.urandom(SIZE_MB * 1_000_000 - sum(map(os.path.getsize, files))))
    one_s = SIZE_MB * 8 / MBIT
    rows = []
    for workers in WORKERS:
        with nodes(folder / "disks", workers + 1) as each:
            ended([begun(each[0], library, [])])
            flat_s = seconds(each, library, hand_on=False)
            for node in each[1:]:
                shutil.rmtree(node.disk)
            tree_s = seconds(each, library, hand_on=True)
        rows.append([workers, f"{flat_s:.1f}", f"{tree_s:.1f}", f"**{flat_s / tree_s:.1f}**", f"{tree_s / one_s:.1f}"])
    head = ["workers", "the client gives to all (s)", "each hands on (s)", "times faster", "in times of one copy"]
    return table(head, rows) + f"\n\n{SIZE_MB} MB, links of {MBIT} Mbit/s: one copy takes {one_s:.0f} s of a link."


def seconds(each, library, hand_on):
    """How long it takes until all nodes but the first, which has it, have a copy of the library."""
    with contextlib.ExitStack() as daemons:
        for node in each if hand_on else each[:1]:
            daemons.enter_context(sharing(node, 1 if hand_on else 0))
        begin = time.monotonic()
        copies = [begun(node, library, [peer for peer in each if peer != node]) for node in each[1:]]
        ended(copies)
        taken_s = time.monotonic() - begin
    records = [json.loads(Path(node.disk, "library", "fetched.json").read_text()) for node in each[1:]]
    if not all(record["source"].startswith("rsync://") for record in records):
        raise RuntimeError("a worker read the library itself")
    return taken_s


def ended(copies):
    """Wait until copies end; an error if one failed."""
    if any([copy.wait() for copy in copies]):
        raise RuntimeError("a copy failed")


def begun(node, library, peers):
    """The started process that gives a node its copy."""
    peers = [f"--from=rsync://{peer.address}:{PORT}/templates" for peer in peers]
    command = [*inside(node), PROTEOFOLD, "fetch", "local-copy", library, f"{node.disk}/library", *peers]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def sharing(node, most):
    """rsync's daemon on a node, which gives to so many at a time; 0: to all."""
    settings = f"{node.disk}.conf"
    with open(settings, "w") as handle:
        handle.write(f"address = {node.address}\nport = {PORT}\nuse chroot = no\n[templates]\npath = {node.disk}\n")
        handle.write(f"max connections = {most}\nlock file = {node.disk}.lock\n")
    os.makedirs(node.disk, exist_ok=True)
    daemon = subprocess.Popen([*inside(node), "rsync", "--daemon", "--no-detach", f"--config={settings}"])
    try:
        yield
    finally:
        daemon.terminate()
        daemon.wait()


def inside(node):
    """What runs a command in a node's network."""
    return ["ip", "netns", "exec", node.name]


@contextlib.contextmanager
def nodes(disks, count):
    """So many nodes on one switch, each with a link of limited speed both ways."""

    def ip(*words):
        subprocess.run(["ip", *words], check=True)

    def limited(device, *where):
        rate = ["root", "tbf", "rate", f"{MBIT}mbit", "burst", "256kb", "latency", "50ms"]
        subprocess.run([*where, "tc", "qdisc", "add", "dev", device, *rate], check=True)

    made = [Node(f"{BRIDGE}-{n}", f"{NETWORK}.{n + 1}", f"{disks}/{n}") for n in range(count)]
    ip("link", "add", BRIDGE, "type", "bridge")
    try:
        ip("link", "set", BRIDGE, "up")
        for number, node in enumerate(made):
            ip("netns", "add", node.name)
            port = f"pfc{number}"
            ip("link", "add", port, "type", "veth", "peer", "name", "link0", "netns", node.name)
            ip("link", "set", port, "master", BRIDGE, "up")
            ip("-n", node.name, "address", "add", f"{node.address}/24", "dev", "link0")
            ip("-n", node.name, "link", "set", "link0", "up")
            limited("link0", *inside(node))
            limited(port)
        yield made
    finally:
        for node in made:
            subprocess.run(["ip", "netns", "delete", node.name], check=False, stderr=subprocess.DEVNULL)
        ip("link", "delete", BRIDGE)
        shutil.rmtree(disks, ignore_errors=True)
