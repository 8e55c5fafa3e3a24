"""Confidence of accuracy: a bootstrap over samples, with the same draws for all imputations.

1. `SampleDraws` draws how often each replicate contains each unit: a sample, or from `MOST_UNITS` samples on a random
   group of samples.
2. `CellReplicates` adds up what the replicates' scores need, block by block.
3. `spread_interval` gives the interval of a score, or of the difference of two scores.

A replicate has the same genotypes with other weights of the units. One matrix product therefore gives a sum of all
sites and replicates, and no genotype is copied.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from rnnimp.scoring.accuracy import Pairs
from rnnimp.scoring.cells import Membership
from rnnimp.scoring.measures import ratio, squared_correlation

MOST_UNITS = 200
"""Groups that samples are drawn in, if there are more samples."""

SEED = 1
LEVEL = 0.95

_BLOCK_NUMBERS = 1 << 17
_NORMAL = NormalDist()
_ROUNDING = 1e-13  # a weighted variance this small, relative to the mean square, is that of equal values

Interval = tuple[float, float]
"""Lower and upper end; NaN where there is none."""

SCORE_LIMITS: Interval = (0.0, 1.0)
DIFFERENCE_LIMITS: Interval = (-1.0, 1.0)


def resampling_weights(n_samples: int, n_replicates: int, seed: int) -> NDArray[np.float64]:
    """How often each replicate contains each sample: n_samples draws with replacement.

    Returns:
        float64 (n_replicates, n_samples); whole numbers, each row sums to n_samples.
    """
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_samples, np.full(n_samples, 1 / n_samples), size=n_replicates).astype(np.float64)


def spread_interval(
    estimate: float, replicates: NDArray[np.float64], limits: Interval = SCORE_LIMITS, level: float = LEVEL
) -> Interval:
    """Interval by the standard deviation of the replicates, around the estimate (Efron & Tibshirani 1993, ch. 13).

    Only the spread of the replicates counts, not where they lie. They are biased: with some samples drawn several
    times, a site's r2 is that of fewer samples, and sites whose rare alleles were not drawn do not count. The bias is
    often greater than the spread, above all that of a difference between a good and a bad imputation. Percentile, basic
    and bias-corrected intervals then miss the estimate, or shrink to a point.

    Args:
        estimate: Score of the samples as they are, or a difference of two scores.
        replicates: Replicates, float64 (n_replicates,); NaN is left out.
        limits: Least and greatest possible value: `SCORE_LIMITS` or `DIFFERENCE_LIMITS`.
        level: Share of samplings whose interval contains the true value, if values were normal.

    Returns:
        Lower and upper end within the limits; NaN with fewer than two replicates.
    """
    known = replicates[~np.isnan(replicates)]
    if known.size < 2 or np.isnan(estimate):
        return float("nan"), float("nan")
    reach = _NORMAL.inv_cdf((1 + level) / 2) * float(np.std(known, ddof=1))
    return max(limits[0], estimate - reach), min(limits[1], estimate + reach)


def weighted_r2(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared correlation from six weighted sums; the truth's spread is exact, the dosages' is cleared of rounding.

    Args:
        sums: Sums of 1, x, y, xx, yy and xy, float64 (6, ...).
    """
    n, x, y, xx, yy, xy = sums
    imputed_spread = n * yy - y * y
    imputed_spread[imputed_spread <= _ROUNDING * n * yy] = 0
    return squared_correlation(n * xx - x * x, imputed_spread, n * xy - x * y)


