"""The markers of a genotyping array, and which sites of a panel they type.

A marker types a site where position and allele pair agree, the pair in either order, since arrays do not know which
allele is the reference. Of a marker without alleles, the position alone decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rnnimp.sites.panel import Sites

AllelePair = tuple[str, str]


@dataclass(frozen=True, eq=False)
class ArrayMarkers:
    """Markers of one chromosome, in any order; a marker may stand more than once.

    Attributes:
        positions: int64 (n_markers,), 1-based base pairs.
        alleles: n_markers pairs in any order, on the forward strand; None where they are not known.
    """

    positions: NDArray[np.int64]
    alleles: tuple[AllelePair | None, ...]

    def __post_init__(self) -> None:
        if len(self.positions) != len(self.alleles):
            raise ValueError(f"{len(self.positions)} positions, {len(self.alleles)} allele pairs")

    @classmethod
    def build(cls, markers: Iterable[tuple[int, AllelePair | None]]) -> ArrayMarkers:
        """Make them from (position, alleles)."""
        listed = list(markers)
        positions = np.fromiter((position for position, _ in listed), np.int64, len(listed))
        return cls(positions, tuple(alleles for _, alleles in listed))

    def __len__(self) -> int:
        """Number of different markers."""
        return len(self._known) + len(self._positions_only)

    @cached_property
    def _known(self) -> frozenset[tuple[int, str, str]]:
        pairs = zip(self.positions.tolist(), self.alleles, strict=True)
        return frozenset(_key(position, *alleles) for position, alleles in pairs if alleles is not None)

    @cached_property
    def _positions_only(self) -> frozenset[int]:
        pairs = zip(self.positions.tolist(), self.alleles, strict=True)
        return frozenset(position for position, alleles in pairs if alleles is None)


def _key(position: int, first: str, second: str) -> tuple[int, str, str]:
    return (position, first, second) if first <= second else (position, second, first)


def flag_markers(sites: Sites, markers: ArrayMarkers) -> NDArray[np.bool_]:
    """Which sites the array types.

    Args:
        sites: of the markers' chromosome.
        markers: the array's.

    Returns:
        bool (n_sites,).

    >>> sites = Sites.build([100, 100, 200], ["A", "A", "C"], ["G", "T", "CA"])
    >>> flag_markers(sites, ArrayMarkers.build([(100, ("T", "A")), (200, None)])).tolist()
    [False, True, True]
    """
    known, positions_only = markers._known, markers._positions_only
    flags = (position in positions_only or _key(position, a0, a1) in known for position, a0, a1 in sites.keys())
    return np.fromiter(flags, np.bool_, len(sites))
