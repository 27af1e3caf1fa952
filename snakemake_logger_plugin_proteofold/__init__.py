"""Snakemake logger plugin: progress in proteins on the terminal, and every event in the results store.

Snakemake finds it by its name; profiles switch it on with ``logger: proteofold``. The full job texts are still
written to Snakemake's own log file, whose path is shown at the end of a run; ``-p`` shows them on the terminal.
"""

import logging
import os
import platform
import traceback
from logging import WARNING, LogRecord

from snakemake.logging import DefaultFilter
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from proteofold import disks
from proteofold.failures import disk_failure, is_unfinished, last_words
from proteofold.interruption import interrupted
from proteofold.progress import Progress
from proteofold.slurm.registry import FOLDER_VARIABLE, Registry
from proteofold.slurm.watch import Watch
from proteofold.store.recorder import Recorder
from proteofold.store.states import Event

# Lines of Snakemake that tell a user of proteofold something. All else is about single jobs, and in the log file.
_SHOWN = ("Building DAG of jobs", "Nothing to be done", "Unlocking", "Complete log")

# What Snakemake says beside the error of a job, which is told with its reason.
_TOLD_ALREADY = ("RuleException", "Exiting because a job execution failed")

# Of results that were taken from other runs Snakemake has no record: proteofold.takeover watches over them.
_NO_RECORD = "jobs have missing provenance/metadata"
_NO_RECORD_OF_FILE = "Missing metadata for file"  # said four times per such protein when a report is made

_PREDICTION = "predict_secondary_structure"
_SEARCH = "search_templates"


