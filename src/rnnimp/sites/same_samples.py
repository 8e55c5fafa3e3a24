"""Pairs of samples with the same genotypes: one person twice, identical twins, or a mix-up.

Common sites are taken at even distances and dealt to bands. Two samples are compared if they agree at all sites of a
band, so that the time grows with the number of samples and not with that of pairs. One wrong or missing genotype in a
hundred leaves most bands of a pair untouched.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from rnnimp.sites.panel import MISSING

LEAST_AGREEMENT = 0.99
"""Share of equal genotypes from which two samples count as the same."""

LEAST_SITES = 200
"""With fewer common sites, relatives and strangers may have the same genotypes; nothing is compared."""

_N_BANDS = 20
_MOST_SITES = 600
_LEAST_MAF = 0.1
_LEAST_CALLED = 0.95
_MOST_MISSING = 0.5
_LARGEST_GROUP = 50  # samples that agree in a band; a band with more says nothing
_MISSING_COPIES = 3


@dataclass(frozen=True)
class SamePair:
    """Two samples with the same genotypes.

    Attributes:
        first: Index of a sample.
        second: Index of a later one.
        n_sites: Sites at which both are called.
        agreement: Share of these sites at which their genotypes are equal.
    """

    first: int
    second: int
    n_sites: int
    agreement: float


def comparison_sites(frequency: NDArray[np.float64], called: NDArray[np.float64]) -> NDArray[np.int64]:
    """The sites at which samples are compared, int64 (n,), rising; at most 600 that are common and well called.

    Args:
        frequency: Frequency of an allele at each site, float64 (n_sites,); NaN where not known.
        called: Share of samples that are called, float64 (n_sites,).
    """
    maf = np.fmin(frequency, 1 - frequency)
    rows = np.flatnonzero((maf >= _LEAST_MAF) & (called >= _LEAST_CALLED))
    if len(rows) <= _MOST_SITES:
        return rows
    return rows[np.linspace(0, len(rows) - 1, _MOST_SITES).astype(np.int64)]


def same_samples(alleles: NDArray[np.int8]) -> list[SamePair]:
    """Find the pairs of samples whose genotypes are equal at 99% or more of some sites.

    Args:
        alleles: Alleles at the sites to compare, int8 (n_sites, 2 * n_samples); 0, 1, or -1 for missing.

    Returns:
        The pairs, in order of their samples; none if there are fewer than `LEAST_SITES` sites.
    """
    if len(alleles) < LEAST_SITES:
        return []
    first, second = alleles[:, ::2], alleles[:, 1::2]
    is_missing = (first == MISSING) | (second == MISSING)
    copies = np.where(is_missing, np.int8(_MISSING_COPIES), first + second).T.copy()
    compared = (_compared(copies, *pair) for pair in sorted(_candidates(copies)))
    return [pair for pair in compared if pair.agreement >= LEAST_AGREEMENT and pair.n_sites >= LEAST_SITES // 2]


def _candidates(copies: NDArray[np.int8]) -> set[tuple[int, int]]:
    """Pairs that agree in a band, of copies of an allele, int8 (n_samples, n_sites)."""
    pairs: set[tuple[int, int]] = set()
    is_usable = (copies == _MISSING_COPIES).mean(axis=1) <= _MOST_MISSING
    for band in range(_N_BANDS):
        groups: defaultdict[bytes, list[int]] = defaultdict(list)
        part = np.ascontiguousarray(copies[:, band::_N_BANDS])
        for sample in np.flatnonzero(is_usable).tolist():
            groups[part[sample].tobytes()].append(sample)
        for group in groups.values():
            if len(group) <= _LARGEST_GROUP:
                pairs.update(combinations(group, 2))
    return pairs


def _compared(copies: NDArray[np.int8], first: int, second: int) -> SamePair:
    is_called = (copies[first] != _MISSING_COPIES) & (copies[second] != _MISSING_COPIES)
    n_sites = int(np.count_nonzero(is_called))
    n_equal = int(np.count_nonzero(is_called & (copies[first] == copies[second])))
    return SamePair(first, second, n_sites, n_equal / max(1, n_sites))
