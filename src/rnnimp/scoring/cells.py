"""Cells: the groups of sites whose scores are wanted, by minor allele frequency and by what else divides the sites.

A site may be in many cells: in its bin of minor allele frequency and in that of all frequencies, each over all sites,
over those of its type, and over those of its region.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rnnimp.scoring.accuracy import minor_percent
from rnnimp.sites.panel import Sites

Edges = tuple[float, float]
"""Lower and upper edge of a bin."""

ALL_MAF: Edges = (0.0, 50.0)
"""The bin of all sites, monomorphic ones included."""

SNV, INDEL, OTHER = VARIANT_TYPES = ("SNV", "indel", "other")
"""Both alleles one base; alleles of different lengths; all others, such as several bases exchanged."""

SitePairs = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Indices of sites, and of the group that each is in; a site may be in several, or in none."""


def bin_label(edges: Edges) -> str:
    """A bin as text, with all digits of its edges and without exponents, in which a minus sign would stand.

    >>> bin_label((0.5, 1.0)), bin_label((0.00001, 12.3456789))
    ('0.5-1', '0.00001-12.3456789')
    """
    return "-".join(np.format_float_positional(edge, trim="-") for edge in edges)


class Division(Protocol):
    """Divides sites into groups."""

    @property
    def by(self) -> str:
        """What decides the group."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups."""

    @property
    def has_bins(self) -> bool:
        """Whether each group is scored by bin too."""

    def pairs(self, sites: Sites) -> SitePairs:
        """Which group each site is in."""


@dataclass(frozen=True)
class Undivided:
    """All sites in one group."""

    by: str = "all"
    name: str = "all"
    has_bins: bool = True

    @property
    def groups(self) -> tuple[str, ...]:
        """The only group."""
        return (self.name,)

    def pairs(self, sites: Sites) -> SitePairs:
        """See `Division`."""
        return np.arange(len(sites)), np.zeros(len(sites), np.intp)


@dataclass(frozen=True)
class ByType:
    """Sites by the kind of their alleles; see `VARIANT_TYPES`."""

    by: str = "type"
    groups: tuple[str, ...] = VARIANT_TYPES
    has_bins: bool = True

    def pairs(self, sites: Sites) -> SitePairs:
        """See `Division`."""
        types = [VARIANT_TYPES.index(variant_type(a0, a1)) for _, a0, a1 in sites.keys()]
        return np.arange(len(sites)), np.array(types, np.intp)


def variant_type(a0: str, a1: str) -> str:
    """The kind of a site by its alleles.

    >>> [variant_type(*alleles) for alleles in (("A", "G"), ("A", "AT"), ("AC", "GT"), ("A", "<DEL>"))]
    ['SNV', 'indel', 'other', 'other']
    """
    if not (a0.isalpha() and a1.isalpha()):
        return OTHER
    if len(a0) != len(a1):
        return INDEL
    return SNV if len(a0) == 1 else OTHER


@dataclass(frozen=True, eq=False)
class ByRegion:
    """Sites by regions of the chromosome, which may overlap. Each region has one score, over all frequencies.

    Attributes:
        groups: Names of the regions.
        starts: First positions, int64 (n_regions,).
        stops: Last positions, int64 (n_regions,).
    """

    groups: tuple[str, ...]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    by: str = "region"
    has_bins: bool = False

    def pairs(self, sites: Sites) -> SitePairs:
        """See `Division`."""
        near = np.flatnonzero((self.stops >= sites.positions.min()) & (self.starts <= sites.positions.max()))
        position = sites.positions[:, np.newaxis]
        rows, groups = np.nonzero((self.starts[near] <= position) & (position <= self.stops[near]))
        return rows, near[groups]


@dataclass(frozen=True)
class Cell:
    """A group of sites.

    Attributes:
        by: What divides the sites: `all`, `type`, `region`, or `samples` for all sites of some samples.
        group: Name of the group.
        edges: Minor allele frequencies in percent; a bin contains its upper edge and not its lower one.
        is_all: Whether all frequencies count, whatever `edges` say.
    """

    by: str
    group: str
    edges: Edges
    is_all: bool

    @property
    def label(self) -> str:
        """The bin of minor allele frequency as text."""
        return "all" if self.is_all else bin_label(self.edges)


@dataclass(frozen=True, eq=False)
class Membership:
    """Which of some sites are in which cells.

    Attributes:
        cells: Numbers of the cells that have any of these sites, int64 (n_cells,), rising.
        is_member: 1 where a site is in a cell, else 0, float64 (n_cells, n_sites).
    """

    cells: NDArray[np.intp]
    is_member: NDArray[np.float64]


class CellLayout:
    """All cells of an evaluation, in order.

    Attributes:
        cells: The cells: for each division and group its bins, and at last the cell of all frequencies.

    Args:
        divisions: What divides the sites.
        edges: Edges of the bins in percent, rising.
    """

    def __init__(self, divisions: Sequence[Division], edges: Sequence[float]) -> None:
        self._divisions, self._edges = tuple(divisions), np.asarray(edges, np.float64)
        self._n_bins = len(edges) - 1
        self.cells: list[Cell] = []
        for division in divisions:
            for group in division.groups:
                bins = pairwise(edges) if division.has_bins else ()
                self.cells += [Cell(division.by, group, bounds, is_all=False) for bounds in bins]
                self.cells.append(Cell(division.by, group, ALL_MAF, is_all=True))

    def __len__(self) -> int:
        return len(self.cells)

    def of(self, sites: Sites, frequencies: NDArray[np.float64]) -> Membership:
        """Find the cells of some sites.

        Args:
            sites: n_sites of them, one at least.
            frequencies: Frequency of a1, float64 (n_sites,); NaN is in no bin.
        """
        bins = np.searchsorted(self._edges, minor_percent(frequencies), side="left") - 1
        in_bin = (bins >= 0) & (bins < self._n_bins)
        first, rows, cells = 0, [], []
        for division in self._divisions:
            n_cells = 1 + (self._n_bins if division.has_bins else 0)
            site, group = division.pairs(sites)
            rows.append(site)
            cells.append(first + group * n_cells + n_cells - 1)
            if division.has_bins:
                is_in = in_bin[site]
                rows.append(site[is_in])
                cells.append(first + group[is_in] * n_cells + bins[site[is_in]])
            first += n_cells * len(division.groups)
        present, places = np.unique(np.concatenate(cells), return_inverse=True)
        is_member = np.zeros((len(present), len(sites)))
        is_member[places, np.concatenate(rows)] = 1
        return Membership(present, is_member)
