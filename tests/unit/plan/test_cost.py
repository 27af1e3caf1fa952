"""The cost model: near the measurements it was made from, in order between modes, and corrected by finished jobs."""

import pytest

from proteofold.plan.cost import HYBRID_SEARCHED_AGAIN, Calibration, calibrated, prediction_cpu_s, search_cpu_s
from proteofold.science.hhsuite import SEARCH_MODES, Library

FULL = Library("db", 91_501, 23_800_000, 5_000, "")

# Search, residues, measured CPU seconds, greatest deviation of the model.
MEASURED = [
    ("lean", 62, 45.0, 0.15),
    ("lean", 300, 64.4, 0.05),
    ("lean", 601, 88.5, 0.05),
    ("lean", 1057, 139.9, 0.15),  # a protein of repeats
    ("fast", 300, 2.5, 0.1),
    ("fast", 5000, 49, 0.15),
]


@pytest.mark.parametrize(("mode", "length", "measured", "deviation"), MEASURED)
def test_search_is_near_what_was_measured(mode, length, measured, deviation):
    assert search_cpu_s(length, FULL, mode) == pytest.approx(measured, rel=deviation)


# Against 8,340 templates of one sequence each, whose text is parsed faster than a profile's: the model is above.
@pytest.mark.parametrize(("length", "measured"), [(2000, 30.5), (5000, 84.6), (14_507, 345)])
def test_long_queries_are_near_what_was_measured(length, measured):
    single_sequences = Library("db", 8_340, 8_340 * 382, 1_491, "")
    assert 1 <= search_cpu_s(length, single_sequences, "lean") / measured <= 1.2


def test_search_grows_with_query_and_library_in_every_mode():
    for mode in SEARCH_MODES:
        costs = [search_cpu_s(length, FULL, mode) for length in (1, 50, 599, 601, 1999, 2001, 5001, 14_600, 34_350)]
        assert costs == sorted(costs) and costs[0] > 0
        assert search_cpu_s(400, Library("db", 45_000, 12_000_000, 5_000, ""), mode) < search_cpu_s(400, FULL, mode)


def test_modes_cost_what_their_searches_cost():
    fast, lean, reference, hybrid = (search_cpu_s(300, FULL, mode) for mode in ("fast", "lean", "reference", "hybrid"))
    assert 10 * fast < lean < reference < 1.14 * lean
    assert hybrid == pytest.approx(fast + HYBRID_SEARCHED_AGAIN * lean)


def test_fast_searches_no_more_templates_than_there_are():
    few = Library("db", 81, 11_686, 300, "")
    assert search_cpu_s(300, few, "fast") == pytest.approx(2 * 0.3, rel=0.1)  # the query's pseudocounts, twice


# Width of a batch, residues of each protein, measured milliseconds a step.
@pytest.mark.parametrize(("width", "measured"), [(1, 14), (4, 27), (8, 41), (16, 65), (41, 137), (80, 234), (128, 371)])
def test_prediction_is_near_what_was_measured(width, measured):
    start = prediction_cpu_s(0, 0)
    assert 1e3 * (prediction_cpu_s(400 * width, 400) - start) / 400 == pytest.approx(measured, rel=0.2)
    assert 3.5 <= start <= 4.5


def test_prediction_costs_in_proportion_to_the_networks():
    start, whole = prediction_cpu_s(0, 0), prediction_cpu_s(16_000, 400)
    assert prediction_cpu_s(16_000, 400, 5 * 89_753_620 // 100) == pytest.approx(start + (whole - start) / 100)


def test_finished_jobs_correct_the_model_together():
    assert calibrated([(10, 20), (10, 20), (40, 20)]) == Calibration(1.0, 3)
    assert calibrated([(30, 20)] * 4) == Calibration(1.5, 4)


@pytest.mark.parametrize("pairs", [[], [(30, 20)], [(30, 20)] * 2, [(0, 20)] * 5])
def test_too_little_evidence_corrects_nothing(pairs):
    assert calibrated(pairs) == Calibration()
