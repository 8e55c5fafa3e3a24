"""From probabilities of alleles to what a genotype column holds: the most likely pair, dosage, probabilities.

The most likely pair is a pair of the most likely genotype; of 0|1 and 1|0 the likelier one. So it always agrees with
the genotype's probabilities. The likelier allele of each haplotype would not: at 0.45 and 0.45 the pair 0|0 is likelier
than 0|1, but 0/1 is likelier than 0/0. A haploid sample has one allele, a dosage up to 1, and two
probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rnnimp.scoring.site_sums import SiteSums, sums_of
from rnnimp.sites.panel import ImputedBlock
from rnnimp.sites.ploidy import ABSENT

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

DOSAGE_DECIMALS = 4
PROBABILITY_DECIMALS = 3


@dataclass(frozen=True, eq=False)
class Calls:
    """Genotypes of a stretch of sites.

    Attributes:
        first: P(a1) on the first haplotype, float32 (n_sites, n_samples); 0.5 where its allele is missing.
        second: The same on the second haplotype.
        first_is_missing: True where the first allele is missing, bool (n_sites, n_samples); None if none is.
        second_is_missing: The same for the second allele.
        is_haploid: True for samples with the first haplotype only, bool (n_sites, n_samples); None if none is.
    """

    first: Floats
    second: Floats
    first_is_missing: Flags | None = None
    second_is_missing: Flags | None = None
    is_haploid: Flags | None = None

    @cached_property
    def is_incomplete(self) -> Flags | None:
        """Genotypes with a missing allele; None if there are none."""
        if self.first_is_missing is None or self.second_is_missing is None:
            return None
        return self.first_is_missing | self.second_is_missing

    @cached_property
    def dosages(self) -> Floats:
        """Expected copies of a1, float32 (n_sites, n_samples)."""
        if self.is_haploid is None:
            return self.first + self.second
        return np.where(self.is_haploid, self.first, self.first + self.second)

    @cached_property
    def genotypes(self) -> tuple[Floats, Floats, Floats]:
        """P(0, 1 and 2 copies of a1), each float32 (n_sites, n_samples)."""
        second = self.second if self.is_haploid is None else np.where(self.is_haploid, np.float32(0), self.second)
        both = self.first * second
        return (1 - self.first) * (1 - second), self.dosages - 2 * both, both

    @cached_property
    def alleles(self) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
        """The most likely pair, each int8 (n_sites, n_samples); -1 where an allele is missing, `ABSENT` where there is
        none.
        """
        none, one, two = self.genotypes
        is_double = (two > none) & (two > one)
        is_single = (one > none) & (one >= two)
        is_first = self.first >= self.second
        if self.is_haploid is not None:
            is_first |= self.is_haploid
        first = (is_double | (is_single & is_first)).astype(np.int8)
        second = (is_double | (is_single & ~is_first)).astype(np.int8)
        is_incomplete = self.is_incomplete
        if is_incomplete is not None:
            # of a typed genotype with one missing allele the other one is known
            first = np.where(is_incomplete, self.first > 0.5, first).astype(np.int8)
            second = np.where(is_incomplete, self.second > 0.5, second).astype(np.int8)
            first[self.first_is_missing], second[self.second_is_missing] = -1, -1
        if self.is_haploid is not None:
            second[self.is_haploid] = ABSENT
        return first, second


def calls_of(block: ImputedBlock) -> Calls:
    """The genotypes of a block."""
    probabilities, is_missing = block.alt_probabilities, block.is_missing
    pairs = [np.ascontiguousarray(probabilities[:, side::2]) for side in (0, 1)]
    if is_missing is None:
        return Calls(pairs[0], pairs[1], is_haploid=block.is_haploid)
    return Calls(pairs[0], pairs[1], is_missing[:, ::2], is_missing[:, 1::2], block.is_haploid)


def block_sums(block: ImputedBlock, calls: Calls) -> SiteSums:
    """The sums of a block's sites, given its genotypes."""
    n_carried = sum(np.count_nonzero(alleles == 1, axis=1) for alleles in calls.alleles)
    counts = np.asarray(n_carried, dtype=np.int64)
    return sums_of(block.alt_probabilities, block.is_missing, counts, block.is_haploid)
