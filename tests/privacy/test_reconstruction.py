from __future__ import annotations

import numpy as np
import pytest

from rnnimp.privacy.reconstruction import (
    best_guess_mismatches,
    best_state_mismatches,
    readable_stretches,
    rebuilt,
    share_estimate,
)


def test_mismatches_are_counted_one_by_one():
    rng = np.random.default_rng(1)
    alleles = rng.integers(-1, 2, (25, 8)).astype(np.int8)
    states = rng.integers(0, 2, (25, 5)).astype(np.int8)
    expected = rng.random((25, 8)).astype(np.float32)

    guesses, read = best_guess_mismatches(alleles, expected), best_state_mismatches(alleles, states)

    for haplotype in range(8):
        known = alleles[:, haplotype] >= 0
        own = alleles[known, haplotype]
        assert guesses[haplotype] == np.sum((expected[known, haplotype] > 0.5) != own)
        assert read[haplotype] == min(np.sum(states[known, state] != own) for state in range(5))


def test_the_criterion_is_scaled_to_the_audited_share():
    is_member = np.array([True, True, True, False, False])

    found = rebuilt("model", np.array([2, 3, 9, 3, 40]), is_member, chromosome_share=0.03)

    assert found.most_mismatches == pytest.approx(3)
    assert (found.members.value, found.outsiders.value) == (pytest.approx(2 / 3), 0.5)
    assert (found.members_mismatches, found.outsiders_mismatches) == (3, 21.5)


def test_intervals_of_shares_stay_between_0_and_1():
    none, all_of_them = share_estimate(0, 20), share_estimate(20, 20)

    assert none.low == 0 and 0.1 < none.high < 0.2
    assert all_of_them.high == 1 and 0.8 < all_of_them.low < 0.9


def test_stretches_of_members_and_outsiders():
    found = readable_stretches(np.arange(6), np.arange(6) / 10, np.array([True, True, True, False, False, False]))

    assert (found.members_rows.median, found.members_rows.longest) == (1, 2)
    assert (found.outsiders_cm.median, found.outsiders_cm.longest) == (0.4, 0.5)
