"""Genotype counts of sites, and the exact test of Hardy-Weinberg proportions.

The test is exact: given how often each allele was seen, it adds the probabilities of all numbers of heterozygotes that
are less likely than the observed one (Wigginton, Cutler and Abecasis, American Journal of Human Genetics 76:887, 2005).
Equally likely numbers, such as the observed one, count half: the mid-p value, whose false alarms are as often as the
threshold says also for rare alleles (Graffelman and Moreno, Statistical Applications in Genetics and Molecular Biology
12:433, 2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnimp.sites.panel import MISSING

_SAME = 1e-7
"""Relative difference up to which two probabilities count as equal: the error of the logarithms is smaller."""


@dataclass(frozen=True, eq=False)
class GenotypeCounts:
    """How often each genotype was seen.

    Attributes:
        none: Samples without allele 1, int64 (n_sites,).
        one: Samples with one allele 1.
        two: Samples with two.
        missing: Samples of which an allele is missing.
    """

    none: NDArray[np.int64]
    one: NDArray[np.int64]
    two: NDArray[np.int64]
    missing: NDArray[np.int64]

    @property
    def called(self) -> NDArray[np.int64]:
        """Samples with both alleles, int64 (n_sites,)."""
        return self.none + self.one + self.two

    @property
    def expected_heterozygotes(self) -> NDArray[np.float64]:
        """Heterozygotes in Hardy-Weinberg proportions, float64 (n_sites,); 0 where nobody is called."""
        n_alleles = np.maximum(2 * self.called, 1)
        carried = self.one + 2 * self.two
        expected: NDArray[np.float64] = carried * (n_alleles - carried) / np.maximum(n_alleles - 1, 1)
        return expected


def count_genotypes(alleles: NDArray[np.int8], is_haploid: NDArray[np.bool_] | None = None) -> GenotypeCounts:
    """Count the genotypes of diploid samples, row by row: the target may be too large for memory.

    Args:
        alleles: Alleles, int8 (n_sites, 2 * n_samples); 0, 1, or -1 for missing.
        is_haploid: Samples that are left out, bool (n_sites, n_samples); None if all are diploid.

    >>> counts = count_genotypes(np.array([[0, 0, 1, 0, 1, 1, 0, -1]], np.int8))
    >>> [int(number[0]) for number in (counts.none, counts.one, counts.two, counts.missing)]
    [1, 1, 1, 1]
    """
    counted = np.zeros((4, len(alleles)), dtype=np.int64)
    for row, genotypes in enumerate(alleles):
        first, second = genotypes[::2], genotypes[1::2]
        if is_haploid is not None:
            first, second = first[~is_haploid[row]], second[~is_haploid[row]]
        copies = np.where((first == MISSING) | (second == MISSING), 3, first + second)
        counted[:, row] = np.bincount(copies, minlength=4)
    return GenotypeCounts(*counted)


def hardy_weinberg_p(counts: GenotypeCounts) -> NDArray[np.float64]:
    """The mid-p value of the exact test of each site, float64 (n_sites,); NaN where nobody is called.

    The probability of h heterozygotes among n people, with a and b of the two alleles, is
    n! a! b! 2^h / (((a - h) / 2)! h! ((b - h) / 2)! (2 n)!). A site of one allele has the value 0.5.

    >>> one_site = [np.array([number]) for number in (5, 0, 5, 0)]
    >>> f"{hardy_weinberg_p(GenotypeCounts(*one_site))[0]:.6f}"
    '0.000682'
    """
    rows = np.stack([np.minimum(counts.none, counts.two), counts.one, np.maximum(counts.none, counts.two)], axis=1)
    different, index = np.unique(rows, axis=0, return_inverse=True)
    log_factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, rows.sum(axis=1).max(initial=0) + 1)))])
    values = np.array([_mid_p(rare, one, common, log_factorials) for rare, one, common in different.tolist()])
    return values[index.reshape(-1)] if len(rows) else np.empty(0)


def _mid_p(rare: int, heterozygous: int, common: int, log_factorials: NDArray[np.float64]) -> float:
    """Of one site, given its homozygotes of the rarer and of the commoner allele."""
    n_people, n_rare = rare + heterozygous + common, 2 * rare + heterozygous
    if not n_people:
        return float("nan")
    possible = np.arange(n_rare % 2, n_rare + 1, 2)
    rare_pairs = (n_rare - possible) // 2
    common_pairs = n_people - possible - rare_pairs
    logs = possible * np.log(2) - log_factorials[rare_pairs] - log_factorials[possible] - log_factorials[common_pairs]
    weights = np.exp(logs - logs.max())
    observed = weights[heterozygous // 2]
    is_equal = np.abs(weights - observed) <= _SAME * observed
    return float((weights[(weights < observed) & ~is_equal].sum() + weights[is_equal].sum() / 2) / weights.sum())
