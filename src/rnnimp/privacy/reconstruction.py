"""How much of a person's haplotypes can be rebuilt from a model, for members and outsiders side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnimp.privacy.figures import Estimate

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
