"""Whether an imputation knows how good it is: its own estimates against what the truth says.

Three questions, each with its numbers. Does a site's estimated r2 (R2, INFO, DR2) agree with the true one:
`Agreement`, by the estimate and by allele frequency. Do filters at a threshold keep the sites that they should:
`FilterQuality`. Is a genotype right as often as its probability says: `Reliability`.

A true r2 exists where the true genotypes vary; other sites are in no count of the first two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnnimp.scoring.accuracy import SiteStatistics, minor_percent
from rnnimp.scoring.cells import ALL_MAF, Edges

ESTIMATE_EDGES = tuple(tenth / 10 for tenth in range(11))
"""Estimated r2. A bin holds its lower edge; the first all below, the last all above and its upper edge."""

PROBABILITY_EDGES = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
"""Genotype probabilities, in bins as above; finer at the ends, where most are."""

FILTER_THRESHOLDS = (0.3, 0.8)
"""Where estimated r2 is usually cut: to drop what is useless, and to keep what is good."""

_Part = TypeVar("_Part", bound="Addable")


@dataclass(frozen=True, eq=False)
class Agreement:
    """Estimated against true r2 over some sites, as sums, so that parts can be added.

    Attributes:
        n_sites: Sites with an estimate and a true r2.
        sums: Sums of the estimates, the true r2, their squares and their products, float64 (5,).
        squared_error: Sum of the squared differences.
        extremes: Least estimate and true r2, and the greatest of each, float64 (2, 2).
    """

    n_sites: int
    sums: NDArray[np.float64]
    squared_error: float
    extremes: NDArray[np.float64]

    @classmethod
    def of(cls, estimates: NDArray[np.float64], r2: NDArray[np.float64]) -> Agreement:
        """Of sites' estimated and true r2, each float64 (n_sites,); sites where either is NaN are left out."""
        is_known = ~(np.isnan(estimates) | np.isnan(r2))
        given, true = estimates[is_known], r2[is_known]
        sums = np.array([column.sum() for column in (given, true, given**2, true**2, given * true)])
        extremes = [[column.min(initial=np.inf) for column in (given, true)]]
        extremes.append([column.max(initial=-np.inf) for column in (given, true)])
        return cls(len(true), sums, float(np.sum((given - true) ** 2)), np.array(extremes))

    def __add__(self, other: Agreement) -> Agreement:
        extremes = np.stack(
            [np.minimum(self.extremes[0], other.extremes[0]), np.maximum(self.extremes[1], other.extremes[1])]
        )
        squared_error = self.squared_error + other.squared_error
        return Agreement(self.n_sites + other.n_sites, self.sums + other.sums, squared_error, extremes)

    @property
    def mean_estimate(self) -> float:
        """Mean estimated r2; NaN without sites, as the others."""
        return self._mean(self.sums[0])

    @property
    def mean_r2(self) -> float:
        """Mean true r2."""
        return self._mean(self.sums[1])

    @property
    def error(self) -> float:
        """Root of the mean squared difference."""
        return math.sqrt(self._mean(self.squared_error))

    @property
    def correlation(self) -> float:
        """Pearson's; NaN where either does not vary."""
        if not (self.n_sites and (self.extremes[1] > self.extremes[0]).all()):
            return float("nan")
        x, y, xx, yy, xy = self.sums / self.n_sites
        return float((xy - x * y) / np.sqrt((xx - x * x) * (yy - y * y)))

    def _mean(self, total: float) -> float:
        return float(total) / self.n_sites if self.n_sites else float("nan")


