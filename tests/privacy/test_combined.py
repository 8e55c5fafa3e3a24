from __future__ import annotations

import numpy as np
import pytest

from rnnimp.privacy.combined import combined_scores, fitted_logistic
from rnnimp.privacy.figures import auc


def test_weights_are_where_the_penalised_loss_is_least():
    rng = np.random.default_rng(1)
    features, is_member = rng.normal(size=(60, 2)), rng.random(60) < 0.4
    of_person = np.where(is_member, 30 / is_member.sum(), 30 / (~is_member).sum())

    def loss(weights):
        odds = weights[0] + features @ weights[1:]
        fit = of_person * (np.logaddexp(0, odds) - is_member * odds)
        return fit.sum() + 0.5 * (weights[1:] ** 2).sum() + 0.5e-6 * weights[0] ** 2

    weights = fitted_logistic(features, is_member)

    for direction in np.eye(3):
        assert loss(weights) <= min(loss(weights + 1e-3 * direction), loss(weights - 1e-3 * direction))


def test_two_scores_that_tell_little_alone_tell_much_together():
    rng = np.random.default_rng(2)
    is_member = np.arange(300) < 200
    shared = rng.normal(0, 5, 300)
    scores = np.stack([shared + is_member + rng.normal(0, 0.5, 300), shared])

    combined = combined_scores(scores, is_member, rng)

    assert auc(scores[0][is_member], scores[0][~is_member]) < 0.65
    assert auc(combined[is_member], combined[~is_member]) > 0.9


def test_noise_stays_at_chance():
    areas = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        is_member = np.arange(120) < 60
        scores = combined_scores(rng.normal(size=(6, 120)), is_member, rng)
        areas.append(auc(scores[is_member], scores[~is_member]))

    assert np.mean(areas) == pytest.approx(0.5, abs=0.05)


def test_a_score_that_does_not_vary_and_groups_that_do_not_overlap_give_numbers():
    is_member = np.arange(20) < 10
    scores = np.stack([np.zeros(20), np.where(is_member, 1e6, 0.0)])

    combined = combined_scores(scores, is_member, np.random.default_rng(1))

    assert np.isfinite(combined).all()
    assert combined[is_member].min() > combined[~is_member].max()
