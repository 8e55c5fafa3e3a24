"""Males of a panel on chrX: who they are, and their one haplotype between the pseudoautosomal regions.

Panels code a male's genotype there as one allele (`0`) or as a homozygous one (`0|0`). Both become one haplotype: the
second of his two columns is `ABSENT`. So it counts in no frequency, and nobody trains on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.sites.panel import MISSING, haplotype_columns
from rnnimp.sites.ploidy import ABSENT

LEAST_EXPECTED = 50
"""Heterozygous genotypes that a female must be expected to have, before none of them makes a male."""

LEAST_FEMALE_SHARE = 0.2
"""Of the expected heterozygous genotypes; samples that have some, but fewer, are of unknown sex. PLINK's F is 0.8."""


@dataclass
class ZygosityCounts:
    """Heterozygous genotypes of each sample, and those expected of a female by the sites' frequencies.

    Attributes:
        heterozygous: int64 (n_samples,).
        expected: Sum over sites of 2p(1 - p), with p the frequency over all columns.
    """

    heterozygous: NDArray[np.int64]
    expected: float = 0.0

    def add(self, alleles: NDArray[np.int8]) -> None:
        """Count more sites, int8 (n_sites, n_haplotypes); -1 for missing."""
        first, second = alleles[:, ::2], alleles[:, 1::2]
        self.heterozygous += np.count_nonzero((first >= 0) & (second >= 0) & (first != second), axis=0)
        n_known = np.maximum(np.count_nonzero(alleles >= 0, axis=1), 1)
        frequency = np.count_nonzero(alleles == 1, axis=1) / n_known
        self.expected += float(np.sum(2 * frequency * (1 - frequency)))

    def males(self) -> NDArray[np.bool_]:
        """Samples without a heterozygous genotype, bool (n_samples,)."""
        is_male: NDArray[np.bool_] = self.heterozygous == 0
        return is_male

    def unknown(self) -> NDArray[np.bool_]:
        """Samples whose genotypes do not say their sex, bool (n_samples,)."""
        if self.expected < LEAST_EXPECTED:
            return np.ones(len(self.heterozygous), dtype=np.bool_)
        return (self.heterozygous > 0) & (self.heterozygous < LEAST_FEMALE_SHARE * self.expected)


def heterozygous_male(alleles: NDArray[np.int8], is_male: NDArray[np.bool_]) -> tuple[int, int] | None:
    """Row and sample of the first heterozygous genotype of a male; None if there is none.

    Args:
        alleles: Alleles between the pseudoautosomal regions, int8 (n_sites, n_haplotypes); -1 for missing.
        is_male: bool (n_samples,).
    """
    first, second = alleles[:, ::2], alleles[:, 1::2]
    is_wrong = is_male & (first >= 0) & (second >= 0) & (first != second)
    if not is_wrong.any():
        return None
    row, sample = np.argwhere(is_wrong)[0].tolist()
    return row, sample


def with_one_haplotype(alleles: NDArray[np.int8], is_male: NDArray[np.bool_]) -> NDArray[np.int8]:
    """The alleles with `ABSENT` in the second column of males; where only that one is known, it moves to the first.

    >>> with_one_haplotype(np.array([[1, 1, 0, 1], [-1, 0, -1, 0]], np.int8), np.array([True, False])).tolist()
    [[1, -2, 0, 1], [0, -2, -1, 0]]
    """
    single = alleles.copy()
    pairs = single.reshape(len(single), -1, 2)
    pairs[:, is_male, 0] = pairs[:, is_male].max(axis=2, initial=MISSING)
    pairs[:, is_male, 1] = ABSENT
    return single


def haploid_samples(alleles: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Samples with one haplotype, bool (n_samples,): `ABSENT` in their second columns.

    Raises:
        DataError: if a sample has one haplotype at some sites, and two at others.

    >>> haploid_samples(np.array([[1, -2, 0, 1], [-1, -2, 0, 0]], np.int8)).tolist()
    [True, False]
    """
    second = alleles[:, 1::2] == ABSENT
    if not second.any():
        return np.zeros(second.shape[1], dtype=np.bool_)
    is_haploid: NDArray[np.bool_] = second.any(axis=0)
    is_mixed = is_haploid & (~second & (alleles[:, ::2] != MISSING)).any(axis=0)
    if is_mixed.any() or (alleles[:, ::2] == ABSENT).any():
        raise DataError(
            "expected samples with one haplotype ('0 -') at all sites of a region or at none, found both; make the "
            "files with rnnimp prepare and rnnimp split"
        )
    return is_haploid


def paired_columns(people: NDArray[np.intp], is_haploid: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Columns of people's haplotypes, so that two neighbours are one sample: of one person, or of two haploid ones.

    The last of an odd number of haploid people is left out.

    Args:
        people: Indices of samples, int64.
        is_haploid: bool (n_samples,).

    >>> paired_columns(np.array([0, 1, 2, 4]), np.array([True, False, True, False, True])).tolist()
    [2, 3, 0, 4]
    """
    diploid, haploid = people[~is_haploid[people]], people[is_haploid[people]]
    return np.concatenate([haplotype_columns(diploid), 2 * haploid[: len(haploid) // 2 * 2]])
