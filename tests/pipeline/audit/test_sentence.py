from __future__ import annotations

from dataclasses import replace

from audit_results import audit_results, with_whole_states
from rnnimp.pipeline.audit.sentence import sentence
from rnnimp.privacy.figures import Estimate, extrapolated


def sentence_of(results, **model):
    audited = replace(results.model, **model)
    return sentence(
        audited,
        results.best_attack,
        results.best(),
        results.chance,
        results.stretches,
        results.whole_states,
        results.extrapolations,
    )


def test_numbers_are_those_of_the_results():
    results = audit_results()
    best = results.best()
    tpr = best.tpr[0.01]

    text = sentence_of(results)

    assert text == (
        f"From the 2 audited regions (0.95% of chromosome 22), {100 * tpr.value:.0f} of 100 members "
        f"({100 * tpr.low:.0f} to {100 * tpr.high:.0f}) are recognised when 1 of 100 outsiders is recognised by "
        f"mistake (AUC {best.auc.value:.2f}, best attack: combined); the longest stretch that a state shares with a "
        "member's haplotype has 310 sites, with an outsider's 150 (medians); over the whole chromosome expect 100 of "
        "100 members to be recognised, if regions are independent."
    )


def test_without_hmm_nothing_is_read():
    assert "stretch" not in sentence_of(audit_results(has_hmm=False))


def test_a_chromosome_of_unknown_length_is_left_to_the_model():
    results = audit_results()
    results = replace(results, extrapolations=results.extrapolations[:2])

    text = sentence_of(results, chromosome_share=None, chromosome="X")

    assert text.startswith("From the 2 audited regions of 6, ")
    assert "over the whole model expect" in text


def test_few_outsiders_are_said():
    results = audit_results(n_outsiders=40)

    text = sentence_of(results)

    assert "of 100 pairs (AUC" in text and "40 outsiders are too few for rare false alarms" in text
    assert results.best().tpr[0.01] == Estimate(None, note=results.best().tpr[0.01].note)


def test_what_chance_gives_as_well_is_said():
    results = replace(audit_results(), chance=Estimate(0.95, 0.9, 1.0))

    text = sentence_of(results)

    assert not results.is_beyond_chance()
    assert "best attack: combined; chance gives an AUC of up to 1.00)" in text
    assert "what the whole chromosome tells cannot be said from so little" in text


def test_the_interval_of_an_extrapolation_is_said():
    results = audit_results()
    wide = extrapolated("chromosome", 0.1, 2, 200, (0.01, 0.3))

    text = sentence_of(replace(results, extrapolations=(*results.extrapolations[:2], wide)))

    assert "expect 9 of 100 members (1 to 75)" in text


def test_states_that_are_whole_haplotypes_come_first_if_they_are_many():
    results = replace(with_whole_states(audit_results(), 64, 60), chance=Estimate(0.95, 0.9, 1.0))

    text = sentence_of(results)

    assert text.startswith(
        "124 of 128 states are a whole haplotype of a member in their region, of 64 people in the most exposed region "
        "(2 of an outsider); from the 2 audited regions ("
    )
    assert text.endswith("(medians).") and "cannot be said" not in text


def test_few_states_that_are_whole_haplotypes_are_said_too():
    text = sentence_of(with_whole_states(audit_results(), 1))

    assert text.startswith("From the 2 audited regions")
    assert "; 1 of 64 states is a whole haplotype of a member in their region, of 1 person (1 of an outsider); " in text
    assert "whole haplotype" not in sentence_of(audit_results())


def test_haplotypes_that_many_carry_are_said_to_be_so():
    results = with_whole_states(audit_results(), 5)
    parts = tuple(replace(part, members=300, fewest_members=50, of_outsiders=0) for part in results.whole_states)

    text = sentence_of(replace(results, whole_states=parts))

    assert "5 of 64 states are a whole haplotype" in text and "of 300 people (each of 50 members or more)" in text
