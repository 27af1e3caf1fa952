"""Snakemake logger plugin: progress in proteins on the terminal, and every event in the results store.

Snakemake finds it by its name; profiles switch it on with ``logger: proteofold``. The full job texts are still
written to Snakemake's own log file, whose path is shown at the end of a run; ``-p`` shows them on the terminal.

The Snakemake of each job on a node imports this module as well and uses nothing of it: what takes long to import waits
until it is needed.
"""

import logging
import os
import platform
import re
import signal
import tempfile
import textwrap
import threading
import traceback
from logging import WARNING, LogRecord

from snakemake.logging import DefaultFilter
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from proteofold.run.failures import disk_failure, is_unfinished, last_words
from proteofold.run.interruption import interrupt_jobs, interrupted, note_interruption
from proteofold.run.rules import ALIGNMENT, PREDICTION, SEARCH, SUMMARY
from proteofold.run.states import Event
from proteofold.slurm.jobs import FOLDER_VARIABLE, JobFolder

# Lines of Snakemake that are useful to a user of proteofold. All else is about single jobs, and in the log file.
_SHOWN = ("Building DAG of jobs", "Nothing to be done", "Unlocking", "Complete log")

# What Snakemake says beside the error of a job, which is reported with its reason, and of files that it keeps because
# profiles/default has it do so.
_HIDDEN = (
    "RuleException",
    "Exiting because a job execution failed",
    "WorkflowError:\nAt least one job did not complete successfully",
    "--keep-incomplete mode is set",
    "Cannot restore",
)

# An error of proteofold, which names its help, between the places in the Snakefile that Snakemake adds to it; that of a
# function of a rule is indented, and has the wildcards of the job.
_WITH_PLACES = re.compile(
    r"\w+ in (rule \w+ in )?file .*:\n(Error:\n  \w+:\n)?"
    r"(?P<error>(?s:.*)\n *Help: docs/errors\.md#.*)"
    r"(\nWildcards:(\n  .*)*\nTraceback:)?(\n  File .*)*"
)

# Interrupts Snakemake as Ctrl-C does. A head that a script starts in the background ignores that of Ctrl-C, SIGINT.
_INTERRUPT = signal.SIGUSR1

_BEFORE_SEARCH = (PREDICTION.name, ALIGNMENT.name)
_ON_NODES = (*_BEFORE_SEARCH, SEARCH.name)


