"""Sums over the samples at each site. The sums of several runs add up to those of all samples.

Frequency and R2 follow from them, without a second look at the samples. The sums are whole numbers of a small unit:
each probability, and its square, is rounded to that unit before it is added. Whole numbers add up exactly, in any order
and grouping, so that parts of a cohort give the very sums of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.scoring.measures import ratio

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]

UNIT_BITS = 40
"""`dose` and `square` are in units of 2^-40."""

MOST_HAPLOTYPES = 2 ** (63 - UNIT_BITS) - 1
"""Haplotypes whose sums an int64 can hold."""

_ROUNDING = 1.5 * 2.0 ** (52 - UNIT_BITS)  # adding it to a number up to 1 rounds that to units
_EXACT_COLUMNS = 4096  # this many numbers up to 1 add up in float64 without rounding


@dataclass(frozen=True, eq=False)
class SiteSums:
    """Sums over haplotypes; a missing allele counts in none.

    Attributes:
        n_carried: Alleles 1 in the most likely genotypes, int64 (n_sites,).
        n_alleles: Alleles in them, int64 (n_sites,).
        dose: Sum of P(a1) in units of 2^-40, int64 (n_sites,).
        square: Sum of P(a1) squared in the same units, int64 (n_sites,).
    """

    n_carried: Counts
    n_alleles: Counts
    dose: Counts
    square: Counts

    def __add__(self, other: SiteSums) -> SiteSums:
        """Of the samples of both."""
        return SiteSums(*(getattr(self, item.name) + getattr(other, item.name) for item in fields(self)))

    def __getitem__(self, selection: slice | NDArray[Any]) -> SiteSums:
        """Of the selected sites."""
        return SiteSums(*(getattr(self, item.name)[selection] for item in fields(self)))

    @classmethod
    def concatenate(cls, parts: Sequence[SiteSums]) -> SiteSums:
        """Of the sites of all parts."""
        return cls(*(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(cls)))

    def frequency(self) -> Numbers:
        """Of a1 by dosage, float64 (n_sites,); NaN where every allele is missing."""
        return ratio(np.ldexp(self.dose.astype(np.float64), -UNIT_BITS), self.n_alleles)

    def r2(self) -> Numbers:
        """Minimac's R2, float64 (n_sites,): the variance of P(a1) over that of a known allele.

        NaN where the frequency is 0 or 1. See `quality.minimac_r2`.
        """
        frequency = self.frequency()
        mean_square = ratio(np.ldexp(self.square.astype(np.float64), -UNIT_BITS), self.n_alleles)
        variance = np.maximum(mean_square - frequency**2, 0)  # rounding must not make it negative
        return ratio(variance, frequency * (1 - frequency))


def sums_of(
    probabilities: NDArray[np.float32],
    is_missing: NDArray[np.bool_] | None,
    n_carried: Counts,
    is_haploid: NDArray[np.bool_] | None = None,
) -> SiteSums:
    """Sums over all samples of a stretch of sites.

    Args:
        probabilities: P(a1), float32 (n_sites, n_haplotypes); columns 2i and 2i + 1 belong to sample i.
        is_missing: True for missing alleles, bool (n_sites, n_haplotypes); None if there are none.
        n_carried: Alleles 1 in the most likely genotypes, int64 (n_sites,).
        is_haploid: True for haploid samples, bool (n_sites, n_samples); their second column counts in no sum. None if
            there are none.
    """
    n_sites, n_haplotypes = probabilities.shape
    is_left_out = is_missing
    if is_haploid is not None:
        is_left_out = np.zeros(probabilities.shape, dtype=bool) if is_missing is None else is_missing.copy()
        is_left_out[:, 1::2] |= is_haploid
    if is_left_out is None:
        count = np.full(n_sites, n_haplotypes, dtype=np.int64)
    else:
        count = n_haplotypes - np.count_nonzero(is_left_out, axis=1).astype(np.int64)
        probabilities = np.where(is_left_out, np.float32(0), probabilities)
    return SiteSums(n_carried, count, *_dose_and_square(probabilities))


def _dose_and_square(probabilities: NDArray[np.float32]) -> tuple[Counts, Counts]:
    """Sums of the probabilities and of their squares, each rounded to units, int64 (n_sites,)."""
    dose, square = (np.zeros(len(probabilities), dtype=np.int64) for _ in range(2))
    for start in range(0, probabilities.shape[1], _EXACT_COLUMNS):
        exact = probabilities[:, start : start + _EXACT_COLUMNS].astype(np.float64)
        for total, values in ((square, exact * exact), (dose, exact)):  # a float32's square is exact in float64
            values += _ROUNDING
            values -= _ROUNDING
            total += np.ldexp(values.sum(axis=1), UNIT_BITS).astype(np.int64)
    return dose, square
