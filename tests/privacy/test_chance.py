from __future__ import annotations

import numpy as np
import pytest

from rnnimp.privacy.chance import best_auc_by_chance
from rnnimp.privacy.combined import combined_scores
from rnnimp.privacy.figures import auc


def test_chance_is_what_the_best_of_unrelated_attacks_reaches():
    is_member = np.arange(150) < 90
    reached = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        scores = rng.normal(size=(4, 150))
        tried = [*scores, combined_scores(scores, is_member, rng)]
        reached.append(max(auc(values[is_member], values[~is_member]) for values in tried))

    rng = np.random.default_rng(1)
    found = best_auc_by_chance(rng.normal(size=(4, 150)), is_member, rng)

    assert found.value == pytest.approx(np.mean(reached), abs=0.02)
    assert [found.low, found.high] == pytest.approx(np.quantile(reached, [0.025, 0.975]), abs=0.03)


def test_true_membership_does_not_raise_it():
    rng = np.random.default_rng(2)
    is_member = np.arange(150) < 90
    scores = rng.normal(size=(2, 150)) + 3 * is_member

    assert best_auc_by_chance(scores, is_member, rng).high < 0.65
