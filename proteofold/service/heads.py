"""Heads: the Snakemake processes of ordered runs. Starting one, knowing whether it lives, signalling its group.

A head belongs to its order only. It holds the order's lock as long as it lives and writes its process id before
anything else, so a runner that comes later finds it, or knows that there is none.
"""

import contextlib
import os
import tempfile
from typing import NamedTuple

import yaml

from proteofold.run.layout import RESULTS
from proteofold.run.lock import head_is_alive
from proteofold.run.progress import TIMES_VARIABLE
from proteofold.service.database import private_mode
from proteofold.service.places import files_of, heads_folder, order_folder, order_lock, run_folder, working_folder
from proteofold.service.runs import NewRun, config_of, ids_of
from proteofold.service.starter import RemoteCommand, start_command
from proteofold.store.database import dicts, path_of
from proteofold.store.proteins import format_protein
from proteofold.system import paths
from proteofold.system.errors import UserError
from proteofold.system.files import write_aside

PROFILES = ("default", "cluster")

_IDS_AT_ONCE = 500


class HeadSettings(NamedTuple):
    """How heads are started: the profile, and the socket of the service that starts them as another user, None for the
    runner's own (``proteofold.service.starter``).

    ``cores`` and ``memory_mb``, None for all that is free, are those of a run on this machine.
    """

    profile: str
    cores: int = 1
    socket: str | None = None
    memory_mb: int | None = None

    def start(self, words, cwd, variables, *files):
        """Start a command as the heads' user; like ``start_command``."""
        if self.socket is None:
            return start_command(words, cwd, variables, *files)
        return RemoteCommand(self.socket, words, cwd, variables, *files)

    def run(self, words):
        """Run a command as the heads' user, in the runner's folder; returns its exit code and what it printed."""
        with tempfile.TemporaryFile() as output:
            code = self.start(words, os.getcwd(), {}, output.fileno()).wait()
            output.seek(0)
            return code, output.read().decode(errors="replace").strip()


def write_inputs(store, platform, order):
    """Write the proteins and the configuration of an order, unless they are there: a run continues with what it had.

    UserError if a choice is not offered any more, or a protein has no sequence.
    """
    folder = order_folder(platform, order["run_id"])
    proteins, config = folder / "proteins.fasta", folder / "config.yaml"
    if _are_whole(order, proteins, config):
        return
    folder.mkdir(mode=private_mode(working_folder(platform) / RESULTS), parents=True, exist_ok=True)
    new_run = NewRun(order["run_id"], ids_of(store, platform, order["run_id"]), order["author"], *_chosen(order))
    content = yaml.safe_dump(config_of(working_folder(platform), new_run, proteins), sort_keys=False)
    write_aside(proteins, fasta_of(store, new_run.ids))
    write_aside(config, content)


def _are_whole(order, proteins, config):
    """Whether the inputs of an earlier start are there; a power cut can leave files empty."""
    try:
        loaded = yaml.safe_load(config.read_text(encoding="utf-8"))
        same = isinstance(loaded, dict) and loaded.get("run") == order["run_id"]
        return same and proteins.read_bytes().count(b">") >= order["proteins"]
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return False


def fasta_of(store, ids):
    """The FASTA text of proteins of the store, by their full ids; UserError if the store lacks a sequence."""
    texts = []
    for start in range(0, len(ids), _IDS_AT_ONCE):
        part = ids[start : start + _IDS_AT_ONCE]
        query = (
            "select query_id, sequence, description, gene, organism from proteins"
            f" where query_id in ({', '.join('?' * len(part))})"
        )
        rows = {row["query_id"]: row for row in dicts(store, query, part)}
        for query_id in part:
            row = rows.get(query_id)
            if row is None or row["sequence"] is None:
                raise UserError(f"The store has no sequence of {query_id!r} any more: upload it again.")
            texts.append(format_protein(row))
    return "".join(texts)


def start_head(store, platform, order, lock, settings):
    """Start the head of an order whose lock is held; returns the process. Raises OSError."""
    folder, working = order_folder(platform, order["run_id"]), working_folder(platform)
    pid_file, log = _file(platform, order, "pid"), _file(platform, order, "log")
    log.parent.mkdir(mode=private_mode(files_of(platform).parent), parents=True, exist_ok=True)
    pid_file.unlink(missing_ok=True)
    variables = {
        **paths.SAFE_PATH,
        paths.STORE_VARIABLE: path_of(store),
        paths.AUTHOR_VARIABLE: order["author"],
        "PYTHONUNBUFFERED": "1",
        TIMES_VARIABLE: "1",
    }
    with open(log, "wb") as output, open(pid_file, "wb", opener=_for_owner) as pid:
        words = _command(folder / "config.yaml", settings)
        return settings.start(words, working, variables, output.fileno(), lock, pid.fileno())


def _for_owner(path, flags):
    return os.open(path, flags, 0o600)


def _command(config, settings):
    words = [*paths.PYTHON, "-m", "snakemake", "--snakefile", paths.CHECKOUT / "workflow" / "Snakefile"]
    option = "--workflow-profile" if settings.profile == "default" else "--profile"
    words += [option, paths.CHECKOUT / "profiles" / settings.profile, "--configfile", config]
    if settings.profile == "default":
        words += ["--cores", settings.cores]
        words += ["--resources", f"mem_mb={settings.memory_mb}"] if settings.memory_mb else []
    return [*map(str, words)]


def lives(platform, run_id):
    """Whether a head of a run is alive, one that was started manually included."""
    with order_lock(platform, run_id) as lock:
        return lock is None or head_is_alive(run_folder(platform, run_id))


def began(platform, order):
    """Whether the head of the order's latest start came to be a process of its own."""
    pid_file = _file(platform, order, "pid")
    return pid_file.exists() and pid_file.stat().st_size > 0


def signal_head(platform, order, number, settings):
    """Send a signal to a living head and all that it started; False if it is none of ours, or not there yet."""
    with order_lock(platform, order["run_id"]) as lock:
        if lock is not None:
            return False
    try:
        # the holder of the lock wrote this: the number is not that of another process
        group = int(_file(platform, order, "pid").read_text())
    except (FileNotFoundError, ValueError):
        return False
    return settings.run(["sh", "-c", f"kill -s {int(number)} -- -{group}"])[0] == 0


def cancel_jobs(run_id, settings):
    """Cancel what a head that had to be killed left in Slurm; returns what Slurm said if jobs may be left, else ""."""
    code, printed = settings.run([*paths.PYTHON, "-m", "proteofold.slurm.cancel", "--run", run_id])
    return printed or f"exit code {code}" if code else ""


def last_words(platform, order, lines=8):
    """The last lines that the head of the latest start printed."""
    with contextlib.suppress(OSError), open(_file(platform, order, "log"), "rb") as handle:
        handle.seek(max(handle.seek(0, os.SEEK_END) - 4096, 0))
        log_lines = handle.read().decode(errors="replace").splitlines()
        return "\n".join([line.rstrip() for line in log_lines if line.strip()][-lines:])
    return ""


def _file(platform, order, ending):
    """A file of the order's latest start."""
    return heads_folder(platform, order["run_id"]) / f"head-{order['starts']}.{ending}"


def _chosen(order):
    return order["templates"], order["mode"], order["weights"]


def log_files(platform, run_id):
    """What the heads of a run printed: paths, the latest start last."""
    found = heads_folder(platform, run_id).glob("head-*.log")
    return sorted(found, key=lambda path: int(path.stem.partition("-")[2]))
