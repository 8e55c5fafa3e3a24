"""Part of `evaluate`: adds up scores block by block, for all imputations and groups of samples side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnimp.pipeline.evaluate.calibration import Calibration, calibrate_pairs
from rnnimp.pipeline.evaluate.results import MEASURES, Difference, GroupScores, SampleScores
from rnnimp.scoring.accuracy import Pairs, SiteStatistics
from rnnimp.scoring.bins import BinScores, CellSums
from rnnimp.scoring.bootstrap import (
    DIFFERENCE_LIMITS,
    CellReplicates,
    ReplicateScores,
    SampleDraws,
    spread_interval,
)
from rnnimp.scoring.by_sample import SampleSums
from rnnimp.scoring.cells import ByType, Cell, CellLayout, Division, Membership, Undivided
from rnnimp.sites.panel import Sites


@dataclass(frozen=True, eq=False)
class SampleSet:
    """Samples that are scored together.

    Attributes:
        columns: Indices among the shared samples, int64; None for all.
        n_samples: How many they are.
        layout: Cells that their sites are in.
        draws: Draws of the bootstrap; None without one, and for a single sample.
    """

    columns: NDArray[np.intp] | None
    n_samples: int
    layout: CellLayout
    draws: SampleDraws | None

    def of(self, pairs: Pairs) -> Pairs:
        """The pairs of these samples."""
        return pairs if self.columns is None else pairs.take_samples(self.columns)


def sample_sets(
    groups: Sequence[str] | None, n_samples: int, divisions: Sequence[Division], edges: Sequence[float], n_draws: int
) -> list[SampleSet]:
    """All samples, whose sites are divided further, and each group of them.

    Args:
        groups: Group of each sample; empty for none. None without groups.
        n_samples: Number of samples.
        divisions: What divides the sites.
        edges: Edges of the bins in percent.
        n_draws: Replicates of the bootstrap; 0 for none.
    """

    def sample_set(columns: NDArray[np.intp] | None, number: int, divided: Sequence[Division]) -> SampleSet:
        draws = SampleDraws(number, n_draws) if n_draws and number > 1 else None
        return SampleSet(columns, number, CellLayout(divided, edges), draws)

    sets = [sample_set(None, n_samples, divisions)]
    named = np.array([] if groups is None else groups, dtype=object)
    for name in sorted(set(named.tolist()) - {""}):
        columns = np.flatnonzero(named == name)
        sets.append(sample_set(columns, len(columns), [Undivided("samples", name)]))
    return sets


class Scorer:
    """Scores of one imputation.

    Attributes:
        calibration: The imputation's own estimates against the truth; None if not asked for, or before any site.

    Args:
        name: Name of the imputation.
        sets: Samples that are scored together; the first set is all.
        edges: Edges of the bins in percent.
        calibrates: Whether to compare the imputation's own estimates with the truth.
    """

    def __init__(self, name: str, sets: Sequence[SampleSet], edges: Sequence[float], calibrates: bool) -> None:
        self._name, self._sets, self._edges, self._calibrates = name, sets, edges, calibrates
        self._sums = [CellSums(each.layout.cells) for each in sets]
        self._replicates = [
            None if each.draws is None else CellReplicates(len(each.layout), each.draws) for each in sets
        ]
        self._samples = SampleSums(sets[0].n_samples)
        self.calibration: Calibration | None = None

    def add(
        self,
        pairs: Pairs,
        frequencies: NDArray[np.float64],
        members: Sequence[Membership],
        scores: Mapping[str, NDArray[np.float64]],
    ) -> SiteStatistics:
        """Add the sites of a block.

        Args:
            pairs: Pairs of all samples at n_sites sites.
            frequencies: Frequency of a1, float64 (n_sites,).
            members: Cells of these sites in the layout of each set.
            scores: The imputation's estimates of their r2 by name, float64 (n_sites,).

        Returns:
            The statistics of the sites over all samples.
        """
        whole = pairs.statistics()
        for each, sums, replicates, inside in zip(self._sets, self._sums, self._replicates, members, strict=True):
            chosen = each.of(pairs)
            sums.add(whole if chosen is pairs else chosen.statistics(), frequencies, inside)
            if replicates is not None:
                replicates.add(chosen, frequencies, inside)
        self._samples.add(pairs)
        if self._calibrates:
            found = calibrate_pairs(pairs, whole, scores, frequencies, self._edges)
            self.calibration = found if self.calibration is None else self.calibration + found
        return whole

    def groups(self) -> Iterator[GroupScores]:
        """The scores of all cells, without types of variants that no site has."""
        for each, sums, replicates in zip(self._sets, self._sums, self._replicates, strict=True):
            for number, cell, scores in _with_sites(each.layout, sums):
                intervals = {} if replicates is None else _intervals(scores, replicates.scores(number))
                yield GroupScores(self._name, cell.by, cell.group, cell.label, each.n_samples, scores, intervals)

    def bins(self) -> tuple[BinScores, ...]:
        """The scores of the bins of all samples and sites, and at last of all sites."""
        cells = self._sets[0].layout.cells
        return tuple(
            scores for cell, scores in zip(cells, self._sums[0].scores(), strict=True) if cell.by == Undivided().by
        )

    def samples(self, names: tuple[str, ...], groups: tuple[str, ...] | None) -> SampleScores:
        """The scores of each sample."""
        sums = self._samples
        return SampleScores(names, groups, sums.n_pairs, sums.r2(), sums.concordance(), sums.discordance())

    def differences(self, reference: Scorer) -> Iterator[Difference]:
        """The scores less those of another imputation of the same genotypes."""
        for number, each in enumerate(self._sets):
            own, other = self._replicates[number], reference._replicates[number]
            if own is None or other is None:
                continue
            others = reference._sums[number].scores()
            for place, cell, scores in _with_sites(each.layout, self._sums[number]):
                rivals = others[place]
                drawn, rival_drawn = own.scores(place), other.scores(place)
                for measure in MEASURES:
                    value = getattr(scores, measure) - getattr(rivals, measure)
                    drawn_difference = getattr(drawn, measure) - getattr(rival_drawn, measure)
                    interval = spread_interval(value, drawn_difference, DIFFERENCE_LIMITS)
                    place_of = (cell.by, cell.group, cell.label)
                    yield Difference(self._name, reference._name, *place_of, measure, value, interval)


def _with_sites(layout: CellLayout, sums: CellSums) -> Iterator[tuple[int, Cell, BinScores]]:
    """The number, cell and scores of each cell, without types of variants that no site has."""
    pairs = list(zip(layout.cells, sums.scores(), strict=True))
    empty = {cell.group for cell, scores in pairs if cell.by == ByType().by and cell.is_all and not scores.n_sites}
    for number, (cell, scores) in enumerate(pairs):
        if not (cell.by == ByType().by and cell.group in empty):
            yield number, cell, scores


def _intervals(scores: BinScores, drawn: ReplicateScores) -> dict[str, tuple[float, float]]:
    return {measure: spread_interval(getattr(scores, measure), getattr(drawn, measure)) for measure in MEASURES}


def memberships(sets: Sequence[SampleSet], sites: Sites, frequencies: NDArray[np.float64]) -> list[Membership]:
    """The cells of some sites in the layout of each set."""
    return [each.layout.of(sites, frequencies) for each in sets]
