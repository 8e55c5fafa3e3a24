"""Scores of many sites together, from sums that are added up block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnimp.choices import BIN_EDGES
from rnnimp.scoring.accuracy import SiteStatistics
from rnnimp.scoring.cells import Cell, CellLayout, Membership, Undivided
from rnnimp.scoring.measures import (
    concordance,
    imputation_quality,
    non_reference_discordance,
    ratio,
    squared_correlation,
)
from rnnimp.sites.panel import Sites


@dataclass(frozen=True)
class BinScores:
    """The scores of the sites of one bin.

    Attributes:
        lower: Minor allele frequency in percent; sites are above it.
        upper: Minor allele frequency in percent; no site is above it.
        n_sites: Sites scored: those with a pair of genotypes.
        n_varying: Sites whose true genotypes differ between samples.
        mean_r2: Mean of the sites' r2, over the varying ones.
        aggregate_r2: One r2 over all genotypes of all sites together, as copies of the minor allele.
        concordance: Concordance over all genotypes of all sites together.
        discordance: Non-reference discordance, of the same pairs.
        mean_iqs: Mean of the sites' IQS, over the varying ones that have it.
    """

    lower: float
    upper: float
    n_sites: int
    n_varying: int
    mean_r2: float
    aggregate_r2: float
    concordance: float
    discordance: float
    mean_iqs: float


class CellSums:
    """Sums of the sites of each cell, from which its scores follow.

    Args:
        cells: The cells.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        n_cells = len(cells)
        self._cells = cells
        self._sums = np.zeros((n_cells, 5))  # sites, varying ones, their r2, those with IQS, their IQS
        self._guesses = np.zeros((n_cells, 9))
        self._pooled = np.zeros((n_cells, 6))  # pairs, x, y, xx, yy and xy, relative to the origins
        self._origins = np.full((n_cells, 2), np.nan)

    def add(self, statistics: SiteStatistics, frequencies: NDArray[np.float64], members: Membership) -> None:
        """Add the sites of a block.

        Args:
            statistics: n_sites of them.
            frequencies: Frequency of a1, float64 (n_sites,).
            members: Cells of these sites.
        """
        is_scored, varies = statistics.n_pairs > 0, statistics.varies()
        r2, iqs = statistics.r2(), imputation_quality(statistics.weights)
        has_iqs = varies & ~np.isnan(iqs)
        columns = [is_scored, varies, np.where(varies, r2, 0), has_iqs, np.where(has_iqs, iqs, 0)]
        self._sums[members.cells] += members.is_member @ np.stack(columns, axis=1).astype(np.float64)
        self._guesses[members.cells] += members.is_member @ statistics.guesses.reshape(-1, 9)
        self._add_pooled(statistics, frequencies, members)

    def _add_pooled(self, statistics: SiteStatistics, frequencies: NDArray[np.float64], members: Membership) -> None:
        """Sums over genotypes as copies of the minor allele.

        They are relative to the means of the first site of the cell, so that equal values have no spread at all.
        """
        is_common, n_pairs = frequencies > 0.5, statistics.n_pairs
        means = np.stack(
            [np.where(is_common, 2 - mean, mean) for mean in (statistics.truth_mean, statistics.dosage_mean)]
        )
        weights = members.is_member * n_pairs
        has_pairs = weights.any(axis=1)
        firsts = means[:, np.argmax(weights > 0, axis=1)].T
        origins = self._origins[members.cells]
        origins[has_pairs] = np.where(np.isnan(origins), firsts, origins)[has_pairs]
        self._origins[members.cells] = origins
        x, y = np.where(weights > 0, means[:, np.newaxis] - origins.T[..., np.newaxis], 0)
        within = np.stack([statistics.truth_spread, statistics.dosage_spread, statistics.joint_spread], axis=1)
        between = [(weights * values).sum(axis=1) for values in (1, x, y, x * x, y * y, x * y)]
        self._pooled[members.cells] += np.stack(between, axis=1)
        self._pooled[members.cells, 3:] += members.is_member @ within

    def scores(self) -> list[BinScores]:
        """The scores of each cell."""
        n, x, y, xx, yy, xy = self._pooled.T
        spreads = [np.maximum(xx - ratio(x * x, n), 0), np.maximum(yy - ratio(y * y, n), 0), xy - ratio(x * y, n)]
        guesses = self._guesses.reshape(-1, 3, 3)
        columns = [
            ratio(self._sums[:, 2], self._sums[:, 1]),
            squared_correlation(*spreads),
            concordance(guesses),
            non_reference_discordance(guesses),
            ratio(self._sums[:, 4], self._sums[:, 3]),
        ]
        return [
            BinScores(cell.edges[0], cell.edges[1], int(sums[0]), int(sums[1]), *map(float, values))
            for cell, sums, *values in zip(self._cells, self._sums, *columns, strict=True)
        ]


def score_bins(
    statistics: SiteStatistics, frequencies: NDArray[np.float64], edges: Sequence[float] = BIN_EDGES
) -> Iterator[BinScores]:
    """Scores of each bin of minor allele frequency, and at last of all sites, whatever their frequency.

    Args:
        statistics: n_sites of them.
        frequencies: Frequency of a1, float64 (n_sites,); NaN is in no bin.
        edges: Rising, in percent; a site at an edge is in the bin below it.

    Yields:
        A bin for each two neighbouring edges, then (0, 50] with all sites, monomorphic ones included.
    """
    layout = CellLayout([Undivided()], edges)
    sums = CellSums(layout.cells)
    if len(statistics):
        anywhere = Sites.build(range(len(statistics)), ["A"] * len(statistics), ["C"] * len(statistics))
        sums.add(statistics, frequencies, layout.of(anywhere, frequencies))
    yield from sums.scores()


def aggregate_r2(statistics: SiteStatistics, frequencies: NDArray[np.float64]) -> float:
    """Squared correlation over the genotypes of all sites together.

    Genotypes are counted as copies of the minor allele, as Minimac's aggRSquare and GLIMPSE's concordance tool do, so
    that which allele is called a1 does not matter.

    Args:
        statistics: n_sites of them.
        frequencies: Frequency of a1, float64 (n_sites,).

    Returns:
        NaN where the truth does not vary; 0 where it does and the dosage does not.
    """
    return list(score_bins(statistics, frequencies))[-1].aggregate_r2
