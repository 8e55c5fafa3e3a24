"""What is known of a site when its samples have been seen, as sums: those of several runs add up to those of all.

Frequency, R2 and INFO follow from them, without a second look at the samples. With independent haplotypes the unknown
part of a genotype's variance, `g1 + 4 g2 - d^2`, is the sum of `p (1 - p)` of its two haplotypes, so that IMPUTE's INFO
needs no more than sums of p and of p squared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SiteSums:
    """Sums over haplotypes; a missing allele counts in none.

    Attributes:
        n_carried: int64 (n_sites,), alleles 1 in the most likely genotypes.
        n_alleles: int64 (n_sites,), alleles in them.
        dose: float64 (n_sites,), of P(a1).
        square: float64 (n_sites,), of P(a1) squared.
        n_complete: int64 (n_sites,), alleles of samples without a missing one.
        complete_dose: float64 (n_sites,), of P(a1) over these.
        complete_square: float64 (n_sites,), of P(a1) squared over these.
    """

    n_carried: NDArray[np.int64]
    n_alleles: NDArray[np.int64]
    dose: Numbers
    square: Numbers
    n_complete: NDArray[np.int64]
    complete_dose: Numbers
    complete_square: Numbers

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
        return _ratio(self.dose, self.n_alleles)

    def r2(self) -> Numbers:
        """Minimac's R2, float64 (n_sites,); NaN where the frequency is 0 or 1. See `quality.minimac_r2`."""
        return self._explained(self.dose, self.square, self.n_alleles)

    def info(self) -> Numbers:
        """IMPUTE's INFO: one minus the part of the genotypes' variance that is unknown.

        `1 - mean(g1 + 4 g2 - d^2) / (2 f (1 - f))` with d = g1 + 2 g2 and f = mean(d) / 2; Marchini & Howie 2010,
        Nat Rev Genet 11:499, supplement S3. Samples with a missing allele are omitted.

        Returns:
            float64 (n_sites,); 1 where f is 0 or 1; NaN where every genotype is missing.
        """
        share = self._explained(self.complete_dose, self.complete_square, self.n_complete)
        return np.where(np.isnan(share) & (self.n_complete > 0), 1.0, share)

    @staticmethod
    def _explained(dose: Numbers, square: Numbers, count: NDArray[np.int64]) -> Numbers:
        """The variance of P(a1) over that of a known allele."""
        frequency = _ratio(dose, count)
        variance = np.maximum(_ratio(square, count) - frequency**2, 0)  # rounding must not make it negative
        return _ratio(variance, frequency * (1 - frequency))


def sums_of(
    probabilities: NDArray[np.float32],
    is_missing: NDArray[np.bool_] | None,
    n_carried: NDArray[np.int64],
    is_haploid: NDArray[np.bool_] | None = None,
) -> SiteSums:
    """Sums over all samples of a stretch of sites.

    Args:
        probabilities: float32 (n_sites, n_haplotypes), P(a1); columns 2i and 2i + 1 belong to sample i.
        is_missing: bool (n_sites, n_haplotypes); None if there is none.
        n_carried: int64 (n_sites,), alleles 1 in the most likely genotypes.
        is_haploid: bool (n_sites, n_samples), whose second column counts in no sum; None if nobody's.
    """
    n_sites, n_haplotypes = probabilities.shape
    if is_haploid is not None:
        return _sums_with_haploid(probabilities, is_missing, n_carried, is_haploid)
    if is_missing is None:
        dose, square = _dose_and_square(probabilities)
        count = np.full(n_sites, n_haplotypes, dtype=np.int64)
        return SiteSums(n_carried, count, dose, square, count, dose, square)
    has_missing = np.repeat(is_missing[:, ::2] | is_missing[:, 1::2], 2, axis=1)
    return _sums_without(probabilities, is_missing, has_missing, n_carried)


def _sums_with_haploid(
    probabilities: NDArray[np.float32],
    is_missing: NDArray[np.bool_] | None,
    n_carried: NDArray[np.int64],
    is_haploid: NDArray[np.bool_],
) -> SiteSums:
    is_absent = np.zeros(probabilities.shape, dtype=bool)
    is_absent[:, 1::2] = is_haploid
    if is_missing is None:
        return _sums_without(probabilities, is_absent, is_absent, n_carried)
    has_missing = np.repeat(is_missing[:, ::2] | (is_missing[:, 1::2] & ~is_haploid), 2, axis=1)
    return _sums_without(probabilities, is_missing | is_absent, has_missing | is_absent, n_carried)


def _sums_without(
    probabilities: NDArray[np.float32],
    is_left_out: NDArray[np.bool_],
    is_incomplete: NDArray[np.bool_],
    n_carried: NDArray[np.int64],
) -> SiteSums:
    """Sums without some haplotypes, and without those of incomplete samples."""
    n_haplotypes = probabilities.shape[1]
    return SiteSums(
        n_carried,
        n_haplotypes - np.count_nonzero(is_left_out, axis=1),
        *_dose_and_square(np.where(is_left_out, np.float32(0), probabilities)),
        n_haplotypes - np.count_nonzero(is_incomplete, axis=1),
        *_dose_and_square(np.where(is_incomplete, np.float32(0), probabilities)),
    )


def _dose_and_square(probabilities: NDArray[np.float32]) -> tuple[Numbers, Numbers]:
    exact = probabilities.astype(np.float64)
    return exact.sum(axis=1), np.einsum("ij,ij->i", exact, exact)


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64] | NDArray[np.int64]) -> Numbers:
    result = np.full(len(above), np.nan)
    np.divide(above, below, out=result, where=below > 0)
    return result
