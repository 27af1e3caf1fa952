"""Snakemake logger plugin: a line of progress in proteins instead of a wall of job texts.

Snakemake finds it by its name; profiles switch it on with ``logger: proteofold``. The full job texts are still
written to Snakemake's own log file, whose path is shown at the end of a run.
"""

from logging import WARNING, LogRecord

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from proteofold.progress import Progress

# Lines of Snakemake that tell a user of proteofold something. All else is about single jobs, and in the log file.
_SHOWN = ("Building DAG of jobs", "Nothing to be done", "Unlocking", "Complete log")

# What Snakemake says beside the error of a job, which is told with its reason.
_TOLD_ALREADY = ("RuleException", "Exiting because a job execution failed")


class LogHandler(LogHandlerBase):
    """Turns the events of a run into progress; warnings, errors and dry runs are shown as Snakemake words them."""

    def __post_init__(self):
        self.progress = Progress()
        self.jobs = {}  # jobid -> (rule, wildcards)

    writes_to_stream = True
    writes_to_file = False
    has_filter = False
    has_formatter = False
    needs_rulegraph = False

    def emit(self, record: LogRecord):
        try:
            self._emit(record)
        except Exception:
            self.handleError(record)

    def close(self):
        self.progress.stop()
        super().close()

    def _emit(self, record):
        event = getattr(record, "event", None)
        if lengths := getattr(record, "protein_lengths", None):
            self.progress.plan(lengths)
        if self.common_settings.dryrun or self.common_settings.verbose or self.common_settings.printshellcmds:
            self._show(record)
        elif event == LogEvent.RUN_INFO:
            self.progress.jobs(record.stats)
        elif event == LogEvent.JOB_INFO:
            self.jobs[record.jobid] = (record.rule_name, dict(record.wildcards or {}))
            self.progress.started(*self.jobs[record.jobid])
        elif event == LogEvent.JOB_FINISHED and record.job_id in self.jobs:
            self.progress.finished(*self.jobs.pop(record.job_id))
        elif event == LogEvent.JOB_ERROR:
            rule, wildcards = self.jobs.get(record.jobid, (record.rule_name, {}))
            self.progress.failed(rule, wildcards, list(record.log or []))
        elif self._concerns_user(record, event):
            self._show(record)

    @staticmethod
    def _concerns_user(record, event):
        message = record.getMessage()
        if message.startswith(_TOLD_ALREADY):
            return False
        worded = event is None and (record.levelno >= WARNING or message.startswith(_SHOWN))
        return worded or event == LogEvent.ERROR or hasattr(record, "proteofold")

    def _show(self, record):
        if text := self.format(record).strip("\n"):
            self.progress.print(text)