@dataclass(frozen=True)
class FilterQuality:
    """The effect of a filter that keeps sites whose estimated r2 reaches a threshold. Parts can be added.

    Attributes:
        threshold: Threshold of the estimate to be kept, and of the true r2 to be good.
        n_sites: Sites with a true r2.
        n_kept: Sites with an estimate at or above the threshold; one without an estimate is not kept.
        n_good: Sites with a true r2 at or above it.
        n_kept_good: Sites that are both.
        r2_kept: Sum of the true r2 of those kept.
    """

    threshold: float
    n_sites: int
    n_kept: int
    n_good: int
    n_kept_good: int
    r2_kept: float

    @classmethod
    def of(cls, estimates: NDArray[np.float64], r2: NDArray[np.float64], threshold: float) -> FilterQuality:
        """Of sites' estimated and true r2, each float64 (n_sites,); sites without a true r2 are left out."""
        estimates, r2 = estimates[~np.isnan(r2)], r2[~np.isnan(r2)]
        is_kept, is_good = estimates >= threshold, r2 >= threshold
        n_kept, n_good, n_both = (int(np.count_nonzero(group)) for group in (is_kept, is_good, is_kept & is_good))
        return cls(threshold, len(r2), n_kept, n_good, n_both, float(r2[is_kept].sum()))

    def __add__(self, other: FilterQuality) -> FilterQuality:
        names = ("n_sites", "n_kept", "n_good", "n_kept_good", "r2_kept")
        return FilterQuality(self.threshold, *(getattr(self, name) + getattr(other, name) for name in names))

    @property
    def mean_r2_kept(self) -> float:
        """Mean true r2 of those kept; NaN where none is."""
        return self.r2_kept / self.n_kept if self.n_kept else float("nan")

    @property
    def precision(self) -> float:
        """Share of the kept sites that are good; NaN where none is kept."""
        return self.n_kept_good / self.n_kept if self.n_kept else float("nan")

    @property
    def recall(self) -> float:
        """Share of the good sites that are kept; NaN where none is good."""
        return self.n_kept_good / self.n_good if self.n_good else float("nan")


@dataclass(frozen=True, eq=False)
class Reliability:
    """Probabilities by their size, and how often they were right. These are sums, so that parts can be added.

    Every genotype counts three times: with the probability of 0, of 1 and of 2 copies.

    Attributes:
        n: Probabilities in each of `PROBABILITY_EDGES`'s bins, int64 (n_bins,).
        stated: Their sum, float64 (n_bins,).
        observed: How many were those of the true number of copies, float64 (n_bins,).
        squared_error: Sum of all squared differences, to 1 for the true number of copies and to 0 for the others.
    """

    n: NDArray[np.int64]
    stated: NDArray[np.float64]
    observed: NDArray[np.float64]
    squared_error: float

    @classmethod
    def of(cls, genotypes: NDArray[np.int8], probabilities: NDArray[np.floating]) -> Reliability:
        """Of genotypes with known truth and probabilities.

        Args:
            genotypes: True copies of a1, int8 (n_sites, n_samples); -1 for missing.
            probabilities: (n_sites, n_samples, 3), of 0, 1 and 2 copies; NaN where not known.
        """
        is_known = (genotypes >= 0) & np.isfinite(probabilities).all(axis=-1)
        stated = probabilities[is_known].astype(np.float64)
        is_true = (genotypes[is_known][:, np.newaxis] == np.arange(3)).astype(np.float64)
        n_bins = len(PROBABILITY_EDGES) - 1
        bins = _bins_of(stated, PROBABILITY_EDGES).reshape(-1)
        return cls(
            np.bincount(bins, minlength=n_bins),
            np.asarray(np.bincount(bins, stated.reshape(-1), n_bins), dtype=np.float64),
            np.asarray(np.bincount(bins, is_true.reshape(-1), n_bins), dtype=np.float64),
            float(np.sum((stated - is_true) ** 2)),
        )

    def __add__(self, other: Reliability) -> Reliability:
        return Reliability(
            self.n + other.n,
            self.stated + other.stated,
            self.observed + other.observed,
            self.squared_error + other.squared_error,
        )

    @property
    def n_genotypes(self) -> int:
        """Genotypes counted."""
        return int(self.n.sum()) // 3

    @property
    def calibration_error(self) -> float:
        """Mean difference of stated and observed frequency over the bins, by their counts; NaN without genotypes."""
        return float(np.abs(self.stated - self.observed).sum()) / self.n.sum() if self.n_genotypes else float("nan")

    @property
    def brier_score(self) -> float:
        """Squared error of a genotype's three probabilities: 0 is perfect, 2 the worst (Brier 1950)."""
        return self.squared_error / self.n_genotypes if self.n_genotypes else float("nan")


