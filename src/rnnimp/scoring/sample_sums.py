"""Sums of each sample over the imputed sites: how many alleles a1 it has, and how certain they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnimp.scoring.measures import ratio


class SampleSums:
    """Adds up imputed sites, block by block. The result does not depend on the sizes of the blocks, but for rounding.

    Args:
        n_samples: Number of samples.
    """

    def __init__(self, n_samples: int) -> None:
        self._n_alleles = np.zeros(2 * n_samples, dtype=np.int64)
        self._dose = np.zeros(2 * n_samples)
        self._square = np.zeros(2 * n_samples)

    def add(self, probabilities: NDArray[np.float32], is_haploid: NDArray[np.bool_] | None = None) -> None:
        """Add imputed sites.

        Args:
            probabilities: P(a1), float32 (n_sites, 2 * n_samples); columns 2i and 2i + 1 belong to sample i.
            is_haploid: True where a sample has one haplotype, which is then in both columns, bool (n_sites, n_samples);
                None if there is no such sample.
        """
        counts = np.full(probabilities.shape[1], len(probabilities), dtype=np.int64)
        if is_haploid is not None:
            probabilities = probabilities.copy()
            probabilities[:, 1::2][is_haploid] = 0
            counts[1::2] -= np.count_nonzero(is_haploid, axis=0)
        self._n_alleles += counts
        self._dose += probabilities.sum(axis=0, dtype=np.float64)
        self._square += np.square(probabilities).sum(axis=0, dtype=np.float64)

    def alt_alleles(self) -> NDArray[np.float64]:
        """Expected number of alleles a1 of each sample, float64 (n_samples,)."""
        return self._per_sample(self._dose)

    def uncertainty(self) -> NDArray[np.float64]:
        """Mean of p (1 - p) over the imputed alleles of each sample, float64 (n_samples,).

        0 is certain, 0.25 a coin toss. NaN where nothing is imputed.
        """
        return ratio(self._per_sample(self._dose - self._square), self._per_sample(self._n_alleles))

    @staticmethod
    def _per_sample(sums: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(sums.reshape(-1, 2).sum(axis=1), dtype=np.float64)
