from __future__ import annotations

import numpy as np
import pytest

from rnnimp.privacy.false_alarms import Tail


def test_the_threshold_lies_on_an_exponential_curve_through_the_highest_scores():
    outsiders = np.random.default_rng(1).permutation(np.concatenate([np.zeros(189), [1.0], np.linspace(1.2, 2.6, 10)]))

    tail = Tail.of(outsiders[np.argsort(outsiders)[-100:]], 0.01)

    assert (tail.start, tail.n_highest, tail.n_all) == (1.0, 10, 100)
    assert tail.scale == pytest.approx(0.9)
    assert tail.threshold(0.1) == pytest.approx(1.0)
    assert tail.threshold(0.01) == pytest.approx(1 + 0.9 * np.log(10))


@pytest.mark.parametrize(("n_outsiders", "n_highest"), [(100, 10), (200, 15), (1_000, 38), (100_000, 1_285)])
def test_more_outsiders_lend_more_scores_and_a_smaller_share(n_outsiders, n_highest):
    assert Tail.of(np.arange(float(n_outsiders)), 0.01).n_highest == n_highest


def test_scores_that_are_equal_have_their_own_value_as_threshold():
    assert Tail.of(np.full(100, 3.0), 0.01).threshold(0.01) == 3.0


@pytest.mark.parametrize(("n_outsiders", "rate"), [(99, 0.01), (100, 0.0), (100, 0.2)])
def test_rates_without_a_tail_are_refused(n_outsiders, rate):
    with pytest.raises(ValueError, match="have no tail for a rate of"):
        Tail.of(np.arange(float(n_outsiders)), rate)


def test_drawn_thresholds_and_rates_cover_the_truth_in_95_of_100_samples():
    rng, truth, covered = np.random.default_rng(2), np.log(100), np.zeros(2)
    for _ in range(500):
        tail = Tail.of(rng.exponential(1, 100), 0.01)
        low, high = np.quantile(tail.drawn_thresholds(0.01, rng, 500), [0.025, 0.975])
        fewest, most = np.quantile(tail.drawn_rates(0.01, rng, 500), [0.025, 0.975])
        covered += [low <= truth <= high, fewest <= np.exp(-tail.threshold(0.01)) <= most]

    assert covered / 500 == pytest.approx([0.95, 0.95], abs=0.03)
