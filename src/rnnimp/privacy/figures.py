"""Figures of a membership test: how well scores tell members from outsiders, with intervals.

A score is greater for whoever looks more like a member. The figures are those of Carlini et al. (2022, "Membership
inference attacks from first principles"): the AUC, and the share of members found at a low rate of false alarms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from rnnimp.privacy.false_alarms import Tail, can_resolve

Scores = NDArray[np.float64]

FALSE_POSITIVE_RATES = (0.01, 0.001)
"""Rates of false alarms at which the share of members found is reported."""

N_DRAWS = 1000
_TAIL = 0.025
_FEW = 5
_NORMAL = NormalDist()
_Z = _NORMAL.inv_cdf(1 - _TAIL)


@dataclass(frozen=True)
class Estimate:
    """A number with its 95% interval.

    Attributes:
        value: The number; None if the data cannot tell it.
        low: Lower end of the interval; None if there is none.
        high: Upper end of the interval; None if there is none.
        note: What to know about the number, or why there is none.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    note: str | None = None


@dataclass(frozen=True)
class Figures:
    """How well a score tells members from outsiders.

    Attributes:
        auc: Probability that a member's score is greater than an outsider's; ties count half.
        tpr: Share of members found, for each of `FALSE_POSITIVE_RATES`.
        d_prime: Distance of the two groups in standard deviations, `sqrt(2) z(AUC)`, as if scores were normal.
        d_prime_interval: The same of both ends of the AUC's interval.
        n_members: Members tested.
        n_outsiders: Outsiders tested.
    """

    auc: Estimate
    tpr: dict[float, Estimate]
    d_prime: float
    d_prime_interval: tuple[float, float]
    n_members: int
    n_outsiders: int


def figures(members: Scores, outsiders: Scores, rng: np.random.Generator) -> Figures:
    """All figures of one score.

    Args:
        members: float64 (n_members,), at least one.
        outsiders: float64 (n_outsiders,), at least one.
        rng: Draws the samples of the intervals.
    """
    area = auc_estimate(members, outsiders)
    limit = 1 / (2 * len(members) * len(outsiders))  # where the groups do not overlap

    def distance(value: float | None) -> float:
        return math.sqrt(2) * _NORMAL.inv_cdf(min(max(value or 0, limit), 1 - limit))

    tpr = {rate: true_positive_rate(members, outsiders, rate, rng) for rate in FALSE_POSITIVE_RATES}
    interval = distance(area.low), distance(area.high)
    return Figures(area, tpr, distance(area.value), interval, len(members), len(outsiders))


def auc(members: Scores, outsiders: Scores) -> float:
    """Probability that a member's score is greater than an outsider's; ties count half.

    >>> auc(np.array([3.0, 2.0]), np.array([1.0, 2.0]))
    0.875
    """
    return float(_placements(members, outsiders).mean())