def dosage_slope(statistics: SiteStatistics) -> float:
    """Regression slope of true copies on dosages within sites; see `slope_of`."""
    return slope_of(float(statistics.dosage_spread.sum()), float(statistics.joint_spread.sum()))


def slope_of(dosage_spread: float, joint_spread: float) -> float:
    """Regression slope of true copies on dosages, from their sums of squares: below 1 is overconfident, 1 calibrated.

    Returns:
        NaN where no dosage varies.
    """
    return joint_spread / dosage_spread if dosage_spread > 0 else float("nan")


@dataclass(frozen=True)
class ScoreCalibration:
    """A score of quality against the true r2.

    Attributes:
        by_estimate: Each bin of `ESTIMATE_EDGES` and its sites' agreement.
        by_maf: Each bin of minor allele frequency in percent and its sites' agreement; at last all sites.
        filters: For each of `FILTER_THRESHOLDS`, the same bins and the effect of the filter on their sites.
    """

    by_estimate: tuple[tuple[Edges, Agreement], ...]
    by_maf: tuple[tuple[Edges, Agreement], ...]
    filters: tuple[tuple[tuple[Edges, FilterQuality], ...], ...]

    def __add__(self, other: ScoreCalibration) -> ScoreCalibration:
        """Of the sites of both, with the same bins."""
        return ScoreCalibration(
            added(self.by_estimate, other.by_estimate),
            added(self.by_maf, other.by_maf),
            tuple(added(own, others) for own, others in zip(self.filters, other.filters, strict=True)),
        )


class Addable(Protocol):
    """What can be added to its like."""

    def __add__(self: _Part, other: _Part, /) -> _Part: ...


def added(
    own: tuple[tuple[Edges, _Part], ...], others: tuple[tuple[Edges, _Part], ...]
) -> tuple[tuple[Edges, _Part], ...]:
    """The parts of two sets of equal bins, added bin by bin."""
    return tuple((edges, part + other) for (edges, part), (_, other) in zip(own, others, strict=True))


def calibrate_score(
    estimates: NDArray[np.float64],
    r2: NDArray[np.float64],
    frequencies: NDArray[np.float64],
    maf_edges: Sequence[float],
) -> ScoreCalibration:
    """Compare a score of all sites with their true r2.

    Args:
        estimates: The score, float64 (n_sites,); NaN where it is not given.
        r2: The true r2, float64 (n_sites,); NaN where the truth does not vary.
        frequencies: Frequency of a1, float64 (n_sites,).
        maf_edges: Rising, in percent.
    """
    is_estimated = ~np.isnan(estimates)
    bins = np.where(is_estimated, _bins_of(np.where(is_estimated, estimates, 0), ESTIMATE_EDGES), -1)
    by_estimate = [
        (edges, Agreement.of(estimates[bins == number], r2[bins == number]))
        for number, edges in enumerate(pairwise(ESTIMATE_EDGES))
    ]
    groups = list(maf_groups(frequencies, maf_edges))
    by_maf = [(edges, Agreement.of(estimates[rows], r2[rows])) for edges, rows in groups]
    filters = [
        tuple((edges, FilterQuality.of(estimates[rows], r2[rows], threshold)) for edges, rows in groups)
        for threshold in FILTER_THRESHOLDS
    ]
    return ScoreCalibration(tuple(by_estimate), tuple(by_maf), tuple(filters))


def maf_groups(frequencies: NDArray[np.float64], edges: Sequence[float]) -> Iterator[tuple[Edges, NDArray[np.bool_]]]:
    """Each bin of minor allele frequency with its sites, bool (n_sites,), and at last `ALL_MAF` with all sites.

    A bin holds its upper edge, as in `accuracy.score_bins`.
    """
    percent = minor_percent(frequencies)
    for lower, upper in pairwise(edges):
        yield (lower, upper), (percent > lower) & (percent <= upper)
    yield ALL_MAF, np.ones(len(percent), dtype=np.bool_)


def _bins_of(values: NDArray[np.float64], edges: Sequence[float]) -> NDArray[np.intp]:
    """The bin of each value; those beyond the edges are in the first and the last."""
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
