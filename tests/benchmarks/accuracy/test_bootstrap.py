"""The bootstrap of the accuracy benchmark, against r2 computed from drawn samples one by one."""

from __future__ import annotations

import numpy as np
import pytest
from accuracy import bootstrap
from accuracy.bootstrap import binned_r2, gains

from rnnimp.scoring.accuracy import compare_genotypes
from rnnimp.scoring.bins import score_bins
from rnnimp.scoring.bootstrap import resampling_weights

EDGES = (0.5, 5.0, 20.0, 50.0)
BINS = ((0.5, 5.0), (5.0, 20.0), (20.0, 50.0), (0.5, 50.0))


def random_pairs(
    rng: np.random.Generator, n_sites: int, n_samples: int, missing: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True genotypes, dosages that lean to them, and the frequencies of a1, rare and common."""
    frequencies = np.clip(rng.beta(0.4, 0.6, size=n_sites), 0.006, 0.994)
    genotypes = (rng.random((2, n_sites, n_samples)) < frequencies[:, np.newaxis]).sum(axis=0).astype(np.int8)
    dosages = np.clip(0.7 * genotypes + rng.normal(0, 0.3, genotypes.shape), 0, 2).round(2).astype(np.float32)
    genotypes[rng.random(genotypes.shape) < missing] = -1
    dosages[rng.random(genotypes.shape) < missing] = np.nan
    return genotypes, dosages, frequencies


def naive(
    genotypes: np.ndarray, dosages: np.ndarray, frequencies: np.ndarray, samples: np.ndarray
) -> tuple[list[float], list[float]]:
    """The genotypes of the drawn samples copied side by side, and scored as `rnnimp evaluate` does."""
    drawn = dosages[:, samples]
    statistics = compare_genotypes(genotypes[:, samples], drawn, np.full((*drawn.shape, 3), np.nan))
    scores = [next(iter(score_bins(statistics, frequencies, edges))) for edges in BINS]
    return [score.mean_r2 for score in scores], [score.aggregate_r2 for score in scores]


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("seed", [1, 2])
def test_equal_to_the_naive_bootstrap(seed: int, missing: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_BLOCK_NUMBERS", 25 * 7)  # blocks of seven sites, the last one shorter
    genotypes, dosages, frequencies = random_pairs(np.random.default_rng(seed), 80, 30, missing)
    weights = resampling_weights(30, 25, seed)
    found = binned_r2(genotypes, dosages, frequencies, weights, EDGES)
    for replicate, row in enumerate(weights):
        mean, aggregate = naive(genotypes, dosages, frequencies, np.repeat(np.arange(30), row.astype(int)))
        np.testing.assert_allclose(found.mean[replicate], mean, rtol=1e-9)
        np.testing.assert_allclose(found.aggregate[replicate], aggregate, rtol=1e-9)
    assert np.isfinite(found.mean).all()
    assert found.mean.std(axis=0).min() > 0.001


def test_weights_of_one_give_the_scores_of_the_samples_themselves() -> None:
    genotypes, dosages, frequencies = random_pairs(np.random.default_rng(3), 200, 40, 0.1)
    found = binned_r2(genotypes, dosages, frequencies, np.ones((1, 40)), EDGES)
    mean, aggregate = naive(genotypes, dosages, frequencies, np.arange(40))
    np.testing.assert_allclose(found.mean[0], mean, rtol=1e-12)
    np.testing.assert_allclose(found.aggregate[0], aggregate, rtol=1e-12)


def test_sites_without_variation_in_a_replicate() -> None:
    """The truth of the first site varies with its first sample only; the dosage of the second does not vary at all."""
    genotypes = np.array([[1, 0, 0, 0], [0, 1, 1, 2]], np.int8)
    dosages = np.array([[0.9, 0.1, 0.1, 0.1], [0.3, 0.3, 0.3, 0.3]])
    weights = np.array([[1, 1, 1, 1], [0, 2, 1, 1], [0, 2, 2, 0], [0, 0, 0, 4]], dtype=float)
    found = binned_r2(genotypes, dosages, np.array([0.1, 0.1]), weights, (0, 50))
    np.testing.assert_allclose(found.mean[:, 0], [0.5, 0, np.nan, np.nan])
    assert np.isnan(binned_r2(genotypes, dosages, np.array([np.nan, 0.1]), weights, (20, 50)).aggregate).all()


@pytest.mark.parametrize("dosage", [0.1, 1 / 3, 1.7, 1e-4])
def test_a_constant_dosage_scores_zero_in_every_replicate(dosage: float) -> None:
    genotypes = (np.arange(50) % 3).astype(np.int8)[np.newaxis]
    found = binned_r2(genotypes, np.full((1, 50), dosage), np.array([0.5]), resampling_weights(50, 200, 1), (0, 50))
    assert found.mean.max() == 0
    assert found.aggregate.max() == 0


def test_the_smallest_difference_that_a_file_holds_counts() -> None:
    genotypes = np.zeros((1, 100), np.int8)
    genotypes[0, 0] = 1
    dosages = np.full((1, 100), 2.0)
    dosages[0, 0] = 1.9999
    found = binned_r2(genotypes, dosages, np.array([0.01]), np.ones((1, 100)), (0, 50))
    np.testing.assert_allclose(found.mean, 1, rtol=1e-3)


def test_gains_over_the_better_of_two() -> None:
    """Two bins; the first rival is the better one in the first bin, and is beaten there; the other is not."""
    replicates = np.linspace(-0.1, 0.1, 201)
    own = np.stack([0.9 + np.append(0, replicates), 0.8 + np.append(0, replicates)], axis=1)
    rivals = np.stack([own - [[0.05, 0.1]], np.full_like(own, 0.8)])  # the first moves with the samples, as ours does
    first, second = gains(own, rivals)
    assert (first.rival, first.is_clear) == (0, True)
    np.testing.assert_allclose([first.estimate, first.lower, first.upper], 0.05)
    np.testing.assert_allclose(first.share_above, np.mean(0.9 + replicates > 0.8))
    assert (second.rival, second.is_clear) == (1, False)
    reach = 1.959964 * replicates.std(ddof=1)
    np.testing.assert_allclose([second.estimate, second.lower, second.upper], [0, -reach, reach], atol=1e-6)


def test_a_bin_without_scores_has_no_gain() -> None:
    (gain,) = gains(np.full((3, 1), np.nan), np.full((2, 3, 1), np.nan))
    assert np.isnan([gain.estimate, gain.lower, gain.upper]).all()
    assert not gain.is_clear
    assert gain.share_above == 0
