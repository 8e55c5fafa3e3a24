"""Intervals of means over sites, by drawing stretches of the chromosome again.

Neighbouring sites are imputed from the same markers, so their scores go together. Drawing single sites again would make
intervals too narrow. Whole stretches are drawn instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnimp.scoring.measures import ratio

BLOCK_BASE_PAIRS = 100_000
LEAST_BLOCKS, MOST_BLOCKS = 10, 500
N_DRAWS = 1000
_TAILS = (2.5, 97.5)

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GroupMeans:
    """Means of several series over groups of the same sites, with 95% intervals.

    Attributes:
        n_sites: Sites of each group, int64 (n_groups,).
        means: float64 (n_series, n_groups); NaN for a group without sites.
        lows: Lower ends of the intervals, in the same shape.
        highs: Upper ends.
        differences: Mean less that of the first series.
        difference_lows: Lower ends of their intervals.
        difference_highs: Upper ends.
    """

    n_sites: NDArray[np.int64]
    means: Numbers
    lows: Numbers
    highs: Numbers
    differences: Numbers
    difference_lows: Numbers
    difference_highs: Numbers


def blocks_of(positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """The stretch of each site, int64 (n_sites,), from 0: of 100 kb, or of another length where that gives 10 to 500.

    Args:
        positions: int64 (n_sites,), at least one.
    """
    first, last = int(positions.min()), int(positions.max())
    n_blocks = int(np.clip(round((last - first) / BLOCK_BASE_PAIRS), LEAST_BLOCKS, MOST_BLOCKS))
    return np.minimum((positions - first) * n_blocks // (last - first + 1), n_blocks - 1).astype(np.int64)


def group_means(
    values: Numbers, groups: NDArray[np.int64], blocks: NDArray[np.int64], n_groups: int, seed: int = 1
) -> GroupMeans:
    """Means of each series in each group.

    Args:
        values: float64 (n_series, n_sites), without NaN.
        groups: Group of each site, int64 (n_sites,), from 0; a negative one is in none.
        blocks: Stretch of each site, int64 (n_sites,), from 0; drawn again as a whole.
        n_groups: Number of groups.
        seed: Seed of the draws.
    """
    is_in = groups >= 0
    n_blocks = int(blocks.max(initial=-1)) + 1
    cells = blocks[is_in] * n_groups + groups[is_in]

    def summed(weights: Numbers | None) -> Numbers:
        counted = np.bincount(cells, weights=weights, minlength=n_blocks * n_groups)
        return counted.reshape(n_blocks, n_groups).astype(np.float64)

    counts = summed(None)
    totals = np.stack([summed(row[is_in]) for row in values])  # series, blocks, groups
    times = np.random.default_rng(seed).multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), N_DRAWS)
    drawn = np.stack([ratio(times @ total, (times @ counts).astype(np.float64)) for total in totals])
    means = np.stack([ratio(total.sum(axis=0), counts.sum(axis=0)) for total in totals])
    lows, highs = _interval(drawn)
    difference_lows, difference_highs = _interval(drawn - drawn[:1])
    n_sites = counts.sum(axis=0).astype(np.int64)
    return GroupMeans(n_sites, means, lows, highs, means - means[:1], difference_lows, difference_highs)


def _interval(drawn: Numbers) -> tuple[Numbers, Numbers]:
    """Both ends over the draws, the second axis; NaN where any draw has no site, as then little is known."""
    low, high = np.percentile(drawn, _TAILS, axis=1)
    return low, high
