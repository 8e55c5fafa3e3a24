"""How well a model infers the rare alleles that a member carries, compared with those of outsiders.

A member's allele is in the panel at least once: in this member. An outsider's may be in nobody else. So alleles are
compared only with alleles that as many other people of the panel carry (none, 1, 2, 3-4, 5-8 and so on).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnimp.privacy.figures import N_DRAWS, Estimate
from rnnimp.privacy.region import Floats


@dataclass(frozen=True)
class RareAlleles:
    """What a model infers of rare alleles from people's markers.

    Attributes:
        subject: `model`, `floor` or `ceiling`.
        most_maf: Largest minor allele frequency of a rare allele.
        n_sites: Imputed sites with a rare allele.
        n_carried_members: Rare alleles that the members carry.
        n_carried_outsiders: Rare alleles that the outsiders carry.
        members: Mean probability that the model gives to a rare allele that a member carries, of alleles that are
            compared with outsiders' alleles.
        outsiders: The same of outsiders, weighted so that as many other people carry their alleles as the members'.
        difference: `members` less `outsiders`.
        precision_members: Share of the rare alleles inferred for members (probability over one half) that they carry.
        precision_outsiders: The same of outsiders.
        recall_members: Share of the members' rare alleles that are inferred.
        recall_outsiders: The same of outsiders.
    """

    subject: str
    most_maf: float
    n_sites: int
    n_carried_members: int
    n_carried_outsiders: int
    members: Estimate
    outsiders: Estimate
    difference: Estimate
    precision_members: float | None
    precision_outsiders: float | None
    recall_members: float | None
    recall_outsiders: float | None


CARRIED, PROBABILITY, FOUND, INFERRED = range(4)
"""What is counted: alleles carried, the probability given to them, those of them over 1/2, all alleles over 1/2."""

_TAIL = 0.025


def count_rare_alleles(
    site_alleles: NDArray[np.int8],
    expected: Floats,
    panel_counts: NDArray[np.int64],
    own: NDArray[np.bool_],
    most_maf: float,
) -> NDArray[np.float64]:
    """Count, for each person and number of other carriers, the rare alleles and what the model infers of them.

    Args:
        site_alleles: Alleles, int8 (n_sites, n_haplotypes); -1 for missing.
        expected: P(a1) by the model, float32 (n_sites, n_haplotypes).
        panel_counts: Haplotypes of the panel with allele 0 and with allele 1, int64 (n_sites, 2).
        own: Whether a person is in the panel, and so in these counts, bool (n_people,).
        most_maf: Largest minor allele frequency of a rare allele.

    Returns:
        float64 (n_people, n_classes, 4).
    """
    n_people = site_alleles.shape[1] // 2
    total = panel_counts.sum(axis=1)
    minor = (panel_counts[:, 1] <= panel_counts[:, 0]).astype(np.int8)
    count = panel_counts.min(axis=1)
    is_rare = (count <= most_maf * total) & (total > 0)
    minor, count = minor[is_rare, None], count[is_rare]
    carried = site_alleles[is_rare] == minor
    probability = np.where(minor == 1, expected[is_rare], 1 - expected[is_rare])
    inferred = (probability > 0.5) & (site_alleles[is_rare] >= 0)
    own_copies = carried.reshape(len(count), n_people, 2).sum(axis=2) * own
    classes = carrier_classes(count[:, None] - own_copies).repeat(2, axis=1)
    n_classes = int(carrier_classes(np.array([int(total.max(initial=0))]))[0]) + 1
    person = np.broadcast_to(np.arange(n_people).repeat(2), classes.shape)
    place = (person * n_classes + classes).reshape(-1)
    values = (carried, carried * probability, carried & inferred, inferred)
    sums = [np.bincount(place, np.asarray(part, float).reshape(-1), n_people * n_classes) for part in values]
    result: NDArray[np.float64] = np.stack(sums, axis=1).reshape(n_people, n_classes, len(sums)).astype(np.float64)
    return result


def carrier_classes(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The class of a number of carriers: 0, 1, 2, 3-4, 5-8 and so on.

    >>> carrier_classes(np.array([0, 1, 2, 3, 4, 5, 8, 9])).tolist()
    [0, 1, 2, 3, 3, 4, 4, 5]
    """
    at_least_one = np.maximum(counts, 1)
    result: NDArray[np.int64] = np.where(counts > 0, 1 + np.ceil(np.log2(at_least_one)).astype(np.int64), 0)
    return result


def rare_alleles(
    subject: str,
    counts: NDArray[np.float64],
    is_member: NDArray[np.bool_],
    n_sites: int,
    most_maf: float,
    rng: np.random.Generator,
) -> RareAlleles:
    """Compare the inference of members' rare alleles with that of outsiders'.

    Intervals are those of a bootstrap over people.

    Args:
        subject: `model`, `floor` or `ceiling`.
        counts: Sums over the regions of what `count_rare_alleles` gives.
        is_member: bool (n_people,).
        n_sites: Imputed sites with a rare allele.
        most_maf: As in `count_rare_alleles`.
        rng: Draws the bootstrap.
    """
    groups = counts[is_member], counts[~is_member]
    totals = [group.sum(axis=0) for group in groups]
    drawn = [_resampled(group, rng) for group in groups]
    means, draws = _compared(*totals), _compared(*drawn)
    of_members, of_outsiders, difference = (
        _estimate(float(mean), draw) for mean, draw in zip(means, draws, strict=True)
    )
    members, outsiders = totals
    return RareAlleles(
        subject,
        most_maf,
        n_sites,
        n_carried_members=int(members[:, CARRIED].sum()),
        n_carried_outsiders=int(outsiders[:, CARRIED].sum()),
        members=of_members,
        outsiders=of_outsiders,
        difference=difference,
        precision_members=_ratio(members, FOUND, INFERRED),
        precision_outsiders=_ratio(outsiders, FOUND, INFERRED),
        recall_members=_ratio(members, FOUND, CARRIED),
        recall_outsiders=_ratio(outsiders, FOUND, CARRIED),
    )


def _resampled(group: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Sums over people drawn with replacement, float64 (N_DRAWS, n_classes, 4)."""
    times = rng.multinomial(len(group), np.full(len(group), 1 / len(group)), N_DRAWS)
    result: NDArray[np.float64] = np.tensordot(times.astype(float), group, axes=1)
    return result


def _compared(members: NDArray[np.float64], outsiders: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Mean probabilities of members and of outsiders over the classes that both have, and the difference.

    Classes are weighted by the members' alleles.
    """
    n_members, n_outsiders = members[..., CARRIED], outsiders[..., CARRIED]
    weight = np.where((n_members > 0) & (n_outsiders > 0), n_members, 0)
    total = weight.sum(axis=-1)
    means = []
    for sums, number in ((members, n_members), (outsiders, n_outsiders)):
        by_class = np.divide(sums[..., PROBABILITY], number, out=np.zeros_like(number), where=number > 0)
        with np.errstate(invalid="ignore"):
            means.append((weight * by_class).sum(axis=-1) / total)
    return means[0], means[1], means[0] - means[1]


def _estimate(value: float, drawn: NDArray[np.float64]) -> Estimate:
    known = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or not known.size:
        return Estimate(None, note="members and outsiders carry no rare alleles that can be compared")
    low, high = np.quantile(known, [_TAIL, 1 - _TAIL]).tolist()
    return Estimate(value, min(low, value), max(high, value))


def _ratio(total: NDArray[np.float64], above: int, below: int) -> float | None:
    number = float(total[:, below].sum())
    return float(total[:, above].sum()) / number if number else None
