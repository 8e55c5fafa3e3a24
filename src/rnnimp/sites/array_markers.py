"""The markers of a genotyping array, and which sites of a panel they type.

A marker types a site where position and allele pair agree. The order of a SNP's alleles does not matter, since lists of
arrays often do not know which one is the reference. That of an indel does: `A AT` inserts a base and `AT A` deletes
one. A list that does not define which allele is REF types an indel in the other order only if the panel has none in the
same order. For a marker without alleles, only the position decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rnnimp.sites.matching import allele_key
from rnnimp.sites.panel import Sites

AllelePair = tuple[str, str]


@dataclass(frozen=True, eq=False)
class ArrayMarkers:
    """Markers of one chromosome, in any order; a marker may stand more than once.

    Attributes:
        positions: Positions, int64 (n_markers,); 1-based base pairs.
        alleles: n_markers pairs, the reference's allele first as far as the source says so, on the forward strand; None
            where they are not known.
        has_reference: Whether the source defines which allele is the reference's, as a VCF does.
    """

    positions: NDArray[np.int64]
    alleles: tuple[AllelePair | None, ...]
    has_reference: bool = False

    def __post_init__(self) -> None:
        if len(self.positions) != len(self.alleles):
            raise ValueError(f"{len(self.positions)} positions, {len(self.alleles)} allele pairs")

    @classmethod
    def build(cls, markers: Iterable[tuple[int, AllelePair | None]], has_reference: bool = False) -> ArrayMarkers:
        """Make them from (position, alleles)."""
        listed = list(markers)
        positions = np.fromiter((position for position, _ in listed), np.int64, len(listed))
        return cls(positions, tuple(alleles for _, alleles in listed), has_reference)

    def __len__(self) -> int:
        """Number of different markers."""
        return len(self._known) + len(self._positions_only)

    def between(self, first: int, last: int) -> int:
        """Number of different markers at positions from `first` to `last`."""
        keys = [*(position for position, _, _ in self._known), *self._positions_only]
        return sum(first <= position <= last for position in keys)

    @cached_property
    def _known(self) -> frozenset[tuple[int, str, str]]:
        pairs = zip(self.positions.tolist(), self.alleles, strict=True)
        return frozenset(_key(position, *alleles) for position, alleles in pairs if alleles is not None)

    @cached_property
    def _positions_only(self) -> frozenset[int]:
        pairs = zip(self.positions.tolist(), self.alleles, strict=True)
        return frozenset(position for position, alleles in pairs if alleles is None)


def _key(position: int, first: str, second: str) -> tuple[int, str, str]:
    return (position, *allele_key(first, second))


def flag_markers(sites: Sites, markers: ArrayMarkers) -> NDArray[np.bool_]:
    """Which sites the array types.

    Args:
        sites: Sites of the markers' chromosome.
        markers: Markers of the array.

    Returns:
        bool (n_sites,).

    >>> sites = Sites.build([100, 100, 200], ["A", "A", "C"], ["G", "T", "CA"])
    >>> flag_markers(sites, ArrayMarkers.build([(100, ("T", "A")), (200, None)])).tolist()
    [False, True, True]
    """
    known, positions_only = markers._known, markers._positions_only
    flags = (position in positions_only or _key(position, a0, a1) in known for position, a0, a1 in sites.keys())
    return np.fromiter(flags, np.bool_, len(sites)) | exchanged_indels(sites, markers)


def exchanged_indels(sites: Sites, markers: ArrayMarkers) -> NDArray[np.bool_]:
    """Find indels that the array types only if its list has the reference's allele second; bool (n_sites,).

    >>> sites = Sites.build([100, 200, 200], ["A", "A", "AT"], ["AG", "AT", "A"])
    >>> exchanged_indels(sites, ArrayMarkers.build([(100, ("AG", "A")), (200, ("A", "AT"))])).tolist()
    [True, False, False]
    """
    keys = sites.keys()
    result = np.zeros(len(keys), dtype=np.bool_)
    if markers.has_reference:
        return result
    known = markers._known
    indels = [(row, key) for row, key in enumerate(keys) if len(key[1]) != len(key[2])]
    there = {key for _, key in indels}
    for row, (position, a0, a1) in indels:
        turned = (position, a1, a0)
        result[row] = turned in known and turned not in there and (position, a0, a1) not in known
    return result
