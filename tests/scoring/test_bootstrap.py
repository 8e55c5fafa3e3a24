"""The bootstrap over samples, against scores of samples that are drawn one by one."""

from __future__ import annotations

import numpy as np
import pytest

from rnnimp.scoring import bootstrap
from rnnimp.scoring.accuracy import Pairs, compare_genotypes
from rnnimp.scoring.bins import score_bins
from rnnimp.scoring.bootstrap import (
    DIFFERENCE_LIMITS,
    CellReplicates,
    SampleDraws,
    resampling_weights,
    spread_interval,
    weighted_r2,
)
from rnnimp.scoring.cells import CellLayout, Undivided
from rnnimp.sites.panel import Sites

EDGES = (0.5, 5.0, 20.0, 50.0)
MEASURES = ("mean_r2", "aggregate_r2", "concordance", "discordance")


def random_pairs(rng: np.random.Generator, n_sites: int, n_samples: int, missing: float) -> tuple[Pairs, np.ndarray]:
    """Pairs whose dosages lean to the truth, and the frequencies of a1, rare and common."""
    frequencies = np.clip(rng.beta(0.4, 0.6, size=n_sites), 0.006, 0.994)
    genotypes = (rng.random((2, n_sites, n_samples)) < frequencies[:, np.newaxis]).sum(axis=0).astype(np.int8)
    dosages = np.clip(0.7 * genotypes + rng.normal(0, 0.3, genotypes.shape), 0, 2).round(2).astype(np.float32)
    genotypes[rng.random(genotypes.shape) < missing] = -1
    dosages[rng.random(genotypes.shape) < missing] = np.nan
    return Pairs(genotypes, dosages, np.full((*dosages.shape, 3), np.nan)), frequencies


def replicates(pairs: Pairs, frequencies: np.ndarray, draws: SampleDraws) -> CellReplicates:
    layout = CellLayout([Undivided()], EDGES)
    found = CellReplicates(len(layout), draws)
    sites = Sites.build(range(len(pairs)), ["A"] * len(pairs), ["C"] * len(pairs))
    found.add(pairs, frequencies, layout.of(sites, frequencies))
    return found


def drawn_scores(pairs: Pairs, frequencies: np.ndarray, samples: np.ndarray) -> list[list[float]]:
    """The genotypes of the drawn samples copied side by side, and scored."""
    drawn = pairs.take_samples(samples)
    statistics = compare_genotypes(drawn.genotypes, drawn.dosages, drawn.probabilities)
    return [[getattr(scores, measure) for measure in MEASURES] for scores in score_bins(statistics, frequencies, EDGES)]


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("n_units", [1000, 12])
def test_equal_to_the_naive_bootstrap(n_units: int, missing: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of samples, and of groups of two or three of them."""
    monkeypatch.setattr(bootstrap, "_BLOCK_NUMBERS", 25 * 7)  # blocks of seven sites, the last one shorter
    monkeypatch.setattr(bootstrap, "MOST_UNITS", n_units)
    pairs, frequencies = random_pairs(np.random.default_rng(1), 80, 30, missing)
    draws = SampleDraws(30, 25)
    assert draws.n_units == min(30, n_units)
    units = [draws.order[start:stop] for start, stop in unit_bounds(30, draws.n_units)]
    assert sorted(draws.order.tolist()) == list(range(30))
    found = replicates(pairs, frequencies, draws)
    for replicate, row in enumerate(draws.weights):
        samples = np.concatenate([units[unit] for unit in np.repeat(np.arange(draws.n_units), row.astype(int))])
        for cell, expected in enumerate(drawn_scores(pairs, frequencies, samples)):
            scores = found.scores(cell)
            values = [getattr(scores, measure)[replicate] for measure in MEASURES]
            np.testing.assert_allclose(values, expected, rtol=1e-9)
    assert found.scores(3).mean_r2.std() > 0.001


def unit_bounds(n_samples: int, n_units: int) -> list[tuple[int, int]]:
    starts = [int(unit * n_samples / n_units) for unit in range(n_units)]
    return list(zip(starts, [*starts[1:], n_samples], strict=True))


def test_groups_of_samples_spread_as_samples_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interval from 50 groups of 8 people is about as wide as that from 400 people."""
    pairs, frequencies = random_pairs(np.random.default_rng(2), 60, 400, 0.0)
    widths = []
    for n_units in (400, 50):
        monkeypatch.setattr(bootstrap, "MOST_UNITS", n_units)
        scores = replicates(pairs, frequencies, SampleDraws(400, 1000)).scores(3)
        widths.append([np.std(scores.mean_r2), np.std(scores.aggregate_r2), np.std(scores.concordance)])
    np.testing.assert_allclose(widths[0], widths[1], rtol=0.25)


def test_weights_are_draws_with_replacement() -> None:
    weights = resampling_weights(20, 5000, 4)
    assert set(weights.sum(axis=1)) == {20}
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.06)
    np.testing.assert_allclose(weights.var(axis=0), 1 - 1 / 20, atol=0.1)
    np.testing.assert_array_equal(weights, resampling_weights(20, 5000, 4))