class LogHandler(LogHandlerBase):
    """Turns what Snakemake logs into progress and into rows of the store.

    The Snakefile hands over what a log record cannot say, as attributes of records: ``proteofold_plan`` when the run
    is planned, ``proteofold_run`` when it starts, ``proteofold_end`` with its status and the number of proteins that
    are done when it ends.
    """

    writes_to_stream = True
    writes_to_file = False
    has_filter = True  # all events are wanted; what is shown is filtered in _show
    has_formatter = False
    needs_rulegraph = False

    def __post_init__(self):
        from proteofold.run.progress import Progress

        settings = self.common_settings
        quiet = set(settings.quiet or ())
        self.filter_shown = DefaultFilter(
            quiet, settings.debug_dag, settings.verbose, settings.dryrun, settings.printshellcmds
        ).filter
        self.progress = Progress(quiet=bool(quiet & {Quietness.ALL, Quietness.PROGRESS}))
        self.recorder = None
        self.proteins = {}  # batch -> proteins
        self.protein_of = {}  # entry -> protein
        self.jobs = {}  # jobid -> (rule, wildcards)
        self.local = set()  # jobids of jobs of this machine
        self.closed = False
        self.status = None  # with which the run ended
        signal.signal(_INTERRUPT, interrupt_jobs)
        self.cache = _find_place_for_cache()
        self.folders = []  # what the run writes into
        self.stop = None  # the timer that stops a run whose disk is full

    def emit(self, record: LogRecord):
        try:
            self._hear(record)
            if self._wants_all() or self._concerns_user(record):
                self._show(record)
        except Exception:
            self.progress.print(traceback.format_exc())

    def close(self):
        self.progress.stop()
        if self.recorder:
            self.recorder.close()
            self.recorder = None
        if interrupted() and self.status != "SUCCESS" and not (self.closed or self.stop):
            self.progress.print("Interrupted. Rerun the same command to resume.")
        self.closed = True  # Python closes it once more when it exits
        super().close()

    def _hear(self, record):
        event = getattr(record, "event", None)
        if plan := getattr(record, "proteofold_plan", None):
            lengths = {member.entry: member.length for member in plan.run.members.values()}
            self.progress.plan(lengths, len(plan.missing))
        elif run := getattr(record, "proteofold_run", None):
            self._record(run)
        elif end := getattr(record, "proteofold_end", None):
            self.status, done = end
            self.progress.count(done)
            if self.recorder:
                self.recorder.end(self.status)
        elif event == LogEvent.RUN_INFO:
            self.progress.jobs(record.stats)
        elif event == LogEvent.JOB_INFO and not self.common_settings.dryrun:
            self.jobs[record.jobid] = job = (record.rule_name, dict(record.wildcards or {}))
            self.local |= {record.jobid} if record.local else set()
            self.progress.started(*job)
            if job[0] in _ON_NODES:
                self._note(record, *job, "running" if record.local else "submitted")
        elif event == LogEvent.JOB_FINISHED and record.job_id in self.jobs:
            job = self.jobs.pop(record.job_id)
            self.progress.finished(*job)
            if job[0] in (*_BEFORE_SEARCH, SUMMARY.name):
                self._note(record, *job, "waiting" if job[0] in _BEFORE_SEARCH else "done")
        elif event == LogEvent.JOB_ERROR and not self._ended_with_run(record):
            job = self.jobs.get(record.jobid, (record.rule_name, {}))
            logs = list(record.log or [])
            log = next(iter(logs), "")
            self._stop_if_disk_is_full(log)
            if not (self.stop and is_unfinished(last_words(log))):
                self.progress.failed(*job, logs)
            self._note(record, *job, "failed")
        elif event == LogEvent.ERROR:
            self._stop_if_disk_is_full()  # Snakemake's own records cannot be written

    def _ended_with_run(self, record):
        """Whether a job ended because the run was interrupted, and not by an error of its own."""
        if record.rule_name in _ON_NODES:
            log = next(iter(record.log or []), "")
            if not is_unfinished(last_words(log)):
                return False
        return interrupted(wait_s=0.5 if record.jobid in self.local else 0)

    def _record(self, run):
        from proteofold.slurm.watch import Watch
        from proteofold.store.recorder import Recorder

        self.folders = [run.folder.path, os.getcwd()]
        logging.raiseExceptions = False  # on a full disk Snakemake's log would have a traceback printed for each line
        for member in run.members.values():
            self.proteins.setdefault(member.batch, []).append(member.protein)
            self.protein_of[member.entry] = member.protein
        on_slurm = os.environ.get(FOLDER_VARIABLE)
        watch = Watch(JobFolder(on_slurm), run).events if on_slurm else list
        self.recorder = Recorder(run, self.progress.print, watch)

    def _stop_if_disk_is_full(self, log=""):
        """Stop the run when a disk takes no more: else all its proteins would fail within a moment."""
        # a library that is built may be on another disk than the run
        folders = [os.path.dirname(log) or os.getcwd(), *self.folders]
        if self.folders and not self.stop and (problem := disk_failure(log, *folders)):
            self.progress.print(f"The run stops. {problem}")
            note_interruption()  # what is not done has not failed
            # a moment later and from another thread, as Ctrl-C comes: when Snakemake waits for jobs
            self.stop = threading.Timer(0.5, os.kill, (os.getpid(), _INTERRUPT))
            self.stop.start()

    def _note(self, record, rule, wildcards, phase):
        """Give the store an event for each protein of a job."""
        if not self.recorder:
            return
        step = ALIGNMENT.step if rule == ALIGNMENT.name else PREDICTION.step if "batch" in wildcards else None
        concerned = [*self.proteins.get(wildcards.get("batch"), ()), self.protein_of.get(wildcards.get("entry"))]
        for protein in filter(None, concerned):
            self.recorder.add(
                Event(
                    protein,
                    phase,
                    record.created,
                    node=platform.node() if phase == "running" else None,
                    step=step if phase != "waiting" else None,
                )
            )

    def _wants_all(self):
        settings = self.common_settings
        return settings.dryrun or settings.verbose or settings.printshellcmds

    @staticmethod
    def _concerns_user(record):
        message, event = record.getMessage(), getattr(record, "event", None)
        if message.startswith(_HIDDEN):
            return False
        if interrupted() and event == LogEvent.ERROR:  # jobs that ended with the run, and that not all jobs are done
            return False
        return event == LogEvent.ERROR or (event is None and (record.levelno >= WARNING or message.startswith(_SHOWN)))

    def _show(self, record):
        if self.filter_shown(record) and (text := self.format(record).strip("\n")):
            ours = None if self.common_settings.verbose else _WITH_PLACES.fullmatch(text)
            self.progress.print(f"Error: {textwrap.dedent(ours['error'])}" if ours else text)


def _find_place_for_cache():
    """Have Snakemake keep its cache in a temporary folder where the user's own (HOME) cannot be written.

    Returns the folder, which lasts as long as this object; None where it is not needed.
    """
    given = os.environ.get("XDG_CACHE_HOME")
    cache = os.path.join(given or os.path.expanduser("~/.cache"), "snakemake")
    try:
        # "~" is left where the user's folder is unknown; on a node the temporary folder of the head may be given
        if os.path.isabs(cache) and (not given or os.path.isdir(given)):
            os.makedirs(cache, exist_ok=True)
        usable = os.path.isabs(cache) and os.access(cache, os.W_OK)
    except OSError:
        usable = False
    if usable:
        return None
    place = tempfile.TemporaryDirectory(prefix="proteofold-cache-", ignore_cleanup_errors=True)
    os.environ["XDG_CACHE_HOME"] = place.name
    return place
