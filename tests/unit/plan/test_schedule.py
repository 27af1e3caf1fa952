"""Bounds and simulated schedules, against cases that can be computed by hand and against each other."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proteofold.plan.nodes import NodeKind
from proteofold.plan.schedule import Job, lower_bound, simulated_makespan

WORKERS, CLIENT = NodeKind("worker", 4, 2, 3500), NodeKind("client", 1, 4, 7400)


def both(jobs, *kinds):
    return lower_bound(jobs, kinds), simulated_makespan(jobs, kinds)


def test_nothing_takes_no_time():
    assert both([], WORKERS) == (0, 0)
    assert both([Job(0, 100)], WORKERS) == (0, 0)


def test_temporary_folder_may_have_blanks_in_its_name(monkeypatch, tmp_path):
    (tmp_path / "t m p").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "t m p"))
    assert lower_bound([Job(10, 100)] * 12, [WORKERS, CLIENT]) == pytest.approx(10)


def test_even_work_takes_work_over_cores():
    assert both([Job(10, 100)] * 12, WORKERS, CLIENT) == pytest.approx((10, 10))
    assert both([Job(10, 100)] * 24, WORKERS, CLIENT) == pytest.approx((20, 20))


def test_one_long_job_is_the_bound_however_many_cores():
    assert both([Job(1000, 100)] + [Job(1, 100)] * 20, WORKERS, CLIENT) == pytest.approx((1000, 1000))


def test_a_job_that_waits_for_another_comes_after_it():
    assert both([Job(5, 100), Job(7, 100, after=0), Job(1, 100)], CLIENT) == pytest.approx((12, 12))


def test_memory_keeps_cores_idle():
    # two of 3,000 MB at once on four cores with 7,400 MB, although there are four cores
    assert both([Job(10, 3000)] * 4, CLIENT) == pytest.approx((20, 20))


def test_jobs_of_different_memory_share_a_node():
    # 5,000 and 2,000 MB run beside each other; two of 5,000 do not
    assert both([Job(10, 5000), Job(10, 2000)], CLIENT) == pytest.approx((10, 10))
    assert both([Job(10, 5000), Job(10, 5000), Job(10, 2000)], CLIENT) == pytest.approx((20, 20))


def test_memory_bounds_mixtures_too():
    # a second of the large and two of the small hold 5,000 + 2 x 2,000 MB, more than 7,400: 9,000 x 10 / 7,400
    bound, simulated = both([Job(10, 5000), Job(10, 2000), Job(10, 2000)], CLIENT)
    assert bound == pytest.approx(90_000 / 7400)
    assert simulated == pytest.approx(20)


def test_a_giant_takes_the_only_node_that_can_hold_it():
    # the client's other cores cannot help it, the workers must do the rest
    giant, small = Job(100, 5000), [Job(100, 1000)] * 10
    assert both([giant, *small], WORKERS, CLIENT) == pytest.approx((100, 100))


def test_small_jobs_do_not_keep_a_giant_waiting_for_ever():
    # ready at 5 s, when small jobs hold the client's memory; they end one at a time, never all at once
    jobs = [Job(5, 100), Job(200, 7000, after=0), *[Job(20 + number / 10, 1750) for number in range(60)]]
    assert simulated_makespan(jobs, [WORKERS, CLIENT]) < 28 + 200


def test_a_kept_node_takes_what_ends_in_time_or_leaves_room():
    kind = NodeKind("n", 1, 3, 8000)
    # at 0 the second cannot start beside the first; what is over at 10, or leaves it 7,000 MB, runs meanwhile
    jobs = [Job(10, 2000), Job(9.5, 7000), Job(9, 3000), Job(8, 900)]
    assert simulated_makespan(jobs, [kind]) == pytest.approx(19.5)
    # the last would end at 12 and leaves no room: it waits until 40
    jobs = [Job(10, 2000), Job(25, 100, after=0), Job(30, 7000), Job(12, 3000)]
    assert simulated_makespan(jobs, [kind]) == pytest.approx(52)


def test_a_node_kept_for_a_job_that_started_elsewhere_is_used_again():
    kinds = NodeKind("small", 1, 1, 500), NodeKind("large", 1, 1, 501)
    assert both([Job(0, 501), Job(0, 501), Job(0, 1), Job(1, 501, after=0)], *kinds) == pytest.approx((1, 1))


def test_memory_that_fits_exactly_fits():
    # 1,750 MB is half of 3,500 and no multiple of the simulation's steps
    assert both([Job(10, 1750)] * 8, WORKERS) == pytest.approx((10, 10))
    assert both([Job(10, 1751)] * 8, WORKERS) == pytest.approx((20, 20))


def test_a_job_that_fits_no_node_is_refused():
    for function in (lower_bound, simulated_makespan):
        with pytest.raises(ValueError, match="7401 MB fits no node"):
            function([Job(1, 7401)], [WORKERS, CLIENT])


def test_same_jobs_give_the_same_times():
    jobs = [Job(1 + i % 7, 100 + 37 * (i % 90), after=i % 5 if i > 4 else None) for i in range(500)]
    assert both(jobs, WORKERS, CLIENT) == both(jobs, WORKERS, CLIENT)


@st.composite
def problems(draw):
    """Jobs, some after others, and node kinds of which one has memory for each."""
    sizes = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(500, 4000))
    kinds = [NodeKind(str(i), *size) for i, size in enumerate(draw(st.lists(sizes, min_size=1, max_size=3)))]
    most = max(kind.mem_mb for kind in kinds)
    jobs = []
    for first in draw(st.lists(st.tuples(st.floats(0, 100), st.integers(1, most)), max_size=25)):
        before = st.integers(0, len(jobs) - 1) if jobs else st.none()
        after = draw(st.none() | before)
        jobs.append(Job(*first, after if after is not None and jobs[after].after is None else None))
    return jobs, kinds


@given(problems())
def test_no_schedule_undercuts_the_bound_and_none_is_longer_than_one_job_at_a_time(problem):
    jobs, kinds = problem
    bound, simulated = both(jobs, *kinds)
    assert bound <= simulated * (1 + 1e-6) + 1e-6
    assert simulated <= sum(job.seconds for job in jobs) * (1 + 1e-6) + 1e-6


def test_a_proteome_is_scheduled_in_seconds():
    jobs = [Job(40 + i % 1000 / 10, 700 + i % 700) for i in range(41_339)]
    began = time.process_time()
    bound, simulated = both(jobs, NodeKind("n", 16, 4, 7000))
    assert time.process_time() - began < 30  # 1.5 s on an idle core
    assert 0.97 <= bound / simulated <= 1
