"""Calling Slurm's commands, which may be slow, silent or refuse."""

import os
import subprocess

from proteofold.system.errors import UserError
from proteofold.system.process import dying_with_us

# A controller that reads its state again after a restart keeps its clients waiting for about ten seconds.
TIMEOUT_S = 20


class SlurmError(UserError):
    """A command of Slurm failed; the message is what it said."""

    topic = "slurm"


class SlurmAbsentError(SlurmError):
    """This machine has no Slurm, or belongs to no cluster: the same question will be answered the same way."""


class SlurmSilentError(SlurmError):
    """Slurm did not answer, or cannot at the moment: the same question may be answered later."""


# What clients say of a controller that is down, restarting or too busy.
_TRANSIENT = (
    "socket timed out",
    "unable to contact slurm controller",
    "connection refused",
    "connection reset",
    "zero bytes were transmitted",
    "temporarily unable",
    "temporarily unavailable",
    "try again",
    "unexpected message received",
    "transport endpoint is not connected",
    "insane message length",
    "slurm backup controller in standby mode",
)

# What to do where no jobs can be submitted.
WITHOUT_SLURM = "Start on a login node of the cluster, or leave out --profile to run on this machine."

_UNCONFIGURED = "Could not establish a configuration source"


def call(command, *, stdin=None, timeout_s=TIMEOUT_S, dies_with_us=False):
    """Run a command of Slurm; returns its output. SlurmSilentError if it may answer later, else SlurmError.

    With ``dies_with_us`` it ends when this process is killed.
    """
    # a head inside a Slurm job must not hand its own job's limits on
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    if "SLURM_CONF" in os.environ:
        environment["SLURM_CONF"] = os.environ["SLURM_CONF"]
    try:
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            env=environment,
            preexec_fn=dying_with_us() if dies_with_us else None,
        )
    except subprocess.TimeoutExpired:
        raise SlurmSilentError(f"{command[0]} did not answer within {timeout_s} s") from None
    except FileNotFoundError:
        raise SlurmAbsentError(f"Slurm is not installed on this machine: there is no command '{command[0]}'") from None
    except OSError as error:
        raise SlurmError(f"{command[0]} cannot be started: {error.strerror}") from None
    if done.returncode == 0:
        return done.stdout
    said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
    if _UNCONFIGURED in said:
        raise SlurmAbsentError(
            f"this machine belongs to no Slurm cluster: '{command[0]}' finds no configuration of Slurm"
        )
    kind = SlurmSilentError if any(sign in said.lower() for sign in _TRANSIENT) else SlurmError
    raise kind(f"{command[0]}: {said}")


def check_slurm():
    """Raise SlurmAbsentError on a machine from which no jobs can be submitted. A Slurm that is silent is waited for."""
    try:
        call(["squeue", "--noheader", "--me"])
    except SlurmAbsentError as error:
        raise SlurmAbsentError(f"{error}. {WITHOUT_SLURM}") from None
    except SlurmError:
        pass
