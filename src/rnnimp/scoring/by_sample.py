"""Accuracy of each sample over all sites, from sums that are added up block by block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnimp.scoring.accuracy import Pairs
from rnnimp.scoring.bootstrap import weighted_r2
from rnnimp.scoring.measures import ratio


class SampleSums:
    """Sums over the sites of each sample. They are counted in copies of a1, as `bcftools stats` counts those of ALT.

    Args:
        n_samples: Number of samples.
    """

    def __init__(self, n_samples: int) -> None:
        self._sums = np.zeros((6, n_samples))  # pairs, x, y, xx, yy and xy
        self._right = np.zeros((2, n_samples))  # right guesses, and those of 0 copies

    def add(self, pairs: Pairs) -> None:
        """Add the sites of a block."""
        is_known = pairs.is_known
        x = np.where(is_known, pairs.genotypes, 0).astype(np.float64)
        y = np.where(is_known, pairs.dosages, 0).astype(np.float64)
        is_right = is_known & (pairs.guesses == pairs.genotypes)
        columns = (is_known, x, y, x * x, y * y, x * y)
        self._sums += np.stack([column.sum(axis=0, dtype=np.float64) for column in columns])
        self._right += np.stack([right.sum(axis=0) for right in (is_right, is_right & (pairs.genotypes == 0))])

    @property
    def n_pairs(self) -> NDArray[np.int64]:
        """Genotypes compared, int64 (n_samples,)."""
        n_pairs: NDArray[np.int64] = self._sums[0].astype(np.int64)
        return n_pairs

    def r2(self) -> NDArray[np.float64]:
        """Squared correlation of true copies and dosages over sites, float64 (n_samples,).

        NaN if the truth is constant. Most of it comes from the sites' different frequencies, so it is higher than the
        r2 of sites.
        """
        return weighted_r2(self._sums)

    def concordance(self) -> NDArray[np.float64]:
        """Share of right most likely genotypes, float64 (n_samples,)."""
        return ratio(self._right[0], self._sums[0])

    def discordance(self) -> NDArray[np.float64]:
        """Non-reference discordance, float64 (n_samples,); see `measures.non_reference_discordance`."""
        return ratio(self._sums[0] - self._right[0], self._sums[0] - self._right[1])
