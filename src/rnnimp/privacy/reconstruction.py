"""How much of a person's haplotypes can be rebuilt from a model, for members and outsiders side by side."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnimp.privacy.figures import Estimate
from rnnimp.privacy.region import Floats

MISMATCHES_PER_CHROMOSOME = 100
"""A haplotype with at most so many wrong alleles over a chromosome counts as rebuilt (Mosca & Cho 2023)."""


@dataclass(frozen=True)
class Spread:
    """The distribution of a length over haplotypes.

    Attributes:
        median: The median.
        percentile_95: One in 20 is longer.
        longest: The longest.
    """

    median: float
    percentile_95: float
    longest: float

    @classmethod
    def of(cls, lengths: NDArray[np.float64]) -> Spread:
        """Summarise lengths, float64 (n,), n at least 1."""
        median, percentile_95, longest = np.quantile(lengths, [0.5, 0.95, 1]).tolist()
        return cls(median, percentile_95, longest)


@dataclass(frozen=True)
class ReadableStretches:
    """The longest stretch of each haplotype that can be read in one of the HMM's states, over all audited regions.

    Attributes:
        members_rows: Lengths in rows (markers and sites) of the members' haplotypes.
        outsiders_rows: The same of the outsiders'.
        members_cm: Longest stretches in cM of the members' haplotypes.
        outsiders_cm: The same of the outsiders'.
    """

    members_rows: Spread
    outsiders_rows: Spread
    members_cm: Spread
    outsiders_cm: Spread


@dataclass(frozen=True)
class Rebuilt:
    """The share of haplotypes rebuilt with few wrong alleles at imputed sites.

    Attributes:
        source: How they were rebuilt: `model` by the best guess from the person's markers, `states` by the state that
            agrees best in each region, which only someone who knows the haplotype could choose (an upper bound), or
            `floor` and `ceiling` by the best guess of the controls.
        most_mismatches: Most wrong alleles of a rebuilt haplotype over the audited regions.
        members: Share of the members' haplotypes.
        outsiders: Share of the outsiders' haplotypes.
        members_mismatches: Wrong alleles of a member's haplotype, median.
        outsiders_mismatches: Wrong alleles of an outsider's haplotype, median.
    """

    source: str
    most_mismatches: float
    members: Estimate
    outsiders: Estimate
    members_mismatches: float
    outsiders_mismatches: float


def best_guess_mismatches(site_alleles: NDArray[np.int8], expected: Floats) -> NDArray[np.int64]:
    """Wrong alleles of each haplotype when every imputed site has its more likely allele.

    Args:
        site_alleles: int8 (n_sites, n_haplotypes); a missing allele, -1, is never wrong.
        expected: P(a1), float32 (n_sites, n_haplotypes).

    Returns:
        int64 (n_haplotypes,).
    """
    is_wrong = (site_alleles >= 0) & ((expected > 0.5) != (site_alleles == 1))
    result: NDArray[np.int64] = np.count_nonzero(is_wrong, axis=0)
    return result


def best_state_mismatches(site_alleles: NDArray[np.int8], site_states: NDArray[np.int8]) -> NDArray[np.int64]:
    """Wrong alleles of each haplotype at imputed sites when it is read from the state that agrees best.

    Args:
        site_alleles: int8 (n_sites, n_haplotypes); a missing allele, -1, is never wrong.
        site_states: Alleles of the states, int8 (n_sites, n_states); 0 or 1.

    Returns:
        int64 (n_haplotypes,).
    """
    carried, absent = (site_alleles == 1).astype(np.float32), (site_alleles == 0).astype(np.float32)
    states = site_states.astype(np.float32)
    wrong = carried.T @ (1 - states) + absent.T @ states  # whole numbers, exact in float32
    result: NDArray[np.int64] = np.rint(wrong.min(axis=1)).astype(np.int64)
    return result


def rebuilt(
    source: str, mismatches: NDArray[np.int64], is_member: NDArray[np.bool_], chromosome_share: float
) -> Rebuilt:
    """The share of members' and outsiders' haplotypes that are rebuilt.

    Args:
        source: See `Rebuilt`.
        mismatches: Wrong alleles over all audited regions, int64 (n_haplotypes,).
        is_member: bool (n_haplotypes,).
        chromosome_share: Share of the chromosome that was audited; the most mismatches are scaled to it.
    """
    most = MISMATCHES_PER_CHROMOSOME * chromosome_share
    members, outsiders = mismatches[is_member], mismatches[~is_member]
    return Rebuilt(
        source,
        most,
        share_estimate(int(np.count_nonzero(members <= most)), len(members)),
        share_estimate(int(np.count_nonzero(outsiders <= most)), len(outsiders)),
        float(np.median(members)),
        float(np.median(outsiders)),
    )


def share_estimate(number: int, n_all: int) -> Estimate:
    """A share with the 95% interval of Wilson (1927).

    >>> share_estimate(0, 100)
    Estimate(value=0.0, low=0.0, high=0.0369935, note=None)
    """
    share, z = number / n_all, 1.959964
    middle = (share + z**2 / (2 * n_all)) / (1 + z**2 / n_all)
    reach = z / (1 + z**2 / n_all) * math.sqrt(share * (1 - share) / n_all + z**2 / (4 * n_all**2))
    low, high = max(0.0, middle - reach), min(1.0, middle + reach)
    return Estimate(share, round(min(low, share), 8), round(max(high, share), 8))


def readable_stretches(
    rows: NDArray[np.int64], cm: NDArray[np.float64], is_member: NDArray[np.bool_]
) -> ReadableStretches:
    """Summarise the longest stretches of haplotypes.

    Args:
        rows: Longest stretch over all regions in rows, int64 (n_haplotypes,).
        cm: Longest stretch in cM, float64 (n_haplotypes,).
        is_member: bool (n_haplotypes,).
    """
    parts = [values[group] for values in (rows.astype(np.float64), cm) for group in (is_member, ~is_member)]
    return ReadableStretches(*(Spread.of(part) for part in parts))
