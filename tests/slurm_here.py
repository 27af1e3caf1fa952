"""A real Slurm on this machine: a controller and three nodes, each a slurmd of its own."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import psutil
import pytest

NEEDED = ("munged", "slurmctld", "slurmd", "squeue", "sbatch", "scancel", "scontrol")

# linuxproc and not cgroups: a container may have no cgroups of its own. Memory is enforced by polling.
_CONFIGURATION = """
ClusterName=proteofold-test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task={memory_look_s}
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MinJobAge=300
SlurmdTimeout=10
SlurmctldTimeout=30
KillWait=5
ReturnToService=2
# (bf_interval for Slurm 23.11 and newer, which without slurmdbd starts jobs by backfill only)
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0,bf_interval=1
MpiDefault=none
PriorityType=priority/basic
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""

# name -> (cores, memory in MB): two workers and the big-memory node, as the researchers' cluster has them
NODES = {"worker1": (2, 3500), "worker2": (2, 3500), "client": (4, 7400)}


class SlurmDoesNotStartError(Exception):
    """A daemon ended at once: this machine lacks something that Slurm needs, such as cgroups."""


class Slurm:
    """A running Slurm. ``environment`` is what commands need to find it.

    It looks at the memory of each job every ``memory_look_s`` seconds, which takes 7 ms of CPU here.
    """

    def __init__(self, folder, nodes=None, memory_look_s=1):
        self.folder, self.nodes, self.memory_look_s = Path(folder), nodes or NODES, memory_look_s
        self.environment = os.environ | {"SLURM_CONF": str(self.folder / "slurm.conf")}
        self._daemons = {}

    def start(self):
        """Start everything and wait until all nodes are idle."""
        for name in ("munge", "state"):
            (self.folder / name).mkdir(exist_ok=True)
        key = self.folder / "munge/munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        ports = _free_ports(1 + len(self.nodes))
        nodes = "\n".join(
            f"NodeName={name} NodeHostname={socket.gethostname()} NodeAddr=127.0.0.1 Port={port} CPUs={cores}"
            f" RealMemory={memory}"
            for (name, (cores, memory)), port in zip(self.nodes.items(), ports[1:], strict=True)
        )
        text = _CONFIGURATION.format(
            host=socket.gethostname(),
            port=ports[0],
            folder=self.folder,
            nodes=nodes,
            memory_look_s=self.memory_look_s,
        )
        (self.folder / "slurm.conf").write_text(text)
        munge = [f"--{name}={self.folder}/munge/{file}" for name, file in _MUNGE_FILES.items()]
        self._start("munged", ["munged", "--foreground", "--force", *munge])
        wait_until(lambda: (self.folder / "munge/socket").exists(), 20, "munged")
        self.start_controller()
        for name in self.nodes:
            self.start_node(name)
        wait_until(self._all_idle, 60, "idle nodes")

    def _all_idle(self):
        for name, daemon in self._daemons.items():
            if daemon.poll() is not None:
                said = (self.folder / f"{name}.out").read_text(errors="replace").strip().splitlines()
                raise SlurmDoesNotStartError(f"{name} ended at once: {'; '.join(said[-3:])}")
        return self.states() == dict.fromkeys(self.nodes, "idle")

    def start_controller(self):
        """Start the controller; it continues with the state it left."""
        self._start("slurmctld", ["slurmctld", "-D"])

    def stop_controller(self):
        """End the controller as its service manager does; it saves what it knows."""
        controller = self._daemons.pop("slurmctld")
        controller.terminate()
        controller.wait(timeout=60)

    def forget_everything(self):
        """End controller and nodes as a power cut does, and lose what the controller had saved."""
        for name in ["slurmctld", *self.nodes]:
            self.kill(name)
        shutil.rmtree(self.folder / "state")
        (self.folder / "state").mkdir()
        self.start_controller()
        for name in self.nodes:
            self.start_node(name)
        wait_until(self._all_idle, 60, "idle nodes")

    def start_node(self, name):
        """Start the daemon of a node."""
        self._start(name, ["slurmd", "-D", "-N", name])

    def kill(self, name):
        """Kill a daemon; the jobs of a node die with it, as in a power cut."""
        daemon = self._daemons.pop(name)
        doomed = [daemon]
        if name in self.nodes:
            # a step's daemon is nobody's child, but the script it started lies in the node's spool folder
            for script in _processes_with(f"{self.folder}/spool.{name}/job"):
                with contextlib.suppress(psutil.NoSuchProcess):  # it ends by itself
                    doomed += [script.parent(), script, *script.children(recursive=True)]
        for process in doomed:
            with contextlib.suppress(psutil.NoSuchProcess, AttributeError):
                process.kill()
        daemon.wait()

    def call(self, *words):
        """Output of a command of Slurm."""
        return subprocess.run(words, env=self.environment, check=True, capture_output=True, text=True).stdout

    def states(self):
        """Node -> state."""
        try:
            return dict(line.split() for line in self.call("sinfo", "-h", "-N", "-o", "%N %T").splitlines())
        except subprocess.CalledProcessError:
            return {}

    def jobs(self, folder, states="all"):
        """Jobs of a working directory: id, state, name, node, memory; the earliest first."""
        answer = self.call("squeue", "-h", f"--states={states}", "-o", "%A|%T|%j|%N|%m|%Z")
        rows = [line.split("|", 5) for line in answer.splitlines()]
        return sorted((row[:5] for row in rows if row[5] == str(folder)), key=lambda row: int(row[0]))

    def hold(self, held=True):
        """Let all jobs wait, or let them run again."""
        self.call("scontrol", "update", "PartitionName=all", f"State={'DOWN' if held else 'UP'}")

    def cancel_all(self):
        """Cancel all jobs."""
        subprocess.run(["scancel", "--me"], env=self.environment, timeout=60, check=False)

    def recover(self):
        """Make what a test killed run again."""
        for name in ["slurmctld", *self.nodes]:
            if name not in self._daemons:
                self.start_controller() if name == "slurmctld" else self.start_node(name)
        self.hold(False)
        self.cancel_all()
        wait_until(lambda: self.states() == dict.fromkeys(self.nodes, "idle"), 120, "idle nodes")

    def stop(self):
        """Cancel all jobs and kill all daemons."""
        if "slurmctld" in self._daemons:
            self.cancel_all()
        for name in [*self.nodes, "slurmctld", "munged"]:
            if name in self._daemons:
                self.kill(name)

    def _start(self, name, command):
        with open(self.folder / f"{name}.out", "ab") as output:
            self._daemons[name] = subprocess.Popen(
                command, env=self.environment, stdout=output, stderr=output, start_new_session=True
            )


_MUNGE_FILES = {
    "key-file": "munge.key",
    "socket": "socket",
    "pid-file": "pid",
    "log-file": "log",
    "seed-file": "seed",
}


def wait_until(is_so, seconds, what):
    """Wait for something; fail the test when it takes too long."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            pytest.fail(f"no {what} within {seconds} s")
        time.sleep(0.2)


def _processes_with(text):
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(text in word for word in process.cmdline()):
                found.append(process)
    return found


def _free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
