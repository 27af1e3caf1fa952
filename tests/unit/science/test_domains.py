"""The choice of domains: which hits are taken, and which are refused beside those taken before."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runfolders import span_hit as hit

from proteofold.formats.hhr import Hit, read_hhr
from proteofold.science.domains import DomainThresholds, choose_domains, is_confident, residues_in

DEFAULTS = DomainThresholds()


def chosen(*hits, **thresholds):
    return [
        (found.query_start, found.query_end, found.template)
        for found in choose_domains(hits, thresholds_of(**thresholds))
    ]


def thresholds_of(**values):
    return DomainThresholds(**values)


def test_no_hits_give_no_domains():
    assert choose_domains([], DEFAULTS) == []


def test_domains_are_in_the_order_of_the_protein_and_not_of_the_score():
    receptor = hit(25, 646, "1IVO_A", score=900), hit(695, 1022, "1M17_A", score=950)
    assert chosen(*reversed(receptor)) == [(25, 646, "1IVO_A"), (695, 1022, "1M17_A")]


def test_repeats_of_one_template_are_a_domain_each(data):
    hits = read_hhr(data / "hhblits3.hhr").hits  # polyubiquitin
    assert [(found.query_start, found.query_end, found.template) for found in choose_domains(hits, DEFAULTS)] == [
        (1, 76, "1UBQ_A"),
        (77, 152, "1UBQ_A"),
        (153, 228, "1UBQ_A"),
    ]


@pytest.mark.parametrize(("start", "taken"), [(71, True), (70, False)])
def test_overlap_of_exactly_the_limit_is_allowed_and_one_residue_more_is_not(start, taken):
    # 100 residues each: 30 or 31 of them are shared
    second = hit(start, start + 99, "2XYZ_A", score=50)
    assert (len(chosen(hit(1, 100), second)) == 2) == taken


@pytest.mark.parametrize(("end", "taken"), [(112, True), (113, False)])
def test_overlap_is_measured_by_the_shorter_of_the_two(end, taken):
    long, short = hit(101, 400, score=50), hit(end - 39, end, "2XYZ_A")
    assert (len(chosen(long, short)) == 2) == taken


def test_overlap_is_measured_with_each_domain_and_not_with_all_together():
    hits = hit(1, 100, "1AAA_A", score=90), hit(171, 270, "2BBB_A", score=80), hit(71, 200, "3CCC_A", score=70)
    assert len(chosen(*hits)) == 3


def test_refused_hit_does_not_stand_in_the_way_of_another():
    first, refused, last = hit(1, 100, score=90), hit(60, 160, score=80), hit(101, 200, score=70)
    assert [found[:2] for found in chosen(first, refused, last)] == [(1, 100), (101, 200)]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"score": 101.0, "evalue": 1e-5}, {"score": 100.0, "evalue": 1e-30}),
        ({"evalue": 1e-21}, {"evalue": 1e-20}),
        ({"start": 10, "template": "9ZZZ_A"}, {"start": 11, "template": "1AAA_A"}),
        ({"template": "1AAA_A", "rank": 2}, {"template": "1AAB_A", "rank": 1}),
        ({"rank": 1, "end": 150}, {"rank": 2, "end": 100}),
    ],
    ids=["score", "E-value", "start", "template", "rank"],
)
def test_ties_are_broken_by_the_next_property(better, worse):
    better, worse = (hit(**({"start": 10, "end": 100} | values)) for values in (better, worse))
    assert choose_domains([better, worse], DEFAULTS) == choose_domains([worse, better], DEFAULTS) == [better]


@pytest.mark.parametrize(("columns", "taken"), [(30, True), (29, False)])
def test_hit_with_fewer_columns_is_no_domain_however_long_its_range(columns, taken):
    assert bool(chosen(hit(1, 90, columns=columns))) == taken


@pytest.mark.parametrize(
    ("evalue", "probability", "confident"),
    [
        (9.9e-4, 50.0, True),
        (1e-3, 94.99, False),
        (0.5, 95.0, True),
        (1e-4, None, True),
        (0.5, None, False),
    ],
)
def test_hit_is_confident_by_its_evalue_or_its_probability(evalue, probability, confident):
    found = hit(1, 90, evalue=evalue, probability=probability)
    assert is_confident(found, DEFAULTS) == confident
    assert bool(choose_domains([found], DEFAULTS)) == confident


def test_thresholds_decide():
    hits = hit(1, 60, "1AAA_A", score=90, columns=20, evalue=0.5, probability=80.0), hit(40, 99, "2BBB_A", score=80)
    assert chosen(*hits) == [(40, 99, "2BBB_A")]
    changed = {"min_columns": 20, "min_probability": 80, "max_overlap": 35}
    assert len(chosen(*hits, **changed)) == 2
    assert chosen(*hits, **changed, max_evalue=1e-30)[0] == (1, 60, "1AAA_A")


def test_hit_whose_row_of_the_table_is_damaged_is_no_domain():
    assert choose_domains([Hit(1, "1ABC_A", "", 99.0, 1e-20, score=100.0, aligned_columns=60)], DEFAULTS) == []


def test_residues_are_counted_once():
    ranges = hit(1, 10), hit(5, 12), hit(6, 7), hit(20, 20), hit(1, 3)
    assert residues_in(ranges) == 13 and residues_in([]) == 0


RANGES = st.tuples(st.integers(1, 120), st.integers(1, 90))
HITS = st.lists(
    st.builds(
        lambda span, template, score, evalue, probability, columns: hit(
            span[0], span[0] + span[1] - 1, template, score, evalue, probability, columns
        ),
        RANGES,
        st.sampled_from(["1AAA_A", "2BBB_A", "3CCC_A"]),
        st.sampled_from([10.0, 50.0, 50.5, 100.0]),
        st.sampled_from([1e-30, 1e-5, 9e-4, 1e-3, 0.5]),
        st.sampled_from([20.0, 94.99, 95.0, 100.0]),
        st.integers(25, 60),
    ),
    max_size=14,
)


def brute_force(hits, thresholds):
    """The same choice, by sets of residues and repeated selection of the best hit that is left."""
    left = []
    for number, found in enumerate(hits):
        confident = found.probability >= thresholds.min_probability or found.evalue < thresholds.max_evalue
        if confident and not found.aligned_columns < thresholds.min_columns:
            left.append((number, found, set(range(found.query_start, found.query_end + 1))))
    taken = []
    while left:
        best = left[0]
        for other in left[1:]:
            for mine, its in (
                (best[1].score, other[1].score),
                (-best[1].evalue, -other[1].evalue),
                (-best[1].query_start, -other[1].query_start),
            ):
                if mine != its:
                    best = best if mine > its else other
                    break
            else:
                if other[1].template < best[1].template:
                    best = other
        left.remove(best)
        limit = Fraction(thresholds.max_overlap) / 100
        if all(Fraction(len(best[2] & range_), min(len(best[2]), len(range_))) <= limit for _, _, range_ in taken):
            taken.append(best)
    return {number for number, _, _ in taken}


@given(HITS, st.sampled_from([0, 10, 30, 50, 100]))
def test_choice_is_that_of_a_second_implementation(hits, max_overlap):
    hits = [found._replace(rank=rank) for rank, found in enumerate(hits, 1)]
    thresholds = DomainThresholds(max_overlap=max_overlap)
    assert {found.rank - 1 for found in choose_domains(hits, thresholds)} == brute_force(hits, thresholds)


@pytest.mark.parametrize("name", ["hhsearch3", "hhblits3", "hhsuite2", "hhpred_server"])
@pytest.mark.parametrize(
    "thresholds",
    [
        DEFAULTS,
        DomainThresholds(max_evalue=1e9, min_columns=1),
        DomainThresholds(max_evalue=1e9, min_columns=1, max_overlap=0),
        DomainThresholds(max_evalue=1e9, min_columns=1, max_overlap=60),
    ],
    ids=["defaults", "every hit", "no overlap", "much overlap"],
)
def test_choice_from_real_searches_is_that_of_a_second_implementation(data, name, thresholds):
    hits = read_hhr(data / f"{name}.hhr").hits
    ranks = {hits[number].rank for number in brute_force(hits, thresholds)}
    assert {found.rank for found in choose_domains(hits, thresholds)} == ranks


@given(HITS)
def test_choice_does_not_depend_on_the_order_of_the_hits(hits):
    hits = [found._replace(rank=rank) for rank, found in enumerate(hits, 1)]
    assert choose_domains(hits, DEFAULTS) == choose_domains(hits[::-1], DEFAULTS)


@given(HITS)
def test_residues_are_those_of_a_set(hits):
    assert residues_in(hits) == len(
        {place for found in hits for place in range(found.query_start, found.query_end + 1)}
    )
