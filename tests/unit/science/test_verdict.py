"""The verdict on a protein: its class, its residues, and what the sentence says."""

import json

import pytest
from runfolders import span_hit as hit

from proteofold.formats.hhr import read_hhr
from proteofold.science.domains import DomainThresholds
from proteofold.science.verdict import judge

DEFAULTS = DomainThresholds()


def verdict(*hits, length=100, **thresholds):
    return judge(hits, length, DomainThresholds(**thresholds))


def test_sentence_lists_domains_in_the_order_of_the_protein():
    found = verdict(hit(695, 1022, "1M17_A", score=950), hit(25, 646, "1IVO_A", score=900), length=1210)
    assert found.sentence == "Two confident domains (25–646: 1IVO_A; 695–1022: 1M17_A) cover 78% of the protein."
    assert (found.coverage_class, found.domain_residues) == ("covered", 950)


def test_sentence_about_one_domain():
    assert verdict(hit(2, 41, "4HHB_A")).sentence == "One confident domain (2–41: 4HHB_A) covers 40% of the protein."


def test_sentence_about_noise_names_the_smallest_evalue():
    found = verdict(hit(1, 90, evalue=3.0, probability=20.0, score=50), hit(1, 90, evalue=0.6, probability=20.0))
    assert found.sentence == "No significant template (best E-value 0.6): the listed hits are probably noise."
    assert (found.coverage_class, found.confident_residues) == ("dark", 0)


def test_short_confident_hits_are_no_domain_and_the_sentence_gives_the_reason():
    found = verdict(hit(1, 20, evalue=1.2e-6))
    assert (found.coverage_class, found.domain_residues, found.confident_residues) == ("dark", 0, 20)
    assert found.sentence == "No domain: no confident hit (best E-value 1.2e-6) aligns 30 columns or more."


def test_protein_without_hits_is_dark():
    assert (verdict().coverage_class, verdict().coverage) == ("dark", 0)
    assert verdict().sentence == "No template was found."


@pytest.mark.parametrize(("end", "expected"), [(70, "covered"), (69, "partly")])
def test_limit_of_covered_is_part_of_it(end, expected):
    found = verdict(hit(1, end))
    assert (found.coverage_class, found.coverage) == (expected, end / 100)
    assert f" {end}% " in found.sentence


def test_percentage_is_rounded_down():
    assert "covers 69% of" in verdict(hit(1, 699), length=1000).sentence
    assert "covers less than 1% of" in verdict(hit(1, 60), length=30_000).sentence


def test_long_list_of_domains_is_cut():
    found = verdict(*(hit(start, start + 99) for start in range(1, 1201, 100)), length=1200)
    assert found.sentence.startswith("12 confident domains (1–100: ")
    assert found.sentence.endswith("901–1000: 1ABC_A; and 2 more) cover 100% of the protein.")


def test_residues_that_domains_share_are_counted_once():
    found = verdict(hit(1, 100, score=90), hit(81, 180, "2BBB_A", score=80), length=200)
    assert (len(found.domains), found.domain_residues, found.coverage) == (2, 180, 0.9)


def test_residues_in_confident_hits_include_those_that_are_no_domain():
    found = verdict(hit(1, 50, score=90), hit(20, 80, "2BBB_A", score=80), hit(90, 99, "3CCC_A", columns=10))
    assert (len(found.domains), found.domain_residues, found.confident_residues) == (1, 50, 90)


def test_verdict_on_a_real_protein(data):
    result = read_hhr(data / "hhblits3.hhr")
    found = judge(result.hits, result.query_length, DEFAULTS)
    assert found.sentence == (
        "Three confident domains (1–76: 1UBQ_A; 77–152: 1UBQ_A; 153–228: 1UBQ_A) cover 99% of the protein."
    )
    described = json.loads(json.dumps(found.described()))
    assert [domain["identity"] for domain in described["domains"]] == [100, 100, 100]
    assert (described["class"], described["coverage"]) == ("covered", 0.9956)
