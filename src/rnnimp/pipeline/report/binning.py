"""Sites in bins: by minor allele frequency, and by place along the chromosome. Arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rnnimp.choices import BIN_EDGES

MOST_WINDOWS, SITES_PER_WINDOW = 200, 10
N_CLASSES = len(BIN_EDGES) - 1
CLASS_NAMES = tuple(f"{low:g}-{high:g}%" for low, high in pairwise(BIN_EDGES))
"""Names of the classes of minor allele frequency."""

GOOD_R2, FAIR_R2 = 0.8, 0.3
"""The usual limits of filters by R2."""


def maf_classes(maf: NDArray[np.float64]) -> NDArray[np.int64]:
    """The class of each minor allele frequency, int64 (n_sites,). A class contains its upper edge.

    The first class contains sites without variation too. -1 where the frequency is not known.

    >>> maf_classes(np.array([0, 0.001, 0.0011, 0.5, np.nan])).tolist()
    [0, 0, 1, 7, -1]
    """
    edges = np.array(BIN_EDGES[1:-1]) / 100
    classes = np.searchsorted(edges, np.round(maf, 8), side="left")
    return np.where(np.isnan(maf), -1, classes).astype(np.int64)


@dataclass(frozen=True)
class Windows:
    """Equal windows along a chromosome.

    Attributes:
        first: First position, base pairs.
        last: Last position.
        n: Number of windows.
    """

    first: int
    last: int
    n: int

    @classmethod
    def over(cls, positions: NDArray[np.int64]) -> Windows:
        """Windows over all sites: 200, or fewer where they would have fewer than ten sites on average."""
        n_windows = int(np.clip(len(positions) // SITES_PER_WINDOW, 1, MOST_WINDOWS))
        return cls(int(positions.min()), int(positions.max()), n_windows)

    def __str__(self) -> str:
        width = f"{self.width / 1000:,.0f} kb" if self.width >= 2000 else f"{self.width:,.0f} base pairs"
        return f"{self.n} windows of {width}"

    @property
    def width(self) -> float:
        """Base pairs of a window."""
        return (self.last - self.first + 1) / self.n

    def of(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The window of each position, int64 (n_sites,); those outside are in the first or last one.

        >>> Windows(101, 200, 10).of(np.array([101, 110, 111, 200])).tolist()
        [0, 0, 1, 9]
        """
        places = np.floor((positions - self.first) / self.width).astype(np.int64)
        return np.clip(places, 0, self.n - 1)

    def bounds(self, window: int) -> tuple[int, int]:
        """First and last position of a window."""
        return (
            self.first + int(np.ceil(window * self.width)),
            self.first + int(np.ceil((window + 1) * self.width)) - 1,
        )

    def middle_mb(self, window: int) -> float:
        """The middle of a window in millions of base pairs, rounded to 1 kb."""
        return round((self.first + (window + 0.5) * self.width) / 1e6, 3)


@dataclass(frozen=True, eq=False)
class Group:
    """Sites that share their window, class and kind.

    Attributes:
        keys: Window, class and kind, or whatever they were grouped by.
        n_sites: Number of sites.
        n_known: Sites with a value.
        total: Sum of the values.
        n_fair: Sites with a value of `FAIR_R2` or more.
        n_good: Sites with a value of `GOOD_R2` or more.
    """

    keys: tuple[int, ...]
    n_sites: int
    n_known: int
    total: float
    n_fair: int
    n_good: int


def grouped(values: NDArray[np.float64], *keys: NDArray[np.int64]) -> Iterator[Group]:
    """Sites by their keys, in order of the keys; sites with a negative key are left out.

    Args:
        values: An R2 per site, float64 (n_sites,); NaN where there is none.
        keys: int64 (n_sites,) each, from 0.
    """
    stacked = np.stack(keys)
    is_in = (stacked >= 0).all(axis=0)
    values, stacked = values[is_in], stacked[:, is_in]
    if not values.size:
        return
    sizes = tuple(int(row.max()) + 1 for row in stacked)
    cells = np.ravel_multi_index(tuple(stacked), sizes)
    is_known = ~np.isnan(values)
    filled = np.where(is_known, values, 0)
    weights = (np.ones(len(values)), is_known, filled, filled >= FAIR_R2, filled >= GOOD_R2)
    n_sites, n_known, total, fair, good = (np.bincount(cells, weights=weight) for weight in weights)
    for cell in np.flatnonzero(n_sites).tolist():
        place = tuple(int(part) for part in np.unravel_index(cell, sizes))
        counts = int(n_sites[cell]), int(n_known[cell]), round(float(total[cell]), 4), int(fair[cell]), int(good[cell])
        yield Group(place, *counts)


def thinned(importance: NDArray[np.float64], most: int, seed: int = 1) -> NDArray[np.int64]:
    """Choose at most `most` points: the half with the greatest importance, and a random choice of the others.

    Args:
        importance: float64 (n_points,).
        most: How many to keep.
        seed: Seed of the choice.

    Returns:
        Indices, int64 (n_kept,), rising.

    >>> thinned(np.array([0.1, 5, 0.2, 0.3, 9]), 3).tolist()[-1]
    4
    """
    n_points = len(importance)
    if n_points <= most:
        return np.arange(n_points)
    order = np.argsort(-importance, kind="stable")
    first, rest = order[: most // 2], order[most // 2 :]
    others = np.random.default_rng(seed).choice(rest, most - len(first), replace=False)
    return np.sort(np.concatenate([first, others])).astype(np.int64)


def robust_distances(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances from the median, in units of 1.4826 median absolute deviations, float64 (n_values,).

    These units are standard deviations where values are normal. 0 where no value differs or it is not known.
    """
    known = values[~np.isnan(values)]
    if not known.size:
        return np.zeros(len(values))
    spread = 1.4826 * float(np.median(np.abs(known - np.median(known))))
    if spread == 0:
        return np.zeros(len(values))
    return np.asarray(np.nan_to_num((values - np.median(known)) / spread), dtype=np.float64)