def studies(seed: int, n_studies: int, n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Truth and dosages of one site, in each of several studies, from a model whose squared correlation is 0.64."""
    rng = np.random.default_rng(seed)
    haplotypes = rng.random((2, n_studies, n_samples)) < 0.5
    flipped = (haplotypes ^ (rng.random(haplotypes.shape) < 0.1)).sum(axis=0)  # r = 1 - 2 * 0.1
    return haplotypes.sum(axis=0).astype(np.float64), flipped.astype(np.float64)


def test_intervals_cover_the_true_r2_about_as_often_as_they_say() -> None:
    weights = np.concatenate([np.ones((1, 80)), resampling_weights(80, 400, 6)])
    n_covered = 0
    for x, y in zip(*studies(5, 300, 80), strict=True):
        r2 = weighted_r2(np.stack([np.ones(80), x, y, x * x, y * y, x * y]) @ weights.T)
        lower, upper = spread_interval(r2[0], r2[1:])
        n_covered += lower <= 0.8**2 <= upper
    assert 270 <= n_covered <= 297


def mean_r2_differences(genotypes: np.ndarray, noise: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean r2 of a bad imputation less that of a good one, (n_replicates,), over the sites that vary in each."""
    x = genotypes.astype(np.float64)
    means = []
    for y in (np.clip(0.1 * x + 0.3 * noise, 0, 2), np.clip(x + 0.05 * noise, 0, 2)):
        r2 = weighted_r2(np.stack([np.ones_like(x), x, y, x * x, y * y, x * y]) @ weights.T)
        means.append(np.nanmean(r2, axis=0))
    return means[0] - means[1]


def test_the_interval_of_a_strongly_biased_difference_covers_it() -> None:
    """Nearly all replicates lie above the difference, since rare alleles are lost and noise fits better."""
    rng = np.random.default_rng(9)
    n_samples, n_sites, n_studies = 40, 150, 150
    weights = np.concatenate([np.ones((1, n_samples)), resampling_weights(n_samples, 200, 10)])
    frequencies = rng.uniform(0.01, 0.05, (n_sites, 1))
    found = []
    for _ in range(n_studies):
        genotypes = (rng.random((2, n_sites, n_samples)) < frequencies).sum(axis=0)
        noise = np.abs(rng.normal(size=genotypes.shape)) * rng.gamma(0.5, size=n_samples)  # samples differ in quality
        found.append(mean_r2_differences(genotypes, noise, weights))
    values = np.array(found)
    truth = values[:, 0].mean()  # what studies of this size give
    share_above = np.mean(values[:, 1:] > values[:, :1])
    assert share_above > 0.95
    ends = np.array([spread_interval(each[0], each[1:], DIFFERENCE_LIMITS) for each in values])
    covered = np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1]))
    assert 0.9 <= covered <= 0.995
    assert (ends[:, 0] < values[:, 0]).all() and (values[:, 0] < ends[:, 1]).all()


def test_the_spread_interval_is_around_the_estimate_and_within_its_limits() -> None:
    drawn = 0.7 + 0.1 * np.random.default_rng(8).normal(size=100_000)
    np.testing.assert_allclose(spread_interval(0.6, drawn), [0.6 - 0.196, 0.6 + 0.196], atol=0.003)
    assert spread_interval(0.95, drawn)[1] == 1.0
    assert spread_interval(0.05, drawn)[0] == 0.0
    np.testing.assert_allclose(
        spread_interval(0.05, drawn, DIFFERENCE_LIMITS), [0.05 - 0.196, 0.05 + 0.196], atol=0.003
    )
    assert spread_interval(-0.95, drawn, DIFFERENCE_LIMITS)[0] == -1.0


def test_intervals_of_few_or_no_values() -> None:
    nan = np.nan
    assert np.isnan(spread_interval(0.5, np.array([nan, nan]))).all()
    assert np.isnan(spread_interval(0.5, np.array([nan, 0.4]))).all()
    assert np.isnan(spread_interval(nan, np.array([0.5, 0.6]))).all()
    assert spread_interval(0.25, np.array([nan, 0.5, 0.5])) == (0.25, 0.25)
    assert spread_interval(0.0, np.array([1e-17, -1e-17, 0.0]), DIFFERENCE_LIMITS) == pytest.approx((0, 0))  # rounding
