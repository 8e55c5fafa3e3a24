from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from rnnimp.privacy.false_alarms import Tail
from rnnimp.privacy.figures import (
    auc,
    auc_estimate,
    extrapolated,
    figures,
    in_outsider_sds,
    roc_curve,
    true_positive_rate,
)


def scores(seed: int, distance: float, n_members: int = 80, n_outsiders: int = 120):
    rng = np.random.default_rng(seed)
    members = np.round(rng.normal(distance, 1, n_members), 1)  # with ties
    return members, np.round(rng.normal(0, 1, n_outsiders), 1)


@pytest.mark.parametrize("seed", range(5))
def test_auc_is_the_share_of_pairs(seed):
    members, outsiders = scores(seed, 0.8)

    pairs = [(member > outsider) + 0.5 * (member == outsider) for member in members for outsider in outsiders]

    assert auc(members, outsiders) == pytest.approx(np.mean(pairs))


def test_auc_interval_covers_the_truth_in_about_95_of_100_samples():
    truth = 0.714  # of two normal distributions 0.8 standard deviations apart
    covered = 0
    for seed in range(200):
        estimate = auc_estimate(*scores(seed, 0.8))
        covered += estimate.low <= truth <= estimate.high

    assert 180 <= covered <= 199


def test_auc_interval_agrees_with_a_bootstrap():
    members, outsiders = scores(3, 1.0)
    rng = np.random.default_rng(1)
    drawn = [auc(rng.choice(members, len(members)), rng.choice(outsiders, len(outsiders))) for _ in range(2000)]

    estimate = auc_estimate(members, outsiders)

    assert [estimate.low, estimate.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.01)


@pytest.mark.parametrize(
    ("members", "outsiders", "low", "high"),
    [([2.0] * 50, [1.0] * 200, 0.92, 1.0), ([1.0] * 50, [2.0] * 200, 0.0, 0.08), ([1.0] * 9, [1.0] * 9, 0.5, 0.5)],
)
def test_auc_interval_of_groups_that_do_not_overlap_or_do_not_vary(members, outsiders, low, high):
    estimate = auc_estimate(np.array(members), np.array(outsiders))

    assert estimate.low == pytest.approx(low, abs=0.01)
    assert estimate.high == pytest.approx(high, abs=0.01)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rate", [0.01, 0.05])
def test_tpr_is_the_share_of_members_above_the_threshold_of_the_tail(seed, rate):
    members, outsiders = scores(seed, 1.2)

    estimate = true_positive_rate(members, outsiders, rate, np.random.default_rng(seed))

    assert estimate.value == pytest.approx(np.mean(members > Tail.of(outsiders, rate).threshold(rate)))
    assert estimate.low <= estimate.value <= estimate.high


NORMAL = NormalDist()


@pytest.mark.slow
@pytest.mark.parametrize("n_outsiders", [100, 200])
@pytest.mark.parametrize("area", [0.5, 0.6, 0.7, 0.9])
def test_tpr_is_right_on_average_and_its_interval_covers_the_truth(n_outsiders, area):
    """And it is nearer to the truth than the share above the second highest outsider's score, or the third's of 200."""
    distance = np.sqrt(2) * NORMAL.inv_cdf(area)
    truth = NORMAL.cdf(distance + NORMAL.inv_cdf(0.01))
    rng, found, naive, covered = np.random.default_rng(1), [], [], 0
    for _ in range(400):
        members, outsiders = rng.normal(distance, 1, 600), rng.normal(0, 1, n_outsiders)
        estimate = true_positive_rate(members, outsiders, 0.01, rng)
        found.append(estimate.value)
        naive.append(np.mean(members > np.sort(outsiders)[-1 - n_outsiders // 100]))
        covered += estimate.low <= truth <= estimate.high

    assert np.mean(found) == pytest.approx(truth, abs=0.005 + 0.03 * truth)
    error, naive_error = (np.sqrt(np.mean((np.array(part) - truth) ** 2)) for part in (found, naive))
    assert error < 0.87 * naive_error
    assert np.mean(naive) - truth > 2 * abs(np.mean(found) - truth)
    assert covered >= 0.93 * 400


def test_a_rate_below_one_outsider_has_no_value():
    estimate = figures(*scores(1, 2.0, n_outsiders=99), np.random.default_rng(1)).tpr[0.01]

    assert (estimate.value, estimate.low, estimate.high) == (None, None, None)
    assert estimate.note == "99 outsiders cannot resolve a rate of 0.01; 100 are needed"


def test_few_outsiders_behind_a_threshold_are_said():
    note = true_positive_rate(*scores(1, 2.0), 0.01, np.random.default_rng(1)).note

    assert note is not None
    assert note.startswith("the threshold is fitted to the 11 highest of 120 outsiders; of further people, 0.2 to 3.")
    assert true_positive_rate(*scores(1, 2.0), 0.05, np.random.default_rng(1)).note is None


def test_area_under_the_curve_is_the_auc():
    members, outsiders = scores(4, 0.5)

    false, true = np.array(roc_curve(members, outsiders)).T

    assert np.sum(np.diff(false) * (true[1:] + true[:-1]) / 2) == pytest.approx(auc(members, outsiders))


def test_distances_from_the_outsiders():
    outsiders = np.array([1.0, 3.0])

    assert in_outsider_sds(np.array([2.0, 4.0]), outsiders) == pytest.approx([0, np.sqrt(2)])
    assert in_outsider_sds(np.array([2.0]), np.array([1.0])).tolist() == [0]


def test_extrapolation_agrees_with_sums_of_independent_regions():
    rng = np.random.default_rng(5)
    members = rng.normal(0.4, 1, (40_000, 16)).sum(axis=1)
    outsiders = rng.normal(0, 1, (40_000, 16)).sum(axis=1)
    part = extrapolated("model", 0.4 * 2, 4, 16)  # from four of the regions

    found = figures(members, outsiders, rng)

    assert part.auc == pytest.approx(found.auc.value, abs=0.01)
    assert part.tpr[0.01] == pytest.approx(found.tpr[0.01].value, abs=0.02)
    assert part.d_prime == pytest.approx(found.d_prime, abs=0.05)


def test_extrapolation_has_an_interval_and_does_not_go_below_chance():
    part = extrapolated("model", 0.2, 4, 16, (-0.1, 0.5))

    assert part.auc_interval == pytest.approx((0.5, 0.7602), abs=1e-4)
    assert part.tpr_intervals[0.01] == pytest.approx((0.01, 0.0924), abs=1e-4)
    assert extrapolated("model", -1.0, 4, 16).auc == 0.5


def test_distances_belong_to_the_auc_and_its_interval():
    found = figures(*scores(2, 1.0), np.random.default_rng(1))

    normal = NormalDist()
    for distance, area in zip(
        (found.d_prime, *found.d_prime_interval), (found.auc.value, found.auc.low, found.auc.high), strict=True
    ):
        assert normal.cdf(distance / np.sqrt(2)) == pytest.approx(area)
