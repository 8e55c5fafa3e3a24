from __future__ import annotations

import numpy as np
import pytest

from rnnimp.privacy.rare_alleles import CARRIED, FOUND, INFERRED, count_rare_alleles, rare_alleles


def random_case(seed=1, n_sites=40, n_people=30, n_members=18):
    rng = np.random.default_rng(seed)
    frequency = rng.choice([0.01, 0.02, 0.3, 0.98], n_sites)[:, None]
    alleles = (rng.random((n_sites, 2 * n_people)) < frequency).astype(np.int8)
    alleles[rng.random(alleles.shape) < 0.02] = -1
    expected = np.clip(0.5 * (alleles == 1) + rng.random(alleles.shape) * 0.6, 0, 1).astype(np.float32)
    is_member = np.arange(n_people) < n_members
    panel = np.hstack([alleles[:, : 2 * n_members], (rng.random((n_sites, 60)) < frequency).astype(np.int8)])
    counts = np.stack([(panel == 0).sum(1), (panel == 1).sum(1)], axis=1)
    return alleles, expected, counts, is_member


def class_of(number):
    return 0 if number == 0 else 1 + int(np.ceil(np.log2(number)))


def test_counts_are_those_of_each_allele():
    alleles, expected, counts, is_member = random_case()
    found = count_rare_alleles(alleles, expected, counts, is_member, 0.05)
    by_hand = np.zeros_like(found)
    for site in range(len(alleles)):
        minor = 1 if counts[site, 1] <= counts[site, 0] else 0
        if counts[site].min() > 0.05 * counts[site].sum():
            continue
        for person in range(len(is_member)):
            pair = alleles[site, [2 * person, 2 * person + 1]]
            others = counts[site].min() - (np.count_nonzero(pair == minor) if is_member[person] else 0)
            for number, allele in enumerate(pair):
                probability = expected[site, 2 * person + number]
                probability = probability if minor else 1 - probability
                row = by_hand[person, class_of(others)]
                is_inferred = probability > 0.5 and allele >= 0
                row += np.array(
                    [allele == minor, probability * (allele == minor), is_inferred and allele == minor, is_inferred]
                )

    np.testing.assert_allclose(found, by_hand, rtol=1e-5)


def test_means_are_over_alleles_that_as_many_others_carry():
    counts = np.zeros((4, 2, 4))  # two members, two outsiders; nobody else carries it, or one other
    counts[0, 0], counts[1, 1] = [6, 1.2, 0, 0], [2, 1.6, 2, 2]
    counts[2, 0], counts[3, 1] = [10, 1.0, 0, 1], [1, 0.9, 1, 1]
    is_member = np.array([True, True, False, False])

    found = rare_alleles("model", counts, is_member, 9, 0.01, np.random.default_rng(1))

    assert found.members.value == pytest.approx((6 * 0.2 + 2 * 0.8) / 8)
    assert found.outsiders.value == pytest.approx((6 * 0.1 + 2 * 0.9) / 8)
    assert found.difference.value == pytest.approx(found.members.value - found.outsiders.value)
    assert (found.n_carried_members, found.n_carried_outsiders) == (8, 11)
    assert (found.precision_members, found.precision_outsiders) == (1.0, 0.5)
    assert (found.recall_members, found.recall_outsiders) == (0.25, pytest.approx(1 / 11))


def test_an_interval_holds_no_difference_where_there_is_none():
    alleles, expected, counts, is_member = random_case(3, n_sites=200, n_people=200, n_members=100)
    sums = count_rare_alleles(alleles, expected, counts, is_member, 0.05)

    found = rare_alleles("model", sums, is_member, 9, 0.05, np.random.default_rng(1))

    assert found.difference.low < 0 < found.difference.high
    assert sums[..., FOUND].sum() <= min(sums[..., CARRIED].sum(), sums[..., INFERRED].sum())


def test_without_rare_alleles_there_is_no_value():
    found = rare_alleles("floor", np.zeros((4, 1, 4)), np.arange(4) < 2, 0, 0.01, np.random.default_rng(1))

    assert found.difference.value is None and found.difference.note is not None
    assert found.precision_members is None