class SampleDraws:
    """How often each replicate contains each unit of samples.

    Attributes:
        order: The samples in the order in which they form units, int64 (n_samples,).
        weights: Weights, float64 (n_replicates, n_units); whole numbers.

    Args:
        n_samples: Number of samples.
        n_replicates: Number of replicates.
        seed: Seed of the units and the draws.
    """

    def __init__(self, n_samples: int, n_replicates: int, seed: int = SEED) -> None:
        n_units = min(n_samples, MOST_UNITS)
        self._is_grouped = n_units < n_samples
        self.order = np.random.default_rng(seed).permutation(n_samples) if self._is_grouped else np.arange(n_samples)
        self._starts = np.linspace(0, n_samples, n_units, endpoint=False).astype(np.intp)
        self.weights = resampling_weights(n_units, n_replicates, seed)

    @property
    def n_units(self) -> int:
        """Number of units that are drawn."""
        return len(self._starts)

    @property
    def n_replicates(self) -> int:
        """Number of replicates."""
        return len(self.weights)

    def unit_sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums over the samples of each unit: from (n_rows, n_samples) to (n_rows, n_units)."""
        if not self._is_grouped:
            return values
        return np.add.reduceat(values[:, self.order], self._starts, axis=1)


@dataclass(frozen=True, eq=False)
class ReplicateScores:
    """Scores of all replicates of a cell, each float64 (n_replicates,)."""

    mean_r2: NDArray[np.float64]
    aggregate_r2: NDArray[np.float64]
    concordance: NDArray[np.float64]
    discordance: NDArray[np.float64]


class CellReplicates:
    """Sums of the sites of each cell in each replicate.

    Args:
        n_cells: Number of cells.
        draws: Draws of the samples.
    """

    def __init__(self, n_cells: int, draws: SampleDraws) -> None:
        self._draws = draws
        self._total = np.zeros((n_cells, draws.n_replicates))
        self._n_varying = np.zeros((n_cells, draws.n_replicates))
        self._units = np.zeros((n_cells, 8, draws.n_units))  # pairs, x, y, xx, yy, xy, right guesses, right ones of 0

    def add(self, pairs: Pairs, frequencies: NDArray[np.float64], members: Membership) -> None:
        """Add the sites of a block.

        Args:
            pairs: n_sites of them.
            frequencies: Frequency of a1, float64 (n_sites,).
            members: Cells of these sites.
        """
        sums = np.stack([self._draws.unit_sums(column) for column in _columns(pairs, frequencies > 0.5)])
        n_sites = len(pairs)
        by_unit = members.is_member @ sums.transpose(1, 0, 2).reshape(n_sites, -1)
        self._units[members.cells] += by_unit.reshape(len(members.cells), *self._units.shape[1:])
        weights = self._draws.weights
        n_rows = max(1, _BLOCK_NUMBERS // max(1, len(weights)))
        for start in range(0, n_sites, n_rows):
            rows = slice(start, start + n_rows)
            r2 = weighted_r2(sums[:6, rows] @ weights.T)
            varies = ~np.isnan(r2)
            self._total[members.cells] += members.is_member[:, rows] @ np.where(varies, r2, 0)
            self._n_varying[members.cells] += members.is_member[:, rows] @ varies.astype(np.float64)

    def scores(self, cell: int) -> ReplicateScores:
        """The scores of a cell in all replicates."""
        sums = self._units[cell] @ self._draws.weights.T
        n, right, right_zeros = sums[0], sums[6], sums[7]
        return ReplicateScores(
            ratio(self._total[cell], self._n_varying[cell]),
            weighted_r2(sums[:6]),
            ratio(right, n),
            ratio(n - right, n - right_zeros),
        )


def _columns(pairs: Pairs, is_common: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """What is summed over samples, each float64 (n_sites, n_samples); 0 where either side is missing."""
    is_known, turned = pairs.is_known, is_common[:, np.newaxis]
    genotypes, dosages = pairs.genotypes.astype(np.float64), pairs.dosages.astype(np.float64)
    x = np.where(is_known, np.where(turned, 2 - genotypes, genotypes), 0)
    y = np.where(is_known, np.where(turned, 2 - dosages, dosages), 0)
    is_right = is_known & (pairs.guesses == pairs.genotypes)
    flags = (flag.astype(np.float64) for flag in (is_known, is_right, is_right & (pairs.genotypes == 0)))
    known, right, right_zeros = flags
    return [known, x, y, x * x, y * y, x * y, right, right_zeros]
