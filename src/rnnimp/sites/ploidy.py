"""Haploid samples: males on chrX outside the pseudoautosomal regions, all samples on chrY and MT.

Haplotypes are always in two columns per sample; those of a haploid sample are equal. Which samples these are
changes a few times along a chromosome at most, so that it is held by stretches.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnimp.sites.chromosomes import plain_chromosome
from rnnimp.sites.panel import MISSING

ABSENT = -2
"""The code of the second allele of a haploid sample, until it is doubled."""


def may_be_haploid(chromosome: str | None) -> bool:
    """Whether anybody has this chromosome once.

    >>> may_be_haploid("chrX"), may_be_haploid("22"), may_be_haploid(None)
    (True, False, False)
    """
    return chromosome is not None and plain_chromosome(chromosome).upper() in ("X", "Y", "MT")


@dataclass(frozen=True, eq=False)
class Ploidy:
    """Haploid samples by stretches of a chromosome.

    Attributes:
        first_positions: First positions, int64 (n_stretches,); rising; the first stretch reaches to the chromosome's
            start too.
        is_haploid: bool (n_stretches, n_samples).
    """

    first_positions: NDArray[np.int64]
    is_haploid: NDArray[np.bool_]

    def at(self, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """The haploid samples at some positions, bool (n_positions, n_samples).

        >>> Ploidy(np.array([10, 50]), np.array([[True], [False]])).at(np.array([5, 49, 50])).ravel().tolist()
        [True, True, False]
        """
        stretches = np.searchsorted(self.first_positions, positions, side="right") - 1
        return np.take(self.is_haploid, np.maximum(stretches, 0), axis=0)

    def take_samples(self, indices: NDArray[np.intp]) -> Ploidy:
        """The same stretches for the samples at `indices`, in that order."""
        return Ploidy(self.first_positions, self.is_haploid[:, indices])

    def with_borders(self, positions: NDArray[np.int64], *borders: Collection[int]) -> Ploidy:
        """The stretches, with each border between two typed sites moved to a known one.

        Args:
            positions: Positions at which the ploidy was seen, int64 (n_sites,), rising.
            borders: First positions of the chromosome's parts, by each source that knows some. The first source with
                just one between the two sites decides. Where none has, the border stays.

        >>> ploidy = Ploidy(np.array([10, 50]), np.array([[True], [False]]))
        >>> ploidy.with_borders(np.array([10, 30, 50]), [35, 45], [20, 40, 90]).first_positions.tolist()
        [10, 40]
        """
        first = self.first_positions.copy()
        for index in range(1, len(first)):
            before, after = positions[np.searchsorted(positions, first[index]) - 1], first[index]
            between = [{border for border in source if before < border <= after} for source in borders]
            first[index] = next((found.pop() for found in between if len(found) == 1), after)
        return Ploidy(first, self.is_haploid)


class PloidyRecorder:
    """Puts stretches together while sites are read in order.

    Args:
        only_on: The only chromosome on which samples may be haploid, such as `X`; None for any.
    """

    def __init__(self, only_on: str | None = None) -> None:
        self._only_on = only_on
        self._positions: list[int] = []
        self._stretches: list[NDArray[np.bool_]] = []
        self._is_known: NDArray[np.bool_] | None = None

    def serves(self, chromosome: str | None) -> bool:
        """Whether haploid samples of a chromosome are recorded."""
        if self._only_on is None:
            return True
        return chromosome is not None and plain_chromosome(chromosome).upper() == self._only_on

    def add(self, position: int, is_haploid: NDArray[np.bool_], is_known: NDArray[np.bool_]) -> None:
        """Record which samples are haploid at the next site.

        Args:
            position: Not below the one before.
            is_haploid: bool (n_samples,).
            is_known: False for samples whose genotype is missing, bool (n_samples,): their ploidy stays as it was.
        """
        if self._is_known is None:
            self._is_known = is_known.copy()
            self._positions, self._stretches = [position], [is_haploid & is_known]
            return
        is_new = is_known & ~self._is_known
        if is_new.any():
            for stretch in self._stretches:
                stretch[is_new] = is_haploid[is_new]
            self._is_known |= is_new
        before = self._stretches[-1]
        if (is_known & (is_haploid != before)).any():
            self._positions.append(position)
            self._stretches.append(np.where(is_known, is_haploid, before))

    def add_rows(self, positions: list[int], alleles: NDArray[np.int8]) -> None:
        """Record which samples are haploid at the next sites, and put their alleles into both columns, in place.

        Args:
            positions: Positions of the sites.
            alleles: Alleles, int8 (n_sites, n_haplotypes); `ABSENT` beside the allele of a haploid sample. Beside a
                missing one it becomes missing, and says nothing.
        """
        for position, row in zip(positions, alleles, strict=True):
            pairs = row.reshape(-1, 2)
            is_known = pairs[:, 0] >= 0
            is_haploid = is_known & (pairs[:, 1] == ABSENT)
            self.add(position, is_haploid, is_known)
            pairs[is_haploid, 1] = pairs[is_haploid, 0]
            row[row == ABSENT] = MISSING

    def ploidy(self) -> Ploidy | None:
        """The stretches so far; None if no sample is haploid anywhere."""
        if not any(stretch.any() for stretch in self._stretches):
            return None
        return Ploidy(np.array(self._positions, dtype=np.int64), np.stack(self._stretches))
