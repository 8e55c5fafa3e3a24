"""Confidence of an accuracy: a bootstrap of r2 over samples, with the same draws for all imputations.

1. Draw how often each replicate contains each sample (`rnnimp.scoring.bootstrap.resampling_weights`).
2. Score all replicates of one imputation (`binned_r2`).
3. Compute the differences to the better of its rivals, with their confidence intervals (`gains`).

A replicate has the same genotypes with other weights of the samples. One matrix product therefore gives a sum of all
sites and replicates, and no genotype is copied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rnnimp.scoring.accuracy import minor_percent
from rnnimp.scoring.bootstrap import DIFFERENCE_LIMITS, spread_interval, weighted_r2

_BLOCK_NUMBERS = 1 << 17


@dataclass(frozen=True, eq=False)
class BinnedR2:
    """Scores of each replicate in each bin of minor allele frequency. The last column is for all bins together.

    Attributes:
        mean: Mean of the sites' r2 over those whose true genotypes vary in the replicate, float64 (n_replicates, n_bins
            + 1); NaN where none does.
        aggregate: One r2 over all genotypes, as copies of the minor allele, float64 (n_replicates, n_bins + 1).
    """

    mean: NDArray[np.float64]
    aggregate: NDArray[np.float64]


def binned_r2(
    genotypes: NDArray[np.int8],
    dosages: NDArray[np.floating],
    frequencies: NDArray[np.float64],
    weights: NDArray[np.float64],
    edges: Sequence[float],
) -> BinnedR2:
    """Score an imputation under each row of weights; a row of ones gives the scores of the samples as they are.

    Args:
        genotypes: True copies of a1, int8 (n_sites, n_samples); -1 for missing.
        dosages: (n_sites, n_samples), imputed; NaN for missing.
        frequencies: Frequency of a1, float64 (n_sites,); NaN is in no bin.
        weights: Weights, float64 (n_replicates, n_samples); whole numbers.
        edges: Edges of the bins, rising, percent of minor allele frequency. A site at an edge is in the bin below it.
    """
    percent = minor_percent(frequencies)
    parts = []
    for lower, upper in pairwise(edges):
        is_inside = (percent > lower) & (percent <= upper)
        minor = _minor_copies(genotypes[is_inside], dosages[is_inside], frequencies[is_inside] > 0.5)
        parts.append(_sums(*minor, weights))
    total, count, pooled = (np.stack([*sums, np.sum(sums, axis=0)], axis=-1) for sums in zip(*parts, strict=True))
    mean = np.full(total.shape, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return BinnedR2(mean, weighted_r2(pooled))


@dataclass(frozen=True)
class Gain:
    """The difference of a score to the best of its rivals.

    Attributes:
        rival: Index of the rival that scores highest on the samples as they are.
        estimate: Difference to that rival on the samples as they are.
        lower: End of the difference's 95% interval; see `spread_interval`.
        upper: The other end of the interval.
        share_above: Share of the replicates in which the score is above every rival.
    """

    rival: int
    estimate: float
    lower: float
    upper: float
    share_above: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval lies on one side of 0."""
        return self.lower > 0 or self.upper < 0


def gains(own: NDArray[np.float64], rivals: NDArray[np.float64]) -> list[Gain]:
    """The gain in each bin.

    Args:
        own: The samples as they are, then one row per replicate, float64 (1 + n_replicates, n_bins).
        rivals: The same for each rival with the same replicates, float64 (n_rivals, 1 + n_replicates, n_bins).
    """
    found = []
    for number in range(own.shape[1]):
        ours, theirs = own[:, number], rivals[:, :, number]
        rival = int(np.argmax(np.where(np.isnan(theirs[:, 0]), -np.inf, theirs[:, 0])))
        difference = ours - theirs[rival]
        above = float(np.mean(ours[1:] > theirs[:, 1:].max(axis=0)))
        interval = spread_interval(difference[0], difference[1:], DIFFERENCE_LIMITS)
        found.append(Gain(rival, float(difference[0]), *interval, above))
    return found


def _minor_copies(
    genotypes: NDArray[np.int8], dosages: NDArray[np.floating], is_common: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """True and imputed copies of the minor allele; NaN in both where either is missing."""
    truth = np.where(genotypes < 0, np.nan, genotypes.astype(np.float64))
    imputed = np.asarray(dosages, dtype=np.float64) + 0 * truth
    truth = truth + 0 * imputed
    turned = is_common[:, np.newaxis]
    return np.where(turned, 2 - truth, truth), np.where(turned, 2 - imputed, imputed)


def _sums(
    truth: NDArray[np.float64], imputed: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Of a bin's sites, in each replicate: the sum of their r2, how many vary, and the six sums (6, n_replicates)."""
    total, count = np.zeros((2, len(weights)))
    pooled = np.zeros((6, len(weights)))
    for sums in _weighted_sums(truth, imputed, weights):
        r2 = weighted_r2(sums)
        varies = ~np.isnan(r2)
        total += np.sum(r2, axis=0, where=varies)
        count += np.count_nonzero(varies, axis=0)
        pooled += sums.sum(axis=1)
    return total, count, pooled


def _weighted_sums(
    truth: NDArray[np.float64], imputed: NDArray[np.float64], weights: NDArray[np.float64]
) -> Iterator[NDArray[np.float64]]:
    """Blocks (6, n_rows, n_replicates) of sums over samples: 1, x, y, xx, yy and xy."""
    n_rows = max(1, _BLOCK_NUMBERS // len(weights))
    for start in range(0, len(truth), n_rows):
        x, y = truth[start : start + n_rows], imputed[start : start + n_rows]
        is_pair = ~np.isnan(x)
        x, y = np.where(is_pair, x, 0), np.where(is_pair, y, 0)
        columns = np.concatenate([is_pair.astype(np.float64), x, y, x * x, y * y, x * y])
        yield (columns @ weights.T).reshape(6, len(x), len(weights))