class LogHandler(LogHandlerBase):
    """Turns what Snakemake logs into progress and into rows of the store.

    The Snakefile hands over what a log record cannot say, as attributes of records: ``protein_lengths`` when the run
    is planned, ``proteins_reused`` when results of other runs were taken, ``proteofold_run`` when the run starts,
    ``proteofold_end`` with its status when it ends.
    """

    writes_to_stream = True
    writes_to_file = False
    has_filter = True  # all events are wanted; what is shown is filtered in _show
    has_formatter = False
    needs_rulegraph = False

    def __post_init__(self):
        settings = self.common_settings
        quiet = set(settings.quiet or ())
        self.filter_shown = DefaultFilter(
            quiet, settings.debug_dag, settings.verbose, settings.dryrun, settings.printshellcmds
        ).filter
        self.progress = Progress(quiet=bool(quiet & {Quietness.ALL, Quietness.PROGRESS}))
        self.recorder = None
        self.members = {}  # batch -> proteins
        self.jobs = {}  # jobid -> (rule, wildcards)
        self.local = set()  # jobids of jobs of this machine
        self.closed = False
        _find_place_for_cache()
        self.folders = []  # what the run writes into, while it goes on

    def emit(self, record: LogRecord):
        try:
            self._hear(record)
            if (self._wants_all() and not self._is_about_reused(record)) or self._concerns_user(record):
                self._show(record)
        except Exception:
            self.progress.print(traceback.format_exc())

    def close(self):
        self.progress.stop()
        if self.recorder:
            self.recorder.close()
            self.recorder = None
        if interrupted() and not self.closed:
            self.progress.print("Interrupted. Rerun the same command to resume.")
        self.closed = True  # Python closes it once more when it exits
        super().close()

    def _hear(self, record):
        event = getattr(record, "event", None)
        if lengths := getattr(record, "protein_lengths", None):
            self.progress.plan(lengths)
        elif proteins := getattr(record, "proteins_reused", None):
            self.progress.reuse(proteins)
        elif run := getattr(record, "proteofold_run", None):
            self._record(run)
        elif (status := getattr(record, "proteofold_end", None)) and self.recorder:
            self.folders = []
            self.recorder.end(status)
        elif event == LogEvent.RUN_INFO:
            self.progress.jobs(record.stats)
        elif event == LogEvent.JOB_INFO and not self.common_settings.dryrun:
            self.jobs[record.jobid] = job = (record.rule_name, dict(record.wildcards or {}))
            self.local |= {record.jobid} if record.local else set()
            self.progress.started(*job)
            self._note(record, *job, "running" if record.local else "submitted")
        elif event == LogEvent.JOB_FINISHED and record.job_id in self.jobs:
            job = self.jobs.pop(record.job_id)
            self.progress.finished(*job)
            self._note(record, *job, "waiting" if job[0] == _PREDICTION else "done")
        elif event == LogEvent.JOB_ERROR and not self._ended_with_run(record):
            job = self.jobs.get(record.jobid, (record.rule_name, {}))
            logs = list(record.log or [])
            self.progress.failed(*job, logs)
            self._note(record, *job, "failed")
            self._stop_if_disk_is_full(next(iter(logs), ""))
        elif event == LogEvent.ERROR:
            self._stop_if_disk_is_full()  # Snakemake's own records cannot be written

    def _ended_with_run(self, record):
        """Whether a job ended because the run was interrupted, and not by an error of its own."""
        if record.rule_name in (_SEARCH, _PREDICTION):
            log = next(iter(record.log or []), "")
            if not is_unfinished(last_words(log, "")[1]):
                return False
        return interrupted(wait_s=0.5 if record.jobid in self.local else 0)

    def _record(self, run):
        self.folders = [run.folder.path, os.getcwd()]
        logging.raiseExceptions = False  # on a full disk Snakemake's log would have a traceback printed for each line
        for member in run.members.values():
            self.members.setdefault(member.batch, []).append(member.protein)
        on_slurm = os.environ.get(FOLDER_VARIABLE) == os.path.abspath(run.folder.slurm)
        watch = Watch(Registry(run.folder.slurm), self.members).events if on_slurm else list
        self.recorder = Recorder(run, self.progress.print, watch)

    def _stop_if_disk_is_full(self, log=""):
        """Stop the run when a disk takes no more: else all its proteins would fail within a moment."""
        # a library that is built may be on another disk than the run
        if self.folders and (problem := disk_failure(log, os.path.dirname(log) or os.getcwd(), *self.folders)):
            self.folders = []
            self.progress.print(f"The run stops. {problem}")
            disks.start_no_more()

    def _note(self, record, rule, wildcards, phase):
        """Give the store an event for each protein of a job."""
        if not self.recorder or rule not in (_SEARCH, _PREDICTION):
            return
        predicted = self.members.get(wildcards.get("batch"), ()) if rule == _PREDICTION else ()
        for protein in predicted or filter(None, [wildcards.get("protein")]):
            self.recorder.add(
                Event(
                    protein,
                    phase,
                    record.created,
                    node=platform.node() if phase == "running" else None,
                    step="secondary_structure" if rule == _PREDICTION and phase != "waiting" else None,
                )
            )

    def _is_about_reused(self, record):
        return self.progress.reused and not self.common_settings.verbose and _NO_RECORD in record.getMessage()

    def _wants_all(self):
        settings = self.common_settings
        return settings.dryrun or settings.verbose or settings.printshellcmds

    @staticmethod
    def _concerns_user(record):
        message, event = record.getMessage(), getattr(record, "event", None)
        if message.startswith((*_TOLD_ALREADY, _NO_RECORD_OF_FILE)):
            return False
        if interrupted() and event == LogEvent.ERROR:  # jobs that ended with the run, and that not all jobs are done
            return False
        return event == LogEvent.ERROR or (event is None and (record.levelno >= WARNING or message.startswith(_SHOWN)))

    def _show(self, record):
        if self.filter_shown(record) and (text := self.format(record).strip("\n")):
            self.progress.print(text)


def _find_place_for_cache():
    """Have Snakemake keep its cache in the working folder where the user's own (HOME) cannot be written."""
    folder = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    cache = os.path.join(folder, "snakemake")
    try:
        if os.path.isabs(cache):  # "~" is left where nobody knows the user's folder
            os.makedirs(cache, exist_ok=True)
        usable = os.path.isabs(cache) and os.access(cache, os.W_OK)
    except OSError:
        usable = False
    if not usable:
        os.environ["XDG_CACHE_HOME"] = os.path.abspath(".snakemake/cache")
