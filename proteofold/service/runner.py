"""The runner: the one process that starts Snakemake for the orders of a platform. It may be killed at any moment."""

import contextlib
import fcntl
import os
import signal
import sqlite3
import sys
import time
from pathlib import Path

from proteofold.run.layout import RESULTS
from proteofold.service import orders
from proteofold.service.database import open_platform, platform_path
from proteofold.service.heads import PROFILES, HeadSettings
from proteofold.service.places import default_working_folder
from proteofold.store import interrupt_dead_runs, open_store, transaction
from proteofold.store.database import dicts
from proteofold.system.errors import UserError
from proteofold.system.memory import available_mb

_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_BETWEEN_BEATS = 5
_SECONDS_BETWEEN_REPAIRS = 30
ALIVE_S = 60  # so old the last beat of a runner that works may be: it waits for locks, and writes down ends of runs


class Runner:
    """Carries out the orders of a store's platform until it is stopped; heads outlive it.

    ``parallel`` runs are running at once, each with ``cores`` on this machine (profile "default") or on Slurm
    ("cluster"), started in the folder ``working`` by the service at ``socket`` (None: by the runner, as its user). With
    ``resume`` it first queues again the runs whose heads ended with an earlier runner. Raises UserError if another
    runner is running for this platform.
    """

    def __init__(
        self, store_path, parallel=1, profile="default", cores=None, working=None, socket=None, log=None, resume=False
    ):
        if profile not in PROFILES:
            raise UserError(f"There is no profile {profile!r}: choose one of {', '.join(PROFILES)}.")
        if socket is not None and not Path(socket).is_socket():
            raise UserError(f"{socket}: there is no socket of a service that starts runs.")
        self._store_path = Path(store_path).absolute()
        self._parallel = parallel
        cores = cores or max((os.cpu_count() or 1) // parallel, 1)
        # each run by itself would take all that is free
        memory_mb = available_mb() // parallel if parallel > 1 else None
        self._settings = HeadSettings(profile, cores, socket, memory_mb)
        self._working = Path(working).absolute() if working else default_working_folder(self._store_path)
        self._log = log or _print
        self._resume = resume
        self._heads = {}  # run -> the process, of those that this runner started
        self._ending = False

    def end(self, *_):
        """Have ``run`` return soon; a signal handler."""
        self._ending = True

    def run(self, once=False):
        """Carry out orders until ``end`` is called, or with ``once`` until none waits or is running."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(_alone(platform_path(self._store_path)))
            store = stack.enter_context(contextlib.closing(open_store(self._store_path)))
            platform = stack.enter_context(contextlib.closing(open_platform(platform_path(self._store_path))))
            (self._working / RESULTS).mkdir(parents=True, exist_ok=True)
            os.chdir(self._working)  # what configurations name is relative to it, as for Snakemake
            self._sign_on(platform)
            how = f"{self._parallel} at once, {self._settings.profile} profile"
            self._log(f"started for {self._store_path} in {self._working}: {how}")
            repaired = beaten = 0.0
            while not self._ending:
                now = time.monotonic()
                try:
                    if now - beaten >= _SECONDS_BETWEEN_BEATS:
                        beaten = now
                        _beat(platform)
                    if not repaired or now - repaired >= _SECONDS_BETWEEN_REPAIRS:
                        repaired = now
                        orders.repair(store, platform)
                        interrupt_dead_runs(store, self._working / RESULTS)
                    idle = self._look(store, platform)
                except (sqlite3.Error, OSError, UserError) as error:
                    # a full disk or a lock that was kept long: nothing is lost by looking again later
                    self._log(f"tried again in {_SECONDS_BETWEEN_BEATS} s: {error}")
                    idle = False
                    time.sleep(_SECONDS_BETWEEN_BEATS)
                if once and idle:
                    break
                time.sleep(_SECONDS_BETWEEN_LOOKS)
            with transaction(platform):
                platform.execute("update runner set ended_at = ?", (time.time(),))
        self._log("stopped; running runs continue")

    def _look(self, store, platform):
        """Do what is due; whether nothing waits and nothing is running."""
        at_work = orders.look_after(store, platform, self._settings, self._log, self._heads, self._resume)
        self._resume = False
        self._heads |= orders.start_next(store, platform, self._settings, self._parallel, self._log)
        waiting = platform.execute("select count(*) from orders where state = 'queued'").fetchone()[0]
        return not at_work and not waiting and not self._heads

    def _sign_on(self, platform):
        now = time.time()
        profile, cores = self._settings.profile, self._settings.cores
        row = (os.getpid(), str(self._working), profile, self._parallel, cores, now, now)
        with transaction(platform):
            platform.execute("insert or replace into runner values (1, ?, ?, ?, ?, ?, ?, ?, null)", row)


def runner_of(platform):
    """What is known of the runner, as a dict: pid, working, profile, parallel, cores, started_at, beat_at, ended_at,
    is_alive.

    None before the first runner. ``is_alive`` is true while it looks after its orders; times are seconds since 1970,
    ``ended_at`` is None of a runner that is running or was killed.
    """
    query = "select pid, working, profile, parallel, cores, started_at, beat_at, ended_at from runner where number = 1"
    known = next(iter(dicts(platform, query)), None)
    if known is None:
        return None
    return known | {"is_alive": known["ended_at"] is None and time.time() - known["beat_at"] < ALIVE_S}


def serve(runner, once=False):
    """Run a Runner as a service: SIGTERM and Ctrl-C stop it, and leave the heads running."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, runner.end)
    runner.run(once)


@contextlib.contextmanager
def _alone(path):
    """Hold the lock of the one runner of a platform."""
    path.parent.mkdir(parents=True, exist_ok=True)  # the runner may be the first to come
    with open(f"{path}.runner.lock", "a") as handle:
        os.chmod(handle.name, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{path}: another runner is running for this platform. One is enough.") from None
        yield


def _beat(platform):
    with transaction(platform):
        platform.execute("update runner set beat_at = ?", (time.time(),))


def _print(text):
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} runner: {text}", file=sys.stderr, flush=True)