def _placements(scores: Scores, others: Scores) -> Scores:
    """For each score the share of the others that are below it, ties by half: float64, as long as `scores`."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, scores, side="left") + np.searchsorted(ordered, scores, side="right")
    result: Scores = below / (2 * len(others))
    return result


def auc_estimate(members: Scores, outsiders: Scores) -> Estimate:
    """The AUC with the interval of DeLong et al. (1988), on the logit scale so that it stays between 0 and 1.

    Where the groups do not overlap, their variance is 0. The interval then ends where a sample as large as the smaller
    group shows no overlap with probability 2.5%.
    """
    of_members, of_outsiders = _placements(members, outsiders), 1 - _placements(outsiders, members)
    area = float(of_members.mean())
    variance = sum(float(np.var(part, ddof=1)) / len(part) for part in (of_members, of_outsiders) if len(part) > 1)
    if not 0 < area < 1:
        reach = 1 - _TAIL ** (1 / min(len(members), len(outsiders)))
        return Estimate(area, max(0.0, area - reach), min(1.0, area + reach))
    if variance == 0:
        return Estimate(area, area, area)
    odds = math.log(area / (1 - area))
    reach = _Z * math.sqrt(variance) / (area * (1 - area))
    return Estimate(area, _sigmoid(odds - reach), _sigmoid(odds + reach))


def _sigmoid(odds: float) -> float:
    return 1 / (1 + math.exp(-odds)) if odds > 0 else math.exp(odds) / (1 + math.exp(odds))


def true_positive_rate(members: Scores, outsiders: Scores, rate: float, rng: np.random.Generator) -> Estimate:
    """The share of members found when a share `rate` of the outsiders is found by mistake.

    The threshold is that of a curve through the outsiders' highest scores (`false_alarms.py`). Only members whose score
    is above it count. The interval contains the uncertainty of the threshold and that of the members.

    Args:
        members: float64 (n_members,).
        outsiders: float64 (n_outsiders,).
        rate: False alarms, a share of the outsiders, at most 0.1. If it is below one outsider, there is no value.
        rng: Draws the interval.
    """
    n_outsiders = len(outsiders)
    if not can_resolve(rate, n_outsiders):
        least = math.ceil(1 / rate)
        return Estimate(None, note=f"{n_outsiders} outsiders cannot resolve a rate of {rate:g}; {least} are needed")
    ordered, tail = np.sort(members), Tail.of(outsiders, rate)
    value = float(_share_above(ordered, np.array([tail.threshold(rate)]))[0])
    share = _share_above(ordered, tail.drawn_thresholds(rate, rng, N_DRAWS))
    low, high = np.quantile(rng.binomial(len(members), share) / len(members), [_TAIL, 1 - _TAIL]).tolist()
    note = None
    if rate * n_outsiders < _FEW:
        fewest, most = np.quantile(tail.drawn_rates(rate, rng, N_DRAWS), [_TAIL, 1 - _TAIL])
        note = (
            f"the threshold is fitted to the {tail.n_highest} highest of {n_outsiders} outsiders; of further people, "
            f"{100 * fewest:.1f} to {100 * most:.1f}% may be above it, and the share of members depends on that"
        )
    return Estimate(value, min(low, value), max(high, value), note)


def _share_above(ordered: Scores, thresholds: Scores) -> Scores:
    result: Scores = 1 - np.searchsorted(ordered, thresholds, side="right") / len(ordered)
    return result


def roc_curve(members: Scores, outsiders: Scores) -> tuple[tuple[float, float], ...]:
    """Points (false alarms, members found) of the ROC curve, from (0, 0) to (1, 1), one per outsider at most.

    >>> roc_curve(np.array([3.0, 1.5]), np.array([1.0, 2.0]))
    ((0.0, 0.0), (0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0))
    """
    values = np.unique(np.concatenate([members, outsiders]))[::-1]
    false = 1 - np.searchsorted(np.sort(outsiders), values, side="left") / len(outsiders)
    true = 1 - np.searchsorted(np.sort(members), values, side="left") / len(members)
    points = [(0.0, 0.0), *zip(false.tolist(), true.tolist(), strict=True)]
    corners = [
        point
        for number, point in enumerate(points)
        if number in (0, len(points) - 1) or not _is_between(points[number - 1], point, points[number + 1])
    ]
    return tuple(corners)


def _is_between(before: tuple[float, float], point: tuple[float, float], after: tuple[float, float]) -> bool:
    """Whether a point lies on the straight level or upright line from the point before to the one after."""
    return any(before[axis] == point[axis] == after[axis] for axis in (0, 1))


def in_outsider_sds(scores: Scores, outsiders: Scores) -> Scores:
    """Scores as distances from the outsiders' mean, in standard deviations of the outsiders.

    Returns:
        float64, as long as `scores`; 0 where the outsiders do not vary.
    """
    spread = float(np.std(outsiders, ddof=1)) if len(outsiders) > 1 else 0.0
    result: Scores = (scores - outsiders.mean()) / spread if spread > 0 else np.zeros(len(scores))
    return result


@dataclass(frozen=True)
class Extrapolation:
    """What to expect of a larger part of the genome.

    Attributes:
        scope: `regions` for those audited, `model`, `chromosome` or `genome`.
        n_regions: Regions of the audited regions' mean length in it; need not be whole.
        d_prime: Distance of members and outsiders in standard deviations.
        auc: AUC of two normal distributions at this distance.
        tpr: Share of members found, for each of `FALSE_POSITIVE_RATES`.
        auc_interval: AUC at both ends of the interval of the audited regions' distance.
        tpr_intervals: The same of the share of members found.
    """

    scope: str
    n_regions: float
    d_prime: float
    auc: float
    tpr: dict[float, float]
    auc_interval: tuple[float, float]
    tpr_intervals: dict[float, tuple[float, float]]


def extrapolated(
    scope: str, d_prime: float, n_audited: int, n_regions: float, interval: tuple[float, float] | None = None
) -> Extrapolation:
    """Extrapolate to more regions, as if they were independent and told as much as the audited ones on average.

    Then the distance of the sums grows with the square root of the number of regions. Both groups' scores are taken as
    normal, with the same variance. A distance below 0 counts as 0.

    Args:
        scope: Name of the part.
        d_prime: Distance over the audited regions together.
        n_audited: Audited regions.
        n_regions: Regions of the part.
        interval: Interval of the distance; None for none.

    >>> whole = extrapolated("chromosome", 1.0, 4, 36)
    >>> round(whole.d_prime, 6), round(whole.auc, 4), round(whole.tpr[0.01], 4)
    (3.0, 0.9831, 0.7497)
    """
    growth = math.sqrt(n_regions / n_audited)
    distance, low, high = (max(0.0, value) * growth for value in (d_prime, *(interval or (d_prime, d_prime))))
    return Extrapolation(
        scope,
        n_regions,
        distance,
        _normal_auc(distance),
        {rate: _normal_tpr(distance, rate) for rate in FALSE_POSITIVE_RATES},
        (_normal_auc(low), _normal_auc(high)),
        {rate: (_normal_tpr(low, rate), _normal_tpr(high, rate)) for rate in FALSE_POSITIVE_RATES},
    )


def _normal_auc(distance: float) -> float:
    return _NORMAL.cdf(distance / math.sqrt(2))


def _normal_tpr(distance: float, rate: float) -> float:
    return _NORMAL.cdf(distance + _NORMAL.inv_cdf(rate))
