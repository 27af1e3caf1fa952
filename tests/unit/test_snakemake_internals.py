"""What the workflow takes hold of inside Snakemake is there: a newer Snakemake may have moved it."""

import inspect

from snakemake.scheduling.job_scheduler import JobScheduler


def test_limit_of_starts_a_second_can_be_switched_off():
    """rules/common.smk does it; without that the head's CPU time grows with the square of the proteins."""
    assert "if self.job_rate_limiter is not None:" in inspect.getsource(JobScheduler.schedule)
    assert "if self.job_rate_limiter is None:" in inspect.getsource(JobScheduler.job_selector)


def test_jobs_start_through_a_method_of_the_scheduler_that_begin_run_replaces():
    assert list(inspect.signature(JobScheduler.run).parameters) == ["self", "jobs", "executor"]
    assert "self.run(runjobs)" in inspect.getsource(JobScheduler.schedule)
